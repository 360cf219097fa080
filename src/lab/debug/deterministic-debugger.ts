/**
 * Debugs harts that share a thread under the seeded scheduler. The run is only ever cut between two
 * instructions, so what it does is what it does without a debugger: a breakpoint, a step with all harts
 * going on, or a long look change nothing. To let one hart go on while others stay does.
 */
import type { Steering } from '../../cpu-worker/deterministic.ts';
import {
  DEBUG_COMMAND,
  DEBUG_REASON,
  writePoints,
  type Point,
} from '../../machine/debug/debug-block.ts';
import { answerHere, type QuestionKind, type Questions } from '../../machine/debug/questions.ts';
import { HART_STATE } from '../../machine/core/hart-block.ts';
import type { Hart, RunEnd } from '../../machine/hart.ts';
import type { Machine } from '../../machine/machine.ts';
import { TIMEBASE_HZ } from '../../machine/physical-map.ts';
import type { Debugger, HartAction, RunPoint, Stop } from './debugger.ts';

export class DeterministicDebugger implements Debugger, Steering {
  /** They come with every instruction at which they come in the same run without a debugger. */
  stepsTakeInterrupts = true;
  readonly #machine: Machine;
  /** Known once the run has begun. */
  #harts: readonly Hart[] = [];
  #actions: readonly HartAction[] = [];
  #hold: PromiseWithResolvers<void> | undefined;
  #stop: PromiseWithResolvers<Stop> | undefined;
  #last = 0;
  #mark: { readonly point: RunPoint; readonly work: () => void } | undefined;

  constructor(machine: Machine) {
    this.#machine = machine;
  }

  /** The run has begun, with these harts. */
  attach(harts: readonly Hart[]): void {
    this.#harts = harts;
  }

  get isHalted(): boolean {
    return this.#hold !== undefined;
  }

  async halt(): Promise<void> {
    this.#standStill({ reason: 'asked', hart: this.#last });
  }

  /** The machine has stopped for good. */
  end(): void {
    this.#hold?.resolve();
    this.#stop?.resolve({ reason: 'ended' });
    this.#stop = undefined;
  }

  #standStill(stop: Stop): void {
    this.#hold ??= Promise.withResolvers();
    this.#stop?.resolve(stop);
    this.#stop = undefined;
  }

  async resume(actions: readonly HartAction[]): Promise<Stop> {
    this.#actions = actions;
    const { command } = this.#machine.debug;
    for (let hart = 0; hart < this.#machine.parts.plan.harts; hart++) {
      this.#machine.debug.reason.store(hart, DEBUG_REASON.ASKED);
      command.store(hart, DEBUG_COMMAND.RUN);
    }
    this.#stop = Promise.withResolvers();
    const { promise } = this.#stop;
    this.#hold?.resolve();
    this.#hold = undefined;
    return await promise;
  }

  setPoints(points: readonly Point[]): void {
    writePoints(this.#machine.debug, points);
  }

  memoryChanged(): void {
    this.#machine.debug.memoryChanges.add(1);
  }

  ask<K extends QuestionKind>(
    hart: number,
    kind: K,
    question: Questions[K]['ask'],
  ): Questions[K]['answer'] | undefined {
    const carrier = this.#harts[hart];
    if (carrier === undefined || carrier.state === HART_STATE.STOPPED) return undefined;
    return answerHere(carrier, kind, question);
  }

  /** The thread is here, so no hart executes. */
  async aside(work: () => void): Promise<void> {
    work();
  }

  /** Does something once, at a point of the run; the run goes on after it. */
  at(point: RunPoint, work: () => void): void {
    this.#mark = { point, work };
  }

  // --- steering ---

  held(): Promise<void> | undefined {
    const mark = this.#mark;
    if (mark !== undefined && this.#isAt(mark.point)) {
      this.#mark = undefined;
      mark.work();
    }
    return this.#hold?.promise;
  }

  most(): number {
    const point = this.#mark?.point;
    return point === undefined || !('instructions' in point)
      ? Infinity
      : point.instructions - this.#retired;
  }

  get #retired(): number {
    return this.#harts.reduce((sum, { instret }) => sum + instret, 0);
  }

  #isAt(point: RunPoint): boolean {
    return 'instructions' in point
      ? this.#retired >= point.instructions
      : this.#machine.clock.now() >= point.seconds * TIMEBASE_HZ;
  }

  mayRun(hart: number): boolean {
    return this.#actions[hart] !== 'stay';
  }

  wakes(hart: number): boolean {
    return this.#actions[hart] === 'step';
  }

  steps(hart: number): boolean {
    return this.#actions[hart] === 'step';
  }

  ran(hart: number, end: RunEnd): void {
    this.#last = hart;
    if (end === 'halted') {
      this.#standStill({ reason: 'point', hart, point: this.#machine.debug.point.load(hart) });
    } else if (this.steps(hart) && end !== 'again') {
      this.#standStill({ reason: 'step', hart });
    }
  }
}
