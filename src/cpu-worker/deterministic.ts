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
import type { Hart } from '../machine/hart.ts';
import type { Machine } from '../machine/machine.ts';
import type { HartSupervisor } from './hart-loop.ts';
import { Random } from './random.ts';

export const INSTRUCTIONS_PER_TICK = 10;
export const DEFAULT_SLICE_MAX = 4096;

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
}

interface Slot {
  readonly hart: Hart;
  readonly supervisor: HartSupervisor | undefined;
  status: 'stopped' | 'ready' | 'waiting';
  /** Tick at which a waiting hart's timer fires. */
  wakeAt: number;
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
      };
    });
    this.harts = this.#slots.map(({ hart }) => hart);
    const { tlb } = options;
    if (tlb !== undefined) {
      for (const hart of this.harts) hart.configureModel(tlb.l1Entries, tlb.l2Entries);
    }
  }

  get ticks(): number {
    return this.#ticks;
  }

  get steps(): number {
    return this.#steps;
  }

  async run(): Promise<void> {
    const { control } = this.#machine;
    let yieldAt = performance.now() + YIELD_MS;
    while (control.stop.load() === 0) {
      if (!this.#step() && !this.#skipToNextEvent()) {
        if (!this.#options.idle()) return;
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

  /** One slice of one hart; false if none can run. */
  #step(): boolean {
    for (const slot of this.#slots) this.#admit(slot);
    const able = this.#slots.filter(({ status }) => status === 'ready');
    if (able.length === 0) return false;
    const slot = able[this.#random.below(able.length)] as Slot;
    const { hart, supervisor } = slot;
    const before = workOf(hart);
    const end = hart.run(this.#sliceLength());
    this.#advance((workOf(hart) - before) / (INSTRUCTIONS_PER_TICK * able.length));
    supervisor?.tick(hart);
    if (hart.state === HART_STATE.STOPPED) {
      slot.status = 'stopped';
    } else if (end === 'waiting') {
      slot.status = 'waiting';
      const ticks = hart.ticksToTimer();
      slot.wakeAt = ticks < NEVER_TICKS ? this.#ticks + ticks : Infinity;
    } else {
      slot.status = 'ready';
    }
    return true;
  }

  /** Makes a hart ready that was started, or whose wait is over. */
  #admit(slot: Slot): void {
    const { hart } = slot;
    if (slot.status === 'waiting') {
      // Whoever moves a line or the timer of a hart also sets its pending word.
      if (hart.get('pending') !== 0 || slot.wakeAt <= this.#ticks) slot.status = 'ready';
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
    for (const { status, wakeAt } of this.#slots) {
      if (status === 'waiting') next = Math.min(next, wakeAt);
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
