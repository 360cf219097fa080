/**
 * Seqlock: a few words that change together, read without writing anything.
 *
 * The writer makes `sequence` odd, writes, and makes it even again. A reader copies the words
 * between two loads of `sequence`; the copy counts only if both gave the same even number. Copies
 * that do not count never leave this class: the caller's buffer is written after the check.
 *
 * Order: every access is sequentially consistent, so if any word of the copy was written by write
 * n, the odd store of write n comes before the second load, which then differs from the first. A
 * reader that sleeps through exactly 2^31 writes between its two loads would be fooled.
 */
import { derived, i32, i32Words, layout, type Field } from './layout.ts';
import { relax } from './relax.ts';
import type { SharedWord } from './word.ts';
import type { SharedWords } from './words.ts';

export interface SeqlockWords {
  readonly sequence: SharedWord;
  readonly data: SharedWords;
}

export class Seqlock {
  protected readonly words: SeqlockWords;
  readonly #copy: Int32Array;

  constructor(words: SeqlockWords) {
    this.words = words;
    this.#copy = new Int32Array(words.data.length);
  }

  /** One writer at a time: the one writer there is, or whoever holds the lock that guards it. */
  write(values: ArrayLike<number>): void {
    const { sequence, data } = this.words;
    this.#checkLength(values);
    const before = sequence.load();
    if ((before & 1) !== 0 || sequence.compareExchange(before, (before + 1) | 0) !== before) {
      throw new Error('seqlock: two writers at once');
    }
    for (let index = 0; index < data.length; index++) data.store(index, values[index] as number);
    sequence.store((before + 2) | 0);
  }

  /** As `write`, from the present values. `change` edits a private copy; if it throws, nothing changes. */
  update(change: (values: Int32Array) => void): void {
    const values = new Int32Array(this.words.data.length);
    for (let index = 0; index < values.length; index++) values[index] = this.words.data.load(index);
    change(values);
    this.write(values);
  }

  /** Any thread. Fills `into` with values of one moment and says so, or leaves it alone. */
  tryRead(into: Int32Array): boolean {
    const { sequence, data } = this.words;
    this.#checkLength(into);
    const before = sequence.load();
    if ((before & 1) !== 0) return false;
    for (let index = 0; index < data.length; index++) this.#copy[index] = data.load(index);
    if (!this.isUnchanged(before)) return false;
    into.set(this.#copy);
    return true;
  }

  /** Any thread. Fills `into` with values of one moment; spins while the writer is at work. */
  read(into: Int32Array, poll: () => void = nothing): void {
    for (let turn = 0; !this.tryRead(into); turn++) {
      poll();
      const seen = this.words.sequence.load();
      if ((seen & 1) !== 0) relax(turn, this.words.sequence, seen);
    }
  }

  /** The second load: nobody began to write since `before` was loaded. */
  protected isUnchanged(before: number): boolean {
    return this.words.sequence.load() === before;
  }

  #checkLength(values: ArrayLike<number>): void {
    const { length } = this.words.data;
    if (values.length !== length) {
      throw new RangeError(`seqlock: ${length} words, but the buffer has ${values.length}`);
    }
  }
}

const nothing = (): void => {};

/** A seqlock over `length` words in shared memory; zero is a consistent all-zero value. */
export const seqlock = (length: number): Field<Seqlock> =>
  derived(
    `Seqlock[${length}]`,
    layout('Seqlock', {
      sequence: i32.doc('Odd while a write is under way. Written by the writer, read by all.'),
      data: i32Words(length).doc('Meaningful only between two equal even loads of `sequence`.'),
    }),
    (words) => new Seqlock(words),
  );
