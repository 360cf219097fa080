/** Carries one hart: waits for a program, runs it until it parks, says so. */
import { parentPort, workerData } from 'node:worker_threads';

import { attachMachine, type MachineParts } from '../../src/machine/machine.ts';

const { parts, id } = workerData as { parts: MachineParts; id: number };
const machine = attachMachine(parts);
const hart = machine.hart(id);
const port = parentPort;
if (port === null) throw new Error('not a worker');

port.on('message', (pc: number) => {
  hart.reset(pc | 0, 0);
  hart.fences.code();
  let end = 'limit';
  // A hart that pauses waits for another.
  // In short runs: a call of the core that never returns is never optimised.
  while (end === 'limit' || end === 'paused' || end === 'again') end = hart.run(200_000);
  port.postMessage(end);
});
port.postMessage('ready');
