/** Runs one task of hammer.ts in a worker thread and posts what it returns. */
import { parentPort, workerData } from 'node:worker_threads';
import { Hammer, type TaskName, tasks } from './hammer.ts';

interface Job {
  readonly memory: SharedArrayBuffer;
  readonly task: TaskName;
  readonly index: number;
  readonly rounds: number;
}

const { memory, task, index, rounds } = workerData as Job;
const view = Hammer.at(memory, 0);
view.start.arriveAndWait(); // all begin together, or there is little to see
parentPort?.postMessage(tasks[task](view, index, rounds));
