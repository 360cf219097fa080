/**
 * Finds the table entry of an encoding and takes its operands apart.
 */
import { INSTRUCTIONS, type Field, type Instruction } from './table.ts';

/** The operands of one decoded instruction; absent registers are 0. */
export interface Decoded {
  readonly instruction: Instruction;
  readonly rd: number;
  readonly rs1: number;
  readonly rs2: number;
  /** Sign- or zero-extended as the format says; the raw bits if the table asks for them. */
  readonly imm: number;
}

/** Low two bits 11 mean four bytes (vol. I §1.5). */
export const isFourBytes = (parcel: number): boolean => (parcel & 3) === 3;

/** Opcode, and funct3 where the format has one at this place, select a short list. */
const bucketOf = (raw: number): number =>
  isFourBytes(raw)
    ? 32 + (((raw >>> 12) & 7) | (((raw >>> 2) & 31) << 3))
    : (raw & 3) | (((raw >>> 13) & 7) << 2);

const BUCKETS: Instruction[][] = Array.from({ length: 32 + 256 }, () => []);
for (const instruction of INSTRUCTIONS) {
  const bucketBits = instruction.bytes === 4 ? 0x707f : 0xe003;
  // Every subset of the bits, from all of them to none.
  for (let bits = bucketBits; bits >= 0; bits = bits === 0 ? -1 : (bits - 1) & bucketBits) {
    if (((bits ^ instruction.match) & instruction.mask & bucketBits) !== 0) continue;
    if (isFourBytes(bits) !== (instruction.bytes === 4)) continue;
    BUCKETS[bucketOf(bits)]?.push(instruction);
  }
}

/** The table entry of an encoding, or undefined if it is in none. */
export function lookUp(raw: number): Instruction | undefined {
  for (const instruction of BUCKETS[bucketOf(raw)] as Instruction[]) {
    if (((raw ^ instruction.match) & instruction.mask) !== 0) continue;
    if (instruction.except.some((e) => ((raw ^ e.match) & e.mask) === 0)) continue;
    return instruction;
  }
  return undefined;
}

/** The value of a field in an encoding. */
export function extract(field: Field | undefined, raw: number): number {
  if (field === undefined) return 0;
  if (field.fixed !== undefined) return field.fixed;
  let value = 0;
  let top = 0;
  for (const [from, width, to] of field.pieces) {
    value |= ((raw >>> from) & (width === 32 ? -1 : (1 << width) - 1)) << to;
    top = Math.max(top, to + width);
  }
  if (field.signed) value = (value << (32 - top)) >> (32 - top);
  return value + field.add;
}

/** Takes an encoding apart: the low 16 bits only are looked at if it is compressed. */
export function decode(raw: number): Decoded | undefined {
  const bits = isFourBytes(raw) ? raw : raw & 0xffff;
  const instruction = lookUp(bits);
  if (instruction === undefined) return undefined;
  const { operands } = instruction;
  return {
    instruction,
    rd: extract(operands.rd, bits),
    rs1: extract(operands.rs1, bits),
    rs2: extract(operands.rs2, bits),
    imm: instruction.rawImmediate ? bits : extract(operands.imm, bits),
  };
}

const decodings = new Map<number, Decoded | null>();
const MOST_DECODINGS = 1 << 16;

/** `decode`, for those who decode whole programs: encodings recur, and each is taken apart once. */
export function decodeOnce(raw: number): Decoded | undefined {
  let known = decodings.get(raw);
  if (known === undefined) {
    known = decode(raw) ?? null;
    if (decodings.size >= MOST_DECODINGS) decodings.clear();
    decodings.set(raw, known);
  }
  return known ?? undefined;
}
