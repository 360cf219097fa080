/** Increments a plain cell under the device lock, as often as told; says what time it is. */
import { parentPort, workerData } from 'node:worker_threads';

import { Word32 } from 'sharedarraybuffer-utils';

import { hostTicks } from '../../../src/machine/clock.ts';
import { acquire, release } from '../../../src/machine/devices/lock.ts';

const { memory, rounds } = workerData as { memory: SharedArrayBuffer; rounds: number };
const lock = new Word32(memory, 0);
const cell = new Int32Array(memory, 4, 1);

for (let round = 0; round < rounds; round++) {
  acquire(lock);
  const before = cell[0] as number;
  // Long enough to be preempted inside now and then.
  for (let i = 0; i < before % 50; i++) Math.sqrt(i);
  cell[0] = before + 1;
  release(lock);
}
parentPort?.postMessage(hostTicks());
