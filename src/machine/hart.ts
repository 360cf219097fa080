/**
 * One hart: the generated core's other half. The core executes what needs no one else; it returns with
 * a reason, and this file does what the reason asks, or has it done: the TLB filled and accesses finished
 * (access/), CSRs read and written (csrs.ts), traps taken, fences (fences.ts), waiting (waiting.ts).
 *
 * It does not know whether it runs in a worker of its own or shares a thread with its siblings.
 * 64-bit values are pairs of signed 32-bit halves; nothing on this path makes a BigInt.
 */
import { CacheBlocks } from './access/cache-blocks.ts';
import { LoneRecord } from './access/lone-record.ts';
import type { AccessOwner } from './access/owner.ts';
import { PhysicalAccess } from './access/physical-access.ts';
import { SlowAccess } from './access/slow-access.ts';
import { SlowFetch } from './access/slow-fetch.ts';
import { WatchedAccess } from './access/watched-access.ts';
import type { Bus } from './bus.ts';
import type { Clock } from './clock.ts';
import type { CoreExports, TrapEnd } from './core/generate.ts';
import {
  counterIndex,
  csrWordOf,
  HART_STATE,
  MODEL_COUNTS,
  MOST_AT_ONCE,
  PENDING,
  PRIVILEGE,
  TRAP_COUNTS,
  wordOf,
  type Counter,
} from './core/hart-block.ts';
import { CSR_ILLEGAL, CSR_WRITTEN, CsrFile, MSTATUS_HIGH, type CsrOwner } from './csrs.ts';
import { CAUSE, MSTATUS_BITS } from './csr-numbers.ts';
import { DEBUG_COMMAND, type DebugView } from './debug/debug-block.ts';
import { HartDebug } from './debug/hart-debug.ts';
import { DecodeCache } from './decode-cache.ts';
import type { Htif } from './devices/htif.ts';
import { Fences, type FenceOwner } from './fences.ts';
import { HartCells } from './hart-cells.ts';
import { EXIT } from './isa/table.ts';
import { Jit } from './jit/jit.ts';
import type { HartObserver } from './hart-observer.ts';
import { hartBase, type MemoryPlan } from './memory-plan.ts';
import type { MachineMode } from './machine-mode.ts';
import { ModelledTlb } from './modelled-tlb.ts';
import { RAM_BASE } from './physical-map.ts';
import type { PmpState } from './pmp.ts';
import type { ReservationSpec } from './reservation-spec.ts';
import { Reservations } from './reservations.ts';
import { Timers, type MachineTimer, type TimerOwner } from './timers.ts';
import { Translation } from './translation.ts';
import { Triggers, type TriggerOwner, type TriggersState } from './triggers.ts';
import { Waiting, type WaitingOwner } from './waiting.ts';

/** What a hart is besides its block in shared memory; plain data. */
export interface HartState {
  readonly pmp: PmpState;
  readonly triggers: TriggersState;
  /** Of its machine mode. */
  readonly machineMode: unknown;
}

export interface HartEnvironment {
  readonly id: number;
  readonly plan: MemoryPlan;
  readonly memory: WebAssembly.Memory;
  readonly core: CoreExports;
  readonly bus: Bus;
  readonly clock: Clock;
  readonly machineTimer: MachineTimer;
  readonly debug: DebugView;
  readonly hasKeys: boolean;
  /** Translate hot code; the core was generated for it. */
  readonly jit: boolean;
  /** Whether the core may execute two instructions at one go: not the exact one. */
  readonly fuses: boolean;
  readonly htif?: Htif;
  /** How LR/SC is done where the core does not do it by itself; the core was generated for it. */
  readonly reservations?: ReservationSpec;
  readonly machineMode?: MachineMode;
}

/** Returns of the core that one run allows beyond its instructions. */
const MOST_RETURNS = 10_000;

/**
 * Why `run` came back. `halted`: a debugger holds the hart, or it stands before a point of one; `again`: other
 * harts were asked for something that the next instruction needs.
 */
export type RunEnd =
  | 'limit'
  | 'stopped'
  | 'waiting'
  | 'reserved'
  | 'paused'
  | 'again'
  | 'requested'
  | 'halted';

// Word indices within the block: constants here, so that no hot path looks a name up.
const PENDING_WORD = wordOf('pending');
const STATE = wordOf('state');
const REGION_INSTRUCTIONS = wordOf('regionInstructions');
const MODEL_WORD = wordOf('modelCounts');
const TRAP_WORD = wordOf('trapCounts');
const IS_HOSTED = wordOf('isHosted');
const FLOAT_STATUS = wordOf('floatStatus');
const COUNT_KEY_WRITES = counterIndex.keyWrites;
const COUNT_SATP_WRITES = counterIndex.satpWrites;
const COUNT_WFI = counterIndex.wfi;
const MIE = csrWordOf('mie');
const MKEYS = csrWordOf('mkeys');
const MSTATUS = csrWordOf('mstatus');
const SATP = csrWordOf('satp');
const STIMECMP = csrWordOf('stimecmp');

export class Hart
  extends HartCells
  implements AccessOwner, CsrOwner, FenceOwner, TimerOwner, TriggerOwner, WaitingOwner
{
  readonly id: number;
  readonly plan: MemoryPlan;
  readonly core: CoreExports;
  readonly clock: Clock;
  readonly machineMode: MachineMode | undefined;
  /** Hears of traps and returns only on a machine that is made for it (`MachineSpec.isObserved`). */
  observer: HartObserver | undefined;
  readonly debug: HartDebug;
  readonly triggers: Triggers = new Triggers(this);
  readonly reservations: Reservations | undefined;
  readonly translation: Translation;
  readonly modelledTlb: ModelledTlb;
  readonly fences: Fences;
  readonly csrs: CsrFile;
  readonly timers: Timers;
  readonly waiting: Waiting;
  /** Undefined if code is only interpreted. */
  readonly jit: Jit | undefined;
  readonly #decodeCache: DecodeCache;
  readonly #fetch: SlowFetch;
  readonly #access: SlowAccess;
  readonly #watched: WatchedAccess;
  readonly #cacheBlocks: CacheBlocks;
  /** The result of `readCsr`: two halves. */
  low = 0;
  high = 0;
  /** The present run ends after one instruction or one trap. */
  #isSingle = false;
  #masksInterrupts = false;
  #request: 'requested' | 'waiting' | undefined;

  constructor(environment: HartEnvironment) {
    const { id, plan, memory, core } = environment;
    const buffer = memory.buffer as unknown as SharedArrayBuffer;
    super(buffer, hartBase(plan, id));
    this.id = id;
    this.plan = plan;
    this.core = core;
    this.clock = environment.clock;
    this.machineMode = environment.machineMode;
    this.debug = new HartDebug(environment.debug, id, {
      forgetAll: () => {
        this.translation.tlb.flushAll();
        this.fences.code();
      },
      forgetPage: (low, high) => this.translation.tlb.flushPage(low, high, -1),
    });
    this.#decodeCache = new DecodeCache(
      buffer,
      this.base + plan.decodedOffset,
      this.base + plan.joinsOffset,
      plan.decodedPages,
      plan.ram,
      plan.ramBytes,
      environment.fuses,
    );
    const reservations =
      environment.reservations === undefined
        ? undefined
        : new Reservations({ memory: buffer, core, plan, id, spec: environment.reservations });
    this.reservations = reservations;
    this.translation = new Translation({
      memory: buffer,
      core,
      hartBase: this.base,
      ram: plan.ram,
      ramBase: RAM_BASE,
      ramBytes: plan.ramBytes,
      hasKeys: environment.hasKeys,
      watchedPage: environment.htif?.page ?? 0,
      ...(reservations === undefined
        ? {}
        : { isStoreWatched: (host: number) => reservations.isWatched(host) }),
      held: {
        holds: (low, high, access) =>
          this.debug.holds(low, high, access) || this.triggers.holds(low, high, access),
      },
      decodeCache: this.#decodeCache,
    });
    if (this.machineMode !== undefined) this.translation.pmp.open();
    this.modelledTlb = new ModelledTlb(this);
    this.fences = new Fences(this, this.#decodeCache);
    this.csrs = new CsrFile(this);
    this.timers = new Timers(this, environment.machineTimer);
    this.waiting = new Waiting(this);
    const loneRecord = new LoneRecord(this);
    const physical = new PhysicalAccess(buffer, id, environment.bus, environment.htif);
    this.#fetch = new SlowFetch(this, loneRecord);
    this.#cacheBlocks = new CacheBlocks(this, physical);
    this.#access = new SlowAccess(this, physical, this.#cacheBlocks, loneRecord);
    this.#watched = new WatchedAccess(this, this.#access, loneRecord);
    this.jit = environment.jit
      ? new Jit({
          memory,
          core,
          plan,
          base: this.base,
          translation: this.translation,
          decodeCache: this.#decodeCache,
          tracksReservations: reservations !== undefined,
        })
      : undefined;
  }

  // --- reset and snapshots ---

  /**
   * Reset state (vol. II §3.4): M-mode, everything off, at the given address. Lines that others raise stay
   * as they are, and so does what others ask.
   */
  reset(pcLow: number, pcHigh: number): void {
    this.clear();
    this.setWord(IS_HOSTED, this.machineMode === undefined ? 0 : 1);
    this.setWord(FLOAT_STATUS, MSTATUS_BITS.FS);
    this.setPair(MSTATUS, 0, MSTATUS_HIGH);
    this.setPair(STIMECMP, -1, -1);
    this.setPc(pcLow, pcHigh);
    this.set('domain', -1);
    this.set('thread', -1);
    this.triggers.reset();
    this.translation.pmp.reset();
    if (this.machineMode !== undefined) this.translation.pmp.open();
    this.modelledTlb.chooseAsid();
    this.translation.tlb.flushAll();
  }

  /** For a snapshot. Between two runs. */
  save(): HartState {
    return {
      pmp: this.translation.pmp.save(),
      triggers: this.triggers.save(),
      machineMode: this.machineMode?.save?.(this) ?? null,
    };
  }

  /**
   * The hart goes on from a block that was saved. What it remembered of memory is gone: translations, and
   * instructions as they were decoded, as after SFENCE.VMA and FENCE.I.
   */
  restore({ pmp, triggers, machineMode }: HartState): void {
    this.translation.pmp.restore(pmp);
    this.triggers.restore(triggers);
    this.translation.tlb.flushAll();
    this.machineMode?.restore?.(this, machineMode);
  }

  // --- the run loop ---

  /**
   * Runs until the limit (instructions, about), a stop, a WFI with nothing to do, a PAUSE, or a request
   * to the host. The hart's state is RUNNING meanwhile and PARKED after, so a shootdown need not wait for it.
   * @param slice instructions after which the timer is looked at
   */
  run(limit: number, slice: number = limit): RunEnd {
    const { command } = this.debug;
    if (command === DEBUG_COMMAND.RUN) return this.#run(limit, true, slice);
    if (command !== DEBUG_COMMAND.STEP) return 'halted';
    const masks = this.debug.block.masksSteps.load() !== 0;
    let end = this.step(masks);
    while (end === 'again') end = this.step(masks, false);
    this.debug.stepped();
    return end === 'stopped' || end === 'requested' ? end : 'halted';
  }

  /** Goes on with a run that ended early, as if it had not: what is done once a run is not done again. */
  resume(limit: number): RunEnd {
    return this.#run(limit, false);
  }

  /**
   * One instruction, or the trap that it takes (Debug spec. §4.4); a breakpoint at the instruction
   * itself does not count.
   * @param isNew whether it begins a run
   */
  step(masksInterrupts: boolean, isNew = true): RunEnd {
    this.#isSingle = true;
    this.#masksInterrupts = masksInterrupts;
    try {
      return this.#run(1, isNew);
    } finally {
      this.#isSingle = false;
      this.#masksInterrupts = false;
    }
  }

  #run(limit: number, isNew: boolean, slice: number = limit): RunEnd {
    this.debug.refresh();
    this.state = HART_STATE.RUNNING;
    this.jit?.begin();
    if (isNew) this.#serve(PENDING.FENCE);
    this.#dropWatchedTags();
    this.translation.tlb.select();
    this.observer?.served(this);
    const end = this.#execute(limit, slice);
    // A hart that stopped itself stays STOPPED.
    Atomics.compareExchange(this.words, this.block + STATE, HART_STATE.RUNNING, HART_STATE.PARKED);
    this.settleCounters();
    return end;
  }

  #execute(limit: number, slice: number): RunEnd {
    const target = this.instret + limit;
    // A guest whose trap handler traps retires nothing: what the core returns for counts as well.
    let returns = 0;
    this.timers.poll();
    this.#takeInterrupt();
    const traps = this.trapsTaken;
    let record = 0;
    for (;;) {
      const left = target - this.instret;
      if (++returns > limit + MOST_RETURNS) return 'limit';
      if (left <= 0) return 'limit';
      if (this.#isSingle) {
        if (record === 0 && this.trapsTaken === traps && !this.triggers.breaksAtPc())
          record = this.#fetch.recordAtPc();
        if (this.trapsTaken !== traps) return 'limit';
        // A record of its own ends its line, and with something pending the core goes no further.
        Atomics.or(this.words, this.block + PENDING_WORD, PENDING.DEBUG);
      }
      const { isAlone } = this.#watched;
      const reason = this.core.run(
        this.base,
        isAlone ? 1 : Math.min(left, slice, MOST_AT_ONCE - 1),
        record,
      );
      record = 0;
      if (isAlone) this.#watched.forget();
      if (this.#isSingle) {
        Atomics.and(this.words, this.block + PENDING_WORD, ~PENDING.DEBUG);
        if (reason === EXIT.PENDING) return 'limit';
      }
      switch (reason) {
        case EXIT.LIMIT:
          if (this.#isSingle || this.instret >= target) break;
          this.observer?.served(this);
          this.timers.poll();
          this.#takeInterrupt();
          break;
        case EXIT.PENDING: {
          const end = this.#servePending();
          if (end !== undefined) return end;
          break;
        }
        case EXIT.FETCH_MISS:
          if (this.debug.watchesCode && this.debug.stopsFetch(this.pcLow, this.pcHigh))
            return this.#halt();
          record = this.#fetch.fill();
          break;
        case EXIT.DECODE:
          this.#decodeCache.decodeAt(this.exitIp);
          break;
        case EXIT.LOAD_MISS:
        case EXIT.STORE_MISS:
          if (!this.debug.watchesData) this.#access.finish();
          else if (this.#watched.stops()) return this.#halt();
          else record = this.#watched.finish();
          break;
        case EXIT.HOT:
          this.jit?.translate();
          break;
        case EXIT.UNPROVEN:
          this.jit?.prove();
          break;
        case EXIT.CROSS:
          record = this.#fetch.recordAtPc();
          break;
        case EXIT.CSR:
          this.#csrInstruction(this.exitImmediate);
          break;
        case EXIT.MONITOR:
        case EXIT.REGIME:
          this.#follow(reason);
          break;
        case EXIT.STUCK:
          return 'limit';
        case EXIT.WFI:
          if (this.waiting.isForbidden) {
            this.#illegal();
            break;
          }
          this.advance(4);
          this.tally(COUNT_WFI);
          if (!this.waiting.mayEnd()) {
            this.observer?.waits(this);
            return 'waiting';
          }
          this.#takeInterrupt();
          break;
        case EXIT.WRS:
          if (this.#waitsForReservation()) return 'reserved';
          break;
        case EXIT.PAUSE:
          this.advance(4);
          return 'paused';
        case EXIT.CACHE_BLOCK:
          if (!this.csrs.allowsCacheBlock(this.exitImmediate >>> 20)) this.#illegal();
          else this.#cacheBlocks.manage(this.exitImmediate);
          break;
        case EXIT.SFENCE_VMA:
          if (this.fences.isForbidden) this.#illegal();
          else {
            this.fences.execute(this.exitImmediate);
            this.advance(4);
          }
          break;
        case EXIT.SFENCE_INVAL:
          if (this.mode === PRIVILEGE.U) this.#illegal();
          else this.advance(4);
          break;
        case EXIT.FENCE_I:
          this.fences.code();
          this.advance(4);
          break;
      }
      if (this.#request !== undefined) {
        const request = this.#request;
        this.#request = undefined;
        if (request === 'requested' || !this.waiting.mayEnd()) return request;
      }
      if (this.#access.waitsForHarts) {
        this.#access.waitsForHarts = false;
        return 'again';
      }
    }
  }

  /** WRS.NTO and WRS.STO: whether there is something to wait for. */
  #waitsForReservation(): boolean {
    const waits = this.waiting.mayWaitOnReservation();
    if (waits && this.waiting.isReservationWaitForbidden(this.exitImmediate)) {
      this.#illegal();
      return false;
    }
    this.advance(4);
    if (!waits) this.#takeInterrupt();
    return waits;
  }

  /** The instruction that the core left with was counted as retired, but traps. */
  #illegal(): void {
    this.unretire();
    this.trap(CAUSE.ILLEGAL, this.exitImmediate, 0);
  }

  // --- what others ask ---

  /** Makes `run` return after the present instruction; for the monitor's host services. */
  requestReturn(): void {
    this.#request = 'requested';
  }

  /** Makes the hart wait after the present instruction, as WFI does. */
  requestWait(): void {
    this.#request = 'waiting';
  }

  #servePending(): RunEnd | undefined {
    const bits = Atomics.exchange(this.words, this.block + PENDING_WORD, 0);
    if ((bits & PENDING.STOP) !== 0) {
      // Stays set: the next run must return as well.
      Atomics.or(this.words, this.block + PENDING_WORD, PENDING.STOP);
      return 'stopped';
    }
    this.#serve(bits);
    if ((bits & PENDING.TIMER) !== 0) this.timers.poll();
    this.observer?.served(this);
    this.#takeInterrupt();
    const isHeld = (bits & PENDING.DEBUG) !== 0 && this.debug.command !== DEBUG_COMMAND.RUN;
    return isHeld ? 'halted' : undefined;
  }

  #halt(): RunEnd {
    this.debug.halted();
    return 'halted';
  }

  #serve(bits: number): void {
    if ((bits & PENDING.WATCH) !== 0) this.#dropWatchedTags();
    if ((bits & (PENDING.FENCE | PENDING.MONITOR)) !== 0) this.machineMode?.serve(this);
  }

  /** Has the soft TLB forget that pages may be stored to which are watched for a reservation now. */
  #dropWatchedTags(): void {
    const { reservations, translation } = this;
    if (reservations === undefined || !reservations.hasNews()) return;
    reservations.dropTags((isWatched) => translation.tlb.dropWriteTags(isWatched));
  }

  // --- counters ---

  /** Adds what its parts counted on their own: every counter is up to date after a run, or at a mark. */
  settleCounters(): void {
    this.counters[counterIndex.instructions] = this.instret;
    this.count('softTlbMisses', this.translation.tlb.misses);
    this.count('softTlbContextEvictions', this.translation.tlb.takeEvictions());
    this.count('decodedParcels', this.#decodeCache.decoded);
    if (this.jit !== undefined) {
      const { regions, codeBytes } = this.jit.statistics;
      this.counters[counterIndex.regions] = regions;
      this.counters[counterIndex.regionBytes] = codeBytes;
      this.counters[counterIndex.regionInstructions] = this.unsigned(REGION_INSTRUCTIONS);
    }
    this.translation.tlb.misses = 0;
    this.#decodeCache.decoded = 0;
    this.#collect(MODEL_COUNTS, MODEL_WORD);
    this.#collect(TRAP_COUNTS, TRAP_WORD);
  }

  /** Moves counts of the core's own to the counters. */
  #collect(names: readonly Counter[], word: number): void {
    for (let index = 0; index < names.length; index++) {
      this.count(names[index] as Counter, this.word(word + index) >>> 0);
      this.setWord(word + index, 0);
    }
  }

  // --- traps ---

  /** Takes an exception, to S if it is delegated, else to M (core/traps.ts). */
  trap(cause: number, tvalLow: number, tvalHigh: number): void {
    this.#follow(this.core.trap(this.base, cause, tvalLow, tvalHigh));
  }

  /** Does what the core could not after it took a trap or returned from one. */
  #follow(end: TrapEnd): void {
    if (end === EXIT.MONITOR) this.machineMode?.trap(this);
    else if (end === EXIT.REGIME) this.translation.tlb.select();
  }

  mret(): void {
    this.#follow(this.core.mret(this.base));
  }

  /** Takes the highest-priority interrupt that is pending and enabled, if there is one. */
  #takeInterrupt(): void {
    if (this.#masksInterrupts) return;
    if ((this.csrs.mip & this.word(MIE)) !== 0) this.#follow(this.core.takeInterrupt(this.base));
  }

  // --- CSRs ---

  #csrInstruction(raw: number): void {
    const done = this.csrs.execute(raw);
    if (done === CSR_ILLEGAL) {
      this.trap(CAUSE.ILLEGAL, raw, 0);
      return;
    }
    this.setX((raw >>> 7) & 31, this.csrs.low, this.csrs.high);
    this.retire(4);
    if (done === CSR_WRITTEN) this.#takeInterrupt();
  }

  /** Reads a CSR into `low` and `high`; false if there is none, or the mode may not read it now. */
  readCsr(number: number): boolean {
    if (!this.csrs.read(number)) return false;
    this.low = this.csrs.low;
    this.high = this.csrs.high;
    return true;
  }

  /** Writes a CSR that `readCsr` accepted, keeping only legal values (WARL). */
  writeCsr(number: number, low: number, high: number): void {
    this.csrs.write(number, low, high);
  }

  /** Installs a root and ASID; translations of other roots and ASIDs stay where they are. */
  setSatp(low: number, high: number): void {
    this.setPair(SATP, low, high); // the PPN has 44 bits, the ASID 16: every bit is kept
    this.tally(COUNT_SATP_WRITES);
    this.modelledTlb.chooseAsid();
    this.translation.tlb.chooseView();
  }

  /** Rights over the protection keys: bit 2k access, bit 2k+1 write. */
  setKeys(low: number, high: number): void {
    this.setPair(MKEYS, low, high);
    this.tally(COUNT_KEY_WRITES);
    this.translation.tlb.chooseView();
  }
}
