/** Cache management: Zicbop ("CMO" Extensions for Base Cache Management Operation ISA, vol. I, 20250508). */
import type { Instruction, StandIn } from './instruction.ts';
import { fixed, reg, signedBits } from './formats.ts';

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
