/**
 * Which of a hart's soft TLB tables the present regime uses.
 *
 * A regime is what a translation depends on besides the page tables: privilege, SUM, MXR, and the view
 * (`satp` and keys). Each has a table of its own, so that a trap, a gate or a write of `satp` flushes
 * nothing. The core changes regimes by itself (core/traps.ts, `select`): for the present view, the hart
 * block holds a row with the table of each privilege, SUM and MXR. This file fills the rows, and decides
 * which table has to go when there is none left.
 */
import type { CoreExports } from './core/generate.ts';
import {
  csrWordOf,
  PRIVILEGE,
  REGIME_ROW_WORDS,
  REGIME_VIEWS,
  REGIME_FLAGS_SHIFT,
  TLB_BYTES,
  TLB_CONTEXTS,
  FETCH_TABLE_OFFSET,
  wordOf,
} from './core/hart-block.ts';
import { TLB_OFFSET } from './core/tlb-model.ts';
import { MSTATUS_BITS } from './csr-numbers.ts';

const MODE = wordOf('mode');
const FETCH_TLB = wordOf('fetchTlb');
const DATA_TLB = wordOf('dataTlb');
const MACHINE_TABLE = wordOf('machineTable');
const REGIME_ROW = wordOf('regimeRow');
const REGIME_ROWS = wordOf('regimeRows');
const MSTATUS = csrWordOf('mstatus');
const SATP = csrWordOf('satp');
const MKEYS = csrWordOf('mkeys');

/** Words of a view's key: `satp` and `mkeys`. */
const VIEW_WORDS = 4;
/** Views whose rows are looked for by a hash of their key first. */
const VIEW_HINTS = 64;
/** The view of M-mode and of an empty table. */
const NO_VIEW = -1;

export class Regimes {
  readonly #core: CoreExports;
  readonly #words: Int32Array;
  readonly #block: number;
  readonly #at: number;
  readonly #hasKeys: boolean;
  readonly #emptied: (context: number) => void;

  /** Of each view that has a row: its key, and when it was last chosen (0: the row is free). */
  readonly #viewKeys: Int32Array = new Int32Array(REGIME_VIEWS * VIEW_WORDS);
  readonly #viewUse: Float64Array = new Float64Array(REGIME_VIEWS);
  readonly #viewHints: Uint8Array = new Uint8Array(VIEW_HINTS);
  #view = 0;
  /** Of each table: the regime within its view, -1 if the table is empty; the view; when it was last new. */
  readonly #regimes: Int32Array = new Int32Array(TLB_CONTEXTS).fill(-1);
  readonly #views: Int32Array = new Int32Array(TLB_CONTEXTS).fill(NO_VIEW);
  readonly #made: Float64Array = new Float64Array(TLB_CONTEXTS);
  #clock = 0;
  /** The rows in the hart block are this object's, and not those of another thread's before. */
  #isOurs = false;
  evictions = 0;

  /** @param environment with `emptied`, called for a table that a new regime gets: to be emptied */
  constructor(environment: {
    readonly core: CoreExports;
    readonly words: Int32Array;
    readonly hartBase: number;
    readonly hasKeys: boolean;
    readonly emptied: (context: number) => void;
  }) {
    this.#core = environment.core;
    this.#words = environment.words;
    this.#block = environment.hartBase;
    this.#at = environment.hartBase >> 2;
    this.#hasKeys = environment.hasKeys;
    this.#emptied = environment.emptied;
  }

  #word(index: number): number {
    return this.#words[this.#at + index] as number;
  }

  /** Linear-memory address of a table. */
  table(context: number): number {
    return this.#block + TLB_OFFSET + context * TLB_BYTES;
  }

  #contextAt(table: number): number {
    return Math.trunc((table - this.#block - TLB_OFFSET) / TLB_BYTES);
  }

  /** The table that fetches use now, and that of loads and stores: another with MPRV. */
  get fetchContext(): number {
    return this.#contextAt(this.#word(FETCH_TLB) - FETCH_TABLE_OFFSET);
  }

  get dataContext(): number {
    return this.#contextAt(this.#word(DATA_TLB));
  }

  isLive(context: number): boolean {
    return this.#regimes[context] !== -1;
  }

  isTranslated(context: number): boolean {
    return this.#views[context] !== NO_VIEW;
  }

  /** The ASID of a table's view; 0 of M-mode's. */
  asidOf(context: number): number {
    const view = this.#views[context] as number;
    return view === NO_VIEW ? 0 : asidIn(this.#viewKeys[view * VIEW_WORDS + 1] as number);
  }

  /** To be called after every change of mode, SUM, MXR, MPRV or MPP; after one of the view, `chooseView`. */
  select(): void {
    if (!this.#isOurs) this.forgetAll();
    else if (this.#core.select(this.#block) === 0) this.#complete();
  }

  /** `satp` or the keys have changed. */
  chooseView(): void {
    this.#chooseRow();
    this.select();
  }

  /** Forgets every regime; tables are emptied when they are next chosen. */
  forgetAll(): void {
    this.#isOurs = true;
    for (let context = 0; context < TLB_CONTEXTS; context++) this.#regimes[context] = -1;
    this.#viewUse.fill(0);
    this.#words[this.#at + MACHINE_TABLE] = 0;
    const rows = this.#at + REGIME_ROWS;
    this.#words.fill(0, rows, rows + REGIME_VIEWS * REGIME_ROW_WORDS);
    this.chooseView();
  }

  /** Forgets the regimes of one ASID. */
  forgetAsid(asid: number): void {
    let usesOne = false;
    for (let context = 0; context < TLB_CONTEXTS; context++) {
      if (!this.isLive(context) || this.asidOf(context) !== asid) continue;
      usesOne ||= context === this.fetchContext || context === this.dataContext;
      this.#drop(context);
    }
    if (usesOne) this.select();
  }

  /** Word index of the cell in which the core looks for a table. */
  #cellOf(view: number, regime: number): number {
    return view === NO_VIEW
      ? this.#at + MACHINE_TABLE
      : this.#at + REGIME_ROWS + view * REGIME_ROW_WORDS + regime;
  }

  #drop(context: number): void {
    const cell = this.#cellOf(this.#views[context] as number, this.#regimes[context] as number);
    this.#regimes[context] = -1;
    this.#words[cell] = 0;
  }

  /** Makes the tables that the core did not find in the present row. */
  #complete(): void {
    const mode = this.#word(MODE);
    const status = this.#word(MSTATUS);
    const isLent = mode === PRIVILEGE.M && (status & MSTATUS_BITS.MPRV) !== 0;
    const dataMode = isLent ? (status >> MSTATUS_BITS.MPP_SHIFT) & 3 : mode;
    if (mode === PRIVILEGE.M) this.#provide(NO_VIEW, PRIVILEGE.M);
    if (dataMode !== PRIVILEGE.M) {
      const flags = (status >> REGIME_FLAGS_SHIFT) & (dataMode === PRIVILEGE.S ? 12 : 8);
      this.#provide(this.#view, dataMode | flags);
    }
    if (this.#core.select(this.#block) === 0) throw new Error('a regime has no table');
  }

  #provide(view: number, regime: number): void {
    const cell = this.#cellOf(view, regime);
    if (this.#words[cell] !== 0) return;
    const context = this.#victim();
    if (this.isLive(context)) {
      this.evictions += 1;
      this.#drop(context);
    }
    this.#regimes[context] = regime;
    this.#views[context] = view;
    this.#made[context] = ++this.#clock;
    this.#emptied(context);
    this.#words[cell] = this.table(context);
  }

  /**
   * An empty table, else one of the view that was chosen the longest ago, the oldest. (The core changes
   * regimes within a view without a note.) M-mode's table stays: every view needs it.
   */
  #victim(): number {
    let victim = 0;
    let oldest = Infinity;
    for (let context = 0; context < TLB_CONTEXTS; context++) {
      const view = this.#views[context] as number;
      if (!this.isLive(context)) return context;
      if (view === NO_VIEW) continue;
      const use = Math.max(this.#viewUse[view] as number, this.#made[context] as number);
      if (use < oldest) {
        oldest = use;
        victim = context;
      }
    }
    return victim;
  }

  #chooseRow(): void {
    const satpLow = this.#word(SATP);
    const satpHigh = this.#word(SATP + 1);
    const keysLow = this.#hasKeys ? this.#word(MKEYS) : 0;
    const keysHigh = this.#hasKeys ? this.#word(MKEYS + 1) : 0;
    const mixed = satpLow ^ (satpHigh >>> 12) ^ (keysLow >>> 3) ^ (keysHigh << 4);
    const hint = (mixed ^ (mixed >>> 6) ^ (mixed >>> 12)) & (VIEW_HINTS - 1);
    let view = this.#viewHints[hint] as number;
    if (!this.#isView(view, satpLow, satpHigh, keysLow, keysHigh)) {
      view = 0;
      while (view < REGIME_VIEWS && !this.#isView(view, satpLow, satpHigh, keysLow, keysHigh))
        view++;
      if (view === REGIME_VIEWS) {
        view = this.#freeRow();
        this.#viewKeys[view * VIEW_WORDS] = satpLow;
        this.#viewKeys[view * VIEW_WORDS + 1] = satpHigh;
        this.#viewKeys[view * VIEW_WORDS + 2] = keysLow;
        this.#viewKeys[view * VIEW_WORDS + 3] = keysHigh;
      }
      this.#viewHints[hint] = view;
    }
    this.#view = view;
    this.#viewUse[view] = ++this.#clock;
    this.#words[this.#at + REGIME_ROW] = this.#block + (REGIME_ROWS + view * REGIME_ROW_WORDS) * 4;
  }

  #isView(
    view: number,
    satpLow: number,
    satpHigh: number,
    keysLow: number,
    keysHigh: number,
  ): boolean {
    const keys = this.#viewKeys;
    const at = view * VIEW_WORDS;
    return (
      keys[at + 1] === satpHigh &&
      keys[at] === satpLow &&
      keys[at + 2] === keysLow &&
      keys[at + 3] === keysHigh &&
      this.#viewUse[view] !== 0
    );
  }

  /** A row without tables: one that was never used, else that of the view chosen the longest ago. */
  #freeRow(): number {
    let row = 0;
    for (let view = 1; view < REGIME_VIEWS; view++) {
      if ((this.#viewUse[view] as number) < (this.#viewUse[row] as number)) row = view;
    }
    for (let context = 0; context < TLB_CONTEXTS; context++) {
      if (!this.isLive(context) || this.#views[context] !== row) continue;
      this.evictions += 1;
      this.#drop(context);
    }
    return row;
  }
}

const asidIn = (satpHigh: number): number => (satpHigh >>> 12) & 0xffff;
