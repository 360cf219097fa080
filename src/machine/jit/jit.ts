/**
 * The translated code of one hart: makes regions of what the core finds hot, and says for which regimes
 * they hold. The core calls them by itself (core/generate.ts, `enterRegion`).
 *
 * A region is made for a virtual address and the pages of RAM that were found behind it and its
 * neighbours. It may run in a regime whose fetch translations are still those; that is found out once
 * for each `fetchStamp`, page by page, as fetches would find it. A page that changed is noticed where
 * the hart itself notices it: its copy (decode-cache.ts) is replaced, and gets another version.
 */
import type { CoreExports } from '../core/generate.ts';
import {
  JumpEntry,
  jumpNumber,
  MAX_REGIONS,
  RECORD_BYTES,
  Region,
  Record16,
  wordOf,
} from '../core/hart-block.ts';
import { operationNumber, operationOf } from '../core/operations.ts';
import type { DecodeCache } from '../decode-cache.ts';
import type { MemoryPlan } from '../memory-plan.ts';
import { NO_FAULT } from '../faults.ts';
import type { Translation } from '../translation.ts';
import { CodeReader, fetchPage, highOf, type CodePage } from './code.ts';
import { discover, type RegionLimits, type Source } from './discover.ts';
import { canTranslate, emitRegion } from './emit.ts';
import { FILL_STORE } from './memory.ts';
import { shapeOf } from './structure.ts';

/** How often control comes to an address before it is translated from there; what measured best. */
export const HOT_AFTER = 2000;
/**
 * So many instructions are translated at most in a millisecond since the start, and as many more as make a
 * second's work: at some ten microseconds each, a twentieth of the time. Code that is executed a few
 * thousand times and then no more, as most is while a kernel boots, must not cost more than it would have
 * interpreted. Counted in instructions, since on a busy host everything takes longer.
 */
const INSTRUCTIONS_PER_MS = 5;
const FREE_INSTRUCTIONS = 100_000;
/**
 * Where all but this part of the instructions are translated ones, nothing can be gained quickly: what still
 * becomes hot are joins between regions and around them, and a region from there on is a large one that
 * the engine first runs slowly. So it is made only if none was for a while.
 */
const UNTRANSLATED = 0.002;
const SETTLED_MS = 2000;
/** Fewer instructions say nothing about that. */
const SAMPLE = 1_000_000;
/**
 * Regions of a program that computes follow calls far: it has few, and all of them matter. One whose code is
 * in more than `ROOMY_PAGES` is a kernel, or as large: copies of functions would cost the engine more than
 * calls through the core do.
 */
const ROOMY: RegionLimits = { calls: 3, instructions: 800 };
const TIGHT: RegionLimits = { calls: 0, instructions: 120 };
const ROOMY_PAGES = 64;
/** Code that is kept at most, in bytes of WebAssembly; all of it is dropped when it is more. */
const MOST_CODE_BYTES = 32 << 20;

const PC = wordOf('pc');
const EXIT_IP = wordOf('exitIp');
const JOIN_BIAS = wordOf('joinBias');
const FETCH_STAMP = wordOf('fetchStamp');
const STAMP_OFFSET = wordOf('stampOffset');
const FAULT_ADDRESS = wordOf('faultAddress');
const INSTRET = wordOf('instret');
const REGION_INSTRUCTIONS = wordOf('regionInstructions');
const REGION_VA = Region.offset.va >> 2;
const REGION_INDEX = Region.offset.index >> 2;
const REGION_STAMPS = Region.offset.stamps >> 2;
const JUMP_INDEX = JumpEntry.offset.index >> 2;
const REGION_WORDS = Region.sizeBytes >> 2;
const JALR = operationNumber.get('jalr') as number;
/** Region 0 begins nowhere: joins point to it that are not to be asked about again. */
const NOWHERE = 0;
const ODD_ADDRESS = 1;
const MOST_MOVES = 8;

interface LiveRegion {
  /** Word index of its join word. */
  readonly join: number;
  readonly pages: readonly CodePage[];
}

export interface JitStatistics {
  regions: number;
  instructions: number;
  codeBytes: number;
  /** Regions that were given up because a page of theirs changed or went elsewhere. */
  dropped: number;
  /** Times that all code was dropped to make room. */
  purges: number;
  failures: number;
  /** Times that hot code had to become hot again: too much was translated already, or it is settled. */
  postponed: number;
}

export interface JitEnvironment {
  readonly memory: WebAssembly.Memory;
  readonly core: CoreExports;
  readonly plan: MemoryPlan;
  readonly base: number;
  readonly translation: Translation;
  readonly decodeCache: DecodeCache;
  /** LR and SC leave the core. */
  readonly tracksReservations: boolean;
}

export class Jit {
  readonly statistics: JitStatistics = {
    regions: 0,
    instructions: 0,
    codeBytes: 0,
    dropped: 0,
    purges: 0,
    failures: 0,
    postponed: 0,
  };
  readonly #words: Int32Array;
  readonly #block: number;
  readonly #plan: MemoryPlan;
  readonly #first: number;
  readonly #firstJump: number;
  readonly #table: WebAssembly.Table;
  readonly #firstIndex: number;
  readonly #translation: Translation;
  readonly #tracksReservations: boolean;
  readonly #decodeCache: DecodeCache;
  readonly #imports: WebAssembly.Imports;
  readonly #memoryPages: number;
  readonly #regions: (LiveRegion | undefined)[] = [undefined];
  readonly #free: number[] = [];
  /** By join word: how often a region there was dropped because a page of it had moved. */
  readonly #moves = new Map<number, number>();
  #liveBytes = 0;
  #isSettled = false;
  /** Low halves of what was counted when that was found out. */
  #lastInstructions = 0;
  #lastTranslated = 0;
  #lastMade = 0;
  readonly #since = performance.now();

  constructor(environment: JitEnvironment) {
    const { memory, core, plan, base, translation, decodeCache } = environment;
    if (core.regions === undefined) throw new Error('the core was generated without regions');
    this.#words = new Int32Array(memory.buffer);
    this.#block = base >> 2;
    this.#plan = plan;
    this.#first = base + plan.regionsOffset;
    this.#firstJump = base + plan.jumpsOffset;
    this.#table = core.regions;
    this.#firstIndex = core.regions.grow(MAX_REGIONS);
    this.#translation = translation;
    this.#decodeCache = decodeCache;
    this.#tracksReservations = environment.tracksReservations;
    this.#memoryPages = plan.totalPages;
    this.#imports = {
      env: {
        memory,
        ...(core as unknown as Record<string, WebAssembly.ExportValue>),
        fill: (kind: number) => this.#fill(kind),
      },
    };
    this.#words[(this.#first >> 2) + REGION_VA] = ODD_ADDRESS;
  }

  /** Before the core runs: the hart block may have been cleared, or be another's. */
  begin(): void {
    this.#words[this.#block + JOIN_BIAS] = this.#decodeCache.joinBias;
  }

  #addressOf(slot: number): number {
    return this.#first + slot * Region.sizeBytes;
  }

  #join(record: number): number {
    return (this.#decodeCache.joinBias + (record >>> 2)) >> 2;
  }

  get #pc(): number {
    const low = this.#words[this.#block + PC] as number;
    return (this.#words[this.#block + PC + 1] as number) * 2 ** 32 + (low >>> 0);
  }

  /** The core came to pc for the last time that it counts: a region begins there from now on, or never. */
  translate(): void {
    const join = this.#join(this.#words[this.#block + EXIT_IP] as number);
    const began = performance.now();
    const isSettled = this.#isSettledNow() && began < this.#lastMade + SETTLED_MS;
    const allowed = FREE_INSTRUCTIONS + INSTRUCTIONS_PER_MS * (began - this.#since);
    if (isSettled || this.statistics.instructions > allowed) {
      this.#words[join] = 0;
      this.statistics.postponed += 1;
      return;
    }
    let slot = NOWHERE;
    try {
      slot = this.#make(this.#pc, join);
    } catch (error) {
      // A region that the engine refuses, or that is beyond this translator, stays the interpreter's.
      if (!(error instanceof Error)) throw error;
      this.statistics.failures += 1;
    }
    this.#words[join] = -this.#addressOf(slot);
    this.#lastMade = performance.now();
  }

  /** Whether nearly all that was executed of late was translated. */
  #isSettledNow(): boolean {
    const instructions = this.#words[this.#block + INSTRET] as number;
    const translated = this.#words[this.#block + REGION_INSTRUCTIONS] as number;
    // Negative after a reset, and after very long: then nothing is known.
    const all = (instructions - this.#lastInstructions) | 0;
    if (all >= 0 && all < SAMPLE) return this.#isSettled;
    const share = all < 0 ? 0 : ((translated - this.#lastTranslated) | 0) / all;
    this.#lastInstructions = instructions;
    this.#lastTranslated = translated;
    this.#isSettled = share > 1 - UNTRANSLATED;
    return this.#isSettled;
  }

  #make(pc: number, join: number): number {
    const stamp = this.#fetchStamp;
    const reader = new CodeReader(this.#translation, this.#decodeCache, this.#plan.ram);
    const source: Source = {
      at: (address) => reader.at(address),
      lastTarget: (address) => this.#lastTarget(reader, address),
    };
    const { entry, instructions } = discover(
      source,
      pc,
      (instruction) => canTranslate(instruction, this.#tracksReservations),
      this.#decodeCache.pages <= ROOMY_PAGES ? ROOMY : TIGHT,
    );
    if (entry.body.length === 0 && !('at' in entry.end)) return NOWHERE;
    if (!reader.isUnchanged()) return NOWHERE;
    const bytes = emitRegion(shapeOf(entry), this.#memoryPages);
    const instance = new WebAssembly.Instance(new WebAssembly.Module(bytes), this.#imports);

    if (this.#liveBytes + bytes.length > MOST_CODE_BYTES) this.purge();
    const slot = this.#allocate();
    this.#regions[slot] = { join, pages: reader.pages };
    this.#table.set(this.#firstIndex + slot, instance.exports['region']);
    const at = this.#addressOf(slot) >> 2;
    this.#words.fill(0, at, at + REGION_WORDS);
    this.#words[at + REGION_VA] = pc | 0;
    this.#words[at + REGION_VA + 1] = highOf(pc);
    this.#words[at + REGION_INDEX] = this.#firstIndex + slot;
    this.#stamp(slot, stamp);
    this.#liveBytes += bytes.length;
    this.statistics.regions += 1;
    this.statistics.instructions += instructions;
    this.statistics.codeBytes += bytes.length;
    return slot;
  }

  #lastTarget(reader: CodeReader, pc: number): number {
    const page = reader.pageOf(pc);
    if (page === undefined) return 0;
    const records = this.#decodeCache.recordsOf(page.page, () => {});
    const record = (records + ((pc - page.va) / 2) * RECORD_BYTES) >> 2;
    const operation = operationOf(this.#words[record] as number);
    return operation === JALR ? (this.#words[record + (Record16.offset.extra >> 2)] as number) : 0;
  }

  /** The region at pc was not yet proven for the present translations: does so, or gives it up. */
  prove(): void {
    const join = this.#join(this.#words[this.#block + EXIT_IP] as number);
    const slot = (-(this.#words[join] as number) - this.#first) / Region.sizeBytes;
    const region = this.#regions[slot];
    if (region === undefined) {
      this.#words[join] = 0;
      return;
    }
    const stamp = this.#fetchStamp;
    for (const { va, page } of region.pages) {
      if (fetchPage(this.#translation, va, this.#plan.ram) === page) continue;
      // Found elsewhere, or not executable here.
      this.#drop(slot, region);
      this.#moved(join);
      return;
    }
    if (this.#isStale(region)) this.#drop(slot, region);
    else this.#stamp(slot, stamp);
  }

  /** A region whose pages keep changing places costs more than it saves. */
  #moved(join: number): void {
    const moves = (this.#moves.get(join) ?? 0) + 1;
    if (this.#moves.size === MAX_REGIONS) this.#moves.clear();
    this.#moves.set(join, moves);
    if (moves >= MOST_MOVES) this.#words[join] = -this.#addressOf(NOWHERE);
  }

  #isStale({ pages }: LiveRegion): boolean {
    return pages.some(({ page, version }) => this.#decodeCache.versionOf(page) !== version);
  }

  get #fetchStamp(): number {
    return this.#words[this.#block + FETCH_STAMP] as number;
  }

  /**
   * Declares a region proven for the present fetch translations, if they are those of `stamp`, when its first
   * page was looked up: to find another may have evicted what an earlier one was found by.
   */
  #stamp(slot: number, stamp: number): void {
    if (this.#fetchStamp !== stamp) return;
    const offset = (this.#words[this.#block + STAMP_OFFSET] as number) >> 2;
    this.#words[(this.#addressOf(slot) >> 2) + REGION_STAMPS + offset] = stamp;
  }

  #allocate(): number {
    const free = this.#free.pop();
    if (free !== undefined) return free;
    if (this.#regions.length < MAX_REGIONS) return this.#regions.push(undefined) - 1;
    for (const [slot, region] of this.#regions.entries())
      if (region !== undefined && this.#isStale(region)) this.#drop(slot, region);
    if (this.#free.length < MAX_REGIONS / 4) this.purge();
    return this.#free.pop() as number;
  }

  #drop(slot: number, { join }: LiveRegion): void {
    // A page whose copy was replaced has new join words.
    if (this.#words[join] === -this.#addressOf(slot)) this.#words[join] = 0;
    // Nor may control come to it by its address.
    const region = this.#addressOf(slot) >> 2;
    const low = this.#words[region + REGION_VA] as number;
    const jump = (this.#firstJump + jumpNumber(low) * JumpEntry.sizeBytes) >> 2;
    if (this.#words[jump + JUMP_INDEX] === this.#firstIndex + slot) this.#words[jump] = ODD_ADDRESS;
    this.#regions[slot] = undefined;
    this.#table.set(this.#firstIndex + slot, null);
    this.#free.push(slot);
    this.statistics.dropped += 1;
  }

  /** Drops every region. */
  purge(): void {
    for (const [slot, region] of this.#regions.entries())
      if (region !== undefined) this.#drop(slot, region);
    this.#liveBytes = 0;
    this.statistics.purges += 1;
  }

  /** Called by regions: makes the TLB translate `faultAddress`. Not 0: the interpreter has to do it. */
  #fill(kind: number): number {
    const low = this.#words[this.#block + FAULT_ADDRESS] as number;
    const high = this.#words[this.#block + FAULT_ADDRESS + 1] as number;
    const bytes = kind & (FILL_STORE - 1);
    const access = (kind & FILL_STORE) === 0 ? 'load' : 'store';
    if ((low & 0xfff) + bytes > 4096) return 1;
    if (this.#translation.translate(low, high, access, bytes) !== NO_FAULT) return 1;
    return this.#translation.remember(low, high, access) ? 0 : 1;
  }
}
