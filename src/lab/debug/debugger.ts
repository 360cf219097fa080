/**
 * What a debugger may do to a machine that runs, whichever way its harts are carried: stop them all, let
 * some go on or make one step, set points, and ask a hart that stands still.
 */
import type { Point } from '../../machine/debug/debug-block.ts';
import type { QuestionKind, Questions } from '../../machine/debug/questions.ts';

/** What one hart is to do when the machine goes on. */
export type HartAction = 'run' | 'step' | 'stay';

/** Why the machine stands still. */
export type Stop =
  /** Somebody asked for it; the hart is one that was executing, if one was. */
  | { readonly reason: 'asked'; readonly hart: number }
  | { readonly reason: 'step'; readonly hart: number }
  /** The hart stands before the point of that index. */
  | { readonly reason: 'point'; readonly hart: number; readonly point: number }
  /** There is nothing to debug any more. */
  | { readonly reason: 'ended' };

/** A point of a run: so many instructions of all harts together, or so many seconds on the machine. */
export type RunPoint = { readonly instructions: number } | { readonly seconds: number };

export interface Debugger {
  readonly isHalted: boolean;
  /** Stops every hart at an instruction; settles when none executes. Time on the machine stands still. */
  halt(): Promise<void>;
  /**
   * Lets the machine go on, hart by hart; settles when a hart has stopped by itself or `halt` was called,
   * and all harts stand still again.
   */
  resume(actions: readonly HartAction[]): Promise<Stop>;
  /**
   * Does something while no hart executes, and lets the machine go on as it was, whoever else holds it or
   * waits for its next stop.
   */
  aside(work: () => void): Promise<void>;
  /** All points, in place of those before. While the machine is halted. @throws RangeError for too many */
  setPoints(points: readonly Point[]): void;
  /** Memory was changed behind the harts' backs: they forget what they remember of it. While halted. */
  memoryChanged(): void;
  /** Asks a hart; undefined if it was never started and so has nobody to answer. While halted. */
  ask<K extends QuestionKind>(
    hart: number,
    kind: K,
    question: Questions[K]['ask'],
  ): Questions[K]['answer'] | undefined;
  /** Whether a hart that makes a step takes interrupts. */
  stepsTakeInterrupts: boolean;
}
