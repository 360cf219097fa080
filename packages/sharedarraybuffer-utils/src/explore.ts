/**
 * Interleaving explorer: runs synchronous code over `SharedWord`s under every schedule.
 *
 * A scenario names some shared words and some threads. The threads are ordinary functions that use
 * the classes of this package, or any others that reach shared memory through `SharedWord` and
 * `SharedWords` only; nothing is copied, translated or marked. What is explored is what ships.
 *
 * A thread must be deterministic and must build its own objects (its `Mutex`, its `SpscRing`)
 * inside its function, because it is run again from the start many times; it shares nothing with
 * others but the model words. What it returns is given to `atEnd`.
 *
 * A schedule fails if a thread throws, a check throws, all that are left sleep for ever (deadlock),
 * or all that are left can only spin (livelock). A wait with a timeout may time out at any moment.
 */
import { Conductor, type History } from './explore/history.ts';
import { isLive, isRunnable, Machine, type State } from './explore/machine.ts';
import { type ModelMemory, Placement, type WordSpecs } from './explore/model-words.ts';
import { formatSchedule, formatTrace, type Names, parseSchedule } from './explore/report.ts';
import {
  type Checks,
  choicesIn,
  type FailureKind,
  type Fault,
  faultIn,
  isPreemption,
  type Limits,
  Search,
} from './explore/search.ts';

export type { FailureKind, ModelMemory, WordSpecs };

export interface Scenario<Specs extends WordSpecs, Results extends Record<string, unknown>> {
  readonly name: string;
  /** Shared words and their initial values: a number is a `SharedWord`, an array `SharedWords`. */
  readonly words: Specs;
  readonly threads: {
    readonly [Name in keyof Results]: (memory: ModelMemory<Specs>) => Results[Name];
  };
  /** Throws if memory is wrong; called in every state. It may not sleep. */
  readonly always?: (memory: ModelMemory<Specs>) => void;
  /** Throws if the end is wrong; called whenever all threads have returned. It may not sleep. */
  readonly atEnd?: (memory: ModelMemory<Specs>, results: Results) => void;
}

export interface Options {
  /** At most so many preemptions on a schedule; without it, every schedule is visited. */
  readonly preemptions?: number;
  /** Steps on one schedule before it counts as endless. */
  readonly maxSteps?: number;
  /** Distinct states before the search gives up and reports itself incomplete. */
  readonly maxStates?: number;
  /** Rounds of a loop after which threads that can only spin are taken to spin for ever. */
  readonly maxRounds?: number;
}

export interface RandomOptions extends Options {
  readonly seed: number;
  readonly runs: number;
}

export interface Failure {
  readonly kind: FailureKind;
  /** Replays it, with `replay`. */
  readonly schedule: string;
  readonly preemptions: number;
  /** What a thread or check threw, if one did. */
  readonly error: unknown;
  /** What happened, step by step. */
  readonly message: string;
}

export interface Report {
  readonly scenario: string;
  /** Null if nothing went wrong on what was visited. */
  readonly failure: Failure | null;
  /** Schedules covered; NaN if the search did not end. */
  readonly schedules: number;
  /** Distinct states. */
  readonly states: number;
  /** Whether every schedule within the bound was covered. */
  readonly isComplete: boolean;
}

/** Visits every schedule, or every one within the bound. A failure has the fewest preemptions possible. */
export function explore<Specs extends WordSpecs, Results extends Record<string, unknown>>(
  scenario: Scenario<Specs, Results>,
  options: Options = {},
): Report {
  const model = new Model(scenario, options);
  const search = (bound: number): Report => {
    const checked = new Search(model.machine, model.checks, model.limits, bound);
    const { fault, ...counts } = checked.run(model.memory);
    return { scenario: scenario.name, ...counts, failure: model.describe(fault) };
  };
  const report = search(options.preemptions ?? Infinity);
  for (let bound = 0; bound < (report.failure?.preemptions ?? 0); bound++) {
    const simpler = search(bound);
    if (simpler.failure !== null) return simpler;
  }
  return report;
}

/** As `explore`, but throws if anything failed or anything was left out: the form for tests. */
export function verify<Specs extends WordSpecs, Results extends Record<string, unknown>>(
  scenario: Scenario<Specs, Results>,
  options: Options = {},
): Report {
  const report = explore(scenario, options);
  if (report.failure !== null)
    throw new Error(report.failure.message, { cause: report.failure.error });
  if (!report.isComplete)
    throw new Error(`${scenario.name}: gave up after ${report.states} states`);
  return report;
}

/** Runs random schedules, for scenarios too large to be searched. The same seed gives the same runs. */
export function exploreRandomly<Specs extends WordSpecs, Results extends Record<string, unknown>>(
  scenario: Scenario<Specs, Results>,
  options: RandomOptions,
): Report {
  const model = new Model(scenario, options);
  const random = randomNumbers(options.seed);
  const pick = (choices: readonly number[]): number =>
    choices[Math.floor(random() * choices.length)] as number;
  let failure: Failure | null = null;
  let runs = 0;
  while (failure === null && runs < options.runs) {
    failure = model.describe(model.walk(pick));
    runs++;
  }
  return { scenario: scenario.name, failure, schedules: runs, states: NaN, isComplete: false };
}

/** Runs one schedule, as a failure gave it. Null if it ends, or stops, without failing. */
export function replay<Specs extends WordSpecs, Results extends Record<string, unknown>>(
  scenario: Scenario<Specs, Results>,
  schedule: string,
  options: Options = {},
): Failure | null {
  const model = new Model(scenario, options);
  const path = parseSchedule(schedule, model.names);
  return model.describe(
    model.walk((_, state) => {
      const thread = path.shift();
      if (thread !== undefined && !(isLive(state, thread) && isRunnable(state, thread))) {
        throw new RangeError(`schedule: '${model.names.threads[thread]}' cannot take a step there`);
      }
      return thread;
    }),
  );
}

/** A scenario made ready to run. */
class Model<Specs extends WordSpecs, Results extends Record<string, unknown>> {
  readonly machine: Machine;
  readonly memory: Int32Array;
  readonly names: Names;
  readonly checks: Checks;
  readonly limits: Limits;
  readonly #name: string;

  constructor(scenario: Scenario<Specs, Results>, options: Options) {
    const conductor = new Conductor();
    const placement = new Placement(scenario.words);
    const view = placement.view(conductor);
    const threads = Object.entries(scenario.threads) as [
      string,
      (memory: ModelMemory<Specs>) => unknown,
    ][];
    const odd = threads.find(([name]) => !/^[^\s*]+$/.test(name));
    if (odd)
      throw new RangeError(`a thread cannot be called '${odd[0]}': it would not fit a schedule`);
    const { always, atEnd } = scenario;
    this.#name = scenario.name;
    this.memory = placement.initial;
    this.names = { threads: threads.map(([name]) => name), cells: placement.cellNames };
    this.machine = new Machine(
      conductor,
      threads.map(
        ([, body]) =>
          () =>
            body(view),
      ),
    );
    this.checks = {
      always: (state) => {
        if (always) conductor.inspect(state.memory.slice(), () => always(view));
      },
      atEnd: (state) => {
        if (atEnd) conductor.inspect(state.memory.slice(), () => atEnd(view, this.#results(state)));
      },
    };
    this.limits = {
      steps: options.maxSteps ?? 2000,
      states: options.maxStates ?? 1_000_000,
      rounds: options.maxRounds ?? 50,
    };
  }

  /** One schedule, each step by the thread that `pick` names; ends early if it names none. */
  walk(pick: (choices: readonly number[], state: State) => number | undefined): Fault | null {
    const path: number[] = [];
    let preemptions = 0;
    for (let state = this.machine.initial(this.memory); ;) {
      const choices = choicesIn(state, this.limits);
      const fault = faultIn(state, choices, this.checks);
      if (fault !== null) return { ...fault, path, preemptions };
      if (typeof choices === 'string') return null;
      if (path.length >= this.limits.steps) {
        return { kind: 'endless', thread: -1, error: null, path, preemptions };
      }
      const thread = pick(choices, state);
      if (thread === undefined) return null;
      preemptions += Number(isPreemption(state, choices, path.at(-1) ?? -1, thread));
      path.push(thread);
      state = this.machine.step(state, thread);
    }
  }

  describe(fault: Fault | null): Failure | null {
    if (fault === null) return null;
    const { kind, path, error, preemptions } = fault;
    const schedule = formatSchedule(path, this.names);
    const initial = this.machine.initial(this.memory);
    const what = error instanceof Error ? error.message : String(error);
    const headline: Record<FailureKind, string> = {
      threw: `thread ${this.names.threads[fault.thread]} threw: ${what}`,
      check: `a check failed: ${what}`,
      deadlock: 'deadlock: every thread that is left sleeps, and nobody can wake one',
      livelock: 'livelock: no thread that is left can do anything but spin',
      endless: `no end after ${path.length} steps`,
    };
    const message = [
      `${this.#name}: ${headline[kind]}`,
      `schedule (${preemptions} preemptions): ${schedule}`,
      formatTrace(this.machine, initial, path, this.names),
    ].join('\n');
    return { kind, schedule, preemptions, error, message };
  }

  #results(state: State): Results {
    return Object.fromEntries(
      state.histories.map(({ next }: History, thread) => [
        this.names.threads[thread],
        next.kind === 'returned' ? next.value : undefined,
      ]),
    ) as Results;
  }
}

/** Mulberry32: a small generator with 32 bits of state, so that a seed says it all. */
function randomNumbers(seed: number): () => number {
  let state = seed | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
