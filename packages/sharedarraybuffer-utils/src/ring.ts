/**
 * Rings of fixed-size records: producers never wait, and the reader never sees half a record.
 *
 * A full ring drops the new record and counts it. Records are whole numbers of 32-bit words;
 * positions count up from 0 and wrap at 2^32, so capacities are powers of two.
 *
 * `SpscRing` has one producer, whose `tail` publishes; `MpscRing` has any number, and each slot has
 * a turn of its own that publishes it. Both have one reader. Which thread that is may change, if
 * one hands over to the other in an ordered way.
 */
import { derived, i32, i32Words, layout, onCacheLine, type Field } from './layout.ts';
import type { SharedWord } from './word.ts';
import type { SharedWords } from './words.ts';

export interface RecordRing {
  /** In records; a power of two. */
  readonly capacity: number;
  readonly recordWords: number;
  /** A producer. False if the ring was full and the record was dropped. Never waits. */
  push(record: ArrayLike<number>): boolean;
  /**
   * The reader. Hands over what is there, oldest first, at most `limit` records (as many as fit, if
   * left out); returns how many. The record is the reader's own copy, valid during the call; it is
   * consumed even if `onRecord` throws.
   */
  drain(onRecord: (record: Int32Array) => void, limit?: number): number;
  /** The reader. How many records were dropped since it last asked. */
  takeDropped(): number;
}

export interface RingWords {
  readonly head: SharedWord;
  readonly tail: SharedWord;
  readonly dropped: SharedWord;
  readonly slots: SharedWords;
}

abstract class Ring implements RecordRing {
  readonly capacity: number;
  readonly recordWords: number;
  protected readonly words: RingWords;
  protected readonly slotWords: number;
  readonly #record: Int32Array;

  /** `extraWords` per slot come before the record. */
  constructor(words: RingWords, recordWords: number, extraWords: number, minCapacity: number) {
    this.words = words;
    this.recordWords = recordWords;
    this.slotWords = recordWords + extraWords;
    this.capacity = words.slots.length / this.slotWords;
    const isPowerOfTwo = Number.isInteger(Math.log2(this.capacity));
    if (!isPowerOfTwo || this.capacity < minCapacity || !(recordWords > 0)) {
      throw new RangeError(
        `ring: ${words.slots.length} words do not make a power of two of at least ${minCapacity} ` +
          `slots of ${this.slotWords}`,
      );
    }
    this.#record = new Int32Array(recordWords);
  }

  abstract push(record: ArrayLike<number>): boolean;
  abstract drain(onRecord: (record: Int32Array) => void, limit?: number): number;

  takeDropped(): number {
    return this.words.dropped.exchange(0) >>> 0;
  }

  protected checkLength(record: ArrayLike<number>): void {
    if (record.length !== this.recordWords) {
      throw new RangeError(`ring: a record has ${this.recordWords} words, got ${record.length}`);
    }
  }

  /** The first word of the slot of a position. */
  protected slotOf(position: number): number {
    return (position & (this.capacity - 1)) * this.slotWords;
  }

  protected copyIn(firstWord: number, record: ArrayLike<number>): void {
    for (let index = 0; index < this.recordWords; index++) {
      this.words.slots.store(firstWord + index, record[index] as number);
    }
  }

  protected copyOut(firstWord: number): Int32Array {
    for (let index = 0; index < this.recordWords; index++) {
      this.#record[index] = this.words.slots.load(firstWord + index);
    }
    return this.#record;
  }
}

/**
 * One producer, one reader.
 *
 * The producer fills the slot, then stores `tail`; the reader empties it, then stores `head`. A
 * producer that stops in mid-record has not moved `tail`, so its record does not exist.
 */
export class SpscRing extends Ring {
  constructor(words: RingWords, recordWords: number) {
    super(words, recordWords, 0, 1);
  }

  push(record: ArrayLike<number>): boolean {
    this.checkLength(record);
    const { head, tail, dropped } = this.words;
    const position = tail.load();
    if (((position - head.load()) | 0) === this.capacity) {
      dropped.add(1);
      return false;
    }
    this.copyIn(this.slotOf(position), record);
    tail.store((position + 1) | 0);
    return true;
  }

  drain(onRecord: (record: Int32Array) => void, limit: number = this.capacity): number {
    const { head, tail } = this.words;
    const end = tail.load();
    let position = head.load();
    let count = 0;
    while (position !== end && count < limit) {
      const record = this.copyOut(this.slotOf(position));
      position = (position + 1) | 0;
      head.store(position);
      count++;
      onRecord(record);
    }
    return count;
  }
}

/**
 * Any number of producers, one reader.
 *
 * Each slot begins with a turn. With `lap` the position rounded down to a multiple of the capacity,
 * the slot may be claimed for a position when its turn is `lap`, is published when it is `lap + 1`,
 * and the reader frees it for the next lap with `lap + capacity`. So zeroed memory is an empty
 * ring.
 *
 * A producer claims a position by moving `tail` from it, fills the slot, which nobody else may
 * touch now, and stores the turn last. One that is stopped in between leaves the turn at `lap`: the
 * reader stops in front of that slot and sees no part of it. The others go on until the ring is
 * full, then drop and count; none ever waits (they retry only when another one has claimed).
 * `salvage` reads past such a slot.
 */
export class MpscRing extends Ring {
  constructor(words: RingWords, recordWords: number) {
    super(words, recordWords, 1, 2);
  }

  push(record: ArrayLike<number>): boolean {
    this.checkLength(record);
    const { tail, dropped, slots } = this.words;
    for (;;) {
      const position = tail.load();
      const slot = this.slotOf(position);
      const lap = this.#lapOf(position);
      const ahead = (slots.load(slot) - lap) | 0;
      // Still of the lap before: published and not yet read, or claimed and not yet published.
      if (ahead < 0) {
        dropped.add(1);
        return false;
      }
      if (ahead === 0 && tail.compareExchange(position, (position + 1) | 0) === position) {
        this.copyIn(slot + 1, record);
        slots.store(slot, (lap + 1) | 0);
        return true;
      }
    }
  }

  drain(onRecord: (record: Int32Array) => void, limit: number = this.capacity): number {
    const { head, slots } = this.words;
    let position = head.load();
    let count = 0;
    while (count < limit && this.isPublished(position)) {
      const slot = this.slotOf(position);
      const record = this.copyOut(slot + 1);
      slots.store(slot, (this.#lapOf(position) + this.capacity) | 0);
      position = (position + 1) | 0;
      head.store(position);
      count++;
      onRecord(record);
    }
    return count;
  }

  /**
   * The reader, for a last look after producers have died: hands over every published record, also
   * those behind a slot that somebody claimed and never finished, and consumes nothing. Returns how
   * many it had to leave out.
   */
  salvage(onRecord: (record: Int32Array) => void): number {
    const end = this.words.tail.load();
    let unfinished = 0;
    for (let position = this.words.head.load(); position !== end; position = (position + 1) | 0) {
      if (this.isPublished(position)) onRecord(this.copyOut(this.slotOf(position) + 1));
      else unfinished++;
    }
    return unfinished;
  }

  protected isPublished(position: number): boolean {
    return this.words.slots.load(this.slotOf(position)) === ((this.#lapOf(position) + 1) | 0);
  }

  #lapOf(position: number): number {
    return position & -this.capacity;
  }
}

const ringWords = (slotWords: number, capacity: number): Field<RingWords> =>
  layout('Ring', {
    head: onCacheLine(i32).doc('The next position to read. Written by the reader.'),
    tail: onCacheLine(i32).doc('The next position to fill. Written by producers.'),
    dropped: i32.doc('Records dropped since the reader asked. Producers add, the reader takes.'),
    slots: onCacheLine(i32Words(slotWords * capacity)).doc(
      'Filled by producers, emptied by the reader.',
    ),
  });

/** A ring for one producer in shared memory; zero is empty. `capacity` is a power of two. */
export const spscRing = (capacity: number, recordWords: number): Field<SpscRing> =>
  derived(
    `SpscRing[${capacity}]`,
    ringWords(recordWords, capacity),
    (words) => new SpscRing(words, recordWords),
  );

/** A ring for many producers in shared memory; zero is empty. `capacity` is a power of two, at least 2. */
export const mpscRing = (capacity: number, recordWords: number): Field<MpscRing> =>
  derived(
    `MpscRing[${capacity}]`,
    ringWords(recordWords + 1, capacity),
    (words) => new MpscRing(words, recordWords),
  );
