/**
 * A ring of bytes in shared memory with one producer and one consumer at a time.
 *
 * "One at a time" is the caller's duty: the UART's end of both its rings is used under the UART's
 * lock, the console's end by the console alone.
 */
import {
  bytes,
  i32,
  layout,
  type Field,
  type Layout,
  type View,
  type Word32,
} from 'sharedarraybuffer-utils';

export type ByteRingFields = {
  head: Field<Word32>;
  tail: Field<Word32>;
  data: Field<Uint8Array>;
};

/** The layout of a ring that holds `capacity` bytes, a power of two. */
export function byteRing(capacity: number): Layout<ByteRingFields> {
  if (!Number.isInteger(Math.log2(capacity)) || capacity > 2 ** 30) {
    throw new RangeError(`a byte ring needs a power of two up to 2^30, got ${capacity}`);
  }
  return layout(`ByteRing${capacity}`, {
    head: i32.doc('Bytes ever taken, modulo 2^32. Written by the consumer after it read them.'),
    tail: i32.doc('Bytes ever put, modulo 2^32. Written by the producer after it wrote them.'),
    data: bytes(capacity),
  });
}

export class ByteRing {
  readonly #state: View<ByteRingFields>;
  readonly #capacity: number;

  constructor(state: View<ByteRingFields>) {
    this.#state = state;
    this.#capacity = state.data.length;
  }

  /** Empties it; while neither side uses it. */
  reset(): void {
    this.#state.head.store(0);
    this.#state.tail.store(0);
  }

  get length(): number {
    return (this.#state.tail.load() - this.#state.head.load()) >>> 0;
  }

  get free(): number {
    return this.#capacity - this.length;
  }

  /** Producer only: puts what fits, returns how many bytes that were. */
  push(source: Uint8Array): number {
    const count = Math.min(source.length, this.free);
    const tail = this.#state.tail.load();
    for (let i = 0; i < count; i++) {
      this.#state.data[(tail + i) & (this.#capacity - 1)] = source[i] as number;
    }
    this.#state.tail.store(tail + count);
    return count;
  }

  /** Producer only: false if it is full. */
  put(byte: number): boolean {
    if (this.free === 0) return false;
    const tail = this.#state.tail.load();
    this.#state.data[tail & (this.#capacity - 1)] = byte;
    this.#state.tail.store(tail + 1);
    return true;
  }

  /** Consumer only: the oldest byte, or -1. */
  take(): number {
    if (this.length === 0) return -1;
    const head = this.#state.head.load();
    const byte = this.#state.data[head & (this.#capacity - 1)] as number;
    this.#state.head.store(head + 1);
    return byte;
  }

  /** Consumer only: all bytes that are there now, in private memory. */
  takeAll(): Uint8Array {
    return this.takeUpTo(this.length);
  }

  /** Consumer only: the oldest bytes, at most `limit` of them, in private memory. */
  takeUpTo(limit: number): Uint8Array {
    const taken = new Uint8Array(Math.min(limit, this.length));
    const head = this.#state.head.load();
    for (let i = 0; i < taken.length; i++) {
      taken[i] = this.#state.data[(head + i) & (this.#capacity - 1)] as number;
    }
    this.#state.head.store(head + taken.length);
    return taken;
  }
}
