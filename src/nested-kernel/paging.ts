/**
 * Page tables as the monitor writes them: Sv39 tables in frames of a pool that nobody below M can
 * write, because no view maps them writable and PMP forbids it besides.
 *
 * Virtual addresses are pairs of 32-bit halves, frames are physical page numbers.
 */
import type { CoreExports } from '../machine/core/generate.ts';
import { RAM_BASE } from '../machine/physical-map.ts';
import { PTE, PTE_KEY_SHIFT_HIGH } from '../machine/page-table.ts';
import { CHARGE } from './charges.ts';
import type { MonitorView } from './tables.ts';

/** First physical page number of RAM. */
export const RAM_FRAME: number = RAM_BASE / 4096;

/** Bits of a leaf that the monitor always sets: nobody here looks at A and D. */
const LEAF = PTE.V | PTE.A | PTE.D;

export const vpn2 = (low: number, high: number): number => ((high & 0x7f) << 2) | (low >>> 30);
export const vpn1 = (low: number): number => (low >>> 21) & 0x1ff;
export const vpn0 = (low: number): number => (low >>> 12) & 0x1ff;

/** Who counts what the tables cost. */
export interface PagingCosts {
  count(name: 'pteReads' | 'pteWrites' | 'bytesCleared' | 'monitorOps', by?: number): void;
}

export class Paging {
  readonly #core: CoreExports;
  readonly #words: Int32Array;
  readonly #ram: number;
  readonly #scratch: number;
  readonly #tables: MonitorView;
  readonly #poolEnd: number;
  #costs: PagingCosts;
  /** High half of the last entry read. */
  high = 0;

  constructor(environment: {
    readonly core: CoreExports;
    readonly words: Int32Array;
    /** Offset of RAM in the shared memory. */
    readonly ram: number;
    /** A hart block whose `high` cell may be used: that of the calling thread's hart. */
    readonly scratch: number;
    readonly highCell: number;
    readonly tables: MonitorView;
    /** First frame behind the pool. */
    readonly poolEnd: number;
    readonly costs: PagingCosts;
  }) {
    this.#core = environment.core;
    this.#words = environment.words;
    this.#ram = environment.ram;
    this.#scratch = environment.scratch;
    this.#highCell = environment.highCell;
    this.#tables = environment.tables;
    this.#poolEnd = environment.poolEnd;
    this.#costs = environment.costs;
  }

  readonly #highCell: number;

  /** Whose counters the following work is charged to. */
  chargeTo(costs: PagingCosts): void {
    this.#costs = costs;
  }

  /** Offset in the shared memory of a frame of RAM. */
  hostOf(frame: number): number {
    return this.#ram + (frame - RAM_FRAME) * 4096;
  }

  /** Zeroes a frame. */
  clear(frame: number): void {
    const at = this.hostOf(frame) >> 2;
    this.#words.fill(0, at, at + 1024);
    this.#costs.count('bytesCleared', 4096);
  }

  /** A zeroed table from the pool, or 0. Caller holds the monitor's lock. */
  allocateTable(): number {
    const tables = this.#tables;
    const recycled = tables.poolFree.load();
    let frame: number;
    if (recycled !== 0) {
      frame = recycled;
      tables.poolFree.store(this.#words[this.hostOf(frame) >> 2] as number);
    } else {
      frame = tables.poolNext.load();
      if (frame >= this.#poolEnd) return 0;
      tables.poolNext.store(frame + 1);
    }
    tables.poolUsed.add(1);
    this.clear(frame);
    return frame;
  }

  /** Returns a table that no entry points to any more. Caller holds the lock. */
  freeTable(frame: number): void {
    this.#words[this.hostOf(frame) >> 2] = this.#tables.poolFree.load();
    this.#tables.poolFree.store(frame);
    this.#tables.poolUsed.add(-1);
  }

  /** Low half of an entry; the high half goes to `high`. */
  read(table: number, index: number): number {
    this.#costs.count('pteReads');
    this.#costs.count('monitorOps', CHARGE.PTE_READ);
    const low = this.#core.atomicLoad64(this.#scratch, this.hostOf(table) + index * 8);
    this.high = this.#words[this.#highCell] as number;
    return low;
  }

  write(table: number, index: number, low: number, high: number): void {
    this.#costs.count('pteWrites');
    this.#costs.count('monitorOps', CHARGE.PTE_WRITE);
    this.#core.atomicStore64(this.hostOf(table) + index * 8, low, high);
  }

  /** The table that entry points to, or 0. */
  next(table: number, index: number): number {
    const low = this.read(table, index);
    return (low & PTE.V) === 0 ? 0 : frameOf(low, this.high);
  }

  /** The same, made if it is missing; 0 if the pool is empty. */
  nextOrMake(table: number, index: number): number {
    const present = this.next(table, index);
    if (present !== 0) return present;
    const made = this.allocateTable();
    if (made !== 0) this.write(table, index, pointerLow(made), pointerHigh(made));
    return made;
  }

  /** The last-level table of an address under a root, made if missing; 0 if the pool is empty. */
  leafTable(root: number, low: number, high: number): number {
    const middle = this.nextOrMake(root, vpn2(low, high));
    return middle === 0 ? 0 : this.nextOrMake(middle, vpn1(low));
  }

  /** The last-level table of an address, or 0 if there is none. */
  findLeafTable(root: number, low: number, high: number): number {
    const middle = this.next(root, vpn2(low, high));
    return middle === 0 ? 0 : this.next(middle, vpn1(low));
  }

  /**
   * Physical address of a byte as S-mode without SUM may reach it under a root, or -1. Used for
   * buffers that a caller passes, so keys count as well.
   */
  reach(
    root: number,
    low: number,
    high: number,
    write: boolean,
    keys: readonly [number, number] | undefined,
  ): number {
    const sign = high >> 6;
    if (sign !== 0 && sign !== -1) return -1;
    const table = this.findLeafTable(root, low, high);
    if (table === 0) return -1;
    const pte = this.read(table, vpn0(low));
    const needed = PTE.V | PTE.R | (write ? PTE.W : 0);
    if ((pte & needed) !== needed || (pte & PTE.U) !== 0) return -1;
    if (keys !== undefined) {
      const key = (this.high >>> PTE_KEY_SHIFT_HIGH) & 31;
      const mine = (keys[key >> 4] as number) >>> (2 * (key & 15));
      if ((mine & 1) === 0 || (write && (mine & 2) === 0)) return -1;
    }
    return frameOf(pte, this.high) * 4096 + (low & 0xfff);
  }
}

/** Entries that point to a table. */
export const pointerLow = (frame: number): number => (frame << 10) | PTE.V;
export const pointerHigh = (frame: number): number => frame >>> 22;
/** Entries that map a frame; `rights` is an or of PTE.R, W, X, U and G. */
export const leafLow = (frame: number, rights: number): number => (frame << 10) | rights | LEAF;
export const leafHigh = (frame: number, key: number): number =>
  (frame >>> 22) | (key << PTE_KEY_SHIFT_HIGH);
export const frameOf = (low: number, high: number): number =>
  (low >>> 10) + (high & 0x3fffff) * 2 ** 22;
