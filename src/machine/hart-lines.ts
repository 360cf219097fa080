/**
 * What any thread may do to a hart: make it look at something, raise or lower an interrupt line. The
 * hart need not be built in the calling thread; its block in shared memory is enough.
 */
import { HartBlock, PENDING } from './core/hart-block.ts';
import { hartBase, type MemoryPlan } from './memory-plan.ts';

const index = (plan: MemoryPlan, hart: number, field: 'pending' | 'mip'): number =>
  (hartBase(plan, hart) + HartBlock.offset[field]) >> 2;

/** Makes a hart look at `bits` of PENDING before it goes on; wakes it if it is parked. */
export function signalHart(words: Int32Array, plan: MemoryPlan, hart: number, bits: number): void {
  const cell = index(plan, hart, 'pending');
  const before = Atomics.or(words, cell, bits);
  // A hart sleeps only on a pending word of zero.
  if (before === 0) Atomics.notify(words, cell);
}

/** Raises or lowers a line of a hart's mip. */
export function setInterruptLine(
  words: Int32Array,
  plan: MemoryPlan,
  hart: number,
  bit: number,
  level: boolean,
): void {
  const cell = index(plan, hart, 'mip');
  const mask = 1 << bit;
  const before = level ? Atomics.or(words, cell, mask) : Atomics.and(words, cell, ~mask);
  if (level && (before & mask) === 0) signalHart(words, plan, hart, PENDING.INTERRUPT);
}
