/**
 * Physical memory protection of one hart (vol. II §3.7), 16 entries.
 *
 * Entries are kept as byte ranges in Numbers: physical addresses have at most 56 bits, but RAM and
 * devices lie far below 2^53, where they are exact.
 */
import { PRIVILEGE } from './core/hart-block.ts';
import type { AccessKind } from './translation.ts';

export const PMP_ENTRIES = 16;
export const PMP = { R: 1, W: 2, X: 4, A_SHIFT: 3, TOR: 1, NA4: 2, NAPOT: 3, L: 0x80 } as const;

interface PmpRange {
  readonly start: number;
  readonly end: number;
  readonly config: number;
}

export class PmpTable {
  readonly #config: Uint8Array = new Uint8Array(PMP_ENTRIES);
  /** pmpaddr: bits 55 to 2 of an address, in two halves (54 bits are too many for a Number). */
  readonly #low: Int32Array = new Int32Array(PMP_ENTRIES);
  readonly #high: Int32Array = new Int32Array(PMP_ENTRIES);
  #ranges: readonly PmpRange[] = [];
  /** Some entry is on (S and U are then denied what no entry allows) or locked (M is checked too). */
  #anyOn = false;
  #anyLocked = false;

  isActive(mode: number): boolean {
    return mode === PRIVILEGE.M ? this.#anyLocked : this.#anyOn;
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

  /** The byte address that the register stands for; rounded far above any RAM or device. */
  #byteAddress(entry: number): number {
    return ((this.#high[entry] as number) * 2 ** 32 + ((this.#low[entry] as number) >>> 0)) * 4;
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
    this.#high[entry] = high & 0x3fffff;
    this.#rebuild();
  }

  #rebuild(): void {
    const ranges: PmpRange[] = [];
    for (let entry = 0; entry < PMP_ENTRIES; entry++) {
      const config = this.config(entry);
      const range = this.#rangeOf(entry, (config >> PMP.A_SHIFT) & 3);
      if (range !== undefined) ranges.push({ ...range, config });
    }
    this.#ranges = ranges;
    this.#anyOn = ranges.length > 0;
    this.#anyLocked = ranges.some((range) => (range.config & PMP.L) !== 0);
  }

  #rangeOf(entry: number, matching: number): { start: number; end: number } | undefined {
    const address = this.#byteAddress(entry);
    switch (matching) {
      case PMP.TOR:
        return { start: entry === 0 ? 0 : this.#byteAddress(entry - 1), end: address };
      case PMP.NA4:
        return { start: address, end: address + 4 };
      case PMP.NAPOT: {
        // The lowest zero bit gives the size: yyyy...y01 is 16 bytes.
        const ones = trailingOnes(this.addressLow(entry), this.addressHigh(entry));
        const bytes = 2 ** (ones + 3);
        const start = Math.floor(address / bytes) * bytes;
        return ones >= 53 ? { start: 0, end: 2 ** 56 } : { start, end: start + bytes };
      }
      default:
        return undefined;
    }
  }

  /** Whether an access is allowed; the lowest-numbered entry that matches any of its bytes decides. */
  allows(start: number, bytes: number, access: AccessKind, mode: number): boolean {
    const end = start + bytes;
    for (const range of this.#ranges) {
      if (range.end <= start || range.start >= end) continue;
      if (range.start > start || range.end < end) return false;
      if (mode === PRIVILEGE.M && (range.config & PMP.L) === 0) return true;
      const needed = access === 'load' ? PMP.R : access === 'store' ? PMP.W : PMP.X;
      return (range.config & needed) !== 0;
    }
    return mode === PRIVILEGE.M || !this.#anyOn;
  }

  /** Whether no entry's boundary cuts the range. */
  isUniform(start: number, bytes: number): boolean {
    const end = start + bytes;
    return this.#ranges.every(
      (range) =>
        range.end <= start || range.start >= end || (range.start <= start && range.end >= end),
    );
  }
}

function trailingOnes(low: number, high: number): number {
  const ones = (bits: number): number => (bits === -1 ? 32 : 31 - Math.clz32(~bits & (bits + 1)));
  const inLow = ones(low);
  return inLow < 32 ? inLow : 32 + ones(high);
}
