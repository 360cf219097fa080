/**
 * The soft TLB: what translation decided of pages, remembered in tables that the core looks into.
 *
 * It keeps one table per regime (view, ASID, privilege, SUM, MXR, keys; regimes.ts), so a change of regime
 * only chooses another table: nothing is flushed on a trap, a gate or a `satp` write. A page has one entry of
 * a table in which it can be, for loads and stores, and one for fetches; a superpage or a NAPOT range has as
 * many as of its pages were used.
 */
import type { CoreExports } from './core/generate.ts';
import {
  DATA_TLB_ENTRIES,
  DataEntry,
  EMPTY_TAG_FLIP,
  FETCH_TABLE_OFFSET,
  FETCH_TLB_ENTRIES,
  FetchEntry,
  TABLE_STATE_OFFSET,
  TableState,
  TLB_CONTEXTS,
  wordOf,
} from './core/hart-block.ts';
import type { DecodeCache } from './decode-cache.ts';
import { isInRange, kindOf, LARGE, LARGE_WORDS, largeBit, rangeShift } from './large-leaves.ts';
import { PTE } from './page-table.ts';
import { Regimes } from './regimes.ts';

const FETCH_STAMP = wordOf('fetchStamp');

/** Page addresses that a hash tells apart: those of a kernel from those of its programs. */
const STAMPED_PAGES = 65_536;
const STAMPED_WORDS = STAMPED_PAGES / 32;
const stampedBit = (low: number): number => (low >>> 12) & (STAMPED_PAGES - 1);

/** The entries of the soft TLB, in words. */
const DATA_WORDS = DataEntry.sizeBytes >> 2;
const READ = DataEntry.offset.readTag >> 2;
const WRITE = DataEntry.offset.writeTag >> 2;
const DATA_ADDEND = DataEntry.offset.addend >> 2;
const DATA_SHAPE = DataEntry.offset.shape >> 2;
const FETCH_WORDS = FetchEntry.sizeBytes >> 2;
const FETCH_DECODED = FetchEntry.offset.decoded >> 2;
const FETCH_SHAPE = FetchEntry.offset.shape >> 2;
const STAMP = TableState.offset.stamp >> 2;
const STAMP_OFFSET = TableState.offset.stampOffset >> 2;
/** Words of the bits that tell which entries of a table were filled: data entries, then fetch entries. */
const FILLED_WORDS = (DATA_TLB_ENTRIES + FETCH_TLB_ENTRIES) / 32;

/** A live entry of the soft TLB, for those who look on. */
export interface TlbEntry {
  readonly low: number;
  readonly high: number;
  /** Page of RAM, from its start. */
  readonly page: number;
  readonly rights: number;
  readonly asid: number;
}

export class SoftTlb {
  readonly #words: Int32Array;
  readonly #at: number;
  readonly #ram: number;
  readonly #decodeCache: DecodeCache;
  readonly #evicted = (): void => this.flushFetch();
  readonly #regimes: Regimes;
  /** Which large leaves a table may hold pieces of: a fence for one address has to look for them. */
  readonly #large: Int32Array = new Int32Array(LARGE_WORDS * TLB_CONTEXTS);
  /** A bit for each entry that was filled since its table was last empty: emptying visits only those. */
  readonly #filled: Int32Array = new Int32Array(TLB_CONTEXTS * FILLED_WORDS).fill(-1);
  #lastStamp = 0;
  /** By table, a bit for each page that somebody relies on by its stamp: a fence for one address has to ask. */
  readonly #stamped: Int32Array = new Int32Array(TLB_CONTEXTS * STAMPED_WORDS);

  /** Translations that entered since the counter was last read. */
  misses = 0;

  constructor(environment: {
    readonly core: CoreExports;
    readonly words: Int32Array;
    readonly hartBase: number;
    readonly ram: number;
    readonly hasKeys: boolean;
    readonly decodeCache: DecodeCache;
  }) {
    this.#words = environment.words;
    this.#at = environment.hartBase >> 2;
    this.#ram = environment.ram;
    this.#decodeCache = environment.decodeCache;
    this.#regimes = new Regimes({
      core: environment.core,
      words: environment.words,
      hartBase: environment.hartBase,
      hasKeys: environment.hasKeys,
      emptied: (context) => this.#clear(context),
    });
  }

  // --- regimes ---

  /** Chooses the tables of the present regime; to be called after every change of mode, SUM, MXR, MPRV or MPP. */
  select(): void {
    this.#regimes.select();
  }

  /** The same after a change of `satp` or the keys. */
  chooseView(): void {
    this.#regimes.chooseView();
  }

  /** Regimes that lost their table to another since the counter was last read. */
  takeEvictions(): number {
    const { evictions } = this.#regimes;
    this.#regimes.evictions = 0;
    return evictions;
  }

  // --- entries ---

  #table(context: number): number {
    return this.#regimes.table(context);
  }

  /** Word index of the only entry that can hold an address. */
  #dataEntry(context: number, low: number): number {
    return (this.#table(context) >> 2) + ((low >>> 12) & (DATA_TLB_ENTRIES - 1)) * DATA_WORDS;
  }

  #fetchEntry(context: number, low: number): number {
    return (
      ((this.#table(context) + FETCH_TABLE_OFFSET) >> 2) +
      ((low >>> 12) & (FETCH_TLB_ENTRIES - 1)) * FETCH_WORDS
    );
  }

  /** Remembers a page for fetches. `host` is its linear-memory address, `shape` as in core/tlb-model.ts. */
  enterFetch(low: number, high: number, host: number, shape: number): void {
    // This may evict a decoded page and with it every fetch tag, so it comes first.
    const decoded = this.#decodeCache.recordsOf((host - this.#ram) >>> 12, this.#evicted);
    const words = this.#words;
    const context = this.#regimes.fetchContext;
    const entry = this.#fetchEntry(context, low);
    words[entry] = low & ~0xfff;
    words[entry + 1] = high;
    words[entry + FETCH_DECODED] = decoded;
    words[entry + FETCH_SHAPE] = shape;
    this.#markFilled(context, DATA_TLB_ENTRIES + ((low >>> 12) & (FETCH_TLB_ENTRIES - 1)));
    this.#entered(context, low, high, shape);
  }

  /** Remembers a page for loads, stores, or both. */
  enterData(
    low: number,
    high: number,
    host: number,
    shape: number,
    mayRead: boolean,
    mayWrite: boolean,
  ): void {
    const context = this.#regimes.dataContext;
    this.#putData(context, low, high, host, shape, mayRead, mayWrite);
    this.#entered(context, low, high, shape);
  }

  /** The same for one access, until `takeBack`. */
  lend(low: number, high: number, host: number, shape: number, access: 'load' | 'store'): void {
    const context = this.#regimes.dataContext;
    this.#putData(context, low, high, host, shape, access === 'load', access === 'store');
  }

  takeBack(low: number): void {
    const entry = this.#dataEntry(this.#regimes.dataContext, low);
    this.#words[entry + READ] = (low & ~0xfff) ^ EMPTY_TAG_FLIP;
    this.#words[entry + WRITE] = (low & ~0xfff) ^ EMPTY_TAG_FLIP;
  }

  #putData(
    context: number,
    low: number,
    high: number,
    host: number,
    shape: number,
    mayRead: boolean,
    mayWrite: boolean,
  ): void {
    const words = this.#words;
    const entry = this.#dataEntry(context, low);
    const page = low & ~0xfff;
    words[entry + READ] = mayRead ? page : page ^ EMPTY_TAG_FLIP;
    words[entry + READ + 1] = high;
    words[entry + WRITE] = mayWrite ? page : page ^ EMPTY_TAG_FLIP;
    words[entry + WRITE + 1] = high;
    words[entry + DATA_ADDEND] = (host - page) | 0;
    words[entry + DATA_SHAPE] = shape;
    this.#markFilled(context, (low >>> 12) & (DATA_TLB_ENTRIES - 1));
  }

  #markFilled(context: number, index: number): void {
    setBit(this.#filled, context * FILLED_WORDS, index);
  }

  #entered(context: number, low: number, high: number, shape: number): void {
    const kind = kindOf(shape);
    if (kind !== 0) setBit(this.#large, context * LARGE_WORDS, largeBit(kind, low, high));
    this.misses += 1;
  }

  // --- stamps of fetch translations ---

  /** The table's fetch translations are others now: what was found out about them holds no more. */
  #restamp(context: number): void {
    this.#lastStamp = (this.#lastStamp + 1) | 0;
    const state = (this.#table(context) + TABLE_STATE_OFFSET) >> 2;
    this.#words[state + STAMP] = this.#lastStamp;
    this.#words[state + STAMP_OFFSET] = context * 4;
    this.#stamped.fill(0, context * STAMPED_WORDS, (context + 1) * STAMPED_WORDS);
    if (context === this.#regimes.fetchContext)
      this.#words[this.#at + FETCH_STAMP] = this.#lastStamp;
  }

  /** Makes sure that the present stamp does not outlive the translation of this page. */
  stampPage(low: number): void {
    setBit(this.#stamped, this.#regimes.fetchContext * STAMPED_WORDS, stampedBit(low));
  }

  // --- forgetting ---

  #clear(context: number): void {
    const words = this.#words;
    const data = this.#table(context) >> 2;
    for (let n = 0, cell = context * FILLED_WORDS; n < DATA_TLB_ENTRIES; n += 32, cell++) {
      for (let bits = this.#filled[cell] as number; bits !== 0; bits &= bits - 1) {
        const index = n + lowestBit(bits);
        const empty = (index << 12) ^ EMPTY_TAG_FLIP;
        words[data + index * DATA_WORDS + READ] = empty;
        words[data + index * DATA_WORDS + WRITE] = empty;
      }
      this.#filled[cell] = 0;
    }
    this.#clearFetch(context);
    this.#large.fill(0, LARGE_WORDS * context, LARGE_WORDS * (context + 1));
  }

  #clearFetch(context: number): void {
    const words = this.#words;
    const first = (this.#table(context) + FETCH_TABLE_OFFSET) >> 2;
    const filled = context * FILLED_WORDS + DATA_TLB_ENTRIES / 32;
    for (let n = 0, cell = filled; n < FETCH_TLB_ENTRIES; n += 32, cell++) {
      for (let bits = this.#filled[cell] as number; bits !== 0; bits &= bits - 1) {
        const index = n + lowestBit(bits);
        words[first + index * FETCH_WORDS] = (index << 12) ^ EMPTY_TAG_FLIP;
      }
      this.#filled[cell] = 0;
    }
    this.#restamp(context);
  }

  /** Forgets every translation; tables not in use are emptied when they are next chosen. */
  flushAll(): void {
    this.#regimes.forgetAll();
  }

  /** Forgets the translations of one ASID in every regime (global ones too: more than was asked). */
  flushAsid(asid: number): void {
    this.#regimes.forgetAsid(asid);
  }

  /**
   * Forgets the translation of one page in every regime, or in those of one ASID (`asid` >= 0); of a
   * superpage or a NAPOT range, every piece: the fence is for the leaf that translates the address.
   */
  flushPage(low: number, high: number, asid: number): void {
    const words = this.#words;
    const page = low & ~0xfff;
    const mega = largeBit(LARGE.MEGA, low, high);
    const giga = largeBit(LARGE.GIGA, low, high);
    const tera = largeBit(LARGE.TERA, low, high);
    const napot = largeBit(LARGE.NAPOT, low, high);
    for (let context = 0; context < TLB_CONTEXTS; context++) {
      if (!this.#regimes.isLive(context)) continue;
      if (asid >= 0 && this.#regimes.asidOf(context) !== asid) continue;
      const data = this.#dataEntry(context, low);
      const fetch = this.#fetchEntry(context, low);
      if (words[data + READ] === page && words[data + READ + 1] === high)
        words[data + READ] = page ^ EMPTY_TAG_FLIP;
      if (words[data + WRITE] === page && words[data + WRITE + 1] === high)
        words[data + WRITE] = page ^ EMPTY_TAG_FLIP;
      if (words[fetch] === page && words[fetch + 1] === high) words[fetch] = page ^ EMPTY_TAG_FLIP;
      const mayHold =
        this.#mayHold(context, mega) ||
        this.#mayHold(context, giga) ||
        this.#mayHold(context, tera) ||
        this.#mayHold(context, napot);
      if (mayHold) this.#dropLarge(context, low, high);
      if (mayHold || this.#isStamped(context, low)) this.#restamp(context);
    }
  }

  #isStamped(context: number, low: number): boolean {
    return hasBit(this.#stamped, context * STAMPED_WORDS, stampedBit(low));
  }

  /** Whether a table may hold a piece of the large leaf for which a bit stands. */
  #mayHold(context: number, bit: number): boolean {
    return hasBit(this.#large, context * LARGE_WORDS, bit);
  }

  /** Forgets every piece of the large leaf that holds an address. */
  #dropLarge(context: number, low: number, high: number): void {
    const words = this.#words;
    const data = this.#table(context) >> 2;
    const fetches = data + (FETCH_TABLE_OFFSET >> 2);
    const filled = context * FILLED_WORDS;
    for (let n = 0; n < DATA_TLB_ENTRIES + FETCH_TLB_ENTRIES; n += 32) {
      for (let bits = this.#filled[filled + n / 32] as number; bits !== 0; bits &= bits - 1) {
        const index = n + lowestBit(bits);
        if (index < DATA_TLB_ENTRIES) {
          const entry = data + index * DATA_WORDS;
          const shift = rangeShift(words[entry + DATA_SHAPE] as number);
          if (shift === 0) continue;
          const empty = (index << 12) ^ EMPTY_TAG_FLIP;
          if (isInRange(words, entry + READ, shift, low, high)) words[entry + READ] = empty;
          if (isInRange(words, entry + WRITE, shift, low, high)) words[entry + WRITE] = empty;
        } else {
          const entry = fetches + (index - DATA_TLB_ENTRIES) * FETCH_WORDS;
          const shift = rangeShift(words[entry + FETCH_SHAPE] as number);
          if (shift !== 0 && isInRange(words, entry, shift, low, high))
            words[entry] = ((index - DATA_TLB_ENTRIES) << 12) ^ EMPTY_TAG_FLIP;
        }
      }
    }
  }

  /** Forgets that pages may be stored to, in every regime: those that are watched now. */
  dropWriteTags(isWatched: (host: number) => boolean): void {
    const words = this.#words;
    for (let context = 0; context < TLB_CONTEXTS; context++) {
      if (!this.#regimes.isLive(context)) continue;
      const data = this.#table(context) >> 2;
      for (let n = 0; n < DATA_TLB_ENTRIES; n++) {
        const entry = data + n * DATA_WORDS;
        const empty = (n << 12) ^ EMPTY_TAG_FLIP;
        const page = words[entry + WRITE] as number;
        if (page === empty) continue;
        if (isWatched((page + (words[entry + DATA_ADDEND] as number)) | 0))
          words[entry + WRITE] = empty;
      }
    }
  }

  /** Forgets every translation that fetches use, in every regime. */
  flushFetch(): void {
    for (let context = 0; context < TLB_CONTEXTS; context++) {
      if (this.#regimes.isLive(context)) this.#clearFetch(context);
    }
  }

  // --- for an oracle ---

  /** Whether any regime, or one of an ASID (`asid` >= 0), still translates a page. */
  holds(low: number, high: number, asid: number): boolean {
    const words = this.#words;
    const page = low & ~0xfff;
    const isTag = (at: number): boolean => words[at] === page && words[at + 1] === high;
    for (let context = 0; context < TLB_CONTEXTS; context++) {
      if (!this.#regimes.isLive(context)) continue;
      if (asid >= 0 && this.#regimes.asidOf(context) !== asid) continue;
      const data = this.#dataEntry(context, low);
      if (isTag(data + READ) || isTag(data + WRITE) || isTag(this.#fetchEntry(context, low)))
        return true;
    }
    return false;
  }

  /** Every live entry of translated regimes. It is slow. */
  *entries(): Generator<TlbEntry> {
    const words = this.#words;
    for (let context = 0; context < TLB_CONTEXTS; context++) {
      if (!this.#regimes.isLive(context) || !this.#regimes.isTranslated(context)) continue;
      const asid = this.#regimes.asidOf(context);
      const isLive = (at: number, n: number, entries: number): boolean =>
        (((words[at] as number) >>> 12) & (entries - 1)) === n;
      for (let n = 0; n < DATA_TLB_ENTRIES; n++) {
        const data = (this.#table(context) >> 2) + n * DATA_WORDS;
        const mayRead = isLive(data + READ, n, DATA_TLB_ENTRIES);
        const mayWrite = isLive(data + WRITE, n, DATA_TLB_ENTRIES);
        if (!mayRead && !mayWrite) continue;
        const tag = mayRead ? data + READ : data + WRITE;
        const host = ((words[data + DATA_ADDEND] as number) + (words[tag] as number)) | 0;
        const page = (host - this.#ram) >>> 12;
        const rights = (mayRead ? PTE.R : 0) | (mayWrite ? PTE.W : 0);
        yield { low: words[tag] as number, high: words[tag + 1] as number, page, rights, asid };
      }
      for (let n = 0; n < FETCH_TLB_ENTRIES; n++) {
        const fetch = ((this.#table(context) + FETCH_TABLE_OFFSET) >> 2) + n * FETCH_WORDS;
        if (!isLive(fetch, n, FETCH_TLB_ENTRIES)) continue;
        const page = this.#decodeCache.pageAt(words[fetch + FETCH_DECODED] as number);
        const [low, high] = [words[fetch] as number, words[fetch + 1] as number];
        yield { low, high, page, rights: PTE.X, asid };
      }
    }
  }
}

/** Bits in words, from the word at `first` on. */
function setBit(words: Int32Array, first: number, bit: number): void {
  const cell = first + (bit >>> 5);
  words[cell] = (words[cell] as number) | (1 << (bit & 31));
}
const hasBit = (words: Int32Array, first: number, bit: number): boolean =>
  ((words[first + (bit >>> 5)] as number) & (1 << (bit & 31))) !== 0;

/** The position of the lowest bit that is set. */
const lowestBit = (bits: number): number => 31 - Math.clz32(bits & -bits);
