/** What a worker of an observed pool runs: one hart, with whoever looks on. */
import { carryHart, type HartTask } from '../cpu-worker/hart-task.ts';
import { lookAt, type Look } from './look.ts';
import { oracleFor } from './observe.ts';

const WATCHED: Look = { isWatched: true };

export default function observedHartTask(task: HartTask): void {
  // Posted by a session of ours, or by nobody.
  const look = (task.look as Look | undefined) ?? WATCHED;
  carryHart(task, (machine, hart) => {
    const { monitor } = task;
    if (look.isWatched && monitor !== null) oracleFor(machine, monitor, false)?.attach(hart);
    return lookAt(machine, hart, look, monitor !== null);
  });
}
