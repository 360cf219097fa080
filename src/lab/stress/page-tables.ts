/**
 * Reads page tables from outside of the machine: Sv39 tables in RAM, without a hart and without a
 * word of the nested kernel's own code for it, so that a mistake there is not repeated here.
 */
import type { Machine } from '../../machine/machine.ts';
import { RAM_BASE } from '../../machine/physical-map.ts';

/** Bits of an entry (vol. II §12.3.1 and §12.4.1). */
export const BIT = { V: 1, R: 2, W: 4, X: 8, U: 16 } as const;
const RIGHTS = BIT.R | BIT.W | BIT.X;
const ENTRIES = 512;
export const FIRST_FRAME: number = RAM_BASE / 4096;

export interface Leaf {
  /** Virtual page number, 27 bits. */
  readonly vpn: number;
  readonly frame: number;
  /** R, W, X and U. */
  readonly rights: number;
  readonly key: number;
}

export class PageTables {
  readonly frames: number;
  readonly #words: Int32Array;
  readonly #ram: number;

  constructor({ memory, parts }: Machine) {
    this.frames = parts.plan.ramBytes / 4096;
    this.#words = new Int32Array(memory);
    this.#ram = parts.plan.ram >> 2;
  }

  isRam(frame: number): boolean {
    return frame >= FIRST_FRAME && frame < FIRST_FRAME + this.frames;
  }

  low(table: number, index: number): number {
    return Atomics.load(this.#words, this.#cell(table, index));
  }

  /** The frame that an entry names. */
  frame(table: number, index: number): number {
    const high = Atomics.load(this.#words, this.#cell(table, index) + 1);
    return (this.low(table, index) >>> 10) + (high & 0x3fffff) * 2 ** 22;
  }

  /** Protection key: bits 58 to 54. */
  key(table: number, index: number): number {
    return (Atomics.load(this.#words, this.#cell(table, index) + 1) >>> 22) & 31;
  }

  #cell(table: number, index: number): number {
    if (!this.isRam(table)) throw new RangeError(`table 0x${table.toString(16)} is not in RAM`);
    return this.#ram + (table - FIRST_FRAME) * 1024 + index * 2;
  }

  /**
   * Every leaf under a table of a level (2 is a root), and every table on the way.
   * @throws RangeError if an entry points out of RAM
   */
  walk(
    table: number,
    level: 0 | 1 | 2,
    onLeaf: (leaf: Leaf) => void,
    onTable: (table: number) => void,
    prefix = 0,
  ): void {
    onTable(table);
    for (let index = 0; index < ENTRIES; index++) {
      const low = this.low(table, index);
      if ((low & BIT.V) === 0) continue;
      const vpn = prefix * ENTRIES + index;
      const frame = this.frame(table, index);
      if (level > 0 && (low & RIGHTS) === 0) {
        this.walk(frame, (level - 1) as 0 | 1, onLeaf, onTable, vpn);
      } else if (level > 0) {
        throw new RangeError(`a superpage at level ${level} of table 0x${table.toString(16)}`);
      } else {
        const key = this.key(table, index);
        onLeaf({ vpn, frame, rights: low & (RIGHTS | BIT.U), key });
      }
    }
  }
}
