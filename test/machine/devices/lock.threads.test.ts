import { once } from 'node:events';
import { Worker } from 'node:worker_threads';

import { describe, expect, it } from 'vitest';

import { hostTicks } from '../../../src/machine/clock.ts';

const THREADS = 4;
const ROUNDS = 50_000;

const runWorkers = async (memory: SharedArrayBuffer): Promise<number[]> => {
  const workers = Array.from(
    { length: THREADS },
    () =>
      new Worker(new URL('lock-worker.ts', import.meta.url), {
        workerData: { memory, rounds: ROUNDS },
      }),
  );
  return Promise.all(workers.map(async (worker) => (await once(worker, 'message'))[0] as number));
};

describe('threads', () => {
  it('exclude each other by a device’s lock, and agree on the time', async () => {
    const memory = new SharedArrayBuffer(8);
    const before = hostTicks();
    const times = await runWorkers(memory);
    const after = hostTicks();
    expect([...new Int32Array(memory)]).toEqual([0, THREADS * ROUNDS]);
    expect(times.filter((time) => time < before || time > after)).toEqual([]);
  });
});
