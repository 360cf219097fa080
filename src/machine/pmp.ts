/**
 * Physical memory protection of one hart: "Physical Memory Protection", vol. II (20250508) §3.7, 64
 * entries with a granularity of 4 bytes, and Smepmp ("PMP Enhancements for memory access and execution
 * prevention in Machine mode"), whose truth table is `RULES` below.
 *
 * The ranges of entries are kept as Numbers: physical addresses have at most 56 bits, but RAM and
 * devices lie far below 2^53, where they are exact.
 */
import { PRIVILEGE } from './core/hart-block.ts';
import type { AccessKind } from './faults.ts';

export const PMP_ENTRIES = 64;
export const PMP = { R: 1, W: 2, X: 4, A_SHIFT: 3, TOR: 1, NA4: 2, NAPOT: 3, L: 0x80 } as const;

/** Bits of mseccfg (Smepmp): machine-mode lockdown, allow-list policy, rule locking bypass. */
export const MSECCFG = { MML: 1, MMWP: 2, RLB: 4 } as const;

const { R, W, X } = PMP;
const ALL: number = R | W | X;
/** Bits of pmpaddr: 53 to 0, which are bits 55 to 2 of an address. */
const ADDRESS_HIGH = 0x3fffff;
const PHYSICAL_END = 2 ** 56;

/** What a rule gives M, and what S and U, under mseccfg.MML: Smepmp's table, by L, R, W and X in this order. */
const LOCKDOWN: readonly (readonly [m: number, below: number])[] = [
  [0, 0], // 0000 inaccessible
  [0, X], // 0001
  [R | W, R], // 0010 shared data: written by M only
  [R | W, R | W], // 0011 shared data
  [0, R], // 0100
  [0, R | X], // 0101
  [0, R | W], // 0110
  [0, R | W | X], // 0111
  [0, 0], // 1000 locked, inaccessible
  [X, 0], // 1001
  [X, X], // 1010 locked shared code
  [R | X, X], // 1011 locked shared code, read by M
  [R, 0], // 1100
  [R | X, 0], // 1101
  [R | W, 0], // 1110
  [R, R], // 1111 locked shared data, read only
];
/** The row of a configuration. */
const lockdownRow = (config: number): number =>
  ((config & PMP.L) === 0 ? 0 : 8) |
  ((config & R) === 0 ? 0 : 4) |
  ((config & W) === 0 ? 0 : 2) |
  ((config & X) === 0 ? 0 : 1);

/** Everything that software has put there; plain data. */
export interface PmpState {
  readonly mseccfg: number;
  readonly config: readonly number[];
  readonly low: readonly number[];
  readonly high: readonly number[];
}

export class PmpTable {
  readonly #config: Uint8Array = new Uint8Array(PMP_ENTRIES);
  /** pmpaddr in halves: a Number would round its 54 bits. */
  readonly #low: Int32Array = new Int32Array(PMP_ENTRIES);
  readonly #high: Int32Array = new Int32Array(PMP_ENTRIES);
  /** The entries that match anything, in order of priority. */
  readonly #start: Float64Array = new Float64Array(PMP_ENTRIES);
  readonly #end: Float64Array = new Float64Array(PMP_ENTRIES);
  /** What each gives M, and what S and U. */
  readonly #rightsM: Uint8Array = new Uint8Array(PMP_ENTRIES);
  readonly #rightsBelow: Uint8Array = new Uint8Array(PMP_ENTRIES);
  #ranges = 0;
  #mseccfg = 0;
  /** The first entry lets S and U do everything everywhere. */
  #isOpen = false;
  /** Some entry holds for M as well, or cuts a page, which even M may not straddle. */
  #concernsM = false;

  /** Reset (vol. II §3.4): every entry is off and unlocked. */
  reset(): void {
    this.#mseccfg = 0;
    this.#config.fill(0);
    this.#low.fill(0);
    this.#high.fill(0);
    this.#rebuild();
  }

  /** What firmware does for a kernel: the last entry allows everything that no other denies. */
  open(): void {
    this.setAddress(PMP_ENTRIES - 1, -1, -1);
    this.setConfig(PMP_ENTRIES - 1, ALL | (PMP.NAPOT << PMP.A_SHIFT));
  }

  /** For a snapshot. */
  save(): PmpState {
    return {
      mseccfg: this.#mseccfg,
      config: [...this.#config],
      low: [...this.#low],
      high: [...this.#high],
    };
  }

  restore(state: PmpState): void {
    this.#mseccfg = state.mseccfg;
    this.#config.set(state.config);
    this.#low.set(state.low);
    this.#high.set(state.high);
    this.#rebuild();
  }

  /** Whether accesses of a mode have to be asked about at all. */
  isActive(mode: number): boolean {
    return mode === PRIVILEGE.M ? this.#concernsM : !this.#isOpen;
  }

  config(entry: number): number {
    return this.#config[entry] ?? 0;
  }

  addressLow(entry: number): number {
    return this.#low[entry] as number;
  }

  addressHigh(entry: number): number {
    return this.#high[entry] as number;
  }

  get mseccfg(): number {
    return this.#mseccfg;
  }

  /** MML and MMWP stay once they are set; RLB cannot be set once an entry is locked without it. */
  setMseccfg(value: number): void {
    const sticky = this.#mseccfg & (MSECCFG.MML | MSECCFG.MMWP);
    const mayBypass = this.#bypassesLocks || !this.#config.some((config) => (config & PMP.L) !== 0);
    const kept = MSECCFG.MML | MSECCFG.MMWP | (mayBypass ? MSECCFG.RLB : 0);
    this.#mseccfg = sticky | (value & kept);
    this.#rebuild();
  }

  get #bypassesLocks(): boolean {
    return (this.#mseccfg & MSECCFG.RLB) !== 0;
  }

  #isLocked(entry: number): boolean {
    return (this.config(entry) & PMP.L) !== 0 && !this.#bypassesLocks;
  }

  /**
   * WARL: a locked entry keeps its value; R=0 with W=1 is reserved and reads back without W, unless MML
   * gives it a meaning. Under MML no rule is added that lets M execute, unless RLB allows it.
   */
  setConfig(entry: number, value: number): void {
    if (this.#isLocked(entry)) return;
    const legal = value & 0x9f;
    if ((this.#mseccfg & MSECCFG.MML) === 0) {
      this.#config[entry] = (legal & (R | W)) === W ? legal & ~W : legal;
    } else {
      const [forM] = LOCKDOWN[lockdownRow(legal)] as (typeof LOCKDOWN)[number];
      if ((forM & X) !== 0 && !this.#bypassesLocks) return;
      this.#config[entry] = legal;
    }
    this.#rebuild();
  }

  setAddress(entry: number, low: number, high: number): void {
    const isBaseOfNext = ((this.config(entry + 1) >> PMP.A_SHIFT) & 3) === PMP.TOR;
    if (this.#isLocked(entry) || (isBaseOfNext && this.#isLocked(entry + 1))) return;
    this.#low[entry] = low;
    this.#high[entry] = high & ADDRESS_HIGH;
    this.#rebuild();
  }

  #rebuild(): void {
    this.#ranges = 0;
    const isLockdown = (this.#mseccfg & MSECCFG.MML) !== 0;
    this.#concernsM = this.#mseccfg !== 0;
    for (let entry = 0; entry < PMP_ENTRIES; entry++) {
      const config = this.config(entry);
      const matching = (config >> PMP.A_SHIFT) & 3;
      if (matching === 0) continue;
      const [start, end] = this.#bounds(entry, matching);
      if (start >= end) continue; // TOR below its base: matches nothing
      this.#start[this.#ranges] = start;
      this.#end[this.#ranges] = end;
      const [forM, below] = isLockdown
        ? (LOCKDOWN[lockdownRow(config)] as (typeof LOCKDOWN)[number])
        : [(config & PMP.L) === 0 ? ALL : config & ALL, config & ALL];
      this.#rightsM[this.#ranges] = forM;
      this.#rightsBelow[this.#ranges] = below;
      this.#ranges += 1;
      if ((config & PMP.L) !== 0 || start % 4096 !== 0 || end % 4096 !== 0) this.#concernsM = true;
    }
    this.#isOpen =
      this.#ranges > 0 &&
      this.#start[0] === 0 &&
      (this.#end[0] as number) >= PHYSICAL_END &&
      this.#rightsBelow[0] === ALL;
  }

  #bounds(entry: number, matching: number): [start: number, end: number] {
    const address = this.#bytesAt(entry, 0);
    if (matching === PMP.TOR) return [entry === 0 ? 0 : this.#bytesAt(entry - 1, 0), address];
    if (matching === PMP.NA4) return [address, address + 4];
    // NAPOT: the lowest zero bit gives the size; yyyy...y01 is 16 bytes.
    const low = this.addressLow(entry);
    const high = this.addressHigh(entry);
    const ones = low === -1 ? 32 + trailingOnes(high) : trailingOnes(low);
    const start = this.#bytesAt(entry, ones);
    return [start, start + 2 ** (ones + 3)];
  }

  /** The address of an entry with its lowest bits cleared. */
  #bytesAt(entry: number, cleared: number): number {
    const low = cleared >= 32 ? 0 : (this.addressLow(entry) >>> cleared) * 2 ** cleared;
    const above = Math.max(0, cleared - 32);
    const high = (this.addressHigh(entry) >>> above) * 2 ** above;
    return (high * 2 ** 32 + low) * 4;
  }

  /** Whether an access is allowed; the lowest-numbered entry that matches any of its bytes decides. */
  allows(start: number, bytes: number, access: AccessKind, mode: number): boolean {
    const end = start + bytes;
    const needed = access === 'load' ? R : access === 'store' ? W : X;
    for (let n = 0; n < this.#ranges; n++) {
      const from = this.#start[n] as number;
      const to = this.#end[n] as number;
      if (to <= start || from >= end) continue;
      if (from > start || to < end) return false;
      const rights = mode === PRIVILEGE.M ? this.#rightsM : this.#rightsBelow;
      return ((rights[n] as number) & needed) !== 0;
    }
    // S and U need an entry, even if none is on (vol. II §3.7.1.3); M does to execute under MML, and for
    // everything under MMWP.
    if (mode !== PRIVILEGE.M || (this.#mseccfg & MSECCFG.MMWP) !== 0) return false;
    return needed !== X || (this.#mseccfg & MSECCFG.MML) === 0;
  }

  /** Whether no entry's boundary cuts the range. */
  isUniform(start: number, bytes: number): boolean {
    const end = start + bytes;
    for (let n = 0; n < this.#ranges; n++) {
      const from = this.#start[n] as number;
      const to = this.#end[n] as number;
      if (to > start && from < end && (from > start || to < end)) return false;
    }
    return true;
  }
}

/** How many of the lowest bits are ones. */
const trailingOnes = (bits: number): number => 31 - Math.clz32(~bits & (bits + 1));
