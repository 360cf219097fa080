/**
 * A shared 32-bit cell with sequentially consistent operations.
 *
 * Every algorithm of this package reaches shared memory through this interface only. `Word32` is
 * the cell that ships; the interleaving explorer supplies another, so that it visits schedules of
 * the very code that ships.
 */

/** What a wait ended with; the strings are those of `Atomics.wait`. */
export type WaitResult = 'ok' | 'not-equal' | 'timed-out';

export interface SharedWord {
  load(): number;
  store(value: number): void;
  /** Returns the value before. */
  add(delta: number): number;
  /** Returns the value before. */
  or(bits: number): number;
  /** Returns the value before. */
  and(bits: number): number;
  /** Returns the value before. */
  exchange(value: number): number;
  /** Stores `replacement` if the cell holds `expected`; returns the value before either way. */
  compareExchange(expected: number, replacement: number): number;
  /** Sleeps while the cell holds `expected`. A missing timeout means for ever. */
  wait(expected: number, timeoutMs?: number): WaitResult;
  /** Wakes up to `count` sleepers (all, if left out); returns how many. */
  notify(count?: number): number;
}

export class Word32 implements SharedWord {
  readonly #cells: Int32Array;
  readonly #index: number;

  constructor(memory: SharedArrayBuffer, byteOffset: number) {
    this.#cells = new Int32Array(memory, byteOffset, 1);
    this.#index = 0;
  }

  load(): number {
    return Atomics.load(this.#cells, this.#index);
  }

  store(value: number): void {
    Atomics.store(this.#cells, this.#index, value);
  }

  add(delta: number): number {
    return Atomics.add(this.#cells, this.#index, delta);
  }

  or(bits: number): number {
    return Atomics.or(this.#cells, this.#index, bits);
  }

  and(bits: number): number {
    return Atomics.and(this.#cells, this.#index, bits);
  }

  exchange(value: number): number {
    return Atomics.exchange(this.#cells, this.#index, value);
  }

  compareExchange(expected: number, replacement: number): number {
    return Atomics.compareExchange(this.#cells, this.#index, expected, replacement);
  }

  wait(expected: number, timeoutMs?: number): WaitResult {
    return Atomics.wait(this.#cells, this.#index, expected, timeoutMs);
  }

  notify(count?: number): number {
    return Atomics.notify(this.#cells, this.#index, count);
  }
}
