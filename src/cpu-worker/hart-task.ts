/**
 * What a worker of the pool runs: one hart, from its start to the machine's stop.
 *
 * The module is loaded by every worker, up to 64 times: it imports the machine and the monitor and
 * nothing that they do not need.
 */
import type { Hart, HartState } from '../machine/hart.ts';
import { attachMachine, type Machine, type MachineParts } from '../machine/machine.ts';
import { EXIT_REASON } from '../machine/memory-plan.ts';
import type { MonitorConfig } from '../nested-kernel/config.ts';
import { Monitor } from '../nested-kernel/monitor.ts';
import { runHart, type HartLoopOptions } from './hart-loop.ts';
import { attachTurns } from './turns.ts';

/** Plain data, posted to the worker. */
export interface HartTask extends HartLoopOptions {
  readonly parts: MachineParts;
  readonly hart: number;
  /** Null: the guest brings its own M-mode. */
  readonly monitor: MonitorConfig | null;
  /** The hart's state in a snapshot from which it goes on; its block is in shared memory already. */
  readonly restored: HartState | null;
  /** Null: every hart has a core of the host to itself. */
  readonly turns: { readonly memory: SharedArrayBuffer; readonly cores: number } | null;
  /** For a task module that looks on: what it has to know. */
  readonly look?: unknown;
}

/**
 * Returns when the machine has stopped. What it throws is a bug of ours: the other harts are stopped
 * first, because whoever awaits this promise may be waiting for them too.
 */
export default function hartTask(task: HartTask): void {
  carryHart(task, () => () => {});
}

/** The same for those who want to look at the hart before it runs, and after. */
export function carryHart(
  { parts, hart: id, monitor: config, turns, restored, ...options }: HartTask,
  prepare: (machine: Machine, hart: Hart) => () => void,
): void {
  const machine = attachMachine(parts);
  let finish = (): void => {};
  try {
    const monitor = config === null ? undefined : new Monitor(machine, config, id);
    const hart = machine.hart(id, monitor);
    finish = prepare(machine, hart);
    if (restored !== null) hart.restore(restored);
    runHart(
      hart,
      monitor,
      { ...options, isRestored: restored !== null },
      turns === null ? undefined : attachTurns(turns.memory, turns.cores),
      () => machine.control.stop.load() !== 0,
    );
  } catch (error) {
    machine.stop(EXIT_REASON.FAILURE, 0, id);
    throw error;
  } finally {
    finish();
  }
}
