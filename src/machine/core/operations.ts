/**
 * The numbers by which the core knows what to do: operations, which are instructions of the ISA and a few
 * of the core's own, and dispatch numbers, which a decoded record begins with.
 *
 * A dispatch number says an operation and the length of its instruction, so that the core need not read
 * the distance to the next record; or two of those in a row, executed at one go (a fusion).
 */
import { INSTRUCTIONS, OPERATIONS, type Meaning } from '../isa/table.ts';

/** Operation numbers below the ISA's own. An undecoded record is all zero. */
export const OPERATION = {
  UNDECODED: 0,
  /** The line ends here: look the page of pc up. */
  REFETCH: 1,
  CROSS: 2,
  ILLEGAL: 3,
  /** Reads a CSR that is a plain cell, if the privilege suffices. */
  CSR_READ: 4,
  /** Swaps or writes one that keeps given bits of any value. */
  CSR_WRITE: 5,
  /** Reads, sets or clears bits of sstatus, if that changes neither a translation nor lets an interrupt in. */
  SSTATUS: 6,
} as const;
export const FIRST_ISA_OPERATION = 7;
const END_OF_OPERATIONS = FIRST_ISA_OPERATION + OPERATIONS.length;

/** Operation number of a full instruction, by name. */
export const operationNumber: ReadonlyMap<string, number> = new Map(
  OPERATIONS.map((instruction, index) => [instruction.name, FIRST_ISA_OPERATION + index]),
);

/** The instruction of an operation number, undefined for the core's own. */
export const operationMeaning = (operation: number): Meaning | undefined =>
  OPERATIONS[operation - FIRST_ISA_OPERATION]?.meaning;

/** The dispatch number of one instruction. */
export const dispatchNumber = (operation: number, bytes: 2 | 4): number =>
  2 * operation + (bytes === 2 ? 1 : 0);

const SHORT_FORMS: ReadonlySet<string> = new Set(
  INSTRUCTIONS.flatMap(({ base, bytes }) => (base !== undefined && bytes === 2 ? [base] : [])),
);

/** The dispatch numbers of an instruction: one for each length that it has. */
export function dispatchNumbers(name: string): number[] {
  const operation = operationNumber.get(name);
  if (operation === undefined) throw new Error(`'${name}' is no operation`);
  const long = dispatchNumber(operation, 4);
  return SHORT_FORMS.has(name) ? [long, dispatchNumber(operation, 2)] : [long];
}

/** Two instructions in a row, by their own dispatch numbers. */
export interface Fusion {
  readonly first: number;
  readonly second: number;
}

/**
 * The pairs that integer code executes most often. The first may be anything that leaves to the next
 * record, or leaves the line by itself: should it trap, the second was not begun.
 */
const FUSED_PAIRS: readonly string[] = [
  'add add,addi,beq,bne,bge,ld,lbu,lw,mul,sb,slli,srli,auipc,jalr',
  'addi add,addi,beq,bne,blt,bltu,jalr,ld,lw,sb,sd,slli',
  'auipc jalr,addi',
  'beq addi,lbu',
  'ld addi,ld,sd,add,beq,bne',
  'lbu addi,beq,bne',
  'lh lh,add',
  'lw lw,addi,sltu',
  'mul add,mul,lh',
  'or slli,srliw',
  'sb add',
  'sd addi,ld,sd',
  'slli add,or,srli,srliw',
  'sltu sltu,sub',
  'srli add,slli,addi',
  'srliw or,slli',
  'sub ld',
  'sw addi,sw',
  'xor add,xor',
];

/** Numbered from `FIRST_FUSION` on. */
export const FUSIONS: readonly Fusion[] = FUSED_PAIRS.flatMap((line) => {
  const [first = '', seconds = ''] = line.split(' ');
  return seconds
    .split(',')
    .flatMap((second) =>
      dispatchNumbers(first).flatMap((one) =>
        dispatchNumbers(second).map((other) => ({ first: one, second: other })),
      ),
    );
});
export const FIRST_FUSION: number = 2 * END_OF_OPERATIONS;

const DISPATCH_MASK = 0xffff;
/** By the first of a pair, then by the second: the number of the fusion, 0 if there is none. */
const FUSION_NUMBERS: readonly (Uint16Array | undefined)[] = fusionNumbers();
function fusionNumbers(): (Uint16Array | undefined)[] {
  const numbers: (Uint16Array | undefined)[] = Array.from({ length: FIRST_FUSION });
  for (const [index, { first, second }] of FUSIONS.entries()) {
    numbers[first] ??= new Uint16Array(FIRST_FUSION);
    numbers[first][second] = FIRST_FUSION + index;
  }
  return numbers;
}

/** The first word of a record that executes its own instruction alone. */
export function unfused(head: number): number {
  const number = head & DISPATCH_MASK;
  if (number < FIRST_FUSION) return head;
  return (head & ~DISPATCH_MASK) | (FUSIONS[number - FIRST_FUSION] as Fusion).first;
}

/** The first word of a record that also executes the record after it, if that pair can be fused. */
export function fused(head: number, next: number): number {
  const seconds = FUSION_NUMBERS[unfused(head) & DISPATCH_MASK];
  const number = seconds?.[unfused(next) & DISPATCH_MASK] ?? 0;
  return number === 0 ? head : (head & ~DISPATCH_MASK) | number;
}

/** The operation of a record's own instruction, from the record's first word. */
export const operationOf = (head: number): number => (unfused(head) & DISPATCH_MASK) >>> 1;

/** The length of a record's own instruction. */
export const bytesOf = (head: number): 2 | 4 => ((unfused(head) & 1) === 0 ? 4 : 2);
