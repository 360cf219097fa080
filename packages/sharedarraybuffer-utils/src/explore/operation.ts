/**
 * What one operation on a shared cell does. Everything that reaches model memory is one of these,
 * and each is one indivisible step; `Atomics` are sequentially consistent, so an execution is
 * exactly an interleaving of such steps.
 */
import type { WaitResult } from '../word.ts';

export interface Operation {
  readonly kind: OperationKind;
  readonly cell: number;
  /** The value, delta, bits, expected value or count. */
  readonly a: number;
  /** The replacement, or the timeout of a wait (`Infinity`: for ever). */
  readonly b: number;
}

export type OperationKind = ValueKind | 'wait' | 'notify';

export type ValueKind = 'load' | 'store' | 'add' | 'or' | 'and' | 'exchange' | 'compareExchange';

/** The value after, from the value before and the operands. */
const AFTER: Record<ValueKind, (before: number, a: number, b: number) => number> = {
  load: (before) => before,
  store: (_, value) => value,
  add: (before, delta) => (before + delta) | 0,
  or: (before, bits) => before | bits,
  and: (before, bits) => before & bits,
  exchange: (_, value) => value,
  compareExchange: (before, expected, replacement) => (before === expected ? replacement : before),
};

export const WAIT_RESULTS: readonly WaitResult[] = ['ok', 'not-equal', 'timed-out'];
export const WOKEN = 0;
export const NOT_EQUAL = 1;
export const TIMED_OUT = 2;

export const isValueKind = (kind: OperationKind): kind is ValueKind => kind in AFTER;

/** Performs it on `memory` and returns what the thread sees: the value before, nothing for a store. */
export function applyValue(memory: Int32Array, { kind, cell, a, b }: Operation): number {
  const before = memory[cell] as number;
  memory[cell] = AFTER[kind as ValueKind](before, a, b);
  return kind === 'store' ? 0 : before;
}

export const isSameOperation = (one: Operation, other: Operation): boolean =>
  one.kind === other.kind && one.cell === other.cell && one.a === other.a && one.b === other.b;
