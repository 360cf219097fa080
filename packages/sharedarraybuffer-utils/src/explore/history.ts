/**
 * Threads by deterministic re-execution.
 *
 * A model thread is an ordinary function. It cannot be suspended in the middle, but it can be run
 * again from its start: with the same results of its shared operations it does the same things, so
 * feeding it the results so far brings it back to where it was. At the first operation beyond them
 * it is stopped by an exception, and that operation is what it wants to do next.
 *
 * What it wants next is thus a function of its history, the sequence of its results. Histories are
 * nodes of a tree, shared by all schedules, and each is executed once however many schedules pass
 * through it.
 */
import {
  applyValue,
  isSameOperation,
  isValueKind,
  NOT_EQUAL,
  type Operation,
  type OperationKind,
} from './operation.ts';
import type { Performer } from './model-words.ts';

/** What a thread does after a history. */
export type Next =
  | { readonly kind: 'operation'; readonly operation: Operation }
  | { readonly kind: 'returned'; readonly value: unknown }
  | { readonly kind: 'threw'; readonly error: unknown };

/** Longest loop, in operations, that is recognised as one. */
const MAX_PERIOD = 24;

/** An operation a thread has done, and what it gave. */
export interface Done {
  readonly operation: Operation;
  readonly result: number;
}

/** A thread after some operations. */
export class History {
  readonly id: number;
  /** The history before the last operation; null for a thread that has done nothing. */
  readonly before: History | null;
  readonly last: Done | null;
  readonly depth: number;
  readonly next: Next;
  readonly children: Map<number, History> = new Map();
  /**
   * Length of the loop at the end: the last `period` operations and results equal those before
   * them. 0 if there is none.
   */
  readonly period: number;
  /** How many times in a row it has gone round that loop. */
  readonly rounds: number;

  constructor(id: number, before: History | null, last: Done | null, next: Next) {
    this.id = id;
    this.before = before;
    this.last = last;
    this.depth = before === null ? 0 : before.depth + 1;
    this.next = next;
    [this.period, this.rounds] = findLoop(this);
  }
}

/** The last `count` things a thread did, oldest first. */
export function lastDone(history: History, count: number): Done[] {
  const done: Done[] = [];
  for (let at = history; at.before !== null && done.length < count; at = at.before) {
    done.push(at.last as Done);
  }
  return done.reverse();
}

function findLoop(history: History): [period: number, rounds: number] {
  let earlier = history;
  for (let period = 1; period <= Math.min(MAX_PERIOD, history.depth >> 1); period++) {
    earlier = earlier.before as History;
    const repeated = commonTail(history, earlier);
    if (repeated >= period) return [period, Math.floor(repeated / period) + 1];
  }
  return [0, 0];
}

/** How many operations back two histories did the same with the same result. */
function commonTail(one: History, other: History): number {
  let count = 0;
  let a: History | null = one;
  let b: History | null = other;
  while (a?.last && b?.last && isSameStep(a.last, b.last)) {
    count++;
    a = a.before;
    b = b.before;
  }
  return count;
}

const isSameStep = (one: Done, other: Done): boolean =>
  one.result === other.result && isSameOperation(one.operation, other.operation);

/** Thrown through a thread to stop it. Not an `Error`: no stack to collect, nothing to match. */
const STOP: object = Object.freeze({ stop: 'this model thread is suspended here' });

/** Runs thread bodies and final checks; the model words of a scenario all perform through it. */
export class Conductor implements Performer {
  #mode: 'idle' | 'replay' | 'stopping' | 'inspect' = 'idle';
  #past: readonly Done[] = [];
  #position = 0;
  #request: Operation | null = null;
  #memory: Int32Array = new Int32Array(0);
  #nextId = 0;

  perform(kind: OperationKind, cell: number, a: number, b: number): number {
    switch (this.#mode) {
      case 'replay':
        return this.#replay({ kind, cell, a, b });
      case 'stopping':
        // A `finally` clause on the way out, or code that swallowed the exception.
        throw STOP;
      case 'inspect':
        return this.#inspect({ kind, cell, a, b });
      case 'idle':
        throw new Error('model words are for use inside the functions of a scenario');
    }
  }

  /** The history of a thread that has not begun. */
  begin(body: () => unknown): History {
    return new History(this.#nextId++, null, null, this.#run(body, []));
  }

  /** The history after `before`, when the operation it wants has given `result`. */
  advance(body: () => unknown, before: History, result: number): History {
    const known = before.children.get(result);
    if (known !== undefined) return known;
    const last: Done = { operation: wantedBy(before), result };
    const next = this.#run(body, [...lastDone(before, before.depth), last]);
    const history = new History(this.#nextId++, before, last, next);
    before.children.set(result, history);
    return history;
  }

  /** Calls `look` with model words that act on `memory` at once. They cannot sleep. */
  inspect(memory: Int32Array, look: () => void): void {
    this.#mode = 'inspect';
    this.#memory = memory;
    try {
      look();
    } finally {
      this.#mode = 'idle';
    }
  }

  #run(body: () => unknown, past: readonly Done[]): Next {
    this.#mode = 'replay';
    this.#past = past;
    this.#position = 0;
    this.#request = null;
    try {
      const value = body();
      return this.#request === null ? this.#ended({ kind: 'returned', value }) : this.#wanted();
    } catch (error) {
      return this.#request === null ? this.#ended({ kind: 'threw', error }) : this.#wanted();
    } finally {
      this.#mode = 'idle';
    }
  }

  #wanted(): Next {
    return { kind: 'operation', operation: this.#request as Operation };
  }

  #ended(next: Next): Next {
    // A thread that now ends before its recorded past does is not the thread it was.
    if (this.#position < this.#past.length && !isNotDeterministic(next)) {
      return { kind: 'threw', error: notDeterministic('it ended early') };
    }
    return next;
  }

  #replay(operation: Operation): number {
    const recorded = this.#past[this.#position];
    if (recorded === undefined) {
      this.#request = operation;
      this.#mode = 'stopping';
      throw STOP;
    }
    if (!isSameOperation(recorded.operation, operation)) {
      throw notDeterministic(`it did ${operation.kind} where it had done something else`);
    }
    this.#position++;
    return recorded.result;
  }

  #inspect(operation: Operation): number {
    if (isValueKind(operation.kind)) return applyValue(this.#memory, operation);
    if (operation.kind === 'notify') return 0;
    if (this.#memory[operation.cell] !== operation.a) return NOT_EQUAL;
    throw new Error('a check would sleep here, and nobody is left to wake it');
  }
}

/** The operation that a live thread wants to do next. */
export function wantedBy(history: History): Operation {
  if (history.next.kind !== 'operation') throw new Error('this thread has ended');
  return history.next.operation;
}

class NotDeterministic extends Error {}

const notDeterministic = (how: string): Error =>
  new NotDeterministic(
    `a model thread must be deterministic and share only model words; run again, ${how}`,
  );

const isNotDeterministic = (next: Next): boolean =>
  next.kind === 'threw' && next.error instanceof NotDeterministic;
