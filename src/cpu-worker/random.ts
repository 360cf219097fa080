/**
 * The seeded generator behind every choice of a deterministic run.
 *
 * sfc32, Chris Doty-Humphrey's "small fast counting" generator with 32-bit words (PractRand): 128
 * bits of state, one of them a counter, so every cycle has at least 2^32 steps. Its start is
 * the SHA-256 of the seed's text, so that neighbouring seeds have nothing in common.
 */
import { createHash } from 'node:crypto';

/** The first results depend on the start too visibly; the generator's author discards some. */
const DISCARDED = 12;

export class Random {
  #a: number;
  #b: number;
  #c: number;
  #counter = 1;

  constructor(seed: string) {
    const start = createHash('sha256').update(seed).digest();
    this.#a = start.readInt32LE(0);
    this.#b = start.readInt32LE(4);
    this.#c = start.readInt32LE(8);
    for (let n = 0; n < DISCARDED; n++) this.next();
  }

  /** Its 128 bits, for a snapshot. */
  save(): readonly number[] {
    return [this.#a, this.#b, this.#c, this.#counter];
  }

  restore([a = 0, b = 0, c = 0, counter = 0]: readonly number[]): void {
    this.#a = a;
    this.#b = b;
    this.#c = c;
    this.#counter = counter;
  }

  /** A whole number from 0 to 2^32 - 1. */
  next(): number {
    const result = (this.#a + this.#b + this.#counter) | 0;
    this.#counter = (this.#counter + 1) | 0;
    this.#a = this.#b ^ (this.#b >>> 9);
    this.#b = (this.#c + (this.#c << 3)) | 0;
    this.#c = (((this.#c << 21) | (this.#c >>> 11)) + result) | 0;
    return result >>> 0;
  }

  /** A whole number from 0 to `bound` - 1; `bound` at most 2^32. */
  below(bound: number): number {
    // The bias is below bound / 2^32: nothing that a choice among 64 harts could show.
    return Math.floor((this.next() / 2 ** 32) * bound);
  }
}
