/**
 * Bytes over a ring, one byte a record: a console that never holds its writer up.
 *
 * Who may write and read is what the ring beneath allows. Bytes of one writer stay in order; with
 * several writers they interleave as on a serial line.
 */
import { derived, type Field } from './layout.ts';
import { mpscRing, spscRing, type RecordRing } from './ring.ts';

export class ByteRing {
  readonly #ring: RecordRing;
  readonly #cell: Int32Array = new Int32Array(1);

  /** `ring` has records of one word. */
  constructor(ring: RecordRing) {
    if (ring.recordWords !== 1) {
      throw new RangeError(`byte ring: records of one word, not of ${ring.recordWords}`);
    }
    this.#ring = ring;
  }

  /** A producer. False if there was no room. */
  put(byte: number): boolean {
    this.#cell[0] = byte & 0xff;
    return this.#ring.push(this.#cell);
  }

  /** A producer. Returns how many bytes found room; the others are dropped and counted. */
  write(bytes: ArrayLike<number>): number {
    let accepted = 0;
    for (let index = 0; index < bytes.length; index++) {
      if (this.put(bytes[index] as number)) accepted++;
    }
    return accepted;
  }

  /** The reader. At most `limit` bytes of those that are there, in order. */
  read(limit: number = this.#ring.capacity): Uint8Array {
    const bytes: number[] = [];
    this.#ring.drain((record) => bytes.push(record[0] as number), limit);
    return Uint8Array.from(bytes);
  }

  /** The reader. How many bytes were dropped since it last asked. */
  takeDropped(): number {
    return this.#ring.takeDropped();
  }
}

/** A byte ring for one writer in shared memory; zero is empty. `capacity` is a power of two. */
export const spscByteRing = (capacity: number): Field<ByteRing> =>
  derived(`ByteRing[${capacity}]`, spscRing(capacity, 1), (ring) => new ByteRing(ring));

/** A byte ring for many writers in shared memory; zero is empty. `capacity` is a power of two. */
export const mpscByteRing = (capacity: number): Field<ByteRing> =>
  derived(`ByteRing[${capacity}]`, mpscRing(capacity, 1), (ring) => new ByteRing(ring));
