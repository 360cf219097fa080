/**
 * The page-table walk of Sv39 and Sv48, with Svnapot, Svpbmt and Svadu.
 *
 * "Virtual Address Translation Process", vol. II (20250508) §12.3.2, with LEVELS = 3 (Sv39, §12.4) or
 * 4 (Sv48, §12.5) and PTESIZE = 8; step numbers are the manual's. Who sets A and D is up to
 * `menvcfg.ADUE`: a page fault asks software to (Svade), or the walk does (Svadu).
 *
 * It knows of physical memory protection what its own accesses need, and of the soft TLB nothing.
 */
import type { CoreExports } from './core/generate.ts';
import { csrWordOf, PRIVILEGE, wordOf } from './core/hart-block.ts';
import { SHAPE_GLOBAL, SHAPE_NAPOT, SHAPE_UNTRANSLATED } from './core/tlb-model.ts';
import { MENVCFG_HIGH, MSTATUS_BITS } from './csr-numbers.ts';
import { ACCESS_FAULT, NO_FAULT, PAGE_FAULT, type AccessKind } from './faults.ts';
import { levelsOf, PTE, PTE_KEY_SHIFT_HIGH } from './page-table.ts';
import type { PmpTable } from './pmp.ts';

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

// Word indices within the hart block: constants here, so that no hot path looks a name up.
const HIGH = wordOf('high');
const MSTATUS = csrWordOf('mstatus');
const MENVCFG = csrWordOf('menvcfg');
const SATP = csrWordOf('satp');
const MKEYS = csrWordOf('mkeys');

export class PageWalk {
  readonly #core: CoreExports;
  readonly #words: Int32Array;
  readonly #block: number;
  readonly #at: number;
  readonly #ram: number;
  readonly #firstPage: number;
  readonly #pages: number;
  readonly #hasKeys: boolean;
  readonly #pmp: PmpTable;

  /** Page number of the last walk, its low 22 bits and what is above; nothing here needs a double. */
  #ppnLow = 0;
  #ppnHigh = 0;
  #offset = 0;
  /** Level of the leaf, and SHAPE_NAPOT. */
  #level = 0;
  /** Linear-memory address of the page where the last walk ended, 0 if it is no RAM. */
  host = 0;
  /** The low half of its leaf, with R, W and X as the mode has them. */
  leaf = 0;
  isTranslated = false;

  constructor(environment: {
    readonly core: CoreExports;
    readonly words: Int32Array;
    readonly hartBase: number;
    readonly ram: number;
    readonly ramBase: number;
    readonly ramBytes: number;
    /** PTE bits 58-54 select a key and `mkeys` is consulted. */
    readonly hasKeys: boolean;
    readonly pmp: PmpTable;
  }) {
    this.#core = environment.core;
    this.#words = environment.words;
    this.#block = environment.hartBase;
    this.#at = environment.hartBase >> 2;
    this.#ram = environment.ram;
    this.#firstPage = environment.ramBase / 4096;
    this.#pages = environment.ramBytes / 4096;
    this.#hasKeys = environment.hasKeys;
    this.#pmp = environment.pmp;
  }

  /** A word of the hart block. */
  #word(index: number): number {
    return this.#words[this.#at + index] as number;
  }

  /** Physical address of the last walk, and that of its page. */
  get physical(): number {
    return this.physicalPage + this.#offset;
  }

  get physicalPage(): number {
    return addressOf(this.#ppnLow, this.#ppnHigh);
  }

  /** Linear-memory address of the last walk, 0 if it is no RAM. */
  get hostAddress(): number {
    return this.host === 0 ? 0 : this.host + this.#offset;
  }

  /** What the modelled TLB and fences have to know of its leaf. */
  get shape(): number {
    return this.isTranslated
      ? this.#level | ((this.leaf & PTE.G) === 0 ? 0 : SHAPE_GLOBAL)
      : SHAPE_UNTRANSLATED;
  }

  /**
   * Walks for an access of a mode; what is found holds until the next walk.
   * @returns NO_FAULT or the exception code
   */
  find(low: number, high: number, access: AccessKind, mode: number): number {
    const satpHigh = this.#word(SATP + 1);
    const levels = mode === PRIVILEGE.M ? 0 : levelsOf(satpHigh >>> 28);
    this.#level = 0;
    this.isTranslated = levels !== 0;
    if (levels === 0) {
      this.#locate((low >>> 12) | ((high & 3) << 20), high >>> 2, low);
      this.leaf = PTE.R | PTE.W | PTE.X | PTE.D | PTE.G;
      return NO_FAULT;
    }
    // The bits above the topmost VPN's must equal its highest: from 38 on in Sv39, from 47 on in Sv48.
    const sign = high >> (9 * levels - 21);
    if (sign !== 0 && sign !== -1) return PAGE_FAULT[access];
    const asksPmp = this.#pmp.isActive(PRIVILEGE.S);
    const menvcfg = this.#word(MENVCFG + 1);
    const reserved =
      (this.#hasKeys ? PTE_RESERVED_HIGH & ~PTE_KEY_MASK_HIGH : PTE_RESERVED_HIGH) |
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
        (asksPmp && !this.#pmp.allows(addressOf(ppnLow, ppnHigh) + vpn * 8, 8, 'load', PRIVILEGE.S))
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
        if (asksPmp && !this.#pmp.allows(slot, 8, 'store', PRIVILEGE.S))
          return ACCESS_FAULT[access];
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
      this.leaf = this.#rightsOf(pteLow, pteHigh, mode);
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
    if (this.#hasKeys) {
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
    this.host = this.#hostOf(ppnLow, ppnHigh);
  }
}

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
