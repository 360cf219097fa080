/**
 * Debugs harts that have threads of their own: by words in shared memory that they read before they execute
 * (src/machine/debug/debug-block.ts).
 */
import { HART_STATE, HartBlock, PENDING } from '../../machine/core/hart-block.ts';
import {
  DEBUG_COMMAND,
  DEBUG_REASON,
  DebugBlock,
  writePoints,
  type DebugView,
  type Point,
} from '../../machine/debug/debug-block.ts';
import { readMessage, writeMessage } from '../../machine/debug/hart-debug.ts';
import type { QuestionKind, Questions } from '../../machine/debug/questions.ts';
import { signalHart } from '../../machine/hart-lines.ts';
import type { Machine } from '../../machine/machine.ts';
import { hartBase } from '../../machine/memory-plan.ts';
import type { Debugger, HartAction, Stop } from './debugger.ts';

/** A look without being woken: a hart that comes to its HSM stop rings nobody. */
const LOOK_MS = 20;
const ANSWER_MS = 5_000;

export class ParallelDebugger implements Debugger {
  isHalted = false;
  readonly #machine: Machine;
  readonly #debug: DebugView;
  readonly #changes: Int32Array;
  readonly #harts: readonly number[];
  #haltedAt = 0;
  #isAsked = false;

  constructor(machine: Machine) {
    const { plan } = machine.parts;
    this.#machine = machine;
    this.#debug = machine.debug;
    this.#changes = new Int32Array(machine.memory, plan.debug + DebugBlock.offset.changes, 1);
    this.#harts = Array.from({ length: plan.harts }, (_, hart) => hart);
    this.stepsTakeInterrupts = false;
  }

  get stepsTakeInterrupts(): boolean {
    return this.#debug.masksSteps.load() === 0;
  }

  set stepsTakeInterrupts(value: boolean) {
    this.#debug.masksSteps.store(value ? 0 : 1);
  }

  async halt(): Promise<void> {
    if (this.isHalted) return;
    this.#isAsked = true;
    await this.#stopAll();
  }

  #holdAll(): void {
    const { words, parts } = this.#machine;
    for (const hart of this.#harts) {
      this.#debug.command.store(hart, DEBUG_COMMAND.HALT);
      signalHart(words, parts.plan, hart, PENDING.DEBUG);
    }
  }

  async #stopAll(): Promise<void> {
    this.#holdAll();
    await this.#until(() => this.#areQuiet());
    if (this.isHalted) return;
    this.isHalted = true;
    this.#haltedAt = this.#machine.clock.now();
  }

  /**
   * Nobody executes: harts are at rest, or were never started and find their command when they are. Who
   * is started is so by a hart that then has yet to come to rest itself, so one look at all is enough.
   */
  #areQuiet(): boolean {
    return this.#harts.every(
      (hart) => this.#debug.resting.load(hart) === 1 || this.#isUnstarted(hart),
    );
  }

  #isUnstarted(hart: number): boolean {
    const { words, parts } = this.#machine;
    const state = (hartBase(parts.plan, hart) + HartBlock.offset.state) >> 2;
    return Atomics.load(words, state) === HART_STATE.STOPPED;
  }

  async resume(actions: readonly HartAction[]): Promise<Stop> {
    this.#addPause();
    this.isHalted = false;
    this.#isAsked = false;
    for (const hart of this.#harts) {
      this.#debug.reason.store(hart, DEBUG_REASON.ASKED);
      const action = actions[hart] ?? 'run';
      if (action === 'stay') continue;
      const { RUN, STEP } = DEBUG_COMMAND;
      this.#debug.command.store(hart, action === 'step' ? STEP : RUN);
      this.#debug.command.notify(hart);
    }
    await this.#until(() => this.#isAsked || this.#stopped() !== undefined);
    await this.#stopAll();
    if (this.#machine.control.stop.load() !== 0) return { reason: 'ended' };
    const hart = this.#stopped();
    if (hart === undefined) return { reason: 'asked', hart: this.#someHart() };
    return this.#debug.reason.load(hart) === DEBUG_REASON.STEPPED
      ? { reason: 'step', hart }
      : { reason: 'point', hart, point: this.#debug.point.load(hart) };
  }

  async aside(work: () => void): Promise<void> {
    if (this.isHalted) {
      work();
      return;
    }
    const { command, reason } = this.#debug;
    const before = this.#harts.map((hart) => command.load(hart));
    this.#holdAll();
    await this.#until(() => this.#areQuiet());
    this.#haltedAt = this.#machine.clock.now();
    try {
      if (this.#machine.control.stop.load() === 0) work();
    } finally {
      // Somebody may have halted the machine for good meanwhile; and who came to a point stays there.
      if (!this.isHalted && !this.#isAsked) {
        this.#addPause();
        for (const hart of this.#harts) {
          const was = before[hart] as number;
          if (was === DEBUG_COMMAND.HALT || reason.load(hart) !== DEBUG_REASON.ASKED) continue;
          command.store(hart, was);
          command.notify(hart);
        }
      }
    }
  }

  /** The time that the machine stood still is none of the guest's. */
  #addPause(): void {
    const { control, clock } = this.#machine;
    const before = control.pausedHigh.load() * 2 ** 32 + (control.pausedLow.load() >>> 0);
    const paused = before + Math.max(0, clock.now() - this.#haltedAt);
    control.pausedHigh.store(Math.floor(paused / 2 ** 32));
    control.pausedLow.store(paused | 0);
  }

  /** A hart that has come to rest for a reason of its own. */
  #stopped(): number | undefined {
    const { resting, command, reason } = this.#debug;
    return this.#harts.find(
      (hart) =>
        resting.load(hart) === 1 &&
        command.load(hart) === DEBUG_COMMAND.HALT &&
        reason.load(hart) !== DEBUG_REASON.ASKED,
    );
  }

  /** One that was started, for people to look at. */
  #someHart(): number {
    return this.#harts.find((hart) => !this.#isUnstarted(hart)) ?? 0;
  }

  async #until(isSo: () => boolean): Promise<void> {
    for (;;) {
      const seen = Atomics.load(this.#changes, 0);
      if (isSo() || this.#machine.control.stop.load() !== 0) return;
      await Atomics.waitAsync(this.#changes, 0, seen, LOOK_MS).value;
    }
  }

  setPoints(points: readonly Point[]): void {
    writePoints(this.#debug, points);
  }

  memoryChanged(): void {
    this.#debug.memoryChanges.add(1);
  }

  ask<K extends QuestionKind>(
    hart: number,
    kind: K,
    question: Questions[K]['ask'],
  ): Questions[K]['answer'] | undefined {
    if (this.#debug.resting.load(hart) === 0) return undefined;
    const { command } = this.#debug;
    writeMessage(this.#debug, JSON.stringify({ kind, ask: question }));
    command.store(hart, DEBUG_COMMAND.ASK);
    command.notify(hart);
    // The hart does nothing else: it answers at once.
    if (command.wait(hart, DEBUG_COMMAND.ASK, ANSWER_MS) === 'timed-out')
      throw new Error(`hart ${hart} does not answer`);
    return JSON.parse(readMessage(this.#debug)) as Questions[K]['answer'];
  }
}
