/**
 * An array of shared 32-bit cells, for structures that index them: the slots of a ring, the data
 * under a seqlock. `SharedWords` is to these what `SharedWord` is to a single cell.
 */
import type { WaitResult } from './word.ts';

/** The operations of `SharedWord`, each with the index of its cell first. */
export interface SharedWords {
  readonly length: number;
  load(index: number): number;
  store(index: number, value: number): void;
  /** Returns the value before. */
  add(index: number, delta: number): number;
  /** Returns the value before. */
  or(index: number, bits: number): number;
  /** Returns the value before. */
  and(index: number, bits: number): number;
  /** Returns the value before. */
  exchange(index: number, value: number): number;
  /** Stores `replacement` if the cell holds `expected`; returns the value before either way. */
  compareExchange(index: number, expected: number, replacement: number): number;
  /** Sleeps while the cell holds `expected`. A missing timeout means for ever. */
  wait(index: number, expected: number, timeoutMs?: number): WaitResult;
  /** Wakes up to `count` sleepers on the cell (all, if left out); returns how many. */
  notify(index: number, count?: number): number;
}

/** The cells that ship: one `Int32Array`, so that a loop over them stays monomorphic. */
export class Words32 implements SharedWords {
  readonly length: number;
  readonly #cells: Int32Array;

  constructor(memory: SharedArrayBuffer, byteOffset: number, length: number) {
    this.length = length;
    this.#cells = new Int32Array(memory, byteOffset, length);
  }

  load(index: number): number {
    return Atomics.load(this.#cells, index);
  }

  store(index: number, value: number): void {
    Atomics.store(this.#cells, index, value);
  }

  add(index: number, delta: number): number {
    return Atomics.add(this.#cells, index, delta);
  }

  or(index: number, bits: number): number {
    return Atomics.or(this.#cells, index, bits);
  }

  and(index: number, bits: number): number {
    return Atomics.and(this.#cells, index, bits);
  }

  exchange(index: number, value: number): number {
    return Atomics.exchange(this.#cells, index, value);
  }

  compareExchange(index: number, expected: number, replacement: number): number {
    return Atomics.compareExchange(this.#cells, index, expected, replacement);
  }

  wait(index: number, expected: number, timeoutMs?: number): WaitResult {
    return Atomics.wait(this.#cells, index, expected, timeoutMs);
  }

  notify(index: number, count?: number): number {
    return Atomics.notify(this.#cells, index, count);
  }
}
