/**
 * Depth-first search over all schedules, with a bound on preemptions.
 *
 * A preemption takes the turn from a thread that could go on; leaving one that has ended, sleeps or
 * spins is free. Most faults need very few of them, so a small bound finds them early in a space
 * that grows slowly (this is the observation of Musuvathi and Qadeer's CHESS).
 *
 * Schedules that lead to the same state (same memory, same histories, same sleepers) have the same
 * future, which is searched once; how many schedules run through it is known from the first time.
 */
import type { History } from './history.ts';
import {
  isAsleepForGood,
  isLive,
  isRunnable,
  isSpinning,
  type Machine,
  type State,
} from './machine.ts';

export type FailureKind = 'threw' | 'check' | 'deadlock' | 'livelock' | 'endless';

/** A schedule that went wrong, as the threads that took each step. */
export interface Fault {
  readonly kind: FailureKind;
  readonly path: readonly number[];
  /** Thread that threw, if one did. */
  readonly thread: number;
  readonly error: unknown;
  readonly preemptions: number;
}

export interface Limits {
  /** Steps of all threads together on one schedule. */
  readonly steps: number;
  /** Distinct states. */
  readonly states: number;
  /** Rounds of a loop after which threads that can only spin are taken to spin for ever. */
  readonly rounds: number;
}

/** What the scenario says about states; each throws if it finds one wrong. */
export interface Checks {
  always(state: State): void;
  atEnd(state: State): void;
}

class FaultFound extends Error {
  readonly fault: Fault;

  constructor(fault: Fault) {
    super(fault.kind);
    this.fault = fault;
  }
}

class TooManyStates extends Error {}

/** Who may take the next step, and what is wrong if nobody can. */
export function choicesIn(state: State, limits: Limits): number[] | 'ended' | FailureKind {
  const threads = state.histories.map((_, thread) => thread);
  const live = threads.filter((thread) => isLive(state, thread));
  if (live.length === 0) return 'ended';
  const runnable = live.filter((thread) => isRunnable(state, thread));
  const useful = runnable.filter((thread) => !isSpinning(state, thread));
  if (useful.length > 0) return useful;
  if (live.every((thread) => isAsleepForGood(state, thread))) return 'deadlock';
  // All can only spin. Let each go round in turn, in case one counts its rounds and gives up.
  const rounds = (thread: number): number => (state.histories[thread] as History).rounds;
  const [next] = runnable.toSorted((one, other) => rounds(one) - rounds(other));
  return next === undefined || rounds(next) >= limits.rounds ? 'livelock' : [next];
}

/** What is wrong with a state that was just reached by a step of `thread`, if anything. */
export function faultIn(
  state: State,
  choices: number[] | 'ended' | FailureKind,
  checks: Checks,
): Pick<Fault, 'kind' | 'thread' | 'error'> | null {
  for (const [thread, { next }] of state.histories.entries()) {
    if (next.kind === 'threw') return { kind: 'threw', thread, error: next.error };
  }
  try {
    checks.always(state);
    if (choices === 'ended') checks.atEnd(state);
  } catch (error) {
    return { kind: 'check', thread: -1, error };
  }
  if (typeof choices === 'string' && choices !== 'ended') {
    return { kind: choices, thread: -1, error: null };
  }
  return null;
}

/** Whether giving `thread` the turn takes it from `last`, which could have gone on. */
export const isPreemption = (
  state: State,
  choices: readonly number[],
  last: number,
  thread: number,
): boolean => thread !== last && choices.includes(last) && !state.asleep.includes(last);

export interface SearchResult {
  readonly fault: Fault | null;
  readonly schedules: number;
  readonly states: number;
  readonly isComplete: boolean;
}

export class Search {
  readonly #machine: Machine;
  readonly #checks: Checks;
  readonly #limits: Limits;
  readonly #bound: number;
  readonly #path: number[] = [];
  #states = 0;
  /** Schedules from each state onwards. */
  readonly #seen: Map<string, number> = new Map();

  constructor(machine: Machine, checks: Checks, limits: Limits, bound: number) {
    this.#machine = machine;
    this.#checks = checks;
    this.#limits = limits;
    this.#bound = bound;
  }

  run(memory: Int32Array): SearchResult {
    let schedules = NaN;
    let fault: Fault | null = null;
    let isComplete = false;
    try {
      schedules = this.#visit(this.#machine.initial(memory), -1, 0);
      isComplete = true;
    } catch (error) {
      if (error instanceof FaultFound) fault = error.fault;
      else if (!(error instanceof TooManyStates)) throw error;
    }
    return { fault, schedules, states: this.#states, isComplete };
  }

  /** Searches everything after `state`; returns how many schedules that is. */
  #visit(state: State, last: number, preemptions: number): number {
    const key = this.#keyOf(state, last, preemptions);
    const known = this.#seen.get(key);
    if (known !== undefined) return known;
    if (this.#states >= this.#limits.states) throw new TooManyStates();
    this.#states++;

    const choices = choicesIn(state, this.#limits);
    const fault = faultIn(state, choices, this.#checks);
    if (fault !== null) this.#fail({ ...fault, preemptions });
    if (this.#path.length >= this.#limits.steps) {
      this.#fail({ kind: 'endless', thread: -1, error: null, preemptions });
    }

    let schedules = 0;
    if (typeof choices === 'string') {
      schedules = 1;
    } else {
      for (const thread of startingWith(last, choices)) {
        const after = preemptions + Number(isPreemption(state, choices, last, thread));
        if (after > this.#bound) continue;
        this.#path.push(thread);
        schedules += this.#visit(this.#machine.step(state, thread), thread, after);
        this.#path.pop();
      }
    }
    this.#seen.set(key, schedules);
    return schedules;
  }

  #fail(fault: Omit<Fault, 'path'>): never {
    throw new FaultFound({ ...fault, path: [...this.#path] });
  }

  #keyOf({ memory, histories, asleep }: State, last: number, preemptions: number): string {
    let key = memory.join();
    for (const { id } of histories) key += `,${id}`;
    key += `;${asleep.join()}`;
    // Without a bound the future does not depend on whose turn it was.
    return this.#bound === Infinity ? key : `${key};${last};${preemptions}`;
  }
}

/** The same thread first: a schedule with fewer switches is easier to read. */
const startingWith = (last: number, choices: readonly number[]): readonly number[] =>
  choices.includes(last) ? [last, ...choices.filter((thread) => thread !== last)] : choices;
