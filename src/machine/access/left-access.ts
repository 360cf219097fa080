/**
 * What the load, store or atomic does that the core left for others: by its record and the faulting
 * address, and not by the memory at pc, which may have changed since.
 */
import { wordOf } from '../core/hart-block.ts';
import { operationMeaning, operationOf } from '../core/operations.ts';
import type { HartCells } from '../hart-cells.ts';

const FAULT_ADDRESS = wordOf('faultAddress');

/** Flags of an operation. */
export const ACCESS = {
  LOAD: 1,
  SIGNED: 2,
  ATOMIC: 4,
  FLOAT: 8,
  BLOCK: 16,
  LR: 32,
  SC: 64,
} as const;
/** Bytes and flags, by operation number. */
export const ACCESS_BYTES: Uint8Array = new Uint8Array(256);
export const ACCESS_FLAGS: Uint8Array = new Uint8Array(256);
for (let operation = 0; operation < 256; operation++) {
  const meaning = operationMeaning(operation);
  if (meaning === undefined || !('bytes' in meaning)) continue;
  const { kind, bytes } = meaning;
  ACCESS_BYTES[operation] = bytes;
  ACCESS_FLAGS[operation] =
    (kind === 'load' || kind === 'lr' || kind === 'floatLoad' ? ACCESS.LOAD : 0) |
    (kind === 'load' && meaning.signed ? ACCESS.SIGNED : 0) |
    (kind === 'zeroBlock' ? ACCESS.BLOCK : 0) |
    (kind === 'floatLoad' || kind === 'floatStore' ? ACCESS.FLOAT : 0) |
    (kind === 'lr' || kind === 'sc' || kind === 'amo' || kind === 'amoLoop' ? ACCESS.ATOMIC : 0) |
    (kind === 'lr' ? ACCESS.LR : 0) |
    (kind === 'sc' ? ACCESS.SC : 0);
}

/** What of memory an access touches, and how; AMOs load and store. */
export interface LeftAccess {
  readonly low: number;
  readonly high: number;
  readonly bytes: number;
  readonly isLoad: boolean;
  readonly isStore: boolean;
}

/** For breakpoints and watchpoints: it allocates. */
export function leftAccess(hart: HartCells): LeftAccess {
  const operation = operationOf(hart.words[hart.exitRecord] as number);
  const flags = ACCESS_FLAGS[operation] as number;
  const bytes = ACCESS_BYTES[operation] as number;
  const low = hart.word(FAULT_ADDRESS);
  const isLoadOnly = (flags & ACCESS.LOAD) !== 0;
  return {
    low: (flags & ACCESS.BLOCK) === 0 ? low : low & -bytes,
    high: hart.word(FAULT_ADDRESS + 1),
    bytes,
    isLoad: isLoadOnly || (flags & (ACCESS.ATOMIC | ACCESS.SC)) === ACCESS.ATOMIC,
    isStore: !isLoadOnly,
  };
}
