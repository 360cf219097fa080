/** Sv39 and Sv48 page tables drawn by hand, in a bench's RAM. */
import { RAM, type Bench } from './bench.ts';

export const V = 1n;
export const R = 2n;
export const W = 4n;
export const X = 8n;
export const U = 16n;
export const G = 32n;
export const A = 64n;
export const D = 128n;
export const RWX: bigint = V | R | W | X | A | D;

const PAGE = 4096n;
/** Tables are taken from here upwards. */
const POOL = RAM + 0x40_0000n;

export class PageTables {
  readonly root: bigint;
  readonly #bench: Bench;
  readonly #levels: 3 | 4;
  static #next = POOL;

  constructor(bench: Bench, levels: 3 | 4 = 3) {
    this.#bench = bench;
    this.#levels = levels;
    this.root = this.#table();
  }

  /** Frees the tables of every address space of every test before. */
  static restart(): void {
    PageTables.#next = POOL;
  }

  #table(): bigint {
    const table = PageTables.#next;
    PageTables.#next += PAGE;
    for (let n = 0n; n < PAGE; n += 8n) this.#bench.write(table + n, 0n);
    return table;
  }

  satp(asid = 0n): bigint {
    return (BigInt(this.#levels + 5) << 60n) | (asid << 44n) | (this.root >> 12n);
  }

  /** Where the entry of a level lies that translates an address; tables above it are made. */
  entry(va: bigint, level: number): bigint {
    let table = this.root;
    for (let at = this.#levels - 1; ; at--) {
      const slot = table + 8n * ((va >> BigInt(12 + 9 * at)) & 511n);
      if (at === level) return slot;
      let pte = this.#bench.read(slot, 8);
      if ((pte & V) === 0n) {
        pte = ((this.#table() >> 12n) << 10n) | V;
        this.#bench.write(slot, pte);
      }
      table = (pte >> 10n) << 12n;
    }
  }

  /** Maps a page (level 0) or a superpage. */
  map(va: bigint, pa: bigint, flags: bigint, level = 0): void {
    this.#bench.write(this.entry(va, level), ((pa >> 12n) << 10n) | flags);
  }
}
