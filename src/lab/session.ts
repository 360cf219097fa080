/**
 * One run of one machine, from its parts to its result, in either mode.
 *
 * The session owns what lies between the machine and its surroundings: it loads the image, carries the
 * console both ways, keeps the time limit, and turns whatever ends the run into one `RunResult`.
 * It does not print and knows no terminal.
 */
import { HART_STATE, HartBlock } from '../machine/core/hart-block.ts';
import { attachMachine, createMachine, type Machine } from '../machine/machine.ts';
import type { DriveHandle } from '../machine/devices/drive.ts';
import type { ConsoleEnd } from '../machine/devices/uart.ts';
import { EXIT_REASON, hartBase } from '../machine/memory-plan.ts';
import { RAM_BASE, TIMEBASE_HZ } from '../machine/physical-map.ts';
import { Monitor, type MonitorConfig } from '../nested-kernel/monitor.ts';
import { DeterministicRun } from '../cpu-worker/deterministic.ts';
import { HartFailure, HartPool } from '../cpu-worker/pool.ts';
import { stateHash } from '../cpu-worker/state-hash.ts';
import { loadImage, type KernelImage } from './session-image.ts';
import type { Typist } from './session-console.ts';
import {
  hartResult,
  readerOf,
  type DenialRecord,
  type ExitReason,
  type ReadCounter,
  type RunExit,
  type RunResult,
} from './run-result.ts';

/** What stands in for M-mode software, as a session needs it; the monitor's side is its own. */
export interface Firmware {
  /** Posted to every hart's monitor. */
  readonly config: MonitorConfig;
  readonly mechanism: string;
  /** Bytes of shared tables that it wants in a machine with that much RAM. */
  monitorBytes(ramBytes: number): number;
  /** PTE bits 58-54 are protection keys. */
  readonly hasKeys: boolean;
  /**
   * Fills the shared tables, once, before any hart runs. The image and the devicetree are in RAM, and
   * the session starts the boot hart at the image's entry with the tree's address as argument.
   */
  prepare(machine: Machine): void;
  /** What it has refused, and what got past it, once the run has ended. */
  report(machine: Machine): { denials: readonly DenialRecord[]; escapes: number };
}

export type SessionMode =
  | { readonly kind: 'parallel' }
  | {
      readonly kind: 'deterministic';
      readonly seed: string;
      /** Longest slice in instructions. */
      readonly sliceMax?: number;
      readonly tlb?: { readonly l1Entries: number; readonly l2Entries: number };
    };

export interface SessionSpec {
  readonly harts: number;
  readonly ramBytes: number;
  readonly image: KernelImage;
  readonly mode: SessionMode;
  /** Left out, the guest brings its own M-mode software and every hart begins at the entry. */
  readonly firmware?: Firmware;
  readonly drive?: DriveHandle;
  readonly bootargs?: string;
  /** Seconds of the machine's time after which the run ends. */
  readonly seconds?: number;
  readonly typist?: Typist;
  /** Warm threads of a run before; stays open. Without one the session makes its own. */
  readonly pool?: HartPool;
  /** Cycles from counters; the cost model's. */
  readonly cycles?: (read: ReadCounter) => number;
}

/** Half the time a human notices. */
const DRAIN_MS = 10;

const KNOWN_REASON: Readonly<Record<number, ExitReason>> = {
  [EXIT_REASON.POWER_OFF]: 'power-off',
  [EXIT_REASON.RESET]: 'reset',
  [EXIT_REASON.FAILURE]: 'failure',
};

/** A small first and a larger second level, as application cores of the ISA have. */
const DEFAULT_TLB = { l1Entries: 32, l2Entries: 512 } as const;

const NOTHING = new Uint8Array(0);

export class Session {
  readonly spec: SessionSpec;
  readonly machine: Machine;
  /** Settles when the run has ended; never rejects: a failure of ours is a result, too. */
  readonly done: Promise<RunResult>;
  readonly #console: ConsoleEnd;
  readonly #listeners: ((bytes: Uint8Array) => void)[] = [];
  readonly #settle: (result: RunResult) => void;
  #typed: Uint8Array = NOTHING;
  #hostReason: ExitReason = 'interrupted';
  #startedAt = 0;
  #run: DeterministicRun | undefined;
  #isStarted = false;

  /** @throws RangeError, ImageError for a machine or an image that cannot be */
  constructor(spec: SessionSpec) {
    this.spec = spec;
    const { firmware, mode } = spec;
    this.machine = attachMachine(
      createMachine({
        harts: spec.harts,
        ramBytes: spec.ramBytes,
        deterministic: mode.kind === 'deterministic',
        hasKeys: firmware?.hasKeys ?? false,
        monitorBytes: firmware?.monitorBytes(spec.ramBytes) ?? 0,
        ...(spec.drive === undefined ? {} : { drive: spec.drive }),
      }),
    );
    this.#console = this.machine.board.uart.consoleEnd();
    const seed = mode.kind === 'deterministic' ? mode.seed : String(this.machine.parts.clockOrigin);
    const tree = loadImage(this.machine, spec.image, {
      seed,
      ...(spec.bootargs === undefined ? {} : { bootargs: spec.bootargs }),
    });
    this.#resetHarts(tree);
    const { promise, resolve } = Promise.withResolvers<RunResult>();
    this.done = promise;
    this.#settle = resolve;
  }

  get harts(): number {
    return this.spec.harts;
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
    this.#drain();
    this.#settle(this.#result(failure));
  }

  async #runParallel(): Promise<void> {
    const pool = this.spec.pool ?? new HartPool(this.spec.harts);
    const { seconds } = this.spec;
    const limit =
      seconds === undefined ? undefined : setTimeout(() => this.stop('time-limit'), seconds * 1000);
    const drain = setInterval(() => this.#exchange(), DRAIN_MS);
    try {
      await pool.run(this.machine, this.spec.firmware?.config ?? null);
    } finally {
      clearInterval(drain);
      clearTimeout(limit);
      if (this.spec.pool === undefined) await pool.close();
    }
  }

  async #runDeterministic(mode: SessionMode & { kind: 'deterministic' }): Promise<void> {
    const { firmware, seconds = Infinity } = this.spec;
    const limit = seconds * TIMEBASE_HZ;
    this.#run = new DeterministicRun(this.machine, {
      seed: mode.seed,
      tlb: mode.tlb ?? DEFAULT_TLB,
      ...(mode.sliceMax === undefined ? {} : { sliceMax: mode.sliceMax }),
      ...(firmware === undefined
        ? {}
        : { supervisor: () => new Monitor(this.machine, firmware.config) }),
      poll: (ticks) => {
        if (ticks >= limit) this.stop('time-limit');
        return this.#exchange();
      },
      nextEvent: () => Math.min(limit, this.spec.typist?.nextTick() ?? Infinity),
      idle: () => {
        this.stop('idle');
        return false;
      },
    });
    await this.#run.run();
  }

  /** Carries console bytes both ways; true if the guest was given some. */
  #exchange(): boolean {
    const printed = this.#drain();
    const typed = this.spec.typist?.type(printed, this.machine.clock.now());
    if (typed !== undefined) this.write(typed);
    if (this.#typed.length === 0) return false;
    const taken = this.#console.writeInput(this.#typed);
    this.#typed = this.#typed.subarray(taken);
    return taken > 0;
  }

  #drain(): Uint8Array {
    const printed = this.#console.readOutput();
    if (printed.length > 0) for (const listener of this.#listeners) listener(printed);
    return printed;
  }

  /**
   * Hart blocks are made here, before any hart runs, so that none can be rung before it is reset.
   * Without firmware all begin at the entry with their number in a0 and the devicetree in a1, as on
   * QEMU's `virt` with `-bios none`. With firmware the monitor takes the boot hart from there.
   */
  #resetHarts(tree: number): void {
    const { machine, spec } = this;
    const { memory, parts } = machine;
    for (let id = 0; id < spec.harts; id++) {
      const hart = machine.hart(id);
      const entry = spec.firmware === undefined ? spec.image.entry : RAM_BASE;
      hart.reset(entry | 0, Math.floor(entry / 2 ** 32));
      if (spec.firmware === undefined) {
        hart.setXNumber(10, id);
        hart.setXNumber(11, tree);
        hart.state = HART_STATE.PARKED;
      }
    }
    if (spec.firmware === undefined) return;
    spec.firmware.prepare(machine);
    const boot = HartBlock.at(memory, hartBase(parts.plan, 0));
    boot.startPc[0] = BigInt(spec.image.entry);
    boot.startArgument[0] = BigInt(tree);
    boot.state.store(HART_STATE.PARKED);
  }

  #result(failure: unknown): RunResult {
    const { spec, machine } = this;
    const run = this.#run;
    const tlb = run === undefined ? 'emulator' : 'model';
    const cycles = spec.cycles ?? ((read: ReadCounter): number => read('instructions'));
    const { denials, escapes } = spec.firmware?.report(machine) ?? { denials: [], escapes: 0 };
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
      stateHash: run === undefined ? null : stateHash(machine, run.harts),
      tlb,
      machineSeconds: this.machineSeconds,
      hostSeconds: (performance.now() - this.#startedAt) / 1000,
      consoleDropped: this.#console.dropped(),
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
