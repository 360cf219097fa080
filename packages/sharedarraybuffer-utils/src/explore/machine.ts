/**
 * Model machine: the state of all threads and of memory, and one step of one thread.
 *
 * A state is a value. Steps make new ones, so a search goes back by keeping the old one.
 */
import { type Conductor, type History, lastDone, wantedBy } from './history.ts';
import {
  applyValue,
  isSameOperation,
  isValueKind,
  NOT_EQUAL,
  type Operation,
  TIMED_OUT,
  WOKEN,
} from './operation.ts';

export interface State {
  readonly memory: Int32Array;
  /** One per thread. */
  readonly histories: readonly History[];
  /** Threads inside a wait, in the order in which they went to sleep: notify wakes the first. */
  readonly asleep: readonly number[];
}

export class Machine {
  readonly #conductor: Conductor;
  readonly #bodies: readonly (() => unknown)[];

  constructor(conductor: Conductor, bodies: readonly (() => unknown)[]) {
    this.#conductor = conductor;
    this.#bodies = bodies;
  }

  initial(memory: Int32Array): State {
    return {
      memory,
      histories: this.#bodies.map((body) => this.#conductor.begin(body)),
      asleep: [],
    };
  }

  /** The state after the next step of a thread: its operation, or the end of its sleep by timeout. */
  step(state: State, thread: number): State {
    const operation = wantedBy(state.histories[thread] as History);
    if (isValueKind(operation.kind)) {
      const memory = state.memory.slice();
      const result = applyValue(memory, operation);
      return { ...state, memory, histories: this.#advanced(state, [[thread, result]]) };
    }
    if (operation.kind === 'notify') return this.#notify(state, thread, operation);
    return this.#wait(state, thread, operation);
  }

  #wait(state: State, thread: number, { cell, a: expected, b: timeoutMs }: Operation): State {
    if (state.asleep.includes(thread)) {
      const asleep = state.asleep.filter((sleeper) => sleeper !== thread);
      return { ...state, asleep, histories: this.#advanced(state, [[thread, TIMED_OUT]]) };
    }
    if (state.memory[cell] !== expected) {
      return { ...state, histories: this.#advanced(state, [[thread, NOT_EQUAL]]) };
    }
    if (timeoutMs <= 0) {
      return { ...state, histories: this.#advanced(state, [[thread, TIMED_OUT]]) };
    }
    return { ...state, asleep: [...state.asleep, thread] };
  }

  #notify(state: State, thread: number, { cell, a: count }: Operation): State {
    const woken = sleepersOn(state, cell).slice(0, Math.max(0, count));
    const asleep = state.asleep.filter((sleeper) => !woken.includes(sleeper));
    const results = woken.map((sleeper): [number, number] => [sleeper, WOKEN]);
    return {
      ...state,
      asleep,
      histories: this.#advanced(state, [[thread, woken.length], ...results]),
    };
  }

  #advanced(state: State, results: readonly (readonly [number, number])[]): History[] {
    const histories = [...state.histories];
    for (const [thread, result] of results) {
      const body = this.#bodies[thread] as () => unknown;
      histories[thread] = this.#conductor.advance(body, histories[thread] as History, result);
    }
    return histories;
  }
}

const sleepersOn = (state: State, cell: number): number[] =>
  state.asleep.filter((sleeper) => wantedBy(state.histories[sleeper] as History).cell === cell);

export const isLive = (state: State, thread: number): boolean =>
  state.histories[thread]?.next.kind === 'operation';

/** Asleep with nothing but a notify to wake it. */
export const isAsleepForGood = (state: State, thread: number): boolean =>
  state.asleep.includes(thread) && wantedBy(state.histories[thread] as History).b === Infinity;

export const isRunnable = (state: State, thread: number): boolean =>
  isLive(state, thread) && !isAsleepForGood(state, thread);

/**
 * A thread spins if it has gone round a loop twice, is about to go round again, and would, as
 * things are now, get the same results and leave the same memory behind.
 *
 * What it could show others on such a round it has shown them twice, so it is held back until
 * another thread has changed what the loop reads, or nobody else can run.
 */
export function isSpinning(state: State, thread: number): boolean {
  const history = state.histories[thread] as History;
  if (history.period === 0) return false;
  const loop = lastDone(history, history.period);
  const memory = state.memory.slice();
  for (const [index, { operation, result }] of loop.entries()) {
    // Where the loop begins is where the thread is.
    if (index === 0 && !isSameOperation(wantedBy(history), operation)) return false;
    if (resultNow(state, memory, operation, result) !== result) return false;
  }
  return memory.every((value, cell) => value === state.memory[cell]);
}

/** What an operation of a loop would give now, if only its thread ran; -1 if it is not the same. */
function resultNow(
  state: State,
  memory: Int32Array,
  operation: Operation,
  resultThen: number,
): number {
  if (isValueKind(operation.kind)) return applyValue(memory, operation);
  if (operation.kind === 'notify') {
    return sleepersOn(state, operation.cell).length === 0 ? 0 : -1;
  }
  if (memory[operation.cell] !== operation.a) return NOT_EQUAL;
  // It would sleep; with a timeout that may end as it did before.
  return resultThen === TIMED_OUT ? TIMED_OUT : -1;
}
