/**
 * All harts on the calling thread, under a seeded scheduler: the same machine, the same seed and the
 * same input at the same ticks give the same run, bit for bit.
 *
 * Each step picks one of the harts that can run and the length of its slice. Lengths are spread evenly
 * over the powers of two up to the largest, so that some races meet within a few instructions and
 * others within thousands.
 *
 * Virtual time. A hart retires 10 instructions a tick of 100 ns (100 MIPS; taking a trap counts as one),
 * and harts that can run at the same time share it: a slice of n instructions while k harts can
 * run advances the clock by n / (10 k) ticks. It stands still within a slice, and when every hart waits it jumps to whatever
 * comes first, a timer or a scripted input.
 */
import { HART_STATE } from '../machine/core/hart-block.ts';
import type { Hart, RunEnd } from '../machine/hart.ts';
import type { Machine } from '../machine/machine.ts';
import type { HartSupervisor } from './hart-loop.ts';
import { Random } from './random.ts';

export const INSTRUCTIONS_PER_TICK = 10;
export const DEFAULT_SLICE_MAX = 4096;

/**
 * Who steers a run from outside: a debugger. It may cut a slice into portions and hold the run between two
 * of them, and the run does not change by that: the clock, the scheduler's choices and the looks at the
 * console come at the same instructions. Freezing one hart while others go on does change it.
 */
export interface Steering {
  /** The run stands still until this settles; undefined: it goes on. */
  held(): Promise<void> | undefined;
  /** Whether a hart may execute now. */
  mayRun(hart: number): boolean;
  /** Whether a hart that waits shall go on as if it had been woken, which WFI allows (vol. II §3.3.3). */
  wakes(hart: number): boolean;
  /** The next portion is one instruction. */
  steps(hart: number): boolean;
  /** The most instructions of the next portion. */
  most(): number;
  /** A portion is over. */
  ran(hart: number, end: RunEnd): void;
}

/** Steps between two looks at the console; counted, so that the looks are part of the run. */
const POLL_STEPS = 32;
/** Steps between two looks at the host's clock. */
const YIELD_STEPS = 256;
const YIELD_MS = 10;
/** A deadline this far away (29 000 years) stands for a timer that is off, such as all ones. */
const NEVER_TICKS = 2 ** 53;

export interface DeterministicOptions {
  readonly seed: string;
  /** The monitor of a hart, if the guest does not bring its own M-mode. */
  supervisor?(hart: number): HartSupervisor;
  /** The longest slice in instructions. */
  readonly sliceMax?: number;
  /** Size of the modelled TLB; none is modelled if left out. */
  readonly tlb?: { readonly l1Entries: number; readonly l2Entries: number };
  /** Moves console bytes. Called at the same steps in every run; true if the guest was given some. */
  poll(ticks: number): boolean;
  /** When the next input or limit comes; Infinity if none is to come. */
  nextEvent(): number;
  /** Every hart waits for ever: nothing but the host could still wake one. True if it will. */
  idle(): boolean;
  readonly steering?: Steering;
}

/** A hart's turn. */
interface Slice {
  /** Count of retired instructions at which it is over. */
  readonly endsAt: number;
  /** Work done before it, and how many harts share the time. */
  readonly workBefore: number;
  readonly sharers: number;
}

/** The scheduler's memory; plain data. */
export interface SchedulerState {
  readonly random: readonly number[];
  readonly ticks: number;
  readonly steps: number;
  /** The hart whose slice was cut short. */
  readonly interrupted: number | null;
  readonly slots: readonly (Pick<Slot, 'status' | 'wakeAt'> & { readonly slice: Slice | null })[];
}

interface Slot {
  readonly hart: Hart;
  readonly supervisor: HartSupervisor | undefined;
  status: 'stopped' | 'ready' | 'waiting';
  /** Tick at which a waiting hart's timer fires. */
  wakeAt: number;
  /** A slice that was cut short. */
  slice: Slice | undefined;
}

/** Runs the machine to its stop, giving the event loop its turn every few milliseconds. */
export class DeterministicRun {
  readonly harts: readonly Hart[];
  readonly #machine: Machine;
  readonly #options: DeterministicOptions;
  readonly #slots: readonly Slot[];
  readonly #random: Random;
  readonly #sliceBits: number;
  readonly #sliceMax: number;
  #ticks = 0;
  #steps = 0;
  /** Whose slice was cut short. */
  #interrupted: Slot | undefined;

  constructor(machine: Machine, options: DeterministicOptions) {
    this.#machine = machine;
    this.#options = options;
    this.#random = new Random(options.seed);
    this.#sliceMax = options.sliceMax ?? DEFAULT_SLICE_MAX;
    this.#sliceBits = Math.floor(Math.log2(this.#sliceMax)) + 1;
    // 'stopped' until `#admit` has seen their state.
    this.#slots = Array.from({ length: machine.parts.plan.harts }, (_, id) => {
      const supervisor = options.supervisor?.(id);
      return {
        hart: machine.hart(id, supervisor),
        supervisor,
        status: 'stopped',
        wakeAt: Infinity,
        slice: undefined,
      };
    });
    this.harts = this.#slots.map(({ hart }) => hart);
    const { tlb } = options;
    if (tlb !== undefined) {
      for (const hart of this.harts) hart.modelledTlb.configure(tlb.l1Entries, tlb.l2Entries);
    }
  }

  /** Where the scheduler stands, for a snapshot. While the run is held. */
  save(): SchedulerState {
    return {
      random: this.#random.save(),
      ticks: this.#ticks,
      steps: this.#steps,
      interrupted: this.#interrupted?.hart.id ?? null,
      slots: this.#slots.map(({ status, wakeAt, slice }) => ({
        status,
        wakeAt,
        slice: slice ?? null,
      })),
    };
  }

  /** Goes on from there. Before `run`. */
  restore(state: SchedulerState): void {
    this.#random.restore(state.random);
    this.#ticks = state.ticks;
    this.#steps = state.steps;
    state.slots.forEach(({ status, wakeAt, slice }, id) => {
      Object.assign(this.#slots[id] as Slot, { status, wakeAt, slice: slice ?? undefined });
    });
    this.#interrupted = state.interrupted === null ? undefined : this.#slots[state.interrupted];
  }

  get ticks(): number {
    return this.#ticks;
  }

  get steps(): number {
    return this.#steps;
  }

  async run(): Promise<void> {
    const { control } = this.#machine;
    const { steering } = this.#options;
    let yieldAt = performance.now() + YIELD_MS;
    while (control.stop.load() === 0) {
      const held = steering?.held();
      if (held !== undefined) {
        await held;
        continue;
      }
      const done = this.#step();
      if (done === 'part') continue;
      if (done === 'nothing' && !this.#skipToNextEvent()) {
        const isFrozen = this.#slots.some(({ hart }) => steering?.mayRun(hart.id) === false);
        if (!isFrozen && !this.#options.idle()) return;
        await turn();
      }
      this.#steps++;
      if (this.#steps % POLL_STEPS === 0) this.#options.poll(this.#ticks);
      if (this.#steps % YIELD_STEPS === 0 && performance.now() >= yieldAt) {
        await turn();
        yieldAt = performance.now() + YIELD_MS;
      }
    }
  }

  /** A slice of a hart, or what is left of one, or a part of that; nothing if no hart can run. */
  #step(): 'slice' | 'part' | 'nothing' {
    const slot = this.#chosen();
    if (slot === undefined) return 'nothing';
    const { hart } = slot;
    const { steering } = this.#options;
    const isNew = slot.slice === undefined;
    const slice = (slot.slice ??= this.#newSlice(hart));
    const left = slice.endsAt - hart.instret;
    const isStep = steering?.steps(hart.id) === true;
    const portion = isStep ? 1 : Math.min(left, steering?.most() ?? left);
    const end = isStep ? hart.step(false, isNew) : isNew ? hart.run(portion) : hart.resume(portion);
    const isPart = isStep || portion < left;
    const isCut = end === 'halted' || (isPart && end === 'limit' && hart.instret < slice.endsAt);
    if (isCut) this.#interrupted = slot;
    else this.#finish(slot, slice, end);
    steering?.ran(hart.id, end);
    return isCut ? 'part' : 'slice';
  }

  /** Whose turn it is; the same hart's still, if its slice was cut short. */
  #chosen(): Slot | undefined {
    const { steering } = this.#options;
    const goesOn = this.#interrupted;
    this.#interrupted = undefined;
    if (goesOn !== undefined && steering?.mayRun(goesOn.hart.id) !== false) return goesOn;
    const able = this.#able();
    return able.length === 0 ? undefined : able[this.#random.below(able.length)];
  }

  #able(): Slot[] {
    for (const slot of this.#slots) this.#admit(slot);
    return this.#slots.filter(
      ({ status, hart }) => status === 'ready' && this.#options.steering?.mayRun(hart.id) !== false,
    );
  }

  #newSlice(hart: Hart): Slice {
    return {
      endsAt: hart.instret + this.#sliceLength(),
      workBefore: workOf(hart),
      sharers: this.#slots.filter(({ status }) => status === 'ready').length,
    };
  }

  #finish(slot: Slot, slice: Slice, end: RunEnd): void {
    const { hart, supervisor } = slot;
    slot.slice = undefined;
    this.#advance((workOf(hart) - slice.workBefore) / (INSTRUCTIONS_PER_TICK * slice.sharers));
    supervisor?.tick(hart);
    if (hart.state === HART_STATE.STOPPED) {
      slot.status = 'stopped';
    } else if (end === 'waiting') {
      slot.status = 'waiting';
      const ticks = hart.timers.ticksToNext();
      slot.wakeAt = ticks < NEVER_TICKS ? this.#ticks + ticks : Infinity;
    } else {
      slot.status = 'ready';
    }
  }

  /** Makes a hart ready that was started, or whose wait is over. */
  #admit(slot: Slot): void {
    const { hart } = slot;
    if (slot.status === 'waiting') {
      // Whoever moves a line or the timer of a hart also sets its pending word.
      const isWoken = this.#options.steering?.wakes(hart.id) === true;
      if (isWoken || hart.get('pending') !== 0 || slot.wakeAt <= this.#ticks) slot.status = 'ready';
    } else if (slot.status === 'stopped' && hart.state !== HART_STATE.STOPPED) {
      slot.supervisor?.start(hart);
      slot.status = 'ready';
    }
  }

  #sliceLength(): number {
    const bits = this.#random.below(this.#sliceBits);
    return Math.min(this.#sliceMax, 2 ** bits + this.#random.below(2 ** bits));
  }

  /** Every hart waits: goes to the first timer or event; false if there is none. */
  #skipToNextEvent(): boolean {
    if (this.#options.poll(this.#ticks)) return true;
    let next = this.#options.nextEvent();
    for (const { hart, status, wakeAt } of this.#slots) {
      if (status === 'waiting' && this.#options.steering?.mayRun(hart.id) !== false)
        next = Math.min(next, wakeAt);
    }
    if (next === Infinity) return false;
    // A whole tick at least: an event that is due and still does nothing must not hold the time.
    this.#advance(Math.max(1, Math.ceil(next - this.#ticks)));
    this.#options.poll(this.#ticks);
    return true;
  }

  #advance(ticks: number): void {
    this.#ticks += ticks;
    const whole = Math.floor(this.#ticks);
    this.#machine.control.virtualTimeLow.store(whole | 0);
    this.#machine.control.virtualTimeHigh.store(Math.floor(whole / 2 ** 32));
  }
}

/** A hart that only traps, because its handler does, retires nothing: time must pass all the same. */
const workOf = (hart: Hart): number =>
  hart.instret + hart.counter('traps') + hart.counter('interrupts');

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
