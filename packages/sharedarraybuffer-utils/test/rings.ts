/** What the tests of rings share: model words for a ring, and records that show when they are torn. */
import { expect } from 'vitest';
import type { ModelMemory } from '../src/explore.ts';
import type { RecordRing, SharedWord, SharedWords } from '../src/index.ts';

export type RingSpecs = { head: number; tail: number; dropped: number; slots: number[] };
export type RingMemory = ModelMemory<RingSpecs>;

export const RECORD_WORDS = 2;

/** Empty rings; `first` is the position of the first record. */
export const spscSpecs = (capacity: number, first = 0): RingSpecs => ({
  head: first,
  tail: first,
  dropped: 0,
  slots: Array.from({ length: capacity * RECORD_WORDS }, () => 0),
});

export const mpscSpecs = (capacity: number, first = 0): RingSpecs => ({
  head: first,
  tail: first,
  dropped: 0,
  // `first` is a multiple of the capacity, so all slots are in the same lap.
  slots: Array.from({ length: capacity }, () => [first, 0, 0]).flat(),
});

/** Record number `serial` (from 1) of a producer. The second word is a function of the first. */
export const recordOf = (producer: number, serial: number): number[] => {
  const label = producer * 1000 + serial;
  return [label, ~label];
};

/** The label of a record, which must be whole. */
export function labelOf(record: Int32Array): number {
  const [label, complement] = record as unknown as [number, number];
  expect(complement, `a whole record for ${label}`).toBe(~label);
  return label;
}

export const producing =
  <Memory>(make: (memory: Memory) => RecordRing, producer: number, count: number) =>
  (memory: Memory): number => {
    const ring = make(memory);
    let accepted = 0;
    for (let serial = 1; serial <= count; serial++) {
      if (ring.push(recordOf(producer, serial))) accepted++;
    }
    return accepted;
  };

export const draining =
  <Memory>(make: (memory: Memory) => RecordRing, times: number) =>
  (memory: Memory): number[] => {
    const ring = make(memory);
    return Array.from({ length: times }, () => drained(ring)).flat();
  };

/** Labels of the records that are there. */
export function drained(ring: RecordRing): number[] {
  const labels: number[] = [];
  ring.drain((record) => labels.push(labelOf(record)));
  return labels;
}

/** Each producer's records come in the order in which it pushed them, and none twice. */
export function expectInOrder(labels: readonly number[], producers: readonly number[]): void {
  for (const producer of producers) {
    const own = labels.filter((label) => Math.floor(label / 1000) === producer);
    expect(own).toEqual([...new Set(own)].toSorted((one, other) => one - other));
  }
}

export class Stopped extends Error {}

/** The words of a ring in the hands of a thread that dies before its operation number `count`. */
export function dyingAfter(count: number, memory: RingMemory): RingMemory {
  let left = count;
  const spend = (): void => {
    if (left-- === 0) throw new Stopped();
  };
  const mortal = <Target extends SharedWord | SharedWords>(target: Target): Target =>
    new Proxy(target, {
      get: (_, key) => {
        const member = target[key as keyof Target];
        if (typeof member !== 'function') return member;
        return (...operands: unknown[]): unknown => {
          spend();
          return member.apply(target, operands);
        };
      },
    });
  return {
    head: mortal(memory.head),
    tail: mortal(memory.tail),
    dropped: mortal(memory.dropped),
    slots: mortal(memory.slots),
  };
}
