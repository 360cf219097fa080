/**
 * The instruction set, once: encoding, operands and meaning of every instruction.
 *
 * RV64GC, most of what profile RVA22 adds for unprivileged code, and the privileged instructions, from
 * "The RISC-V Instruction Set Manual", volume I (unprivileged) and II (privileged), 20250508; one file
 * an extension or a few. The interpreter, the decoder and the disassembler are generated from this
 * table; a test proves that no two encodings overlap.
 */
import { ATOMIC } from './atomic.ts';
import { BASE } from './base.ts';
import { BITS } from './bits.ts';
import { CACHE, PREFETCHES } from './cache.ts';
import { COMPRESSED } from './compressed.ts';
import { FLOAT } from './float.ts';
import type { Instruction } from './instruction.ts';
import { SYSTEM } from './system.ts';

export * from './instruction.ts';

/** The full instructions, each of which is one operation of the core. */
export const OPERATIONS: readonly Instruction[] = [
  ...BASE,
  ...SYSTEM,
  ...ATOMIC,
  ...BITS,
  ...FLOAT,
  ...CACHE,
];

const BY_NAME = new Map(OPERATIONS.map((instruction) => [instruction.name, instruction]));

const STAND_INS: readonly Instruction[] = [...PREFETCHES, ...COMPRESSED].map((row) => {
  const stands = BY_NAME.get(row.base);
  if (stands === undefined) throw new Error(`${row.name} stands for unknown '${row.base}'`);
  return { ...row, meaning: stands.meaning, rawImmediate: stands.rawImmediate };
});

/** Every instruction, full ones first. */
export const INSTRUCTIONS: readonly Instruction[] = [...OPERATIONS, ...STAND_INS];
