import { describe, expect, it } from 'vitest';
import { explore, type Scenario } from '../src/explore.ts';
import { ByteRing, MpscRing, mpscByteRing, mpscRing, SpscRing, spscRing } from '../src/index.ts';
import { readme, verified } from './documented.ts';
import {
  draining,
  drained,
  dyingAfter,
  expectInOrder,
  labelOf,
  mpscSpecs,
  producing,
  RECORD_WORDS,
  recordOf,
  type RingMemory,
  type RingSpecs,
  spscSpecs,
  Stopped,
} from './rings.ts';

const spsc = (memory: RingMemory): SpscRing => new SpscRing(memory, RECORD_WORDS);
const mpsc = (memory: RingMemory): MpscRing => new MpscRing(memory, RECORD_WORDS);

type RingScenario<Results extends Record<string, unknown>> = Scenario<RingSpecs, Results>;

const oneProducer = (
  name: string,
  words: RingSpecs,
  make: typeof spsc | typeof mpsc,
): RingScenario<{ producer: number; reader: number[] }> => ({
  name,
  words,
  threads: { producer: producing(make, 1, 4), reader: draining(make, 2) },
  atEnd: (memory, { producer, reader }) => {
    const ring = make(memory);
    const labels = [...reader, ...drained(ring)];
    expectInOrder(labels, [1]);
    expect(labels).toHaveLength(producer);
    expect(ring.takeDropped()).toBe(4 - producer);
  },
});

const twoProducers = (
  name: string,
  each: number,
  make: typeof spsc | typeof mpsc,
  words: RingSpecs,
): RingScenario<{ one: number; other: number; reader: number[] }> => ({
  name,
  words,
  threads: {
    one: producing(make, 1, each),
    other: producing(make, 2, each),
    reader: draining(make, 1),
  },
  atEnd: (memory, { one, other, reader }) => {
    const ring = make(memory);
    const labels = [...reader, ...drained(ring)];
    expectInOrder(labels, [1, 2]);
    expect(labels).toHaveLength(one + other);
    expect(ring.takeDropped()).toBe(2 * each - one - other);
  },
});

/** Planted: takes everything up to `tail` for published, as with a single producer. */
class MpscRingThatTrustsTail extends MpscRing {
  protected override isPublished(position: number): boolean {
    return position !== this.words.tail.load();
  }
}

describe('SPSC ring', () => {
  it('hands over whole records in order and counts the rest, on every schedule', () => {
    expect(readme).toContain(
      verified(oneProducer('SPSC ring: 4 pushes, 2 slots', spscSpecs(2), spsc)),
    );
  });

  it('goes on when positions wrap around', () => {
    const words = spscSpecs(2, 0x7fff_fffe);
    expect(readme).toContain(verified(oneProducer('SPSC ring: positions wrap', words, spsc)));
  });

  it('planted: a second producer is found to break it', () => {
    const scenario = twoProducers('two producers, one allowed', 1, spsc, spscSpecs(2));
    expect(explore(scenario).failure).toMatchObject({ kind: 'check', preemptions: 1 });
  });
});

describe('MPSC ring', () => {
  it('hands over whole records in order and counts the rest, 1 producer', () => {
    expect(readme).toContain(
      verified(oneProducer('MPSC ring: 4 pushes, 2 slots', mpscSpecs(2), mpsc)),
    );
  });

  it('keeps 2 producers apart, on every schedule', () => {
    const scenario = twoProducers('MPSC ring: 2 producers, 1 push each', 1, mpsc, mpscSpecs(2));
    expect(readme).toContain(verified(scenario));
  });

  it('keeps 2 producers apart when it is full and read meanwhile', () => {
    const scenario = twoProducers('MPSC ring: 2 producers, 2 pushes each', 2, mpsc, mpscSpecs(2));
    expect(readme).toContain(verified(scenario, { preemptions: 2 }));
  });

  it('goes on when positions wrap around', () => {
    const words = mpscSpecs(2, 0x7fff_fffe);
    expect(readme).toContain(verified(oneProducer('MPSC ring: positions wrap', words, mpsc)));
  });

  it.each([1, 2, 3, 4, 5])(
    'shows nothing of a record whose producer dies after %i operations, and holds up no other',
    (count) => {
      const scenario: RingScenario<{ mortal: string; other: number; reader: number[] }> = {
        name: `MPSC ring: a producer dies after ${count} operations`,
        words: mpscSpecs(4),
        threads: {
          mortal: (memory) => {
            try {
              mpsc(dyingAfter(count, memory)).push(recordOf(1, 1));
              return 'pushed';
            } catch (error) {
              if (error instanceof Stopped) return 'died';
              throw error;
            }
          },
          other: producing(mpsc, 2, 2),
          reader: draining(mpsc, 1),
        },
        atEnd: (memory, { mortal, other, reader }) => {
          const ring = mpsc(memory);
          const salvaged: number[] = [];
          const unfinished = ring.salvage((record) => salvaged.push(labelOf(record)));
          const labels = [...reader, ...salvaged];
          expectInOrder(labels, [1, 2]);
          // Nobody else is dropped or delayed while there is room, and salvage finds them all.
          expect(other).toBe(2);
          expect(labels.includes(1001)).toBe(mortal === 'pushed');
          expect(labels).toHaveLength(2 + Number(mortal === 'pushed'));
          expect(unfinished).toBe(Number(mortal === 'died' && memory.tail.load() === 3));
        },
      };
      expect(readme).toContain(verified(scenario));
    },
  );

  it('planted: a reader that trusts tail hands over half a record', () => {
    const trusting = (memory: RingMemory): MpscRing =>
      new MpscRingThatTrustsTail(memory, RECORD_WORDS);
    const scenario = twoProducers('trusts tail', 1, trusting, mpscSpecs(2));
    const { failure } = explore(scenario);
    expect(failure).toMatchObject({ kind: 'threw', preemptions: 1 });
    expect(failure?.message).toContain('a whole record');
  });
});

describe.each([
  ['SPSC', spscRing],
  ['MPSC', mpscRing],
])('%s ring in shared memory', (_, ringField) => {
  const make = (capacity: number): SpscRing | MpscRing => {
    const field = ringField(capacity, RECORD_WORDS);
    return field.at(new SharedArrayBuffer(field.sizeBytes), 0);
  };

  it('drops the newest when full, and says how many once', () => {
    const ring = make(4);
    expect(producing(() => ring, 1, 7)(null)).toBe(4);
    expect(drained(ring)).toEqual([1001, 1002, 1003, 1004]);
    expect([ring.takeDropped(), ring.takeDropped()]).toEqual([3, 0]);
    expect(ring.push(recordOf(1, 8))).toBe(true);
    expect(drained(ring)).toEqual([1008]);
  });

  it('drains no more than asked for', () => {
    const ring = make(4);
    producing(() => ring, 1, 3)(null);
    const labels: number[] = [];
    expect(ring.drain((record) => labels.push(labelOf(record)), 2)).toBe(2);
    expect(labels).toEqual([1001, 1002]);
    expect(drained(ring)).toEqual([1003]);
  });

  it('has consumed a record whose reader throws', () => {
    const ring = make(2);
    producing(() => ring, 1, 2)(null);
    expect(() => ring.drain(() => expect.fail('in the reader'))).toThrow('in the reader');
    expect(drained(ring)).toEqual([1002]);
  });

  it('refuses a capacity that is no power of two and a record of another length', () => {
    expect(() => make(3)).toThrow('power of two');
    expect(() => make(2).push([1])).toThrow('a record has 2 words, got 1');
  });
});

describe('byte ring', () => {
  it('carries bytes in order and counts those that found no room', () => {
    const field = mpscByteRing(8);
    const ring = field.at(new SharedArrayBuffer(field.sizeBytes), 0);
    expect(ring.write(new TextEncoder().encode('hello, hart'))).toBe(8);
    expect(new TextDecoder().decode(ring.read(5))).toBe('hello');
    expect(new TextDecoder().decode(ring.read())).toBe(', h');
    expect([ring.takeDropped(), ring.read().length]).toEqual([3, 0]);
    expect(ring.put(0x1ff)).toBe(true);
    expect([...ring.read()]).toEqual([0xff]);
  });

  it('wants a ring with records of one word', () => {
    const field = mpscRing(2, 2);
    const ring = field.at(new SharedArrayBuffer(field.sizeBytes), 0);
    expect(() => new ByteRing(ring)).toThrow('records of one word, not of 2');
  });
});
