/**
 * Zicbom, Zicboz and Zicbop: "CMO" Extensions for Base Cache Management Operation ISA, vol. I (20250508).
 *
 * There is no cache to manage: cleaning, flushing and invalidating check what they have to, and that is all.
 */
import { EXIT, type Instruction, type Meaning, type StandIn } from './instruction.ts';
import { fixed, full, reg, signedBits } from './formats.ts';

/** A cache block, for all of them; the device tree says so too. */
export const CACHE_BLOCK_BYTES = 64;

/** funct12 of the operations; whoever checks them outside of the core tells them apart by it. */
export const CBO = { INVAL: 0, CLEAN: 1, FLUSH: 2, ZERO: 4 } as const;

const cbo = (name: string, funct12: number, meaning: Meaning): Instruction =>
  full(`cbo.${name}`, 'BLOCK', '(rs1)', (funct12 << 20) | (2 << 12) | 0x0f, 0xfff07fff, meaning, {
    raw: true,
  });
const managed: Meaning = { kind: 'exit', reason: EXIT.CACHE_BLOCK };

export const CACHE: readonly Instruction[] = [
  cbo('inval', CBO.INVAL, managed),
  cbo('clean', CBO.CLEAN, managed),
  cbo('flush', CBO.FLUSH, managed),
  cbo('zero', CBO.ZERO, { kind: 'zeroBlock', bytes: CACHE_BLOCK_BYTES }),
];

const MASK_PREFETCH = 0x01f07fff;

/**
 * Hints in the place of ORI to x0, whose low five immediate bits say what is to come: a fetch, a load
 * or a store. Nothing is fetched ahead here.
 */
const prefetch = (letter: string, selects: number): StandIn => ({
  name: `prefetch.${letter}`,
  match: (selects << 20) | (6 << 12) | 0x13,
  mask: MASK_PREFETCH,
  bytes: 4,
  operands: { rd: fixed(0), rs1: reg(15), imm: signedBits([25, 7, 5]) },
  syntax: 'imm(rs1)',
  except: [],
  base: 'ori',
});

export const PREFETCHES: readonly StandIn[] = [
  prefetch('i', 0),
  prefetch('r', 1),
  prefetch('w', 3),
];

/** The encodings of ORI that are prefetches. */
export const PREFETCH_ENCODINGS: Instruction['except'] = PREFETCHES.map(({ match, mask }) => ({
  match,
  mask,
}));
