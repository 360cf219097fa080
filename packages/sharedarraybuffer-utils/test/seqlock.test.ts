import { describe, expect, it } from 'vitest';
import { explore, type ModelMemory, type Scenario } from '../src/explore.ts';
import { Mutex, Seqlock, seqlock } from '../src/index.ts';
import { readme, verified } from './documented.ts';

/** Planted: the reader trusts its first load. */
class SeqlockWithoutSecondCheck extends Seqlock {
  protected override isUnchanged(): boolean {
    return true;
  }
}

type Words = { sequence: number; data: number[] };
type Make = (memory: ModelMemory<Words>) => Seqlock;
const shipped: Make = (memory) => new Seqlock(memory);

const writing =
  (values: readonly number[], make: Make) =>
  (memory: ModelMemory<Words>): void => {
    const lock = make(memory);
    for (const value of values) lock.write([value, -value]);
  };

const reading =
  (times: number, make: Make) =>
  (memory: ModelMemory<Words>): number[] => {
    const lock = make(memory);
    const into = new Int32Array(2);
    return Array.from({ length: times }, () => {
      lock.read(into);
      expect(into[1]).toBe(0 - (into[0] as number));
      return into[0] as number;
    });
  };

const oneWriter = (
  name: string,
  writes: number[],
  reads: number,
  make: Make = shipped,
): Scenario<Words, { writer: void; reader: number[] }> => ({
  name,
  words: { sequence: 0, data: [0, 0] },
  threads: { writer: writing(writes, make), reader: reading(reads, make) },
  atEnd: (_, { reader }) => {
    expect(reader).toEqual(reader.toSorted((one, other) => one - other));
  },
});

describe('seqlock', () => {
  it('gives only values of one moment, and never goes back, on every schedule', () => {
    expect(readme).toContain(verified(oneWriter('seqlock: 2 writes, 2 reads', [1, 2], 2)));
  });

  it('serves two readers at once', () => {
    expect(readme).toContain(
      verified({
        name: 'seqlock: 1 write, 2 readers',
        words: { sequence: 0, data: [0, 0] },
        threads: {
          writer: writing([1], shipped),
          one: reading(1, shipped),
          other: reading(1, shipped),
        },
      }),
    );
  });

  it('serves several writers that share a lock', () => {
    const update = (memory: ModelMemory<Words & { mutex: number }>): void =>
      new Mutex(memory.mutex).withLock(() =>
        new Seqlock(memory).update((values) => {
          values[0] = (values[0] as number) + 1;
          values[1] = -values[0];
        }),
      );
    expect(readme).toContain(
      verified({
        name: 'seqlock: 2 writers under a mutex, 1 reader',
        words: { sequence: 0, data: [0, 0], mutex: 0 },
        threads: { one: update, other: update, reader: reading(1, shipped) },
        atEnd: ({ data, sequence }) => {
          expect([data.load(0), data.load(1), sequence.load()]).toEqual([2, -2, 4]);
        },
      }),
    );
  });

  it('goes on when the sequence wraps around', () => {
    expect(readme).toContain(
      verified({
        ...oneWriter('seqlock: sequence wraps', [1, 2], 1),
        words: { sequence: 0x7fff_fffe, data: [0, 0] },
      }),
    );
  });

  it('planted: without the second check a reader returns a torn value', () => {
    const make: Make = (memory) => new SeqlockWithoutSecondCheck(memory);
    const { failure } = explore(oneWriter('no second check', [1], 1, make));
    expect(failure).toMatchObject({ kind: 'threw', preemptions: 1 });
    expect(failure?.message).toContain('thread reader threw');
  });

  it('planted: two writers without a lock are caught in the act', () => {
    const { failure } = explore({
      name: 'two writers',
      words: { sequence: 0, data: [0, 0] },
      threads: { one: writing([1], shipped), other: writing([2], shipped) },
    });
    expect(failure?.message).toContain('two writers at once');
  });

  it('leaves the buffer alone when a single attempt fails', () => {
    expect(readme).toContain(
      verified({
        name: 'seqlock: tryRead against 2 writes',
        words: { sequence: 0, data: [0, 0] },
        threads: {
          writer: writing([1, 2], shipped),
          reader: (memory) => {
            const into = Int32Array.of(7, 7);
            const wasRead = shipped(memory).tryRead(into);
            const [one, other] = [...into] as [number, number];
            expect(wasRead ? other === 0 - one : one === 7 && other === 7).toBe(true);
          },
        },
      }),
    );
  });

  it('writes nothing when the change throws or the length is wrong', () => {
    const lock = seqlock(2).at(new SharedArrayBuffer(12), 0);
    lock.write([3, 4]);
    expect(() => lock.update(() => expect.fail('no change'))).toThrow('no change');
    expect(() => lock.write([1])).toThrow('2 words, but the buffer has 1');
    const into = new Int32Array(2);
    lock.read(into);
    expect([...into]).toEqual([3, 4]);
  });
});
