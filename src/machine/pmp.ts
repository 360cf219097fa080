/**
 * Physical memory protection of one hart (vol. II §3.7), 16 entries.
 *
 * The ranges of entries are kept as Numbers: physical addresses have at most 56 bits, but RAM and
 * devices lie far below 2^53, where they are exact.
 */
import { PRIVILEGE } from './core/hart-block.ts';
import type { AccessKind } from './translation.ts';

export const PMP_ENTRIES = 16;
export const PMP = { R: 1, W: 2, X: 4, A_SHIFT: 3, TOR: 1, NA4: 2, NAPOT: 3, L: 0x80 } as const;

const ALL: number = PMP.R | PMP.W | PMP.X;
/** Bits of pmpaddr: 53 to 0, which are bits 55 to 2 of an address. */
const ADDRESS_HIGH = 0x3fffff;
const PHYSICAL_END = 2 ** 56;

export class PmpTable {
  readonly #config: Uint8Array = new Uint8Array(PMP_ENTRIES);
  /** pmpaddr in halves: a Number would round its 54 bits. */
  readonly #low: Int32Array = new Int32Array(PMP_ENTRIES);
  readonly #high: Int32Array = new Int32Array(PMP_ENTRIES);
  /** The entries that match anything, in order of priority. */
  readonly #start: Float64Array = new Float64Array(PMP_ENTRIES);
  readonly #end: Float64Array = new Float64Array(PMP_ENTRIES);
  readonly #rights: Uint8Array = new Uint8Array(PMP_ENTRIES);
  #ranges = 0;
  /** The first entry lets S and U do everything everywhere. */
  #isOpen = false;
  /** Some entry holds for M as well, or cuts a page, which even M may not straddle. */
  #concernsM = false;

  /** Reset (vol. II §3.4): every entry is off and unlocked. */
  reset(): void {
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

  /** Whether accesses of a mode have to be asked about at all. */
  isActive(mode: number): boolean {
    return mode === PRIVILEGE.M ? this.#concernsM : !this.#isOpen;
  }

  config(entry: number): number {
    return this.#config[entry] as number;
  }

  addressLow(entry: number): number {
    return this.#low[entry] as number;
  }

  addressHigh(entry: number): number {
    return this.#high[entry] as number;
  }

  /** WARL: a locked entry keeps its value; R=0 with W=1 is reserved and reads back without W. */
  setConfig(entry: number, value: number): void {
    if ((this.config(entry) & PMP.L) !== 0) return;
    const legal = value & 0x9f;
    this.#config[entry] = (legal & (PMP.R | PMP.W)) === PMP.W ? legal & ~PMP.W : legal;
    this.#rebuild();
  }

  setAddress(entry: number, low: number, high: number): void {
    const next = this.#config[entry + 1] ?? 0;
    const lockedAsBase = (next & PMP.L) !== 0 && ((next >> PMP.A_SHIFT) & 3) === PMP.TOR;
    if ((this.config(entry) & PMP.L) !== 0 || lockedAsBase) return;
    this.#low[entry] = low;
    this.#high[entry] = high & ADDRESS_HIGH;
    this.#rebuild();
  }

  #rebuild(): void {
    this.#ranges = 0;
    this.#concernsM = false;
    for (let entry = 0; entry < PMP_ENTRIES; entry++) {
      const config = this.config(entry);
      const matching = (config >> PMP.A_SHIFT) & 3;
      if (matching === 0) continue;
      const [start, end] = this.#bounds(entry, matching);
      if (start >= end) continue; // TOR below its base: matches nothing
      this.#start[this.#ranges] = start;
      this.#end[this.#ranges] = end;
      this.#rights[this.#ranges] = config;
      this.#ranges += 1;
      if ((config & PMP.L) !== 0 || start % 4096 !== 0 || end % 4096 !== 0) this.#concernsM = true;
    }
    this.#isOpen =
      this.#ranges > 0 &&
      this.#start[0] === 0 &&
      (this.#end[0] as number) >= PHYSICAL_END &&
      ((this.#rights[0] as number) & ALL) === ALL;
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
    for (let n = 0; n < this.#ranges; n++) {
      const from = this.#start[n] as number;
      const to = this.#end[n] as number;
      if (to <= start || from >= end) continue;
      if (from > start || to < end) return false;
      const rights = this.#rights[n] as number;
      if (mode === PRIVILEGE.M && (rights & PMP.L) === 0) return true;
      const needed = access === 'load' ? PMP.R : access === 'store' ? PMP.W : PMP.X;
      return (rights & needed) !== 0;
    }
    // S and U need an entry, even if none is on (vol. II §3.7.1.3).
    return mode === PRIVILEGE.M;
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
