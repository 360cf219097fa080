/**
 * Address translation of one hart: the Sv39 walk, physical memory protection, and the soft TLB that
 * remembers what they decided.
 *
 * "Sv39" and "Virtual Address Translation Process", vol. II (20250508) §12.4 and §12.3.2; step numbers
 * are the manual's. A and D are handled as Svade demands: a page fault asks software to set them.
 *
 * The soft TLB keeps one table per regime (view, ASID, privilege, SUM, MXR, keys), so a change of regime
 * only chooses another table: nothing is flushed on a trap, a gate or a `satp` write.
 */
import type { CoreExports } from './core/generate.ts';
import {
  csrIndex,
  DataEntry,
  EMPTY_TAG_FLIP,
  FETCH_TABLE_OFFSET,
  FetchEntry,
  HartBlock,
  PRIVILEGE,
  TLB_BYTES,
  TLB_CONTEXTS,
  TLB_ENTRIES,
} from './core/hart-block.ts';
import { SHAPE_GLOBAL, SHAPE_UNTRANSLATED, TLB_OFFSET } from './core/tlb-model.ts';
import type { DecodeCache } from './decode-cache.ts';
import { PmpTable } from './pmp.ts';

export type AccessKind = 'load' | 'store' | 'fetch';

/** PTE bits (vol. II, figure "Sv39 page table entry"). */
export const PTE = { V: 1, R: 2, W: 4, X: 8, U: 16, G: 32, A: 64, D: 128 } as const;
/** Bits 58 to 54, in the high half: Cordon's protection key where the machine has keys, reserved elsewhere. */
export const PTE_KEY_SHIFT_HIGH = 22;
const PTE_KEY_MASK_HIGH = 31 << PTE_KEY_SHIFT_HIGH;
const PTE_RESERVED_HIGH = -(1 << PTE_KEY_SHIFT_HIGH);
const PPN_HIGH_MASK = 0x3fffff;
const SATP_SV39 = 8;

export const MSTATUS_BITS = {
  SIE: 1 << 1,
  MIE: 1 << 3,
  SPIE: 1 << 5,
  MPIE: 1 << 7,
  SPP: 1 << 8,
  MPP_SHIFT: 11,
  MPP: 3 << 11,
  MPRV: 1 << 17,
  SUM: 1 << 18,
  MXR: 1 << 19,
  TVM: 1 << 20,
  TW: 1 << 21,
  TSR: 1 << 22,
} as const;

/** Exception codes (vol. II, table "mcause values after trap"). */
export const CAUSE = {
  FETCH_MISALIGNED: 0,
  FETCH_ACCESS: 1,
  ILLEGAL: 2,
  BREAKPOINT: 3,
  LOAD_MISALIGNED: 4,
  LOAD_ACCESS: 5,
  STORE_MISALIGNED: 6,
  STORE_ACCESS: 7,
  ECALL_U: 8,
  ECALL_S: 9,
  ECALL_M: 11,
  FETCH_PAGE: 12,
  LOAD_PAGE: 13,
  STORE_PAGE: 15,
} as const;

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

const MAX_LEVEL = 2;

/** Brings SUM and MXR to bits 2 and 3. */
const HINT_SHIFT = 16;

/** The entries of the soft TLB, in words. */
const DATA_WORDS = DataEntry.sizeBytes >> 2;
const READ = DataEntry.offset.readTag >> 2;
const WRITE = DataEntry.offset.writeTag >> 2;
const DATA_PAGE = DataEntry.offset.page >> 2;
const DATA_SHAPE = DataEntry.offset.shape >> 2;
const FETCH_WORDS = FetchEntry.sizeBytes >> 2;
const FETCH_DECODED = FetchEntry.offset.decoded >> 2;
const FETCH_SHAPE = FetchEntry.offset.shape >> 2;

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
  readonly #ramBase: number;
  readonly #ramBytes: number;
  readonly #decodeCache: DecodeCache;

  readonly #evicted = (): void => this.flushFetch();

  /** Physical address of the last walk. */
  physical = 0;
  #leafLow = 0;
  #level = 0;
  #isTranslated = false;
  /** The page as a whole has one PMP verdict for each kind of access. */
  #cacheable = true;

  /** Regimes: five key words each; the first is -1 if the table is empty. */
  readonly #regimes: Int32Array = new Int32Array(TLB_CONTEXTS * 5).fill(-1);
  /** The context that a mode with SUM and MXR had last: it mostly has it still. */
  readonly #hints: Uint8Array = new Uint8Array(16);
  readonly #lastUse: Float64Array = new Float64Array(TLB_CONTEXTS);
  /** The table holds pieces of superpages: a fence for one address has to look for them. */
  readonly #hasSuperpage: Uint8Array = new Uint8Array(TLB_CONTEXTS);
  #useClock = 0;
  #current = -1;
  #currentData = -1;

  misses = 0;
  evictions = 0;

  constructor(environment: {
    readonly memory: SharedArrayBuffer;
    readonly core: CoreExports;
    readonly hartBase: number;
    readonly ram: number;
    readonly ramBase: number;
    readonly ramBytes: number;
    readonly hasKeys: boolean;
    readonly decodeCache: DecodeCache;
  }) {
    this.#core = environment.core;
    this.#words = new Int32Array(environment.memory);
    this.#block = environment.hartBase;
    this.#at = environment.hartBase >> 2;
    this.#ram = environment.ram;
    this.#ramBase = environment.ramBase;
    this.#ramBytes = environment.ramBytes;
    this.hasKeys = environment.hasKeys;
    this.#decodeCache = environment.decodeCache;
  }

  #csrLow(name: keyof typeof csrIndex): number {
    return this.#words[this.#at + (HartBlock.offset.csr >> 2) + 2 * csrIndex[name]] as number;
  }

  #csrHigh(name: keyof typeof csrIndex): number {
    return this.#words[this.#at + (HartBlock.offset.csr >> 2) + 2 * csrIndex[name] + 1] as number;
  }

  /** The privilege that loads and stores have: MPRV lends M the one in MPP (vol. II §3.1.6.3). */
  #dataMode(mode: number): number {
    const mstatus = this.#csrLow('mstatus');
    return mode === PRIVILEGE.M && (mstatus & MSTATUS_BITS.MPRV) !== 0
      ? (mstatus >> MSTATUS_BITS.MPP_SHIFT) & 3
      : mode;
  }

  /**
   * Chooses the tables of the present regime; to be called after every change of mode, `satp`, SUM, MXR,
   * MPRV, MPP or keys.
   */
  select(): void {
    const mode = this.#words[this.#at + (HartBlock.offset.mode >> 2)] as number;
    const dataMode = this.#dataMode(mode);
    this.#current = this.#find(dataMode === mode ? this.#dataRegime(mode) : mode);
    this.#currentData = dataMode === mode ? this.#current : this.#find(this.#dataRegime(dataMode));
    this.#words[this.#at + (HartBlock.offset.fetchTlb >> 2)] =
      this.#table(this.#current) + FETCH_TABLE_OFFSET;
    this.#words[this.#at + (HartBlock.offset.dataTlb >> 2)] = this.#table(this.#currentData);
  }

  #dataRegime(mode: number): number {
    const bits =
      this.#csrLow('mstatus') &
      (mode === PRIVILEGE.S ? MSTATUS_BITS.SUM | MSTATUS_BITS.MXR : MSTATUS_BITS.MXR);
    return mode === PRIVILEGE.M ? mode : mode | bits;
  }

  #table(context: number): number {
    return this.#block + TLB_OFFSET + context * TLB_BYTES;
  }

  #find(regime: number): number {
    const translated = (regime & 3) !== PRIVILEGE.M;
    const satpLow = translated ? this.#csrLow('satp') : 0;
    const satpHigh = translated ? this.#csrHigh('satp') : 0;
    const keysLow = translated && this.hasKeys ? this.#csrLow('mkeys') : 0;
    const keysHigh = translated && this.hasKeys ? this.#csrHigh('mkeys') : 0;
    const regimes = this.#regimes;
    const hint = (regime & 3) | ((regime >> HINT_SHIFT) & 12);
    let victim = 0;
    let oldest = Infinity;
    for (let n = -1; n < TLB_CONTEXTS; n++) {
      const context = n < 0 ? (this.#hints[hint] as number) : n;
      const at = context * 5;
      if (
        regimes[at] === regime &&
        regimes[at + 1] === satpLow &&
        regimes[at + 2] === satpHigh &&
        regimes[at + 3] === keysLow &&
        regimes[at + 4] === keysHigh
      ) {
        this.#lastUse[context] = ++this.#useClock;
        this.#hints[hint] = context;
        return context;
      }
      const use = regimes[at] === -1 ? -1 : (this.#lastUse[context] as number);
      if (use < oldest) {
        oldest = use;
        victim = context;
      }
    }
    if (regimes[victim * 5] !== -1) this.evictions += 1;
    regimes[victim * 5] = regime;
    regimes[victim * 5 + 1] = satpLow;
    regimes[victim * 5 + 2] = satpHigh;
    regimes[victim * 5 + 3] = keysLow;
    regimes[victim * 5 + 4] = keysHigh;
    this.#hints[hint] = victim;
    this.#lastUse[victim] = ++this.#useClock;
    this.#clear(victim);
    return victim;
  }

  #clear(context: number): void {
    const words = this.#words;
    const data = this.#table(context) >> 2;
    for (let n = 0, entry = data; n < TLB_ENTRIES; n++, entry += DATA_WORDS) {
      const empty = (n << 12) ^ EMPTY_TAG_FLIP;
      words[entry + READ] = empty;
      words[entry + WRITE] = empty;
    }
    this.#clearFetch(context);
    this.#hasSuperpage[context] = 0;
  }

  #clearFetch(context: number): void {
    const words = this.#words;
    const first = (this.#table(context) + FETCH_TABLE_OFFSET) >> 2;
    for (let n = 0, entry = first; n < TLB_ENTRIES; n++, entry += FETCH_WORDS)
      words[entry] = (n << 12) ^ EMPTY_TAG_FLIP;
  }

  /** Forgets every translation; tables not in use are emptied when they are next chosen. */
  flushAll(): void {
    this.#regimes.fill(-1);
    this.select();
  }

  /** Forgets the translations of one ASID in every regime (global ones too: more than was asked). */
  flushAsid(asid: number): void {
    this.#flushWhere((context) => this.#asidOf(context) === asid);
  }

  #asidOf(context: number): number {
    return ((this.#regimes[context * 5 + 2] as number) >>> 12) & 0xffff;
  }

  #flushWhere(matches: (context: number) => boolean): void {
    let usesOne = false;
    for (let context = 0; context < TLB_CONTEXTS; context++) {
      if (this.#regimes[context * 5] === -1 || !matches(context)) continue;
      this.#regimes[context * 5] = -1;
      usesOne ||= context === this.#current || context === this.#currentData;
    }
    if (usesOne) this.select();
  }

  /**
   * Forgets the translation of one page in every regime, or in those of one ASID (`asid` >= 0); of a
   * superpage, every piece: the fence is for the leaf that translates the address.
   */
  flushPage(low: number, high: number, asid: number): void {
    const words = this.#words;
    const page = low & ~0xfff;
    for (let context = 0; context < TLB_CONTEXTS; context++) {
      if (this.#regimes[context * 5] === -1) continue;
      if (asid >= 0 && this.#asidOf(context) !== asid) continue;
      const data = this.#dataEntry(context, low);
      const fetch = this.#fetchEntry(context, low);
      if (words[data + READ] === page && words[data + READ + 1] === high)
        words[data + READ] = page ^ EMPTY_TAG_FLIP;
      if (words[data + WRITE] === page && words[data + WRITE + 1] === high)
        words[data + WRITE] = page ^ EMPTY_TAG_FLIP;
      if (words[fetch] === page && words[fetch + 1] === high) words[fetch] = page ^ EMPTY_TAG_FLIP;
      if (this.#hasSuperpage[context] === 1) this.#dropSuperpage(context, low, high);
    }
  }

  /** Forgets every piece of the superpage that holds an address. */
  #dropSuperpage(context: number, low: number, high: number): void {
    const words = this.#words;
    const data = this.#table(context) >> 2;
    const fetches = data + (FETCH_TABLE_OFFSET >> 2);
    for (let n = 0; n < TLB_ENTRIES; n++) {
      const empty = (n << 12) ^ EMPTY_TAG_FLIP;
      const entry = data + n * DATA_WORDS;
      if (isPieceOf(words, entry + READ, words[entry + DATA_SHAPE] as number, low, high))
        words[entry + READ] = empty;
      if (isPieceOf(words, entry + WRITE, words[entry + DATA_SHAPE] as number, low, high))
        words[entry + WRITE] = empty;
      const fetch = fetches + n * FETCH_WORDS;
      if (isPieceOf(words, fetch, words[fetch + FETCH_SHAPE] as number, low, high))
        words[fetch] = empty;
    }
  }

  /** Forgets every translation that fetches use, in every regime. */
  flushFetch(): void {
    for (let context = 0; context < TLB_CONTEXTS; context++) {
      if (this.#regimes[context * 5] !== -1) this.#clearFetch(context);
    }
  }

  /** Word index of the only entry that can hold an address. */
  #dataEntry(context: number, low: number): number {
    return (this.#table(context) >> 2) + ((low >>> 12) & (TLB_ENTRIES - 1)) * DATA_WORDS;
  }

  #fetchEntry(context: number, low: number): number {
    return (
      ((this.#table(context) + FETCH_TABLE_OFFSET) >> 2) +
      ((low >>> 12) & (TLB_ENTRIES - 1)) * FETCH_WORDS
    );
  }

  /**
   * Translates an address and checks the access, without touching the TLB.
   * @returns NO_FAULT, with the result in `physical`, or the exception code
   */
  translate(low: number, high: number, access: AccessKind, bytes: number): number {
    const mode = this.#words[this.#at + (HartBlock.offset.mode >> 2)] as number;
    const effective = access === 'fetch' ? mode : this.#dataMode(mode);
    const fault = this.#walk(low, high, access, effective);
    if (fault !== NO_FAULT) return fault;
    this.#cacheable = true;
    if (this.pmp.isActive(effective)) {
      if (!this.pmp.allows(this.physical, bytes, access, effective)) return ACCESS_FAULT[access];
      this.#cacheable = this.pmp.isUniform(this.physical - (this.physical % 4096), 4096);
    }
    return NO_FAULT;
  }

  #walk(low: number, high: number, access: AccessKind, mode: number): number {
    const satpHigh = this.#csrHigh('satp');
    this.#level = 0;
    this.#isTranslated = false;
    if (mode === PRIVILEGE.M || satpHigh >>> 28 !== SATP_SV39) {
      this.physical = (high >>> 0) * 2 ** 32 + (low >>> 0);
      this.#leafLow = PTE.R | PTE.W | PTE.X | PTE.D | PTE.G;
      return NO_FAULT;
    }
    this.#isTranslated = true;
    // Bits 63 to 39 must equal bit 38.
    const sign = high >> 6;
    if (sign !== 0 && sign !== -1) return PAGE_FAULT[access];
    let table = ((this.#csrLow('satp') >>> 0) + (satpHigh & 0xfff) * 2 ** 32) * 4096;
    for (let level = MAX_LEVEL; level >= 0; level--) {
      const vpn =
        level === 2
          ? ((high & 0x7f) << 2) | (low >>> 30)
          : level === 1
            ? (low >>> 21) & 0x1ff
            : (low >>> 12) & 0x1ff;
      // Step 2. The table's address is physical; the access is one of S-mode.
      const address = table + vpn * 8;
      const host = this.#hostOf(address, 8);
      if (
        host === 0 ||
        (this.pmp.isActive(PRIVILEGE.S) && !this.pmp.allows(address, 8, 'load', PRIVILEGE.S))
      ) {
        return ACCESS_FAULT[access];
      }
      const pteLow = this.#core.atomicLoad64(this.#block, host);
      const pteHigh = this.#words[this.#at + (HartBlock.offset.high >> 2)] as number;
      // Step 3. W without R is reserved; so are the high bits, but for keys where the machine has them.
      if ((pteLow & PTE.V) === 0 || (pteLow & (PTE.R | PTE.W)) === PTE.W) return PAGE_FAULT[access];
      const reserved = this.hasKeys ? PTE_RESERVED_HIGH & ~PTE_KEY_MASK_HIGH : PTE_RESERVED_HIGH;
      if ((pteHigh & reserved) !== 0) return PAGE_FAULT[access];
      const ppn = (pteLow >>> 10) + (pteHigh & PPN_HIGH_MASK) * 2 ** 22;
      if ((pteLow & (PTE.R | PTE.X)) === 0) {
        // Step 4. A, D and U are reserved in a pointer to the next level.
        if ((pteLow & (PTE.A | PTE.D | PTE.U)) !== 0) return PAGE_FAULT[access];
        table = ppn * 4096;
        continue;
      }
      // Step 5, misaligned superpage.
      const pagesBelow = 512 ** level;
      if (ppn % pagesBelow !== 0) return PAGE_FAULT[access];
      // Step 6. Permission of the leaf, given privilege, SUM, MXR and keys.
      const leaf = this.#rightsOf(pteLow, pteHigh, mode);
      const needed = access === 'load' ? PTE.R : access === 'store' ? PTE.W : PTE.X;
      if ((leaf & needed) === 0) return PAGE_FAULT[access];
      // Step 7, Svade.
      if ((pteLow & PTE.A) === 0 || (access === 'store' && (pteLow & PTE.D) === 0))
        return PAGE_FAULT[access];
      const within =
        (level === 2 ? low & 0x3fffffff : level === 1 ? low & 0x1fffff : low & 0xfff) >>> 0;
      this.physical = ppn * 4096 + within;
      this.#leafLow = leaf;
      this.#level = level;
      return NO_FAULT;
    }
    // A pointer at the last level.
    return PAGE_FAULT[access];
  }

  /** The leaf with R, W and X as the present regime has them. */
  #rightsOf(pteLow: number, pteHigh: number, mode: number): number {
    const mstatus = this.#csrLow('mstatus');
    let rights = pteLow;
    if ((mstatus & MSTATUS_BITS.MXR) !== 0 && (rights & PTE.X) !== 0) rights |= PTE.R;
    if ((pteLow & PTE.U) === 0) {
      if (mode === PRIVILEGE.U) rights &= ~(PTE.R | PTE.W | PTE.X);
    } else if (mode === PRIVILEGE.S) {
      rights &= (mstatus & MSTATUS_BITS.SUM) === 0 ? ~(PTE.R | PTE.W | PTE.X) : ~PTE.X;
    }
    if (this.hasKeys) {
      const key = (pteHigh >>> PTE_KEY_SHIFT_HIGH) & 31;
      const keys = key < 16 ? this.#csrLow('mkeys') : this.#csrHigh('mkeys');
      const mine = keys >>> (2 * (key & 15));
      if ((mine & 1) === 0) rights &= ~(PTE.R | PTE.W | PTE.X);
      if ((mine & 2) === 0) rights &= ~PTE.W;
    }
    return rights;
  }

  /** Linear-memory address of a physical range, 0 if it is not all RAM. */
  #hostOf(physical: number, bytes: number): number {
    const offset = physical - this.#ramBase;
    return offset >= 0 && offset + bytes <= this.#ramBytes ? this.#ram + offset : 0;
  }

  /** Linear-memory address of the last translation, 0 if it is no RAM. */
  hostAddress(bytes: number): number {
    return this.#hostOf(this.physical, bytes);
  }

  #pmpAllowsPage(pageStart: number, access: AccessKind): boolean {
    const mode = this.#dataMode(this.#words[this.#at + (HartBlock.offset.mode >> 2)] as number);
    return !this.pmp.isActive(mode) || this.pmp.allows(pageStart, 4096, access, mode);
  }

  #tell(
    observer: TranslationObserver,
    low: number,
    high: number,
    access: AccessKind,
    pageStart: number,
  ): void {
    const current = this.#words[this.#at + (HartBlock.offset.mode >> 2)] as number;
    const mode = access === 'fetch' ? current : this.#dataMode(current);
    if (mode === PRIVILEGE.M) return;
    let rights = PTE.X as number;
    if (access !== 'fetch') {
      rights = access === 'load' ? PTE.R : PTE.W;
      if ((this.#leafLow & PTE.R) !== 0 && this.#pmpAllowsPage(pageStart, 'load')) rights |= PTE.R;
      const writable = PTE.W | PTE.D;
      if ((this.#leafLow & writable) === writable && this.#pmpAllowsPage(pageStart, 'store'))
        rights |= PTE.W;
    }
    observer(low & ~0xfff, high, pageStart, rights, mode, this.#isTranslated);
  }

  /** Whether any regime, or one of an ASID (`asid` >= 0), still translates a page. For an oracle. */
  holds(low: number, high: number, asid: number): boolean {
    const words = this.#words;
    const page = low & ~0xfff;
    const isTag = (at: number): boolean => words[at] === page && words[at + 1] === high;
    for (let context = 0; context < TLB_CONTEXTS; context++) {
      if (this.#regimes[context * 5] === -1) continue;
      if (asid >= 0 && this.#asidOf(context) !== asid) continue;
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
      const regime = this.#regimes[context * 5] as number;
      if (regime === -1 || (regime & 3) === PRIVILEGE.M) continue;
      for (let n = 0; n < TLB_ENTRIES; n++) {
        const isLive = (at: number): boolean => (((words[at] as number) >>> 12) & 0xff) === n;
        const asid = this.#asidOf(context);
        const data = (this.#table(context) >> 2) + n * DATA_WORDS;
        const rights = (isLive(data + READ) ? PTE.R : 0) | (isLive(data + WRITE) ? PTE.W : 0);
        if (rights !== 0) {
          const tag = isLive(data + READ) ? data + READ : data + WRITE;
          const page = ((words[data + DATA_PAGE] as number) - this.#ram) >>> 12;
          yield { low: words[tag] as number, high: words[tag + 1] as number, page, rights, asid };
        }
        const fetch = ((this.#table(context) + FETCH_TABLE_OFFSET) >> 2) + n * FETCH_WORDS;
        if (!isLive(fetch)) continue;
        const page = this.#decodeCache.pageAt(words[fetch + FETCH_DECODED] as number);
        const [low, high] = [words[fetch] as number, words[fetch + 1] as number];
        yield { low, high, page, rights: PTE.X, asid };
      }
    }
  }

  /**
   * Puts the last successful translation into the TLB.
   * @returns false if it may not be remembered: a device, or a page that PMP cuts
   */
  remember(low: number, high: number, access: AccessKind): boolean {
    const pageStart = this.physical - (this.physical % 4096);
    const host = this.#hostOf(pageStart, 4096);
    if (this.observer !== undefined) this.#tell(this.observer, low, high, access, pageStart);
    if (host === 0 || !this.#cacheable) return false;
    const words = this.#words;
    const pageLow = low & ~0xfff;
    const shape = this.#isTranslated
      ? this.#level | ((this.#leafLow & PTE.G) === 0 ? 0 : SHAPE_GLOBAL)
      : SHAPE_UNTRANSLATED;
    const context = access === 'fetch' ? this.#current : this.#currentData;
    if (access === 'fetch') {
      // This may evict a decoded page and with it every fetch tag, so it comes first.
      const decoded = this.#decodeCache.recordsOf((host - this.#ram) >>> 12, this.#evicted);
      const entry = this.#fetchEntry(context, low);
      words[entry] = pageLow;
      words[entry + 1] = high;
      words[entry + FETCH_DECODED] = decoded;
      words[entry + FETCH_SHAPE] = shape;
    } else {
      const entry = this.#dataEntry(context, low);
      const mayRead = (this.#leafLow & PTE.R) !== 0 && this.#pmpAllowsPage(pageStart, 'load');
      const mayWrite =
        (this.#leafLow & (PTE.W | PTE.D)) === (PTE.W | PTE.D) &&
        this.#pmpAllowsPage(pageStart, 'store');
      words[entry + READ] = mayRead ? pageLow : pageLow ^ EMPTY_TAG_FLIP;
      words[entry + READ + 1] = high;
      words[entry + WRITE] = mayWrite ? pageLow : pageLow ^ EMPTY_TAG_FLIP;
      words[entry + WRITE + 1] = high;
      words[entry + DATA_PAGE] = host;
      words[entry + DATA_SHAPE] = shape;
    }
    if (this.#level > 0) this.#hasSuperpage[context] = 1;
    this.misses += 1;
    return true;
  }
}

/** Whether an entry's tag lies in the same superpage, of the entry's own size, as an address. */
function isPieceOf(
  words: Int32Array,
  tag: number,
  shape: number,
  low: number,
  high: number,
): boolean {
  const level = shape & 3;
  const shift = level === 2 ? 30 : 21;
  return (
    level !== 0 && words[tag + 1] === high && (words[tag] as number) >>> shift === low >>> shift
  );
}
