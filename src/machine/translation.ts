/**
 * Address translation of one hart: the page tables' word (page-walk.ts) and that of physical memory
 * protection (pmp.ts) on an access, and what of it may be remembered in the soft TLB (soft-tlb.ts).
 */
import type { CoreExports } from './core/generate.ts';
import { csrWordOf, PRIVILEGE, wordOf } from './core/hart-block.ts';
import { MSTATUS_BITS } from './csr-numbers.ts';
import type { DecodeCache } from './decode-cache.ts';
import { ACCESS_FAULT, NO_FAULT, type AccessKind } from './faults.ts';
import { PTE } from './page-table.ts';
import { PageWalk } from './page-walk.ts';
import { PmpTable } from './pmp.ts';
import { SoftTlb } from './soft-tlb.ts';

const MODE = wordOf('mode');
const MSTATUS = csrWordOf('mstatus');

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

/** Virtual pages whose every access of a kind has to come to the hart. */
export interface HeldPages {
  holds(low: number, high: number, access: AccessKind): boolean;
}

export class Translation {
  /** For an oracle; undefined costs a look. */
  observer: TranslationObserver | undefined;
  readonly pmp: PmpTable = new PmpTable();
  readonly tlb: SoftTlb;
  /** PTE bits 58-54 select a key and `mkeys` is consulted. Fixed when the machine is built. */
  readonly hasKeys: boolean;

  readonly #words: Int32Array;
  readonly #at: number;
  readonly #walk: PageWalk;
  readonly #watchedPage: number;
  readonly #isStoreWatched: ((host: number) => boolean) | undefined;
  readonly #held: HeldPages | undefined;
  /** The page as a whole has one PMP verdict for each kind of access. */
  #cacheable = true;

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
    const words = new Int32Array(environment.memory);
    this.#words = words;
    this.#at = environment.hartBase >> 2;
    this.hasKeys = environment.hasKeys;
    this.#watchedPage = environment.watchedPage;
    this.#isStoreWatched = environment.isStoreWatched;
    this.#held = environment.held;
    this.#walk = new PageWalk({ ...environment, words, pmp: this.pmp });
    this.tlb = new SoftTlb({ ...environment, words });
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

  /**
   * Translates an address and checks the access, without touching the TLB.
   * @returns NO_FAULT, with the result in `physical`, or the exception code
   */
  translate(low: number, high: number, access: AccessKind, bytes: number): number {
    const mode = this.#word(MODE);
    const effective = access === 'fetch' ? mode : this.#dataMode(mode);
    const fault = this.#walk.find(low, high, access, effective);
    if (fault !== NO_FAULT) return fault;
    this.#cacheable = true;
    if (this.pmp.isActive(effective)) {
      if (!this.pmp.allows(this.physical, bytes, access, effective)) return ACCESS_FAULT[access];
      this.#cacheable = this.pmp.isUniform(this.#walk.physicalPage, 4096);
    }
    return NO_FAULT;
  }

  /** Physical address of the last translation. */
  get physical(): number {
    return this.#walk.physical;
  }

  /** Linear-memory address of the last translation, 0 if it is no RAM; within its page. */
  hostAddress(): number {
    return this.#walk.hostAddress;
  }

  /**
   * Puts the last successful translation into the TLB.
   * @returns false if it may not be remembered: a device, a page that PMP cuts or that is held, or a
   * store that is watched
   */
  remember(low: number, high: number, access: AccessKind): boolean {
    const walk = this.#walk;
    const { host } = walk;
    if (this.observer !== undefined) this.#tell(this.observer, low, high, access);
    if (host === 0 || !this.#cacheable) return false;
    if (this.#held?.holds(low, high, access) === true) return false;
    const isWatched =
      host === this.#watchedPage || (access !== 'fetch' && this.#isStoreWatched?.(host) === true);
    if (isWatched && access === 'store') return false;
    if (access === 'fetch') this.tlb.enterFetch(low, high, host, walk.shape);
    else {
      const mayRead = (walk.leaf & PTE.R) !== 0 && this.#pmpAllowsPage('load');
      const mayWrite =
        !isWatched &&
        (walk.leaf & (PTE.W | PTE.D)) === (PTE.W | PTE.D) &&
        this.#pmpAllowsPage('store');
      this.tlb.enterData(low, high, host, walk.shape, mayRead, mayWrite);
    }
    return true;
  }

  /** Remembers the last translation of a load or store, whatever speaks against it, until `tlb.takeBack`. */
  lend(low: number, high: number, access: 'load' | 'store'): void {
    this.tlb.lend(low, high, this.#walk.host, this.#walk.shape, access);
  }

  #pmpAllowsPage(access: AccessKind): boolean {
    const mode = this.#dataMode(this.#word(MODE));
    return !this.pmp.isActive(mode) || this.pmp.allows(this.#walk.physicalPage, 4096, access, mode);
  }

  #tell(observer: TranslationObserver, low: number, high: number, access: AccessKind): void {
    const current = this.#word(MODE);
    const mode = access === 'fetch' ? current : this.#dataMode(current);
    if (mode === PRIVILEGE.M) return;
    let rights = PTE.X as number;
    if (access !== 'fetch') {
      rights = access === 'load' ? PTE.R : PTE.W;
      if ((this.#walk.leaf & PTE.R) !== 0 && this.#pmpAllowsPage('load')) rights |= PTE.R;
      const writable = PTE.W | PTE.D;
      if ((this.#walk.leaf & writable) === writable && this.#pmpAllowsPage('store'))
        rights |= PTE.W;
    }
    observer(low & ~0xfff, high, this.#walk.physicalPage, rights, mode, this.#walk.isTranslated);
  }
}
