/**
 * The hart task with a planted fault: hart 1's worker dies in the way that PLANTED_FAULT names.
 */
import hartTask, { type HartTask } from '../../src/cpu-worker/hart-task.ts';

const FAULTS: Readonly<Record<string, () => void>> = {
  throw: () => {
    throw new Error('planted');
  },
  exit: () => process.exit(3),
  memory: () => {
    const hoard: number[][] = [];
    for (;;) hoard.push(Array.from({ length: 10_000 }, (_, index) => index));
  },
  hang: () => {
    for (;;) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
  },
};

export default function faultyTask(task: HartTask): void {
  // Workers get a copy of the environment when they are made.
  const fault = process.env['PLANTED_FAULT'] ?? '';
  if (task.hart === 1) FAULTS[fault]?.();
  hartTask(task);
}
