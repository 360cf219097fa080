/**
 * One run of one machine, from its parts to its result, in either mode.
 *
 * The session owns what lies between the machine and its surroundings: it loads the image, carries the
 * console both ways, keeps the time limit, and turns whatever ends the run into one `RunResult`.
 * It does not print and knows no terminal.
 */
import { randomUUID } from 'node:crypto';

import { HartBlock } from '../machine/core/hart-block.ts';
import { createDeviceTree, type DeviceTreeConfig } from '../machine/device-tree.ts';
import type { Hart } from '../machine/hart.ts';
import {
  attachMachine,
  createMachine,
  INTEGER_ISA_STRING,
  ISA_STRING,
  type Machine,
} from '../machine/machine.ts';
import { peripheralsOf, slotsOf, type Peripherals } from '../machine/devices/board.ts';
import type { ConsoleEnd } from '../machine/devices/uart.ts';
import { EXIT_REASON, hartBase } from '../machine/memory-plan.ts';
import { HOT_AFTER } from '../machine/jit/jit.ts';
import type { ReservationSpec } from '../machine/reservation-spec.ts';
import { abaReports } from '../machine/reservations.ts';
import { RAM_BASE, TIMEBASE_HZ } from '../machine/physical-map.ts';
import type { Contexts, MechanismName } from '../policy/contexts.ts';
import { boot, monitorTableBytes } from '../nested-kernel/boot.ts';
import type { Ablation, MonitorConfig } from '../nested-kernel/config.ts';
import { readLedger, type LedgerEvent } from '../nested-kernel/ledger.ts';
import { Monitor, type MarkListener } from '../nested-kernel/monitor.ts';
import { MonitorBlock } from '../nested-kernel/tables.ts';
import type { Escape, Oracle } from '../oracle/oracle.ts';
import { DeterministicRun } from '../cpu-worker/deterministic.ts';
import { HartFailure, HartPool } from '../cpu-worker/pool.ts';
import { stateHash } from '../cpu-worker/state-hash.ts';
import type { Debugger, RunPoint } from './debug/debugger.ts';
import { DeterministicDebugger } from './debug/deterministic-debugger.ts';
import { ParallelDebugger } from './debug/parallel-debugger.ts';
import { lookAt, type Look } from './look.ts';
import { InstructionTracer, type InstructionTraceOptions } from './trace/instruction-tracer.ts';
import { observedPool, oracleFor } from './observe.ts';
import type { FunctionRange } from './profile/symbols.ts';
import { loadBare } from './bare.ts';
import type { KernelImage } from './session-image.ts';
import type { Snapshot } from './snapshot/format.ts';
import { restoredConfig, restoredParts, restoreMemory, restoreModels } from './snapshot/restore.ts';
import { saveSession } from './snapshot/save.ts';
import type { Typist } from './session-console.ts';
import {
  denialOf,
  hartResult,
  abaResult,
  jitResult,
  readerOf,
  type ExitReason,
  type ReadCounter,
  type RunExit,
  type RunResult,
} from './run-result.ts';

/** What stands in for M-mode software: the nested kernel, or only its SBI. */
export interface Firmware {
  readonly mechanism: MechanismName;
  /** Verified contexts of the image; left out for a foreign kernel, which is not separated. */
  readonly contexts?: Contexts;
  /** Invariants to switch off; tests and `cordon attack` only. */
  readonly ablate?: readonly Ablation[];
}

export type SessionMode =
  /** Hot code is translated unless `jit` says no. */
  | { readonly kind: 'parallel'; readonly jit?: boolean }
  | {
      readonly kind: 'deterministic';
      readonly seed: string;
      /** Longest slice in instructions. */
      readonly sliceMax?: number;
      readonly tlb?: { readonly l1Entries: number; readonly l2Entries: number };
    };

export interface SessionSpec extends Peripherals {
  readonly harts: number;
  readonly ramBytes: number;
  readonly image: KernelImage;
  readonly mode: SessionMode;
  /** How LR/SC is done; by value if it is not said. */
  readonly reservations?: ReservationSpec;
  /** Left out, the guest brings its own M-mode software and every hart begins at the entry. */
  readonly firmware?: Firmware;
  /** The kernel that the image, firmware of the guest's own then, is to start. */
  readonly payload?: KernelImage;
  /** The initial RAM disk. */
  readonly initrd?: Uint8Array;
  readonly bootargs?: string;
  /** Seconds of the machine's time after which the run ends. */
  readonly seconds?: number;
  readonly typist?: Typist;
  /** Warm threads of a run before; stays open. Without one the session makes its own. */
  readonly pool?: HartPool;
  /** Whether an oracle watches a separated kernel; it does unless told otherwise. */
  readonly isWatched?: boolean;
  /** Folders for what is seen of every hart; see look.ts. */
  readonly look?: Omit<Look, 'isWatched'>;
  /** Prints instructions; deterministic runs only. */
  readonly instructions?: InstructionTraceOptions;
  /** Called for each mark that the guest sets; deterministic runs only. */
  readonly onMark?: MarkListener;
  /** Cycles from counters; the cost model's. */
  readonly cycles?: (read: ReadCounter) => number;
  /** The kernel's, where its file is not at hand to say. */
  readonly functions?: readonly FunctionRange[];
  /** What the machine goes on from, instead of booting; the rest of the specification is made from it. */
  readonly restored?: Snapshot;
}

/** Half the time a human notices. */
const DRAIN_MS = 10;

const KNOWN_REASON: Readonly<Record<number, ExitReason>> = {
  [EXIT_REASON.POWER_OFF]: 'power-off',
  [EXIT_REASON.RESET]: 'reset',
  [EXIT_REASON.FAILURE]: 'failure',
  [EXIT_REASON.TOHOST]: 'tohost',
};

/** A small first and a larger second level, as application cores of the ISA have. */
const DEFAULT_TLB = { l1Entries: 32, l2Entries: 512 } as const;

const NOTHING = new Uint8Array(0);

export class Session {
  readonly spec: SessionSpec;
  readonly machine: Machine;
  /** Holds the harts when it is asked to; before the start, it holds them at their first instruction. */
  readonly debugger: Debugger;
  /** Settles when the run has ended; never rejects: a failure of ours is a result, too. */
  readonly done: Promise<RunResult>;
  readonly #config: MonitorConfig | null;
  readonly #steering: DeterministicDebugger | undefined;
  /** Where typing goes. The serial port's output is shown even if that is the virtio console. */
  readonly #console: ConsoleEnd;
  readonly #consoles: readonly ConsoleEnd[];
  readonly #listeners: ((bytes: Uint8Array) => void)[] = [];
  readonly #settle: (result: RunResult) => void;
  #typed: Uint8Array = NOTHING;
  #hostReason: ExitReason = 'interrupted';
  #startedAt = 0;
  #run: DeterministicRun | undefined;
  #oracle: Oracle | undefined;
  #isStarted = false;
  /** Where a parallel run has something to do. */
  #mark: { readonly point: RunPoint; readonly reached: () => void } | undefined;

  /** @throws RangeError, ImageError for a machine or an image that cannot be */
  constructor(spec: SessionSpec) {
    this.spec = spec;
    const { firmware, mode, restored } = spec;
    const parts = createMachine({
      harts: spec.harts,
      ramBytes: spec.ramBytes,
      deterministic: mode.kind === 'deterministic',
      ...(mode.kind === 'parallel' && mode.jit !== false ? { jitAfter: HOT_AFTER } : {}),
      isObserved: spec.look?.trace !== undefined || spec.instructions !== undefined,
      hasKeys: firmware?.mechanism === 'pkey',
      ...(spec.reservations === undefined ? {} : { reservations: spec.reservations }),
      monitorBytes: firmware === undefined ? 0 : monitorTableBytes(spec.ramBytes),
      ...peripheralsOf(spec),
      ...(spec.image.htif === undefined ? {} : { htif: spec.image.htif }),
    });
    this.machine = attachMachine(restored === undefined ? parts : restoredParts(parts, restored));
    this.#steering =
      mode.kind === 'deterministic' ? new DeterministicDebugger(this.machine) : undefined;
    this.debugger = this.#steering ?? new ParallelDebugger(this.machine);
    const { uart, virtioConsole } = this.machine.board;
    this.#consoles = [uart.consoleEnd(), ...(virtioConsole === undefined ? [] : [virtioConsole])];
    this.#console = this.#consoles.at(-1) as ConsoleEnd;
    const seed = mode.kind === 'deterministic' ? mode.seed : randomUUID();
    if (restored !== undefined) {
      this.#config = restoredConfig(restored);
      this.#typed = restored.header.console.typed;
      restoreMemory(this.machine, restored);
    } else {
      this.#config =
        firmware === undefined ? this.#loadBare(seed) : this.#bootFirmware(firmware, seed);
    }
    const { promise, resolve } = Promise.withResolvers<RunResult>();
    this.done = promise;
    this.#settle = resolve;
  }

  /** Which TLB a run of this mode counts the misses of. */
  get tlb(): RunResult['tlb'] {
    return this.spec.mode.kind === 'deterministic' ? 'model' : 'emulator';
  }

  get harts(): number {
    return this.spec.harts;
  }

  /** What the image says of its domains, if anything keeps them apart: under `none` nothing does. */
  get separation(): Contexts | undefined {
    const { firmware } = this.spec;
    return firmware?.mechanism === 'none' ? undefined : firmware?.contexts;
  }

  /** Whether there are harts that execute, or would if nobody held them. */
  get isRunning(): boolean {
    return this.#isStarted && !this.hasEnded;
  }

  /** Whether the machine has stopped for good. */
  get hasEnded(): boolean {
    return this.machine.control.stop.load() !== 0;
  }

  /** What the nested kernel decided at boot; null without firmware. */
  get monitorConfig(): MonitorConfig | null {
    return this.#config;
  }

  /** Begins the run. */
  start(): this {
    if (this.#isStarted) throw new Error('a session runs once');
    this.#isStarted = true;
    this.#startedAt = performance.now();
    void this.#carry();
    return this;
  }

  /** Ends the run; `done` settles soon after. What ended it first stays. */
  stop(reason: ExitReason = 'interrupted'): void {
    if (this.machine.control.exitReason.load() === EXIT_REASON.NONE) this.#hostReason = reason;
    this.machine.stop(EXIT_REASON.HOST, 0, -1);
    this.#steering?.end();
  }

  /** Calls the listener with whatever the guest prints; in order, in private memory. */
  onOutput(listener: (bytes: Uint8Array) => void): void {
    this.#listeners.push(listener);
  }

  /**
   * Types at the console. What the line does not take yet waits here. A deterministic run stays
   * repeatable only if its input comes from a typist instead.
   */
  write(bytes: Uint8Array): void {
    const waiting = this.#typed;
    const both = new Uint8Array(waiting.length + bytes.length);
    both.set(waiting);
    both.set(bytes, waiting.length);
    this.#typed = both;
  }

  /** A hart's live counters; may lag behind by one slice. */
  counters(hart: number): ReadCounter {
    const { memory, parts } = this.machine;
    const at = hartBase(parts.plan, hart) + HartBlock.offset.counters;
    return readerOf(HartBlock.fields.counters.at(memory, at));
  }

  /** Seconds on the machine's clock. */
  get machineSeconds(): number {
    return this.machine.clock.now() / TIMEBASE_HZ;
  }

  // --- snapshots ---

  /**
   * Saves the machine as it is between two instructions and lets it go on.
   * @returns the size of the file
   * @throws the system's error if it cannot be written
   */
  async save(path: string): Promise<number> {
    let sizeBytes: number | undefined;
    await this.debugger.aside(() => (sizeBytes = this.saveHalted(path)));
    if (sizeBytes === undefined) throw new Error('the machine has stopped');
    return sizeBytes;
  }

  /** The same while the debugger holds the machine anyway. */
  saveHalted(path: string): number {
    const { mode } = this.spec;
    return saveSession(path, this, {
      monitor: this.#config,
      typed: this.#typed,
      deterministic:
        mode.kind === 'parallel' || this.#run === undefined
          ? null
          : {
              seed: mode.seed,
              sliceMax: mode.sliceMax ?? null,
              tlb: mode.tlb ?? DEFAULT_TLB,
              scheduler: this.#run.save(),
            },
    });
  }

  /**
   * Saves once the run has come to a point: a deterministic one at exactly that instruction, another as soon
   * as it is noticed. Settles with nothing if the run ends before.
   */
  async saveAt(point: RunPoint, path: string): Promise<number | undefined> {
    const { promise, resolve, reject } = Promise.withResolvers<number | undefined>();
    void this.done.then(() => resolve(undefined));
    const save = (): void => {
      void this.save(path).then(resolve, reject);
    };
    if (this.#steering !== undefined) this.#steering.at(point, save);
    else this.#mark = { point, reached: save };
    return await promise;
  }

  #lookForMark(): void {
    if (this.#mark === undefined) return;
    const { point, reached } = this.#mark;
    const retired = (): number =>
      Array.from({ length: this.harts }, (_, hart) => this.counters(hart)('instructions')).reduce(
        (sum, count) => sum + count,
        0,
      );
    const isThere =
      'seconds' in point ? this.machineSeconds >= point.seconds : retired() >= point.instructions;
    if (!isThere) return;
    this.#mark = undefined;
    reached();
  }

  #restoreRun(run: DeterministicRun, restored: Snapshot): void {
    const { deterministic, harts } = restored.header;
    restoreModels(this.machine, restored);
    if (deterministic !== null) run.restore(deterministic.scheduler);
    run.harts.forEach((hart, id) => {
      const state = harts[id] ?? null;
      if (state !== null) hart.restore(state);
    });
  }

  // --- the run ---

  async #carry(): Promise<void> {
    let failure: unknown;
    try {
      if (this.spec.mode.kind === 'deterministic') await this.#runDeterministic(this.spec.mode);
      else await this.#runParallel();
    } catch (error) {
      failure = error;
      this.machine.stop(EXIT_REASON.FAILURE, 0, error instanceof HartFailure ? error.hart : -1);
    }
    this.#steering?.end();
    this.#drain();
    this.#settle(this.#result(failure));
  }

  async #runParallel(): Promise<void> {
    const { harts, isWatched = true, look, seconds = Infinity } = this.spec;
    // A pool that is lent may run a task module that does not look.
    const lent = look === undefined ? this.spec.pool : undefined;
    const isObserved = (isWatched && this.separation !== undefined) || look !== undefined;
    const pool = lent ?? (isObserved ? observedPool(harts) : new HartPool(harts));
    const drain = setInterval(() => {
      this.#exchange();
      // While a debugger holds the machine its time stands still, whatever its clock says.
      if (this.debugger.isHalted) return;
      this.#lookForMark();
      if (this.machineSeconds >= seconds) this.stop('time-limit');
    }, DRAIN_MS);
    try {
      const looks = { isWatched, ...look } satisfies Look;
      await pool.run(this.machine, this.#config, looks, this.spec.restored?.header.harts);
    } finally {
      clearInterval(drain);
      if (lent === undefined) await pool.close();
    }
  }

  async #runDeterministic(mode: SessionMode & { kind: 'deterministic' }): Promise<void> {
    const { seconds = Infinity } = this.spec;
    const config = this.#config;
    const steering = this.#steering;
    const { instructions } = this.spec;
    const tracer = instructions === undefined ? undefined : new InstructionTracer(instructions);
    const limit = seconds * TIMEBASE_HZ;
    if (config !== null && this.spec.isWatched !== false)
      this.#oracle = oracleFor(this.machine, config, true);
    this.#run = new DeterministicRun(this.machine, {
      seed: mode.seed,
      tlb: mode.tlb ?? DEFAULT_TLB,
      ...(mode.sliceMax === undefined ? {} : { sliceMax: mode.sliceMax }),
      ...(config === null ? {} : { supervisor: (hart: number) => this.#monitor(config, hart) }),
      poll: (ticks) => {
        if (ticks >= limit) this.stop('time-limit');
        return this.#exchange();
      },
      nextEvent: () =>
        Math.min(
          limit,
          this.spec.typist?.nextTick() ?? Infinity,
          this.machine.board.rtc.nextTick(),
        ),
      idle: () => {
        this.stop('idle');
        return false;
      },
      ...(steering === undefined ? {} : { steering: tracer?.steer(steering) ?? steering }),
    });
    const { harts } = this.#run;
    steering?.attach(harts);
    tracer?.attach(harts);
    if (this.spec.restored !== undefined) this.#restoreRun(this.#run, this.spec.restored);
    for (const hart of harts) this.#oracle?.attach(hart);
    const look: Look = { isWatched: false, ...this.spec.look };
    const finish = harts.map((hart) => lookAt(this.machine, hart, look, config !== null, tracer));
    try {
      await this.#run.run();
    } finally {
      for (const end of finish) end();
    }
  }

  /** Carries console bytes both ways and the time to the clock; true if the guest was given some. */
  #exchange(): boolean {
    this.machine.board.rtc.poll();
    const printed = this.#drain();
    const typed = this.spec.typist?.type(printed, this.machine.clock.now());
    if (typed !== undefined) this.write(typed);
    if (this.#typed.length === 0) return false;
    const taken = this.#console.writeInput(this.#typed);
    this.#typed = this.#typed.subarray(taken);
    return taken > 0;
  }

  #drain(): Uint8Array {
    const [only, ...more] = this.#consoles.map((console) => console.readOutput());
    const printed = more.length === 0 ? (only as Uint8Array) : Buffer.concat([only!, ...more]);
    if (printed.length > 0) for (const listener of this.#listeners) listener(printed);
    return printed;
  }

  #monitor(config: MonitorConfig, hart: number): Monitor {
    const monitor = new Monitor(this.machine, config, hart);
    monitor.onMark = this.spec.onMark;
    monitor.shared.onlooker = this.#oracle;
    return monitor;
  }

  /**
   * Hart blocks are made here, before any hart runs, so that none can be rung before it is reset.
   */
  #resetHarts(entry: number): Hart[] {
    return Array.from({ length: this.spec.harts }, (_, id) => {
      const hart = this.machine.hart(id);
      hart.reset(entry | 0, Math.floor(entry / 2 ** 32));
      return hart;
    });
  }

  #loadBare(seed: string): null {
    const { image, payload, initrd } = this.spec;
    loadBare(this.machine, this.#resetHarts(image.entry), {
      image,
      ...(payload === undefined ? {} : { payload }),
      ...(initrd === undefined ? {} : { initrd }),
      tree: (at) => this.#deviceTree(seed, at === undefined ? {} : { initrd: at }),
    });
    return null;
  }

  /** The monitor loads the image, builds the views, and starts the boot hart. */
  #bootFirmware(firmware: Firmware, seed: string): MonitorConfig {
    const { image, initrd, ramBytes } = this.spec;
    this.#resetHarts(RAM_BASE);
    return boot(this.machine, {
      ...firmware,
      image,
      ...(initrd === undefined ? {} : { initrd }),
      deviceTree: ({ reserved, initrd: at }) =>
        this.#deviceTree(seed, {
          // What the monitor keeps is no memory of the kernel's.
          ramBytes: reserved === undefined ? ramBytes : reserved.base - RAM_BASE,
          ...(at === undefined ? {} : { initrd: at }),
        }),
    });
  }

  #deviceTree(seed: string, placed: Partial<DeviceTreeConfig>): Uint8Array {
    const { harts, ramBytes, bootargs, firmware } = this.spec;
    const isSeparated = firmware?.contexts !== undefined && firmware.mechanism !== 'none';
    return createDeviceTree({
      harts,
      ramBytes,
      // The monitor of a separated kernel switches floating point off.
      isa: isSeparated ? INTEGER_ISA_STRING : ISA_STRING,
      virtioSlots: slotsOf(this.spec),
      seed,
      ...(bootargs === undefined ? {} : { bootargs }),
      ...placed,
    });
  }

  /** Denials, faults and restarts from number `since` on; empty without firmware. */
  events(since = 0): LedgerEvent[] {
    if (this.#config === null) return [];
    const { memory, parts } = this.machine;
    return readLedger(MonitorBlock.at(memory, parts.plan.monitor), since);
  }

  /** What the oracle saw, the first few of them; empty in a parallel run, which only counts. */
  escapes(): readonly Escape[] {
    return this.#oracle?.escapes ?? [];
  }

  #result(failure: unknown): RunResult {
    const { spec, machine } = this;
    const run = this.#run;
    const { tlb } = this;
    const cycles = spec.cycles ?? ((read: ReadCounter): number => read('instructions'));
    const denials = this.events()
      .filter(({ kind }) => kind === 'denial' || kind === 'fault')
      .map((event) => denialOf(event, spec.firmware?.contexts));
    const escapes = Array.from({ length: spec.harts }, (_, hart) =>
      this.counters(hart)('escapes'),
    ).reduce((sum, count) => sum + count, 0);
    return {
      harts: Array.from({ length: spec.harts }, (_, hart) =>
        hartResult(hart, this.counters(hart), tlb, cycles),
      ),
      mechanism: spec.firmware?.mechanism ?? 'none',
      mode: spec.mode.kind,
      seed: spec.mode.kind === 'deterministic' ? spec.mode.seed : null,
      exit: this.#exit(failure),
      denials,
      escapes,
      jit:
        machine.parts.spec.jitAfter === undefined
          ? null
          : jitResult(Array.from({ length: spec.harts }, (_, hart) => this.counters(hart))),
      aba:
        spec.reservations?.detectsAba === true
          ? abaResult(abaReports(machine.memory, machine.parts.plan))
          : null,
      stateHash: run === undefined ? null : stateHash(machine, run.harts),
      tlb,
      machineSeconds: this.machineSeconds,
      hostSeconds: (performance.now() - this.#startedAt) / 1000,
      consoleDropped: this.#consoles.reduce((sum, console) => sum + console.dropped(), 0),
    };
  }

  #exit(failure: unknown): RunExit {
    const { control } = this.machine;
    const code = control.exitCode.load();
    if (failure !== undefined || control.exitReason.load() === EXIT_REASON.FAILURE) {
      const hart = failure instanceof HartFailure ? failure.hart : control.exitHart.load();
      return {
        reason: 'failure',
        code,
        ...(hart >= 0 ? { hart } : {}),
        message: failure instanceof Error ? failure.message : `hart ${hart} could not go on`,
      };
    }
    return { reason: KNOWN_REASON[control.exitReason.load()] ?? this.#hostReason, code };
  }
}
