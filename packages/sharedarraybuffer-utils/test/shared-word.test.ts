/** One suite for the words that ship and the words of the model: all do the same. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { verify } from '../src/explore.ts';
import { type SharedWord, type SharedWords, Word32, Words32 } from '../src/index.ts';

const memory = (): SharedArrayBuffer => new SharedArrayBuffer(16);

/** One cell of an array, so that both kinds of words can run the same list. */
const cellOf = (words: SharedWords, index: number): SharedWord => ({
  load: () => words.load(index),
  store: (value) => words.store(index, value),
  add: (delta) => words.add(index, delta),
  or: (bits) => words.or(index, bits),
  and: (bits) => words.and(index, bits),
  exchange: (value) => words.exchange(index, value),
  compareExchange: (expected, value) => words.compareExchange(index, expected, value),
  wait: (expected, timeoutMs) => words.wait(index, expected, timeoutMs),
  notify: (count) => words.notify(index, count),
});

type Act = (word: SharedWord) => unknown;

const value = fc.oneof(fc.integer({ min: -3, max: 3 }), fc.integer(), fc.maxSafeInteger());
const act: fc.Arbitrary<Act> = fc
  .tuple(fc.nat({ max: 8 }), value, value)
  .map(([kind, a, b]): Act => {
    const acts: Act[] = [
      (word) => word.load(),
      (word) => word.store(a),
      (word) => word.add(a),
      (word) => word.or(a),
      (word) => word.and(a),
      (word) => word.exchange(a),
      (word) => word.compareExchange(a, b),
      (word) => word.wait(a, 0),
      (word) => word.notify(1),
    ];
    return acts[kind] as Act;
  });

const perform = (acts: readonly Act[], word: SharedWord): unknown[] => [
  ...acts.map((each) => each(word)),
  word.load(),
];

/** What the acts give on model words: the result of a thread that is alone. */
function onModel(acts: readonly Act[], ofArray: boolean): unknown {
  let results: unknown;
  verify({
    name: 'alone',
    words: { word: 0, words: [0, 0, 0] },
    threads: {
      thread: ({ word, words }) => perform(acts, ofArray ? cellOf(words, 1) : word),
    },
    atEnd: (_, { thread }) => {
      results = thread;
    },
  });
  return results;
}

describe('shared words', () => {
  it('do the same, real or modelled, alone or in an array', () => {
    fc.assert(
      fc.property(fc.array(act, { maxLength: 20 }), (acts) => {
        const expected = perform(acts, new Word32(memory(), 4));
        expect(perform(acts, cellOf(new Words32(memory(), 4, 3), 1))).toEqual(expected);
        expect(onModel(acts, false)).toEqual(expected);
        expect(onModel(acts, true)).toEqual(expected);
      }),
      { numRuns: 300, seed: 20250508 },
    );
  });

  it('in an array leave their neighbours alone and refuse an index outside', () => {
    const words = new Words32(memory(), 4, 3);
    words.store(1, -1);
    expect([0, 1, 2].map((index) => words.load(index))).toEqual([0, -1, 0]);
    expect(() => words.load(3)).toThrow(RangeError);
    expect(() =>
      verify({
        name: 'outside',
        words: { words: [0, 0], neighbour: 0 },
        threads: { thread: (model) => model.words.load(2) },
      }),
    ).toThrow('index 2 outside an array of 2 words');
  });
});
