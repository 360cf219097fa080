/**
 * Address translation of one hart: the walk of Sv39 and Sv48 with Svnapot, Svpbmt and Svadu, physical
 * memory protection, and the soft TLB that remembers what they decided.
 *
 * "Virtual Address Translation Process", vol. II (20250508) §12.3.2, with LEVELS = 3 (Sv39, §12.4) or
 * 4 (Sv48, §12.5) and PTESIZE = 8; step numbers are the manual's. Who sets A and D is up to
 * `menvcfg.ADUE`: a page fault asks software to (Svade), or the walk does (Svadu).
 *
 * The soft TLB keeps one table per regime (view, ASID, privilege, SUM, MXR, keys; regimes.ts), so a change of
 * regime only chooses another table: nothing is flushed on a trap, a gate or a `satp` write.
 */
import type { CoreExports } from './core/generate.ts';
import {
  csrWordOf,
  DATA_TLB_ENTRIES,
  DataEntry,
  EMPTY_TAG_FLIP,
  FETCH_TABLE_OFFSET,
  FETCH_TLB_ENTRIES,
  FetchEntry,
  PRIVILEGE,
  TABLE_STATE_OFFSET,
  TableState,
  TLB_CONTEXTS,
  wordOf,
} from './core/hart-block.ts';
import { SHAPE_GLOBAL, SHAPE_NAPOT, SHAPE_UNTRANSLATED } from './core/tlb-model.ts';
import { CAUSE, MSTATUS_BITS } from './csr-numbers.ts';
import type { DecodeCache } from './decode-cache.ts';
import { PmpTable } from './pmp.ts';
import { Regimes } from './regimes.ts';

export { CAUSE, MSTATUS_BITS } from './csr-numbers.ts';

export type AccessKind = 'load' | 'store' | 'fetch';

/** PTE bits (vol. II, figure "Sv39 page table entry"). */
export const PTE = { V: 1, R: 2, W: 4, X: 8, U: 16, G: 32, A: 64, D: 128 } as const;
/** Bits 58 to 54, in the high half: Cordon's protection key where the machine has keys, reserved elsewhere. */
export const PTE_KEY_SHIFT_HIGH = 22;
const PTE_KEY_MASK_HIGH = 31 << PTE_KEY_SHIFT_HIGH;
/** Bit 63 (Svnapot) and bits 62 and 61 (Svpbmt), in the high half; below them, down to 54, all is reserved. */
const PTE_N_HIGH = 1 << 31;
const PTE_PBMT_HIGH = 3 << 29;
const PTE_RESERVED_HIGH = 0x7f << PTE_KEY_SHIFT_HIGH;
/** The low bits of the PPN that say "64 KiB", the only NAPOT size that is defined (Svnapot). */
const NAPOT_PPN_MASK = 15;
const NAPOT_64K = 8;
const PPN_LOW_MASK = 0x3fffff;
const PPN_HIGH_MASK = 0x3fffff;
/** satp.MODE (vol. II, table "Encoding of satp MODE field"). */
export const SATP_MODE = { BARE: 0, SV39: 8, SV48: 9 } as const;
/** Levels of a satp.MODE's page tables; 0: no translation. */
export const levelsOf = (mode: number): number =>
  mode === SATP_MODE.SV39 ? 3 : mode === SATP_MODE.SV48 ? 4 : 0;
/** menvcfg's bits 61 to 63, in the high half (vol. II, figure "menvcfg"). */
export const MENVCFG_HIGH = { ADUE: 1 << 29, PBMTE: 1 << 30, STCE: 1 << 31 } as const;

const PAGE_FAULT: Record<AccessKind, number> = {
  fetch: CAUSE.FETCH_PAGE,
  load: CAUSE.LOAD_PAGE,
  store: CAUSE.STORE_PAGE,
};
const ACCESS_FAULT: Record<AccessKind, number> = {
  fetch: CAUSE.FETCH_ACCESS,
  load: CAUSE.LOAD_ACCESS,
  store: CAUSE.STORE_ACCESS,
};

/** No fault. */
export const NO_FAULT = -1;

// Word indices within the hart block: constants here, so that no hot path looks a name up.
const MODE = wordOf('mode');
const HIGH = wordOf('high');
const FETCH_STAMP = wordOf('fetchStamp');
const MSTATUS = csrWordOf('mstatus');
const MENVCFG = csrWordOf('menvcfg');
const SATP = csrWordOf('satp');
const MKEYS = csrWordOf('mkeys');

/** Page addresses that a hash tells apart. */
const STAMPED_PAGES = 4096;

/** The entries of the soft TLB, in words. */
const DATA_WORDS = DataEntry.sizeBytes >> 2;
const READ = DataEntry.offset.readTag >> 2;
const WRITE = DataEntry.offset.writeTag >> 2;
const DATA_ADDEND = DataEntry.offset.addend >> 2;
const DATA_SHAPE = DataEntry.offset.shape >> 2;
const FETCH_WORDS = FetchEntry.sizeBytes >> 2;
const FETCH_DECODED = FetchEntry.offset.decoded >> 2;
/** Kinds of leaf that translate more than a page: superpages by their level, and NAPOT ranges. */
const LARGE_KINDS = 4;
/** Enough bits that a kernel's text and its own memory seldom share one with what it maps page by page. */
const LARGE_WORDS = 8;
const NAPOT_KIND = 4;
const kindOf = (shape: number): number => ((shape & SHAPE_NAPOT) === 0 ? shape & 3 : NAPOT_KIND);
/** Address bits within the range of a leaf, by kind; 0 for a page. */
const KIND_SHIFT = [0, 21, 30, 39, 16] as const;
const STAMP = TableState.offset.stamp >> 2;
const STAMP_OFFSET = TableState.offset.stampOffset >> 2;
const FETCH_SHAPE = FetchEntry.offset.shape >> 2;
/** Words of the bits that tell which entries of a table were filled: data entries, then fetch entries. */
const FILLED_WORDS = (DATA_TLB_ENTRIES + FETCH_TLB_ENTRIES) / 32;

/**
 * Told of every translation that enters the soft TLB, and of every access that may not. `page` is the
 * physical address of the page, `rights` those of PTE.R, W and X that the regime has on it.
 */
export type TranslationObserver = (
  low: number,
  high: number,
  page: number,
  rights: number,
  mode: number,
  isTranslated: boolean,
) => void;

/** A live entry of the soft TLB, for those who look on. */
export interface TlbEntry {
  readonly low: number;
  readonly high: number;
  /** Page of RAM, from its start. */
  readonly page: number;
  readonly rights: number;
  readonly asid: number;
}

/** Virtual pages whose every access of a kind has to come to the hart. */
export interface HeldPages {
  holds(low: number, high: number, access: AccessKind): boolean;
}

export class Translation {
  /** For an oracle; undefined costs a look. */
  observer: TranslationObserver | undefined;
  readonly pmp: PmpTable = new PmpTable();
  /** PTE bits 58-54 select a key and `mkeys` is consulted. Fixed when the machine is built. */
  readonly hasKeys: boolean;

  readonly #core: CoreExports;
  readonly #words: Int32Array;
  readonly #block: number;
  readonly #at: number;
  readonly #ram: number;
  readonly #firstPage: number;
  readonly #pages: number;
  readonly #decodeCache: DecodeCache;
  readonly #watchedPage: number;
  readonly #isStoreWatched: ((host: number) => boolean) | undefined;
  readonly #held: HeldPages | undefined;

  readonly #evicted = (): void => this.flushFetch();

  /** Page number of the last walk, its low 22 bits and what is above; nothing here needs a double. */
  #ppnLow = 0;
  #ppnHigh = 0;
  #offset = 0;
  /** Linear-memory address of that page, 0 if it is no RAM. */
  #host = 0;
  #leafLow = 0;
  /** Level of the leaf, and SHAPE_NAPOT. */
  #level = 0;
  #isTranslated = false;
  /** The page as a whole has one PMP verdict for each kind of access. */
  #cacheable = true;

  readonly #regimes: Regimes;
  /**
   * Which large leaves a table may hold pieces of, hashed into a bit each, `LARGE_WORDS` for each kind: a
   * fence for one address has to look for them.
   */
  readonly #large: Int32Array = new Int32Array(LARGE_KINDS * LARGE_WORDS * TLB_CONTEXTS);
  /** A bit for each entry that was filled since its table was last empty: emptying visits only those. */
  readonly #filled: Int32Array = new Int32Array(TLB_CONTEXTS * FILLED_WORDS).fill(-1);
  #lastStamp = 0;
  /** Pages that somebody relies on by a stamp, hashed: a fence for one address has to ask. */
  readonly #stampedPages: Uint8Array = new Uint8Array(STAMPED_PAGES);

  misses = 0;

  constructor(environment: {
    readonly memory: SharedArrayBuffer;
    readonly core: CoreExports;
    readonly hartBase: number;
    readonly ram: number;
    readonly ramBase: number;
    readonly ramBytes: number;
    readonly hasKeys: boolean;
    /** Linear-memory address of a page of RAM to which no store may be remembered; 0: none. */
    readonly watchedPage: number;
    /** More of them, by linear-memory address; they may become watched at any time. */
    readonly isStoreWatched?: (host: number) => boolean;
    /** A debugger's and the guest's own, for their breakpoints and watchpoints. */
    readonly held?: HeldPages;
    readonly decodeCache: DecodeCache;
  }) {
    this.#core = environment.core;
    this.#words = new Int32Array(environment.memory);
    this.#block = environment.hartBase;
    this.#at = environment.hartBase >> 2;
    this.#ram = environment.ram;
    this.#firstPage = environment.ramBase / 4096;
    this.#pages = environment.ramBytes / 4096;
    this.hasKeys = environment.hasKeys;
    this.#decodeCache = environment.decodeCache;
    this.#watchedPage = environment.watchedPage;
    this.#isStoreWatched = environment.isStoreWatched;
    this.#held = environment.held;
    this.#regimes = new Regimes({
      core: environment.core,
      words: this.#words,
      hartBase: environment.hartBase,
      hasKeys: environment.hasKeys,
      emptied: (context) => this.#clear(context),
    });
  }

  /** Regimes that lost their table to another since the counter was last read. */
  takeEvictions(): number {
    const { evictions } = this.#regimes;
    this.#regimes.evictions = 0;
    return evictions;
  }

  /** A word of the hart block. */
  #word(index: number): number {
    return this.#words[this.#at + index] as number;
  }

  /** The privilege that loads and stores have: MPRV lends M the one in MPP (vol. II §3.1.6.3). */
  #dataMode(mode: number): number {
    const mstatus = this.#word(MSTATUS);
    return mode === PRIVILEGE.M && (mstatus & MSTATUS_BITS.MPRV) !== 0
      ? (mstatus >> MSTATUS_BITS.MPP_SHIFT) & 3
      : mode;
  }

  /** Chooses the tables of the present regime; to be called after every change of mode, SUM, MXR, MPRV or MPP. */
  select(): void {
    this.#regimes.select();
  }

  /** The table's fetch translations are others now: what was found out about them holds no more. */
  #restamp(context: number): void {
    this.#lastStamp = (this.#lastStamp + 1) | 0;
    const state = (this.#table(context) + TABLE_STATE_OFFSET) >> 2;
    this.#words[state + STAMP] = this.#lastStamp;
    this.#words[state + STAMP_OFFSET] = context * 4;
    if (context === this.#regimes.fetchContext)
      this.#words[this.#at + FETCH_STAMP] = this.#lastStamp;
  }

  /** Makes sure that the present stamp does not outlive the translation of this page. */
  stampPage(low: number): void {
    this.#stampedPages[(low >>> 12) & (STAMPED_PAGES - 1)] = 1;
  }

  /** The same after a change of `satp` or the keys. */
  chooseView(): void {
    this.#regimes.chooseView();
  }

  #table(context: number): number {
    return this.#regimes.table(context);
  }

  #markFilled(context: number, index: number): void {
    const cell = context * FILLED_WORDS + (index >>> 5);
    this.#filled[cell] = (this.#filled[cell] as number) | (1 << (index & 31));
  }

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
    const kinds = LARGE_KINDS * LARGE_WORDS;
    this.#large.fill(0, kinds * context, kinds * (context + 1));
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
    const mega = largeHash(1, low, high);
    const giga = largeHash(2, low, high);
    const tera = largeHash(3, low, high);
    const napot = largeHash(NAPOT_KIND, low, high);
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
        this.#mayHold(context, 1, mega) ||
        this.#mayHold(context, 2, giga) ||
        this.#mayHold(context, 3, tera) ||
        this.#mayHold(context, NAPOT_KIND, napot);
      if (mayHold) this.#dropLarge(context, low, high);
      if (mayHold || this.#stampedPages[(low >>> 12) & (STAMPED_PAGES - 1)] === 1)
        this.#restamp(context);
    }
  }

  /** Whether a table may hold a piece of a large leaf of a kind, by its hash. */
  #mayHold(context: number, kind: number, hash: number): boolean {
    return ((this.#large[largeWord(context, kind, hash)] as number) & (1 << (hash & 31))) !== 0;
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
          const shift = KIND_SHIFT[kindOf(words[entry + DATA_SHAPE] as number)] as number;
          if (shift === 0) continue;
          const empty = (index << 12) ^ EMPTY_TAG_FLIP;
          if (isInSame(words, entry + READ, shift, low, high)) words[entry + READ] = empty;
          if (isInSame(words, entry + WRITE, shift, low, high)) words[entry + WRITE] = empty;
        } else {
          const entry = fetches + (index - DATA_TLB_ENTRIES) * FETCH_WORDS;
          const shift = KIND_SHIFT[kindOf(words[entry + FETCH_SHAPE] as number)] as number;
          if (shift !== 0 && isInSame(words, entry, shift, low, high))
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

  /** Remembers the last translation of a load or store, whatever speaks against it, until `takeBack`. */
  lend(low: number, high: number, access: 'load' | 'store'): void {
    const words = this.#words;
    const context = this.#regimes.dataContext;
    const entry = this.#dataEntry(context, low);
    const page = low & ~0xfff;
    words[entry + READ] = access === 'load' ? page : page ^ EMPTY_TAG_FLIP;
    words[entry + READ + 1] = high;
    words[entry + WRITE] = access === 'store' ? page : page ^ EMPTY_TAG_FLIP;
    words[entry + WRITE + 1] = high;
    words[entry + DATA_ADDEND] = (this.#host - page) | 0;
    words[entry + DATA_SHAPE] = this.#shape();
    this.#markFilled(context, (low >>> 12) & (DATA_TLB_ENTRIES - 1));
  }

  takeBack(low: number): void {
    const entry = this.#dataEntry(this.#regimes.dataContext, low);
    this.#words[entry + READ] = (low & ~0xfff) ^ EMPTY_TAG_FLIP;
    this.#words[entry + WRITE] = (low & ~0xfff) ^ EMPTY_TAG_FLIP;
  }

  /** Forgets every translation that fetches use, in every regime. */
  flushFetch(): void {
    for (let context = 0; context < TLB_CONTEXTS; context++) {
      if (this.#regimes.isLive(context)) this.#clearFetch(context);
    }
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

  /**
   * Translates an address and checks the access, without touching the TLB.
   * @returns NO_FAULT, with the result in `physical`, or the exception code
   */
  translate(low: number, high: number, access: AccessKind, bytes: number): number {
    const mode = this.#word(MODE);
    const effective = access === 'fetch' ? mode : this.#dataMode(mode);
    const fault = this.#walk(low, high, access, effective);
    if (fault !== NO_FAULT) return fault;
    this.#cacheable = true;
    if (this.pmp.isActive(effective)) {
      if (!this.pmp.allows(this.physical, bytes, access, effective)) return ACCESS_FAULT[access];
      this.#cacheable = this.pmp.isUniform(this.physical - this.#offset, 4096);
    }
    return NO_FAULT;
  }

  #walk(low: number, high: number, access: AccessKind, mode: number): number {
    const satpHigh = this.#word(SATP + 1);
    const levels = mode === PRIVILEGE.M ? 0 : levelsOf(satpHigh >>> 28);
    this.#level = 0;
    this.#isTranslated = levels !== 0;
    if (levels === 0) {
      this.#locate((low >>> 12) | ((high & 3) << 20), high >>> 2, low);
      this.#leafLow = PTE.R | PTE.W | PTE.X | PTE.D | PTE.G;
      return NO_FAULT;
    }
    // The bits above the topmost VPN's must equal its highest: from 38 on in Sv39, from 47 on in Sv48.
    const sign = high >> (9 * levels - 21);
    if (sign !== 0 && sign !== -1) return PAGE_FAULT[access];
    const asksPmp = this.pmp.isActive(PRIVILEGE.S);
    const menvcfg = this.#word(MENVCFG + 1);
    const reserved =
      (this.hasKeys ? PTE_RESERVED_HIGH & ~PTE_KEY_MASK_HIGH : PTE_RESERVED_HIGH) |
      ((menvcfg & MENVCFG_HIGH.PBMTE) === 0 ? PTE_PBMT_HIGH : 0);
    const satpLow = this.#word(SATP);
    let ppnLow = satpLow & PPN_LOW_MASK;
    let ppnHigh = (satpLow >>> 22) | ((satpHigh & 0xfff) << 10);
    let level = levels - 1;
    while (level >= 0) {
      const vpn = vpnOf(level, low, high);
      // Step 2. The table's address is physical; the access is one of S-mode.
      const table = this.#hostOf(ppnLow, ppnHigh);
      if (
        table === 0 ||
        (asksPmp && !this.pmp.allows(addressOf(ppnLow, ppnHigh) + vpn * 8, 8, 'load', PRIVILEGE.S))
      ) {
        return ACCESS_FAULT[access];
      }
      let pteLow = this.#core.atomicLoad64(this.#block, table + vpn * 8);
      const pteHigh = this.#word(HIGH);
      // Step 3. W without R is reserved; so are the high bits, but for keys where the machine has them.
      if ((pteLow & PTE.V) === 0 || (pteLow & (PTE.R | PTE.W)) === PTE.W) return PAGE_FAULT[access];
      if ((pteHigh & reserved) !== 0) return PAGE_FAULT[access];
      const nextLow = pteLow >>> 10;
      const nextHigh = pteHigh & PPN_HIGH_MASK;
      if ((pteLow & (PTE.R | PTE.X)) === 0) {
        // Step 4. A, D, U, N and PBMT are reserved in a pointer to the next level.
        if ((pteLow & (PTE.A | PTE.D | PTE.U)) !== 0) return PAGE_FAULT[access];
        if ((pteHigh & (PTE_N_HIGH | PTE_PBMT_HIGH)) !== 0) return PAGE_FAULT[access];
        ppnLow = nextLow;
        ppnHigh = nextHigh;
        level -= 1;
        continue;
      }
      if ((pteHigh & PTE_PBMT_HIGH) === PTE_PBMT_HIGH) return PAGE_FAULT[access];
      // The part of the PPN that comes from the address: of a superpage (step 5), or of a NAPOT range.
      let below = level === 0 ? 0 : level === 1 ? 0x1ff : level === 2 ? 0x3ffff : PPN_LOW_MASK;
      const belowHigh = level === 3 ? 0x1f : 0;
      let isNapot = false;
      if (pteHigh < 0) {
        if (level !== 0 || (nextLow & NAPOT_PPN_MASK) !== NAPOT_64K) return PAGE_FAULT[access];
        isNapot = true;
        below = NAPOT_PPN_MASK;
      } else if ((nextLow & below) !== 0 || (nextHigh & belowHigh) !== 0) return PAGE_FAULT[access];
      // Step 6. Permission of the leaf, given privilege, SUM, MXR and keys.
      const needed = access === 'load' ? PTE.R : access === 'store' ? PTE.W : PTE.X;
      if ((this.#rightsOf(pteLow, pteHigh, mode) & needed) === 0) return PAGE_FAULT[access];
      // Step 7. Svade wants a fault; Svadu sets the bits unless the entry has changed, else looks again.
      const used = access === 'store' ? PTE.A | PTE.D : PTE.A;
      if ((pteLow & used) !== used) {
        if ((menvcfg & MENVCFG_HIGH.ADUE) === 0) return PAGE_FAULT[access];
        const slot = addressOf(ppnLow, ppnHigh) + vpn * 8;
        if (asksPmp && !this.pmp.allows(slot, 8, 'store', PRIVILEGE.S)) return ACCESS_FAULT[access];
        const host = table + vpn * 8;
        if (this.#core.compareExchange64(host, pteLow, pteHigh, pteLow | used, pteHigh) === 0)
          continue;
        pteLow |= used;
      }
      // Step 9.
      const pageLow = (low >>> 12) | ((high & 3) << 20);
      this.#locate(
        (nextLow & ~below) | (pageLow & below),
        nextHigh | ((high >> 2) & belowHigh),
        low,
      );
      this.#leafLow = this.#rightsOf(pteLow, pteHigh, mode);
      this.#level = isNapot ? SHAPE_NAPOT : level;
      return NO_FAULT;
    }
    // A pointer at the last level.
    return PAGE_FAULT[access];
  }

  /** The leaf with R, W and X as the present regime has them. */
  #rightsOf(pteLow: number, pteHigh: number, mode: number): number {
    const mstatus = this.#word(MSTATUS);
    let rights = pteLow;
    if ((mstatus & MSTATUS_BITS.MXR) !== 0 && (rights & PTE.X) !== 0) rights |= PTE.R;
    if ((pteLow & PTE.U) === 0) {
      if (mode === PRIVILEGE.U) rights &= ~(PTE.R | PTE.W | PTE.X);
    } else if (mode === PRIVILEGE.S) {
      rights &= (mstatus & MSTATUS_BITS.SUM) === 0 ? ~(PTE.R | PTE.W | PTE.X) : ~PTE.X;
    }
    if (this.hasKeys) {
      const key = (pteHigh >>> PTE_KEY_SHIFT_HIGH) & 31;
      const keys = key < 16 ? this.#word(MKEYS) : this.#word(MKEYS + 1);
      const mine = keys >>> (2 * (key & 15));
      if ((mine & 1) === 0) rights &= ~(PTE.R | PTE.W | PTE.X);
      if ((mine & 2) === 0) rights &= ~PTE.W;
    }
    return rights;
  }

  /** Linear-memory address of a physical page, 0 if it is no RAM. */
  #hostOf(ppnLow: number, ppnHigh: number): number {
    const index = ppnLow - this.#firstPage;
    return ppnHigh === 0 && index >= 0 && index < this.#pages ? this.#ram + (index << 12) : 0;
  }

  /** Records where a walk ended. */
  #locate(ppnLow: number, ppnHigh: number, low: number): void {
    this.#ppnLow = ppnLow;
    this.#ppnHigh = ppnHigh;
    this.#offset = low & 0xfff;
    this.#host = this.#hostOf(ppnLow, ppnHigh);
  }

  /** Physical address of the last walk. */
  get physical(): number {
    return addressOf(this.#ppnLow, this.#ppnHigh) + this.#offset;
  }

  /** Linear-memory address of the last translation, 0 if it is no RAM; within its page. */
  hostAddress(): number {
    return this.#host === 0 ? 0 : this.#host + this.#offset;
  }

  #pmpAllowsPage(access: AccessKind): boolean {
    const mode = this.#dataMode(this.#word(MODE));
    return (
      !this.pmp.isActive(mode) || this.pmp.allows(this.physical - this.#offset, 4096, access, mode)
    );
  }

  #tell(observer: TranslationObserver, low: number, high: number, access: AccessKind): void {
    const current = this.#word(MODE);
    const mode = access === 'fetch' ? current : this.#dataMode(current);
    if (mode === PRIVILEGE.M) return;
    let rights = PTE.X as number;
    if (access !== 'fetch') {
      rights = access === 'load' ? PTE.R : PTE.W;
      if ((this.#leafLow & PTE.R) !== 0 && this.#pmpAllowsPage('load')) rights |= PTE.R;
      const writable = PTE.W | PTE.D;
      if ((this.#leafLow & writable) === writable && this.#pmpAllowsPage('store')) rights |= PTE.W;
    }
    observer(low & ~0xfff, high, this.physical - this.#offset, rights, mode, this.#isTranslated);
  }

  /** Whether any regime, or one of an ASID (`asid` >= 0), still translates a page. For an oracle. */
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

  /** Every live entry of translated regimes. For an oracle: it is slow. */
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

  /** What the modelled TLB and fences have to know of the last translation. */
  #shape(): number {
    return this.#isTranslated
      ? this.#level | ((this.#leafLow & PTE.G) === 0 ? 0 : SHAPE_GLOBAL)
      : SHAPE_UNTRANSLATED;
  }

  /**
   * Puts the last successful translation into the TLB.
   * @returns false if it may not be remembered: a device, a page that PMP cuts or that is held, or a
   * store that is watched
   */
  remember(low: number, high: number, access: AccessKind): boolean {
    const host = this.#host;
    if (this.observer !== undefined) this.#tell(this.observer, low, high, access);
    if (host === 0 || !this.#cacheable) return false;
    if (this.#held?.holds(low, high, access) === true) return false;
    const isWatched =
      host === this.#watchedPage || (access !== 'fetch' && this.#isStoreWatched?.(host) === true);
    if (isWatched && access === 'store') return false;
    const words = this.#words;
    const pageLow = low & ~0xfff;
    const shape = this.#shape();
    const { fetchContext, dataContext } = this.#regimes;
    const context = access === 'fetch' ? fetchContext : dataContext;
    if (access === 'fetch') {
      // This may evict a decoded page and with it every fetch tag, so it comes first.
      const decoded = this.#decodeCache.recordsOf((host - this.#ram) >>> 12, this.#evicted);
      const entry = this.#fetchEntry(context, low);
      words[entry] = pageLow;
      words[entry + 1] = high;
      words[entry + FETCH_DECODED] = decoded;
      words[entry + FETCH_SHAPE] = shape;
      this.#markFilled(context, DATA_TLB_ENTRIES + ((low >>> 12) & (FETCH_TLB_ENTRIES - 1)));
    } else {
      const entry = this.#dataEntry(context, low);
      const mayRead = (this.#leafLow & PTE.R) !== 0 && this.#pmpAllowsPage('load');
      const mayWrite =
        !isWatched &&
        (this.#leafLow & (PTE.W | PTE.D)) === (PTE.W | PTE.D) &&
        this.#pmpAllowsPage('store');
      words[entry + READ] = mayRead ? pageLow : pageLow ^ EMPTY_TAG_FLIP;
      words[entry + READ + 1] = high;
      words[entry + WRITE] = mayWrite ? pageLow : pageLow ^ EMPTY_TAG_FLIP;
      words[entry + WRITE + 1] = high;
      words[entry + DATA_ADDEND] = (host - pageLow) | 0;
      words[entry + DATA_SHAPE] = shape;
      this.#markFilled(context, (low >>> 12) & (DATA_TLB_ENTRIES - 1));
    }
    if (this.#level !== 0) {
      const kind = kindOf(shape);
      const hash = largeHash(kind, low, high);
      const word = largeWord(context, kind, hash);
      this.#large[word] = (this.#large[word] as number) | (1 << (hash & 31));
    }
    this.misses += 1;
    return true;
  }
}

/** The position of the lowest bit that is set. */
const lowestBit = (bits: number): number => 31 - Math.clz32(bits & -bits);

/** The part of an address that selects the entry in a table of a level. */
const vpnOf = (level: number, low: number, high: number): number =>
  (level === 0
    ? low >>> 12
    : level === 1
      ? low >>> 21
      : level === 2
        ? (high << 2) | (low >>> 30)
        : high >>> 7) & 0x1ff;

/** The address of a page; beyond 2^53 inexact, but nothing is there. */
const addressOf = (ppnLow: number, ppnHigh: number): number => (ppnHigh * 2 ** 22 + ppnLow) * 4096;

/** Whether an entry's tag lies in the same large leaf as an address. */
const isInSame = (
  words: Int32Array,
  tag: number,
  shift: number,
  low: number,
  high: number,
): boolean => {
  const [tagLow, tagHigh] = [words[tag] as number, words[tag + 1] as number];
  return shift >= 32
    ? tagHigh >>> (shift - 32) === high >>> (shift - 32)
    : tagHigh === high && tagLow >>> shift === low >>> shift;
};

/** Stands for the large leaf of a kind that holds an address. */
const largeHash = (kind: number, low: number, high: number): number => {
  const shift = KIND_SHIFT[kind] as number;
  const number = shift >= 32 ? high >>> (shift - 32) : (low >>> shift) ^ (high << (32 - shift));
  return (number ^ (number >>> 8)) & (32 * LARGE_WORDS - 1);
};

/** The word of `#large` that has the bit of a hash. */
const largeWord = (context: number, kind: number, hash: number): number =>
  (LARGE_KINDS * context + kind - 1) * LARGE_WORDS + (hash >>> 5);
