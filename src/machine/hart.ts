/**
 * One hart: the generated core's other half. The core executes what needs no one else; it returns with
 * a reason, and this file does what the reason asks: fills the TLB, reaches devices, reads and writes
 * CSRs, takes traps, parks.
 *
 * It does not know whether it runs in a worker of its own or shares a thread with its siblings.
 * 64-bit values are pairs of signed 32-bit halves; nothing on this path makes a BigInt.
 */
import { NO_DEVICE, type Bus } from './bus.ts';
import type { Clock } from './clock.ts';
import type { CoreExports, TrapEnd } from './core/generate.ts';
import { bytesOf, operationMeaning, operationOf, unfused } from './core/operations.ts';
import {
  counterIndex,
  csrWordOf,
  HART_STATE,
  HartBlock,
  MODEL_COUNTS,
  MOST_AT_ONCE,
  PENDING,
  PRIVILEGE,
  RECORD_BYTES,
  TRAP_COUNTS,
  wordOf,
  X_SINK,
  type Counter,
  type CsrCell,
} from './core/hart-block.ts';
import {
  MODEL_EMPTY,
  MODEL_L1_MAX,
  MODEL_L2_MAX,
  MODEL_OFFSET,
  ModelTlb,
} from './core/tlb-model.ts';
import { CSR_ILLEGAL, CSR_WRITTEN, CsrFile, MSTATUS_HIGH, type CsrOwner } from './csrs.ts';
import { IRQ } from './csr-numbers.ts';
import { DEBUG_COMMAND, POINT_KIND, type DebugView } from './debug/debug-block.ts';
import { HartDebug } from './debug/hart-debug.ts';
import { DecodeCache, REFETCH_HEAD, writeRecord } from './decode-cache.ts';
import type { Htif } from './devices/htif.ts';
import { WRS_NTO } from './isa/atomic.ts';
import { CACHE_BLOCK_BYTES } from './isa/cache.ts';
import { EXIT } from './isa/table.ts';
import { Jit } from './jit/jit.ts';
import type { HartObserver } from './hart-observer.ts';
import { hartBase, type MemoryPlan } from './memory-plan.ts';
import { RAM_BASE } from './physical-map.ts';
import type { PmpState } from './pmp.ts';
import type { ReservationSpec } from './reservation-spec.ts';
import { Reservations } from './reservations.ts';
import { CAUSE, levelsOf, MSTATUS_BITS, NO_FAULT, Translation } from './translation.ts';
import { TRIGGER_BITS, Triggers, type TriggerOwner, type TriggersState } from './triggers.ts';

/**
 * Whoever stands in for M-mode software. Without one, the guest brings its own firmware and traps to M
 * go to `mtvec`.
 */
export interface MachineMode {
  /** A trap was taken to M: mepc, mcause, mtval and mstatus are as the manual says. Ends with `hart.mret()`. */
  trap(hart: Hart): void;
  /** A remote fence was asked of this hart, or the monitor has work for it. */
  serve(hart: Hart): void;
  /** What it remembers of its hart outside of shared memory, as plain data, for a snapshot. */
  save?(hart: Hart): unknown;
  restore?(hart: Hart, state: unknown): void;
}

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
  /** Whether time in `mtimecmp` has come for this hart. */
  readonly machineTimer: { timerDeadline(hart: number): number };
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

/** How a hart waits on its reservation: see `parkOnReservation`. */
const WRS_SPINS = 200;
const WRS_LOOK_MS = 0.05;
const WRS_WAIT_MS = 1;

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

const at = HartBlock.offset;
// Word indices within the block: constants here, so that no hot path looks a name up.
const PC = wordOf('pc');
const RESERVED_ADDRESS = wordOf('reservedAddress');
const RESERVED_VALUE = wordOf('reservedValue');
const RESERVATION_LOST = wordOf('reservationLost');
const X = wordOf('x');
const F = wordOf('f');
const INSTRET = wordOf('instret');
const MIP = wordOf('mip');
const PENDING_WORD = wordOf('pending');
const STATE = wordOf('state');
const EXIT_IP = wordOf('exitIp');
const REGION_INSTRUCTIONS = wordOf('regionInstructions');
const FAULT_ADDRESS = wordOf('faultAddress');
const MODE = wordOf('mode');
const MODEL_WORD = wordOf('modelCounts');
const TRAP_WORD = wordOf('trapCounts');
const IS_HOSTED = wordOf('isHosted');
const FLOAT_STATUS = wordOf('floatStatus');
const COUNT_FENCES_ALL = counterIndex.fencesAll;
const COUNT_FENCES_PAGE = counterIndex.fencesPage;
const COUNT_KEY_WRITES = counterIndex.keyWrites;
const COUNT_SATP_WRITES = counterIndex.satpWrites;
const COUNT_WFI = counterIndex.wfi;
const MIE = csrWordOf('mie');
const MKEYS = csrWordOf('mkeys');
const MSTATUS = csrWordOf('mstatus');
const SATP = csrWordOf('satp');
const STIMECMP = csrWordOf('stimecmp');

export class Hart implements CsrOwner, TriggerOwner {
  readonly id: number;
  readonly base: number;
  readonly plan: MemoryPlan;
  readonly words: Int32Array;
  readonly counters: Float64Array;
  readonly core: CoreExports;
  readonly translation: Translation;
  readonly triggers: Triggers = new Triggers(this);
  readonly csrs: CsrFile;
  /** Undefined if the core does LR/SC by itself, comparing values. */
  readonly reservations: Reservations | undefined;
  /** Undefined if code is only interpreted. */
  readonly jit: Jit | undefined;
  readonly clock: Clock;
  readonly machineMode: MachineMode | undefined;
  /** Hears of traps and returns only on a machine that is made for it (`MachineSpec.isObserved`). */
  observer: HartObserver | undefined;
  readonly debug: HartDebug;
  readonly #block: number;
  readonly #bytes: Uint8Array;
  readonly #data: DataView;
  readonly #bus: Bus;
  readonly #machineTimer: HartEnvironment['machineTimer'];
  readonly #htif: Htif | undefined;
  readonly #decodeCache: DecodeCache;
  /** The result of `readCsr` and of other 64-bit reads: two halves. */
  low = 0;
  high = 0;
  #busResult = new Int32Array(2);
  #modelEntries = 0;
  /** The present run ends after one instruction or one trap. */
  #isSingle = false;
  /** The core is to execute one instruction, on a page that is watched. */
  #isAlone = false;
  #masksInterrupts = false;

  constructor(environment: HartEnvironment) {
    const { id, plan, memory, core } = environment;
    const buffer = memory.buffer as unknown as SharedArrayBuffer;
    this.id = id;
    this.plan = plan;
    this.core = core;
    this.base = hartBase(plan, id);
    this.#block = this.base >> 2;
    this.words = new Int32Array(buffer);
    this.#bytes = new Uint8Array(buffer);
    this.#data = new DataView(buffer);
    this.counters = HartBlock.fields.counters.at(buffer, this.base + at.counters);
    this.#bus = environment.bus;
    this.clock = environment.clock;
    this.#machineTimer = environment.machineTimer;
    this.#htif = environment.htif;
    this.machineMode = environment.machineMode;
    this.debug = new HartDebug(environment.debug, this.id, {
      forgetAll: () => {
        this.translation.flushAll();
        this.fenceI();
      },
      forgetPage: (low, high) => this.translation.flushPage(low, high, -1),
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
    this.csrs = new CsrFile(this);
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

  // --- state ---

  get state(): number {
    return Atomics.load(this.words, this.#block + STATE);
  }

  set state(value: number) {
    Atomics.store(this.words, this.#block + STATE, value);
  }

  #low(cell: number): number {
    return this.words[this.#block + cell] as number;
  }

  #high(cell: number): number {
    return this.words[this.#block + cell + 1] as number;
  }

  #put(cell: number, low: number, high: number): void {
    this.words[this.#block + cell] = low;
    this.words[this.#block + cell + 1] = high;
  }

  #setMode(mode: number): void {
    this.words[this.#block + MODE] = mode;
  }

  /** A word of the hart block. */
  get(field: keyof typeof at): number {
    return this.word(wordOf(field));
  }

  set(field: keyof typeof at, value: number): void {
    this.setWord(wordOf(field), value);
  }

  /** The same by its index (`wordOf`, `csrWordOf`), for those who cannot afford to look a name up. */
  word(index: number): number {
    return this.words[this.#block + index] as number;
  }

  setWord(index: number, value: number): void {
    this.words[this.#block + index] = value;
  }

  /** A 64-bit cell by its index. */
  setPair(index: number, low: number, high: number): void {
    this.#put(index, low, high);
  }

  get mode(): number {
    return this.words[this.#block + MODE] as number;
  }

  xLow(register: number): number {
    return this.words[this.#block + X + 2 * register] as number;
  }

  xHigh(register: number): number {
    return this.words[this.#block + X + 2 * register + 1] as number;
  }

  setX(register: number, low: number, high: number): void {
    const cell = this.#block + X + 2 * (register === 0 ? X_SINK : register);
    this.words[cell] = low;
    this.words[cell + 1] = high;
  }

  /** A register as the signed 64-bit number it holds, exact below 2^53. */
  x(register: number): number {
    return this.xHigh(register) * 2 ** 32 + (this.xLow(register) >>> 0);
  }

  /** Writes a whole number, |value| < 2^53. */
  setXNumber(register: number, value: number): void {
    this.setX(register, value | 0, Math.floor(value / 2 ** 32) | 0);
  }

  get pcLow(): number {
    return this.words[this.#block + PC] as number;
  }

  get pcHigh(): number {
    return this.words[this.#block + PC + 1] as number;
  }

  setPc(low: number, high: number): void {
    this.words[this.#block + PC] = low & ~1;
    this.words[this.#block + PC + 1] = high;
  }

  csrLow(name: CsrCell): number {
    return this.#low(csrWordOf(name));
  }

  csrHigh(name: CsrCell): number {
    return this.#high(csrWordOf(name));
  }

  setCsr(name: CsrCell, low: number, high: number): void {
    this.#put(csrWordOf(name), low, high);
  }

  count(name: Counter, by = 1): void {
    this.tally(counterIndex[name], by);
  }

  /** Counts by the counter's index. */
  tally(index: number, by = 1): void {
    this.counters[index] = (this.counters[index] as number) + by;
  }

  counter(name: Counter): number {
    return this.counters[counterIndex[name]] as number;
  }

  get instret(): number {
    return (
      (this.words[this.#block + INSTRET + 1] as number) * 2 ** 32 +
      ((this.words[this.#block + INSTRET] as number) >>> 0)
    );
  }

  #addInstret(by: number): void {
    const next = this.instret + by;
    this.words[this.#block + INSTRET] = next | 0;
    this.words[this.#block + INSTRET + 1] = Math.floor(next / 2 ** 32);
  }

  /**
   * Reset state (vol. II §3.4): M-mode, everything off, at the given address. Lines that others raise stay
   * as they are, and so does what others ask: they may do so at this very moment, and do it once.
   */
  reset(pcLow: number, pcHigh: number): void {
    for (let word = 0; word < HartBlock.sizeBytes / 4; word++)
      if (word !== MIP && word !== PENDING_WORD) this.words[this.#block + word] = 0;
    Atomics.and(this.words, this.#block + MIP, ~((1 << IRQ.MTI) | (1 << IRQ.STI)));
    this.#setMode(PRIVILEGE.M);
    this.setWord(IS_HOSTED, this.machineMode === undefined ? 0 : 1);
    this.setWord(FLOAT_STATUS, MSTATUS_BITS.FS);
    this.#put(MSTATUS, 0, MSTATUS_HIGH);
    this.#put(STIMECMP, -1, -1);
    this.setPc(pcLow, pcHigh);
    this.set('domain', -1);
    this.set('thread', -1);
    this.triggers.reset();
    this.translation.pmp.reset();
    if (this.machineMode !== undefined) this.translation.pmp.open();
    this.#modelAsid();
    this.translation.flushAll();
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
    this.translation.flushAll();
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
    this.translation.select();
    this.observer?.served(this);
    const end = this.#execute(limit, slice);
    // A hart that stopped itself stays STOPPED.
    Atomics.compareExchange(this.words, this.#block + STATE, HART_STATE.RUNNING, HART_STATE.PARKED);
    this.#settleCounters();
    return end;
  }

  #execute(limit: number, slice: number): RunEnd {
    const target = this.instret + limit;
    // A guest whose trap handler traps retires nothing: what the core returns for counts as well.
    let returns = 0;
    this.pollTimer();
    this.#takeInterrupt();
    const traps = this.#trapsTaken;
    let record = 0;
    for (;;) {
      const left = target - this.instret;
      if (++returns > limit + MOST_RETURNS) return 'limit';
      if (left <= 0) return 'limit';
      if (this.#isSingle) {
        if (record === 0 && this.#trapsTaken === traps && !this.#breaksAtPc())
          record = this.#recordAtPc();
        if (this.#trapsTaken !== traps) return 'limit';
        // A record of its own ends its line, and with something pending the core goes no further.
        Atomics.or(this.words, this.#block + PENDING_WORD, PENDING.DEBUG);
      }
      const isAlone = this.#isAlone;
      const reason = this.core.run(
        this.base,
        isAlone ? 1 : Math.min(left, slice, MOST_AT_ONCE - 1),
        record,
      );
      record = 0;
      if (isAlone) this.#forgetWatched();
      if (this.#isSingle) {
        Atomics.and(this.words, this.#block + PENDING_WORD, ~PENDING.DEBUG);
        if (reason === EXIT.PENDING) return 'limit';
      }
      switch (reason) {
        case EXIT.LIMIT:
          if (this.#isSingle || this.instret >= target) break;
          this.pollTimer();
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
          record = this.#fillFetch();
          break;
        case EXIT.DECODE:
          this.#decodeCache.decodeAt(this.words[this.#block + EXIT_IP] as number);
          break;
        case EXIT.LOAD_MISS:
        case EXIT.STORE_MISS:
          if (!this.debug.watchesData) this.#finishAccess();
          else if (this.#stopsAccess()) return this.#halt();
          else record = this.#finishWatched();
          break;
        case EXIT.HOT:
          this.jit?.translate();
          break;
        case EXIT.UNPROVEN:
          this.jit?.prove();
          break;
        case EXIT.CROSS:
          record = this.#recordAtPc();
          break;
        case EXIT.CSR:
          this.#csrInstruction(this.#exitImmediate());
          break;
        case EXIT.MONITOR:
        case EXIT.REGIME:
          this.#follow(reason);
          break;
        case EXIT.STUCK:
          return 'limit';
        case EXIT.WFI:
          if (
            this.mode === PRIVILEGE.U ||
            (this.mode === PRIVILEGE.S && this.#statusHas(MSTATUS_BITS.TW))
          ) {
            this.#illegal();
            break;
          }
          this.#advance(4);
          this.tally(COUNT_WFI);
          if (!this.#mayWake()) {
            this.observer?.waits(this);
            return 'waiting';
          }
          this.#takeInterrupt();
          break;
        case EXIT.PAUSE:
          this.#advance(4);
          return 'paused';
        case EXIT.CACHE_BLOCK:
          this.#manageBlock();
          break;
        case EXIT.WRS:
          if (this.#waitsForReservation()) return 'reserved';
          break;
        case EXIT.SFENCE_VMA:
          this.#sfence();
          break;
        case EXIT.SFENCE_INVAL:
          if (this.mode === PRIVILEGE.U) this.#illegal();
          else this.#advance(4);
          break;
        case EXIT.FENCE_I:
          this.fenceI();
          this.#advance(4);
          break;
      }
      if (this.#request !== undefined) {
        const request = this.#request;
        this.#request = undefined;
        if (request === 'requested' || !this.#mayWake()) return request;
      }
      if (this.#waitsForHarts) {
        this.#waitsForHarts = false;
        return 'again';
      }
    }
  }

  /** An LR has to be tried again when other harts had time to serve what it asked. */
  #waitsForHarts = false;
  /** Traps so far, those included that the core has counted by itself. */
  get #trapsTaken(): number {
    const mine = this.words[this.#block + TRAP_WORD + TRAP_COUNTS.indexOf('traps')] as number;
    return this.counter('traps') + (mine >>> 0);
  }

  #request: 'requested' | 'waiting' | undefined;
  /** Makes `run` return after the present instruction; for the monitor's host services. */
  requestReturn(): void {
    this.#request = 'requested';
  }

  /** Makes the hart wait after the present instruction, as WFI does. */
  requestWait(): void {
    this.#request = 'waiting';
  }

  #servePending(): RunEnd | undefined {
    const bits = Atomics.exchange(this.words, this.#block + PENDING_WORD, 0);
    if ((bits & PENDING.STOP) !== 0) {
      // Stays set: the next run must return as well.
      Atomics.or(this.words, this.#block + PENDING_WORD, PENDING.STOP);
      return 'stopped';
    }
    this.#serve(bits);
    if ((bits & PENDING.TIMER) !== 0) this.pollTimer();
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

  /** Adds what the core and the translation counted on their own. */
  #settleCounters(): void {
    this.counters[counterIndex.instructions] = this.instret;
    this.count('softTlbMisses', this.translation.misses);
    this.count('softTlbContextEvictions', this.translation.takeEvictions());
    this.count('decodedParcels', this.#decodeCache.decoded);
    if (this.jit !== undefined) {
      const { regions, codeBytes } = this.jit.statistics;
      this.counters[counterIndex.regions] = regions;
      this.counters[counterIndex.regionBytes] = codeBytes;
      this.counters[counterIndex.regionInstructions] =
        this.#high(REGION_INSTRUCTIONS) * 2 ** 32 + (this.#low(REGION_INSTRUCTIONS) >>> 0);
    }
    this.translation.misses = 0;
    this.#decodeCache.decoded = 0;
    this.#collect(MODEL_COUNTS, MODEL_WORD);
    this.#collect(TRAP_COUNTS, TRAP_WORD);
  }

  /** Moves counts of the core's own to the counters. */
  #collect(names: readonly Counter[], word: number): void {
    for (let index = 0; index < names.length; index++) {
      const cell = this.#block + word + index;
      this.count(names[index] as Counter, (this.words[cell] as number) >>> 0);
      this.words[cell] = 0;
    }
  }

  /** Brings every counter up to date; for reading them between two runs or at a mark. */
  settleCounters(): void {
    this.#settleCounters();
  }

  #advance(bytes: number): void {
    const low = this.pcLow;
    const next = (low + bytes) | 0;
    this.words[this.#block + PC] = next;
    if (next >>> 0 < low >>> 0) this.words[this.#block + PC + 1] = (this.pcHigh + 1) | 0;
  }

  #exitImmediate(): number {
    return this.words[((this.words[this.#block + EXIT_IP] as number) >> 2) + 2] as number;
  }

  #statusHas(bit: number): boolean {
    return (this.#low(MSTATUS) & bit) !== 0;
  }

  /** The instruction that the core left with was counted as retired, but traps. */
  #illegal(): void {
    this.#addInstret(-1);
    this.trap(CAUSE.ILLEGAL, this.#exitImmediate(), 0);
  }

  // --- traps ---

  /** Takes an exception, to S if it is delegated, else to M (core/traps.ts). */
  trap(cause: number, tvalLow: number, tvalHigh: number): void {
    this.#follow(this.core.trap(this.base, cause, tvalLow, tvalHigh));
  }

  /** Does what the core could not after it took a trap or returned from one. */
  #follow(end: TrapEnd): void {
    if (end === EXIT.MONITOR) this.machineMode?.trap(this);
    else if (end === EXIT.REGIME) this.translation.select();
  }

  mret(): void {
    this.#follow(this.core.mret(this.base));
  }

  #pendingInterrupts(): number {
    return this.csrs.mip & this.#low(MIE);
  }

  /** WFI resumes on any enabled pending interrupt, whatever the global enables say (vol. II §3.3.3). */
  #mayWake(): boolean {
    this.pollTimer();
    return (
      this.#pendingInterrupts() !== 0 || (this.words[this.#block + PENDING_WORD] as number) !== 0
    );
  }

  /** Takes the highest-priority interrupt that is pending and enabled, if there is one. */
  #takeInterrupt(): void {
    if (this.#masksInterrupts) return;
    if (this.#pendingInterrupts() !== 0) this.#follow(this.core.takeInterrupt(this.base));
  }

  // --- timers ---

  #deadline(): number {
    return (this.#high(STIMECMP) >>> 0) * 2 ** 32 + (this.#low(STIMECMP) >>> 0);
  }

  /** Sets MTIP, and STIP where Sstc is on, as time has it. */
  pollTimer(): void {
    const now = this.clock.now();
    this.#setTimerLine(IRQ.MTI, now >= this.#machineTimer.timerDeadline(this.id));
    if (this.csrs.hasSstc) this.#setTimerLine(IRQ.STI, now >= this.#deadline());
  }

  /** The owner's own lines: whoever sets one looks for interrupts afterwards. */
  #setTimerLine(bit: number, level: boolean): void {
    const index = this.#block + MIP;
    if (level) Atomics.or(this.words, index, 1 << bit);
    else Atomics.and(this.words, index, ~(1 << bit));
  }

  /** Ticks until a timer that is enabled fires; Infinity if none will. */
  ticksToTimer(): number {
    const now = this.clock.now();
    const mie = this.#low(MIE);
    let soonest = Infinity;
    if ((mie & (1 << IRQ.MTI)) !== 0) soonest = this.#machineTimer.timerDeadline(this.id) - now;
    if ((mie & (1 << IRQ.STI)) !== 0 && this.csrs.hasSstc)
      soonest = Math.min(soonest, this.#deadline() - now);
    return Math.max(0, soonest);
  }

  /**
   * Sleeps until something is pending, a timer fires, or the time is up; only for a thread that carries
   * this hart alone. The state is PARKED.
   */
  park(maxMs: number): void {
    const ticks = this.ticksToTimer();
    const timeout = Math.min(maxMs, ticks / 10_000);
    if (timeout > 0) Atomics.wait(this.words, this.#block + PENDING_WORD, 0, timeout);
  }

  /** Whether a hart that waits in WFI has something to do now. */
  hasWork(): boolean {
    return this.#mayWake();
  }

  // --- waiting on a reservation (Zawrs) ---

  /**
   * WRS.NTO and WRS.STO: whether there is something to wait for. That the first might wait for long is
   * for mstatus.TW to forbid, as with WFI (vol. I, "Zawrs").
   */
  #waitsForReservation(): boolean {
    const waits = this.#isReserved() && !this.#mayWake();
    const isTrapped = this.mode < PRIVILEGE.M && this.#statusHas(MSTATUS_BITS.TW);
    if (waits && isTrapped && this.#exitImmediate() === WRS_NTO) {
      this.#illegal();
      return false;
    }
    this.#advance(4);
    if (!waits) this.#takeInterrupt();
    return waits;
  }

  /** Whether the reserved word still is what LR read, and no store to it was seen where stores are. */
  #isReserved(): boolean {
    const reserved = this.#low(RESERVED_ADDRESS);
    if (reserved === 0) return false;
    if (Atomics.load(this.words, this.#block + RESERVATION_LOST) !== 0) return false;
    const word = reserved >>> 2;
    if (Atomics.load(this.words, word) !== this.#low(RESERVED_VALUE)) return false;
    return (
      (reserved & 1) === 0 || Atomics.load(this.words, word + 1) === this.#high(RESERVED_VALUE)
    );
  }

  /**
   * Sleeps until the reserved word has been written, an interrupt is pending, or for WRS_WAIT_MS: either
   * instruction may end early for any reason. Only for a thread that carries this hart alone; the state is PARKED.
   *
   * Stores of other harts are plain ones that wake nobody, so the word is looked at: often at first, then
   * every WRS_LOOK_MS, which bounds how late a store is noticed. Interrupts ring at once.
   */
  parkOnReservation(): void {
    const until = performance.now() + WRS_WAIT_MS;
    for (let look = 0; this.#isReserved() && !this.#mayWake(); look++) {
      if (look < WRS_SPINS) Atomics.pause();
      else if (performance.now() >= until) return;
      else Atomics.wait(this.words, this.#block + PENDING_WORD, 0, WRS_LOOK_MS);
    }
  }

  // --- memory ---

  /**
   * Fills the TLB for a fetch at pc, or takes the fault.
   * @returns the record of the instruction at pc if its page may not be remembered (PMP cuts it), else 0
   */
  #fillFetch(): number {
    if (this.#breaksAtPc()) return 0;
    const { translation } = this;
    const fault = translation.translate(this.pcLow, this.pcHigh, 'fetch', 2);
    if (fault !== NO_FAULT) {
      this.trap(fault, this.pcLow, this.pcHigh);
      return 0;
    }
    if (translation.remember(this.pcLow, this.pcHigh, 'fetch')) return 0;
    if (translation.hostAddress() !== 0) return this.#recordAtPc();
    this.trap(CAUSE.FETCH_ACCESS, this.pcLow, this.pcHigh);
    return 0;
  }

  /**
   * A load or a store that the core could not do: no translation yet (then it repeats it), a device, a
   * page that may not be remembered, or one that crosses pages (then it is finished here).
   */
  #finishAccess(): void {
    // The record and not the memory at pc says what was to be done: the memory may have changed since.
    const record = (this.words[this.#block + EXIT_IP] as number) >> 2;
    const head = this.words[record] as number;
    const operation = operationOf(head);
    const length = bytesOf(head);
    const bytes = ACCESS_BYTES[operation] as number;
    const flags = ACCESS_FLAGS[operation] as number;
    const isLoad = (flags & ACCESS.LOAD) !== 0;
    const low = this.words[this.#block + FAULT_ADDRESS] as number;
    const high = this.words[this.#block + FAULT_ADDRESS + 1] as number;
    if (this.triggers.isArmed && this.#breaksAtAccess()) return;
    if ((flags & ACCESS.BLOCK) !== 0) {
      this.#zeroBlock(low, high, bytes);
      return;
    }
    if ((flags & ACCESS.ATOMIC) !== 0) {
      if ((low & (bytes - 1)) !== 0) {
        this.trap(isLoad ? CAUSE.LOAD_MISALIGNED : CAUSE.STORE_MISALIGNED, low, high);
        return;
      }
    } else if ((low & 0xfff) + bytes > 4096) {
      this.#finishCrossing(head >>> 16, record, isLoad, bytes, flags, length);
      return;
    }
    const { translation } = this;
    const fault = translation.translate(low, high, isLoad ? 'load' : 'store', bytes);
    if (fault !== NO_FAULT) {
      this.trap(fault, low, high);
      return;
    }
    const isKept = translation.remember(low, high, isLoad ? 'load' : 'store');
    const host = translation.hostAddress();
    const { reservations } = this;
    if (reservations !== undefined && host !== 0) {
      if ((flags & ACCESS.LR) !== 0) {
        if (!reservations.prepare(host)) this.#waitsForHarts = true;
        else {
          reservations.loadReserved(host, bytes);
          this.setX(head >>> 19, reservations.low, reservations.high);
          this.#retire(length);
        }
        return;
      }
      if ((flags & ACCESS.SC) !== 0) {
        const source = this.#sourceCell(record, flags);
        const newLow = this.words[source] as number;
        const newHigh = this.words[source + 1] as number;
        const isDone = reservations.storeConditional(host, bytes, newLow, newHigh, low, high);
        this.setX(head >>> 19, isDone ? 0 : 1, 0);
        this.#retire(length);
        return;
      }
      if (!isKept && !isLoad && reservations.isWatched(host)) {
        reservations.store(() => this.#executeAlone(record, low, high, 'store'), host, bytes);
        return;
      }
    }
    if (isKept) return;
    // RAM that may not be remembered: a page that PMP cuts, or one that is watched.
    if ((flags & ACCESS.ATOMIC) !== 0 && host !== 0) {
      this.#executeAlone(record, low, high, isLoad ? 'load' : 'store');
      return;
    }
    // Devices support no atomics (PMA; vol. II §3.6.3).
    if (
      (flags & ACCESS.ATOMIC) !== 0 ||
      !(isLoad
        ? this.#readPhysical(host, translation.physical, bytes)
        : this.#writePhysical(host, translation.physical, bytes, this.#sourceCell(record, flags)))
    ) {
      this.trap(isLoad ? CAUSE.LOAD_ACCESS : CAUSE.STORE_ACCESS, low, high);
      return;
    }
    if (isLoad) this.#loaded(head >>> 16, bytes, flags);
    this.#retire(length);
  }

  #retire(length: number): void {
    this.#addInstret(1);
    this.#advance(length);
  }

  /**
   * Has the core execute one load, store or atomic whose page may not be remembered, but is for as long;
   * its translation is the last that was made.
   */
  #executeAlone(record: number, low: number, high: number, access: 'load' | 'store'): void {
    const alone = this.base + at.scratchRecords;
    this.#copyAlone(alone, record);
    this.translation.lend(low, high, access);
    this.core.run(this.base, 1, alone);
    this.translation.takeBack(low);
  }

  /** CBO.ZERO where the core could not; a fault names the address that was given, not the block's. */
  #zeroBlock(low: number, high: number, bytes: number): void {
    const { translation } = this;
    const fault = translation.translate(low & -bytes, high, 'store', bytes);
    if (fault !== NO_FAULT) {
      this.trap(fault, low, high);
      return;
    }
    if (translation.remember(low, high, 'store')) return;
    const host = translation.hostAddress();
    // Devices take no blocks (PMA; vol. II §3.6).
    if (host === 0) {
      this.trap(CAUSE.STORE_ACCESS, low, high);
      return;
    }
    const clear = (): void => void this.#bytes.fill(0, host, host + bytes);
    if (this.reservations === undefined) clear();
    else this.reservations.store(clear, host, bytes);
    this.#htif?.stored(this.id);
    this.#addInstret(1);
    this.#advance(4);
  }

  /**
   * CBO.INVAL, CBO.CLEAN and CBO.FLUSH have nothing to do, but need leave of the modes above, and of the
   * block that it may be read or written; what they raise otherwise are the faults of a store.
   */
  #manageBlock(): void {
    const raw = this.#exitImmediate();
    if (!this.csrs.allowsCacheBlock(raw >>> 20)) {
      this.#illegal();
      return;
    }
    const low = this.xLow((raw >>> 15) & 31);
    const high = this.xHigh((raw >>> 15) & 31);
    const block = low & -CACHE_BLOCK_BYTES;
    if (this.#breaksAt(block, high, CACHE_BLOCK_BYTES, TRIGGER_BITS.STORE)) {
      this.#addInstret(-1);
      return;
    }
    const { translation } = this;
    let fault = NO_FAULT;
    if (translation.translate(block, high, 'load', CACHE_BLOCK_BYTES) !== NO_FAULT)
      fault = translation.translate(block, high, 'store', CACHE_BLOCK_BYTES);
    if (
      fault === NO_FAULT &&
      translation.hostAddress() === 0 &&
      !this.#bus.has(translation.physical)
    )
      fault = CAUSE.STORE_ACCESS;
    if (fault === NO_FAULT) {
      this.#advance(4);
      return;
    }
    this.#addInstret(-1);
    this.trap(fault, low, high);
  }

  /** Whether a debugger wants to be told of the access that the core left for us; it has not been made. */
  #stopsAccess(): boolean {
    const { low, high, bytes, isLoad, isStore } = this.#leftAccess();
    return this.debug.stopsAccess(
      low,
      high,
      bytes,
      (isLoad ? POINT_KIND.LOAD : 0) | (isStore ? POINT_KIND.STORE : 0),
    );
  }

  /** Whether a trigger fires before that access: its exception has then been taken. */
  #breaksAtAccess(): boolean {
    const { low, high, bytes, isLoad, isStore } = this.#leftAccess();
    return this.#breaksAt(
      low,
      high,
      bytes,
      (isLoad ? TRIGGER_BITS.LOAD : 0) | (isStore ? TRIGGER_BITS.STORE : 0),
    );
  }

  /** The same before the instruction at pc. */
  #breaksAtPc(): boolean {
    return this.#breaksAt(this.pcLow, this.pcHigh, 1, TRIGGER_BITS.EXECUTE);
  }

  #breaksAt(low: number, high: number, bytes: number, kinds: number): boolean {
    const { triggers } = this;
    if (!triggers.fires(low, high, bytes, kinds)) return false;
    this.trap(CAUSE.BREAKPOINT, triggers.low, triggers.high);
    return true;
  }

  /** What of memory the access touches that the core left for us, and how; AMOs do both. */
  #leftAccess(): {
    readonly low: number;
    readonly high: number;
    readonly bytes: number;
    readonly isLoad: boolean;
    readonly isStore: boolean;
  } {
    const operation = operationOf(
      this.words[(this.words[this.#block + EXIT_IP] as number) >> 2] as number,
    );
    const flags = ACCESS_FLAGS[operation] as number;
    const bytes = ACCESS_BYTES[operation] as number;
    const low = this.words[this.#block + FAULT_ADDRESS] as number;
    const isLoadOnly = (flags & ACCESS.LOAD) !== 0;
    return {
      low: (flags & ACCESS.BLOCK) === 0 ? low : low & -bytes,
      high: this.words[this.#block + FAULT_ADDRESS + 1] as number,
      bytes,
      isLoad: isLoadOnly || (flags & (ACCESS.ATOMIC | ACCESS.SC)) === ACCESS.ATOMIC,
      isStore: !isLoadOnly,
    };
  }

  /**
   * The same as `#finishAccess` where a page is watched: what that remembered of it serves one
   * instruction, which atomics need, and is forgotten.
   * @returns the record of that instruction, or 0
   */
  #finishWatched(): number {
    const low = this.words[this.#block + FAULT_ADDRESS] as number;
    const high = this.words[this.#block + FAULT_ADDRESS + 1] as number;
    const from = (this.words[this.#block + EXIT_IP] as number) >> 2;
    const { instret } = this;
    const traps = this.#trapsTaken;
    this.debug.letGo(() => this.#finishAccess());
    const isToRepeat =
      this.instret === instret && this.#trapsTaken === traps && !this.#waitsForHarts;
    if (!isToRepeat || !this.debug.holds(low, high, 'load')) return 0;
    this.#isAlone = true;
    const record = this.base + at.scratchRecords;
    return this.#copyAlone(record, from);
  }

  /** Ends the run of the one instruction on a watched page. */
  #forgetWatched(): void {
    this.#isAlone = false;
    this.translation.flushPage(
      this.words[this.#block + FAULT_ADDRESS] as number,
      this.words[this.#block + FAULT_ADDRESS + 1] as number,
      -1,
    );
  }

  /** Where the register that a record's rs2 names lies. */
  #sourceCell(record: number, flags: number): number {
    const register = (this.words[record + 1] as number) >>> 19;
    return this.#block + ((flags & ACCESS.FLOAT) === 0 ? X : F) + 2 * register;
  }

  /** Gives a loaded value, in `low` and `high`, to the register cell at a byte offset. */
  #loaded(rdOffset: number, bytes: number, flags: number): void {
    if ((flags & ACCESS.FLOAT) !== 0) {
      const cell = F + (rdOffset >> 2);
      this.#put(cell, this.low, bytes === 8 ? this.high : -1);
      this.words[this.#block + MSTATUS] = this.#low(MSTATUS) | MSTATUS_BITS.FS;
      return;
    }
    this.#extend(bytes, (flags & ACCESS.SIGNED) !== 0);
    this.setX(rdOffset >> 3, this.low, this.high);
  }

  /** Reads up to 8 bytes of RAM or a device into `low` and `high`, zero-extended. */
  #readPhysical(host: number, physical: number, bytes: number): boolean {
    if (host !== 0) {
      this.low = 0;
      this.high = 0;
      if (bytes === 8) {
        this.low = this.#data.getInt32(host, true);
        this.high = this.#data.getInt32(host + 4, true);
      } else {
        this.low =
          bytes === 4
            ? this.#data.getInt32(host, true)
            : bytes === 2
              ? this.#data.getUint16(host, true)
              : this.#data.getUint8(host);
      }
      return true;
    }
    if (bytes === 8) {
      if (!this.#bus.load64(physical, this.#busResult, this.id)) return false;
      this.low = this.#busResult[0] as number;
      this.high = this.#busResult[1] as number;
      return true;
    }
    const value = this.#bus.load(physical, bytes as 1 | 2 | 4, this.id);
    if (value === NO_DEVICE) return false;
    this.low = value | 0;
    this.high = 0;
    return true;
  }

  /** Writes a register's low bytes to RAM or a device. */
  #writePhysical(host: number, physical: number, bytes: number, cell: number): boolean {
    const low = this.words[cell] as number;
    const high = this.words[cell + 1] as number;
    if (host !== 0) {
      if (bytes === 8) {
        this.#data.setInt32(host, low, true);
        this.#data.setInt32(host + 4, high, true);
      } else if (bytes === 4) this.#data.setInt32(host, low, true);
      else if (bytes === 2) this.#data.setInt16(host, low, true);
      else this.#data.setInt8(host, low);
      this.#htif?.stored(this.id);
      return true;
    }
    return bytes === 8
      ? this.#bus.store64(physical, low, high, this.id)
      : this.#bus.store(physical, bytes as 1 | 2 | 4, low, this.id);
  }

  /** Sign-extends `low`/`high` from a loaded width. */
  #extend(bytes: number, signed: boolean): void {
    if (bytes === 8) return;
    if (signed) {
      const shift = 32 - 8 * bytes;
      this.low = (this.low << shift) >> shift;
      this.high = this.low >> 31;
    } else {
      this.high = 0;
    }
  }

  /** A misaligned access over two pages, byte by byte: both are checked before anything is written. */
  #finishCrossing(
    rdOffset: number,
    record: number,
    isLoad: boolean,
    bytes: number,
    flags: number,
    length: number,
  ): void {
    const low = this.words[this.#block + FAULT_ADDRESS] as number;
    const high = this.words[this.#block + FAULT_ADDRESS + 1] as number;
    const inFirst = 4096 - (low & 0xfff);
    const first = this.#hostOfPart(low, high, inFirst, isLoad);
    if (first === 0) return;
    const nextLow = (low + inFirst) | 0;
    const nextHigh = nextLow === 0 ? (high + 1) | 0 : high;
    const second = this.#hostOfPart(nextLow, nextHigh, bytes - inFirst, isLoad);
    if (second === 0) return;
    const source = this.#sourceCell(record, flags);
    this.low = isLoad ? 0 : (this.words[source] as number);
    this.high = isLoad ? 0 : (this.words[source + 1] as number);
    const { reservations } = this;
    const copy = (): void => this.#copyParts(first, second, inFirst, bytes, isLoad);
    if (isLoad || reservations === undefined) copy();
    else reservations.store(copy, first, inFirst, second, bytes - inFirst);
    if (isLoad) this.#loaded(rdOffset, bytes, flags);
    this.#addInstret(1);
    this.#advance(length);
  }

  /** Copies between `low` and `high` and two places in memory, of which the first has so many bytes. */
  #copyParts(first: number, second: number, inFirst: number, bytes: number, isLoad: boolean): void {
    for (let n = 0; n < bytes; n++) {
      const host = n < inFirst ? first + n : second + n - inFirst;
      const shift = 8 * (n & 3);
      if (!isLoad) this.#bytes[host] = (n < 4 ? this.low : this.high) >>> shift;
      else if (n < 4) this.low |= (this.#bytes[host] as number) << shift;
      else this.high |= (this.#bytes[host] as number) << shift;
    }
  }

  /** Where one page's part of an access lies in linear memory; 0 after taking the fault. */
  #hostOfPart(low: number, high: number, bytes: number, isLoad: boolean): number {
    const fault = this.translation.translate(low, high, isLoad ? 'load' : 'store', bytes);
    if (fault !== NO_FAULT) {
      this.trap(fault, low, high);
      return 0;
    }
    const host = this.translation.hostAddress();
    if (host === 0) this.trap(isLoad ? CAUSE.LOAD_ACCESS : CAUSE.STORE_ACCESS, low, high);
    return host;
  }

  /** The instruction at pc as memory has it now, or undefined after taking a fault. */
  #rawAtPc(): number | undefined {
    const first = this.#fetchParcel(0);
    if (first === undefined || (first & 3) !== 3) return first;
    const second = this.#fetchParcel(2);
    return second === undefined ? undefined : first | (second << 16);
  }

  /** A parcel at pc + offset, or undefined after taking the fault. */
  #fetchParcel(offset: number): number | undefined {
    const low = (this.pcLow + offset) | 0;
    const high = low >>> 0 < this.pcLow >>> 0 ? (this.pcHigh + 1) | 0 : this.pcHigh;
    const fault = this.translation.translate(low, high, 'fetch', 2);
    const host = fault === NO_FAULT ? this.translation.hostAddress() : 0;
    if (fault !== NO_FAULT || host === 0) {
      this.trap(fault === NO_FAULT ? CAUSE.FETCH_ACCESS : fault, low, high);
      return undefined;
    }
    return this.#data.getUint16(host, true);
  }

  /**
   * A record made for the instruction at pc alone, because its halves lie on two pages or its page may
   * not be remembered; 0 after taking a fault.
   */
  #recordAtPc(): number {
    const raw = this.#rawAtPc();
    if (raw === undefined) return 0;
    const record = this.base + at.scratchRecords;
    writeRecord(this.words, record, raw);
    return this.#endLineAfter(record);
  }

  /** Copies the record at a word index, to stand alone. */
  #copyAlone(record: number, from: number): number {
    this.words.copyWithin(record >> 2, from, from + RECORD_BYTES / 4);
    this.words[record >> 2] = unfused(this.words[from] as number);
    return this.#endLineAfter(record);
  }

  /** What follows a record that stands alone, one parcel on or two, sends the core back to look pc up. */
  #endLineAfter(record: number): number {
    this.words[(record + RECORD_BYTES) >> 2] = REFETCH_HEAD;
    this.words[(record + 2 * RECORD_BYTES) >> 2] = REFETCH_HEAD;
    return record;
  }

  #dropWatchedTags(): void {
    const { reservations, translation } = this;
    if (reservations === undefined || !reservations.hasNews()) return;
    reservations.dropTags((isWatched) => translation.dropWriteTags(isWatched));
  }

  // --- fences ---

  #sfence(): void {
    if (
      this.mode === PRIVILEGE.U ||
      (this.mode === PRIVILEGE.S && this.#statusHas(MSTATUS_BITS.TVM))
    ) {
      this.#illegal();
      return;
    }
    const raw = this.#exitImmediate();
    const rs1 = (raw >>> 15) & 31;
    const rs2 = (raw >>> 20) & 31;
    const asid = rs2 === 0 ? -1 : this.xLow(rs2) & 0xffff;
    // More than is asked, and allowed: xv6 writes a program into a page that held another one's code and
    // goes there without FENCE.I, with only this between them, as many a processor lets it.
    if (rs1 === 0 && rs2 === 0) this.#decodeCache.markUnproven();
    if (rs1 === 0) this.fenceAll(asid);
    else this.fencePage(this.xLow(rs1), this.xHigh(rs1), asid);
    this.#advance(4);
  }

  /** sfence.vma for every address, of one ASID or (`asid` < 0) of all. */
  fenceAll(asid: number): void {
    this.tally(COUNT_FENCES_ALL);
    if (asid < 0) this.translation.flushAll();
    else this.translation.flushAsid(asid);
    if (this.#modelEntries > 0)
      this.#modelForget((key) => asid < 0 || Number((key >> 44n) & 0xffffn) === asid);
  }

  /** sfence.vma for one address. */
  fencePage(low: number, high: number, asid: number): void {
    this.tally(COUNT_FENCES_PAGE);
    this.translation.flushPage(low, high, asid);
    if (this.#modelEntries > 0) {
      const page = (BigInt(high >>> 0) << 32n) | BigInt(low >>> 0);
      this.#modelForget((key) => {
        const shift = 12n + 9n * ((key >> 40n) & 3n);
        return (key & ((1n << 40n) - 1n)) === ((page >> shift) & ((1n << 40n) - 1n));
      });
    }
  }

  /** sfence.vma for many addresses, given as low and high halves in turn: each is counted. */
  fencePages(pages: readonly number[]): void {
    const MANY = 16;
    this.count('fencesPage', pages.length / 2);
    if (pages.length > 2 * MANY) this.translation.flushAll();
    else
      for (let n = 0; n < pages.length; n += 2)
        this.translation.flushPage(pages[n] as number, pages[n + 1] as number, -1);
    if (this.#modelEntries === 0) return;
    const numbers = new Set<bigint>();
    for (let n = 0; n < pages.length; n += 2) {
      const va =
        (BigInt((pages[n + 1] as number) >>> 0) << 32n) | BigInt((pages[n] as number) >>> 0);
      numbers.add((va >> 12n) & ((1n << 40n) - 1n));
    }
    this.#modelForget((key) => ((key >> 40n) & 3n) === 0n && numbers.has(key & ((1n << 40n) - 1n)));
  }

  fenceI(): void {
    if (this.#decodeCache.areCurrent()) return;
    this.#decodeCache.markUnproven();
    this.translation.flushFetch();
  }

  // --- the modelled TLB ---

  /** Gives the modelled TLB its size; 0 entries switch it off. Only the exact core feeds it. */
  configureModel(l1Entries: number, l2Entries: number): void {
    if (l1Entries > MODEL_L1_MAX || l2Entries > MODEL_L2_MAX)
      throw new RangeError('the modelled TLB is too large');
    this.#modelEntries = l1Entries;
    const model = (this.base + MODEL_OFFSET) >> 2;
    this.words[model + (ModelTlb.offset.l1Entries >> 2)] = l1Entries;
    this.words[model + (ModelTlb.offset.l2Entries >> 2)] = l2Entries;
    this.#modelForget(() => true);
    this.#modelAsid();
  }

  #modelAsid(): void {
    const satpHigh = this.#high(SATP);
    const levels = levelsOf(satpHigh >>> 28);
    const model = (this.base + MODEL_OFFSET) >> 2;
    const isOn = this.#modelEntries > 0 && levels > 0;
    this.words[model + (ModelTlb.offset.levels >> 2)] = levels;
    this.words[model + (ModelTlb.offset.asid >> 2)] = isOn ? (satpHigh >>> 12) & 0xffff : -1;
  }

  #modelForget(matches: (key: bigint) => boolean): void {
    const cells = new BigInt64Array(
      this.words.buffer,
      this.base + MODEL_OFFSET + ModelTlb.offset.last,
      2 + 2 * MODEL_L1_MAX + MODEL_L2_MAX,
    );
    for (let n = 0; n < cells.length; n++) {
      if (matches(cells[n] as bigint)) cells[n] = MODEL_EMPTY;
    }
  }

  // --- CSRs ---

  #csrInstruction(raw: number): void {
    const done = this.csrs.execute(raw);
    if (done === CSR_ILLEGAL) {
      this.trap(CAUSE.ILLEGAL, raw, 0);
      return;
    }
    this.setX((raw >>> 7) & 31, this.csrs.low, this.csrs.high);
    this.#addInstret(1);
    this.#advance(4);
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
    this.#put(SATP, low, high); // the PPN has 44 bits, the ASID 16: every bit is kept
    this.tally(COUNT_SATP_WRITES);
    if (this.#modelEntries > 0) this.#modelAsid();
    this.translation.chooseView();
  }

  /** Rights over the protection keys: bit 2k access, bit 2k+1 write. */
  setKeys(low: number, high: number): void {
    this.#put(MKEYS, low, high);
    this.tally(COUNT_KEY_WRITES);
    this.translation.chooseView();
  }
}

/** What a load, store or atomic does, by operation number. */
const ACCESS = {
  LOAD: 1,
  SIGNED: 2,
  ATOMIC: 4,
  FLOAT: 8,
  BLOCK: 16,
  LR: 32,
  SC: 64,
} as const;
const ACCESS_BYTES: Uint8Array = new Uint8Array(256);
const ACCESS_FLAGS: Uint8Array = new Uint8Array(256);
for (let operation = 0; operation < 256; operation++) {
  const meaning = operationMeaning(operation);
  if (meaning === undefined || !('bytes' in meaning)) continue;
  const { kind, bytes } = meaning;
  ACCESS_BYTES[operation] = bytes;
  ACCESS_FLAGS[operation] =
    (kind === 'load' || kind === 'lr' || kind === 'floatLoad' ? ACCESS.LOAD : 0) |
    (kind === 'load' && meaning.signed ? ACCESS.SIGNED : 0) |
    (kind === 'zeroBlock' ? ACCESS.BLOCK : 0) |
    (kind === 'floatLoad' || kind === 'floatStore' ? ACCESS.FLOAT : 0) |
    (kind === 'lr' || kind === 'sc' || kind === 'amo' || kind === 'amoLoop' ? ACCESS.ATOMIC : 0) |
    (kind === 'lr' ? ACCESS.LR : 0) |
    (kind === 'sc' ? ACCESS.SC : 0);
}
