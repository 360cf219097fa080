/**
 * The code that a region is translated from: instructions by virtual address, read from the copies of
 * pages that the hart executes by (decode-cache.ts), and the list of those pages.
 *
 * Addresses are signed numbers: an address that can be executed is sign-extended from far below 2^53.
 */
import type { DecodeCache } from '../decode-cache.ts';
import { decodeOnce, isFourBytes, type Decoded } from '../isa/decoder.ts';
import { NO_FAULT } from '../faults.ts';
import type { Translation } from '../translation.ts';

/** A region reaches over at most this many pages. */
export const MOST_PAGES = 16;

/** A page that code was read from. */
export interface CodePage {
  readonly va: number;
  /** Page of RAM, from its start, and the name of its copy. */
  readonly page: number;
  readonly version: number;
}

export interface Instruction {
  readonly pc: number;
  readonly bytes: 2 | 4;
  readonly raw: number;
  readonly decoded: Decoded;
}

export const highOf = (address: number): number => Math.floor(address / 2 ** 32) | 0;

export class CodeReader {
  readonly pages: CodePage[] = [];
  readonly #translation: Translation;
  readonly #decodeCache: DecodeCache;
  readonly #ram: number;
  #last: CodePage | undefined;

  constructor(translation: Translation, decodeCache: DecodeCache, ram: number) {
    this.#translation = translation;
    this.#decodeCache = decodeCache;
    this.#ram = ram;
  }

  /** The instruction at an address, undefined if it may not be executed now or is in no table. */
  at(pc: number): Instruction | undefined {
    let raw = this.#parcel(pc);
    if (raw < 0) return undefined;
    if (isFourBytes(raw)) {
      const second = this.#parcel(pc + 2);
      if (second < 0) return undefined;
      raw |= second << 16;
    }
    const decoded = decodeOnce(raw);
    return decoded === undefined
      ? undefined
      : { pc, bytes: isFourBytes(raw) ? 4 : 2, raw, decoded };
  }

  #parcel(pc: number): number {
    const page = this.#pageOf(pc);
    return page === undefined ? -1 : this.#decodeCache.parcelOf(page.page, pc - page.va);
  }

  /** Where RAM's page behind an address starts its records' join words; for the profile of a JALR. */
  pageOf(pc: number): CodePage | undefined {
    return this.#pageOf(pc);
  }

  #pageOf(pc: number): CodePage | undefined {
    const last = this.#last;
    if (last !== undefined && pc >= last.va && pc < last.va + 4096) return last;
    const va = Math.floor(pc / 4096) * 4096;
    let page = this.pages.find((known) => known.va === va);
    if (page === undefined) {
      if (this.pages.length === MOST_PAGES) return undefined;
      const number = this.#fetchPage(va);
      if (number < 0) return undefined;
      page = { va, page: number, version: this.#decodeCache.versionOf(number) };
      this.pages.push(page);
    }
    this.#last = page;
    return page;
  }

  /** The page of RAM that a fetch at an address finds, as the hart itself would; -1 if it would fault. */
  #fetchPage(va: number): number {
    return fetchPage(this.#translation, va, this.#ram);
  }

  /** Whether every page is still what was read: an eviction among them shows here. */
  isUnchanged(): boolean {
    return this.pages.every(({ page, version }) => this.#decodeCache.versionOf(page) === version);
  }
}

/**
 * The page of RAM that a fetch finds, which enters the soft TLB (an observer is told) and has a proven
 * copy from then on; -1 if the fetch would fault or may not be remembered.
 */
export function fetchPage(translation: Translation, va: number, ram: number): number {
  const low = va | 0;
  const high = highOf(va);
  if (translation.translate(low, high, 'fetch', 2) !== NO_FAULT) return -1;
  if (!translation.remember(low, high, 'fetch')) return -1;
  translation.tlb.stampPage(low);
  return (translation.hostAddress() - ram) >>> 12;
}
