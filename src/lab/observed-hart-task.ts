/** What a worker of a watched pool runs: one hart, with an oracle that sees what enters its TLB. */
import { carryHart, type HartTask } from '../cpu-worker/hart-task.ts';
import { oracleFor } from './observe.ts';

export default function observedHartTask(task: HartTask): void {
  carryHart(task, (machine, hart) => {
    if (task.monitor !== null) oracleFor(machine, task.monitor, false)?.attach(hart);
  });
}
