/**
 * The structures on real threads: what the explorer checks on every small schedule, here on the
 * schedules that this machine happens to take, with the real `Atomics`.
 */
import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { describe, expect, it } from 'vitest';
import { Hammer, type Tally, tally, type TaskName, WORKERS } from './hammer.ts';

const newMemory = (): SharedArrayBuffer => new SharedArrayBuffer(Hammer.sizeBytes);

const startWorkers = (memory: SharedArrayBuffer, task: TaskName, rounds: number): Worker[] =>
  Array.from(
    { length: WORKERS },
    (_, index) =>
      new Worker(new URL('./hammer.worker.ts', import.meta.url), {
        workerData: { memory, task, index, rounds },
        execArgv: [],
      }),
  );

/** Runs a task in all workers; what each returned. Workers that hang are stopped, and it fails. */
async function hammer(task: TaskName, rounds: number, memory = newMemory()): Promise<unknown[]> {
  const workers = startWorkers(memory, task, rounds);
  try {
    const signal = AbortSignal.timeout(15_000);
    const messages = await Promise.all(
      workers.map((worker) => once(worker, 'message', { signal })),
    );
    return messages.map(([message]) => message as unknown);
  } finally {
    await Promise.all(workers.map((worker) => worker.terminate()));
  }
}

describe('on worker threads', () => {
  it.each([
    ['mutex', 40_000],
    ['ticketLock', 3_000],
  ] as const)('%s keeps a plain counter right', async (task, rounds) => {
    const memory = newMemory();
    await hammer(task, rounds, memory);
    expect(Hammer.at(memory, 0).plain[0]).toBe(WORKERS * rounds);
  });

  it('a ticket lock lets its holder wait for acknowledgements of those that spin', async () => {
    const memory = newMemory();
    await hammer('shootdown', 150, memory);
    expect(Hammer.at(memory, 0).request.load()).toBe(WORKERS * 150);
  });

  it('barrier lets nobody go early, and has one last arrival a round', async () => {
    const rounds = 2_000;
    const results = (await hammer('barrier', rounds)) as { wrong: number; last: number }[];
    expect(results.map(({ wrong }) => wrong)).toEqual([0, 0, 0]);
    expect(results.reduce((sum, { last }) => sum + last, 0)).toBe(rounds);
  });

  it('seqlock gives no torn value and never goes back', async () => {
    const [, ...readers] = await hammer('seqlock', 100_000);
    expect(readers).toEqual(Array.from(readers, () => ({ torn: 0, backwards: 0 })));
  });

  it('doorbell loses no ring', async () => {
    const rounds = 30_000;
    const [owner] = await hammer('doorbell', rounds);
    expect(owner).toMatchObject({ found: rounds * (WORKERS - 1) });
  });

  it.each([
    ['spsc', 1],
    ['mpsc', WORKERS - 1],
  ] as const)(
    '%s ring keeps records whole and in order, and counts the others',
    async (task, producers) => {
      const rounds = 100_000;
      const [reader] = (await hammer(task, rounds)) as [Tally];
      expect(reader).toMatchObject({ torn: 0, outOfOrder: 0 });
      const received = reader.received.reduce((sum, count) => sum + count, 0);
      expect(received + reader.dropped).toBe(producers * rounds);
      expect(received).toBeGreaterThan(0);
    },
  );

  it('byte ring accounts for every byte', async () => {
    const rounds = 50_000;
    const [counts] = (await hammer('bytes', rounds)) as [Record<string, number>];
    const { A = 0, B = 0, dropped = 0, ...others } = counts;
    expect(A + B + dropped).toBe(2 * rounds);
    expect(others).toEqual({});
  });

  it('MPSC ring shows no half record of a producer that was killed', async () => {
    for (let attempt = 0; attempt < 3; attempt++) {
      const memory = newMemory();
      const workers = startWorkers(memory, 'mpscForEver', 0);
      const { mpsc } = Hammer.at(memory, 0);
      // Let them run while somebody reads, then kill them in the middle of whatever they do.
      const deadline = AbortSignal.timeout(10_000);
      for (let received = 0; received < 5_000 && !deadline.aborted;) {
        received += mpsc.drain(() => {});
        if (received === 0) await new Promise((resolve) => setTimeout(resolve, 1));
      }
      await Promise.all(workers.map((worker) => worker.terminate()));
      const left = tally(mpsc, () => true);
      expect(left).toMatchObject({ torn: 0 });
      const unfinished = mpsc.salvage(() => {});
      expect(unfinished).toBeLessThanOrEqual(WORKERS);
    }
  });
});
