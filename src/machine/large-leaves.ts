/**
 * Leaves that translate more than a page: superpages, and NAPOT ranges. The soft TLB keeps pieces of them, a
 * page each; but a fence for one address is for the leaf that translates it, hence for every piece. So that
 * it seldom has to look for them, bits say which large leaves a table may hold pieces of.
 */
import { SHAPE_NAPOT } from './core/tlb-model.ts';

/** Superpages by their level, and NAPOT ranges. */
export const LARGE = { MEGA: 1, GIGA: 2, TERA: 3, NAPOT: 4 } as const;
export const kindOf = (shape: number): number =>
  (shape & SHAPE_NAPOT) === 0 ? shape & 3 : LARGE.NAPOT;
/** Address bits within the range of a leaf, by kind; 0 for a page. */
const KIND_SHIFT = [0, 21, 30, 39, 16] as const;
/** Enough bits that a kernel's text and its own memory seldom share one with what it maps page by page. */
const KIND_WORDS = 64;
/** Words of these bits that a table needs: leaves are hashed, and each kind has as many. */
export const LARGE_WORDS: number = Object.keys(LARGE).length * KIND_WORDS;

/** Address bits within the range of a leaf, by the `shape` of an entry; 0 for a page. */
export const rangeShift = (shape: number): number => KIND_SHIFT[kindOf(shape)] as number;

/** Whether an entry's tag lies in the same range of so many address bits as an address. */
export const isInRange = (
  words: Int32Array,
  tag: number,
  shift: number,
  low: number,
  high: number,
): boolean => {
  const [tagLow, tagHigh] = [words[tag] as number, words[tag + 1] as number];
  return shift >= 32
    ? tagHigh >>> (shift - 32) === high >>> (shift - 32)
    : tagHigh === high && tagLow >>> shift === low >>> shift;
};

/** The bit of a table that stands for the leaf of a kind that holds an address. */
export const largeBit = (kind: number, low: number, high: number): number => {
  const shift = KIND_SHIFT[kind] as number;
  const number = shift >= 32 ? high >>> (shift - 32) : (low >>> shift) ^ (high << (32 - shift));
  return (kind - 1) * 32 * KIND_WORDS + ((number ^ (number >>> 11)) & (32 * KIND_WORDS - 1));
};
