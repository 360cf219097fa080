/**
 * Address generation, bit manipulation and conditional zeroing: Zba, Zbb, Zbc and Zbs ("B" Extension for Bit
 * Manipulation, Version 1.0.0, vol. I, 20250508) and Zicond (Integer Conditional Operations, ibid.).
 */
import { call, choose, i32, i64, type Expr } from '../wasm/ir.ts';
import type { Instruction } from './instruction.ts';
import {
  compute,
  full,
  imm,
  immw,
  minusOne,
  OP_32,
  OP_IMM,
  OP_IMM_32,
  r,
  rs1,
  rs1w,
  rs2,
  rs2w,
  shift,
  shiftw,
  word,
} from './formats.ts';

const not = (value: Expr): Expr => i64.xor(value, minusOne);
const zero = i64.const(0);
const one = i64.const(1);
/** The low half of rs1, zero-extended. */
const rs1u = i64.extend_u(rs1w);

/** An operation on rs1 alone: bits 31 to 20 belong to the opcode. */
const unary = (
  name: string,
  funct12: number,
  funct3: number,
  rd: Expr,
  opcode = OP_IMM,
): Instruction =>
  full(name, 'UNARY', 'rd,rs1', (funct12 << 20) | (funct3 << 12) | opcode, 0xfff0707f, compute(rd));

/** Every byte that is not zero becomes 0xff: the carry out of its low seven bits, or its top bit, spread. */
const LOW_SEVEN = i64.const(0x7f7f7f7f7f7f7f7fn);
const isByteSet = i64.shr_u(
  i64.and(i64.or(i64.add(i64.and(rs1, LOW_SEVEN), LOW_SEVEN), rs1), not(LOW_SEVEN)),
  i64.const(7),
);

/** Swaps neighbours of a width; `low` selects every other one. */
const swap = (value: Expr, width: number, low: bigint): Expr =>
  i64.or(
    i64.shl(i64.and(value, i64.const(low)), i64.const(width)),
    i64.and(i64.shr_u(value, i64.const(width)), i64.const(low)),
  );
const bytesReversed = i64.rotl(
  swap(swap(rs1, 8, 0x00ff00ff00ff00ffn), 16, 0x0000ffff0000ffffn),
  i64.const(32),
);

/** Shift amounts count modulo the width, as those of the host do. */
const bitOf = (index: Expr): Expr => i64.shl(one, index);

const carrylessLow = call('clmul', 'i64', rs1, rs2);
const carrylessHigh = call('clmulh', 'i64', rs1, rs2);

export const BITS: readonly Instruction[] = [
  // Zba
  r('add.uw', 0x04, 0, i64.add(rs1u, rs2), OP_32),
  ...[1, 2, 3].flatMap((by) => [
    r(`sh${by}add`, 0x10, 2 * by, i64.add(i64.shl(rs1, i64.const(by)), rs2)),
    r(`sh${by}add.uw`, 0x10, 2 * by, i64.add(i64.shl(rs1u, i64.const(by)), rs2), OP_32),
  ]),
  shift('slli.uw', 0x02, 1, i64.shl(rs1u, imm), OP_IMM_32),

  // Zbb
  r('andn', 0x20, 7, i64.and(rs1, not(rs2))),
  r('orn', 0x20, 6, i64.or(rs1, not(rs2))),
  r('xnor', 0x20, 4, not(i64.xor(rs1, rs2))),
  unary('clz', 0x600, 1, i64.clz(rs1)),
  unary('ctz', 0x601, 1, i64.ctz(rs1)),
  unary('cpop', 0x602, 1, i64.popcnt(rs1)),
  unary('clzw', 0x600, 1, word(i32.clz(rs1w)), OP_IMM_32),
  unary('ctzw', 0x601, 1, word(i32.ctz(rs1w)), OP_IMM_32),
  unary('cpopw', 0x602, 1, word(i32.popcnt(rs1w)), OP_IMM_32),
  r('max', 0x05, 6, choose(i64.lt_s(rs1, rs2), rs2, rs1)),
  r('maxu', 0x05, 7, choose(i64.lt_u(rs1, rs2), rs2, rs1)),
  r('min', 0x05, 4, choose(i64.lt_s(rs1, rs2), rs1, rs2)),
  r('minu', 0x05, 5, choose(i64.lt_u(rs1, rs2), rs1, rs2)),
  unary('sext.b', 0x604, 1, i64.extend8_s(rs1)),
  unary('sext.h', 0x605, 1, i64.extend16_s(rs1)),
  unary('zext.h', 0x080, 4, i64.and(rs1, i64.const(0xffff)), OP_32),
  r('rol', 0x30, 1, i64.rotl(rs1, rs2)),
  r('rolw', 0x30, 1, word(i32.rotl(rs1w, rs2w)), OP_32),
  r('ror', 0x30, 5, i64.rotr(rs1, rs2)),
  r('rorw', 0x30, 5, word(i32.rotr(rs1w, rs2w)), OP_32),
  shift('rori', 0x18, 5, i64.rotr(rs1, imm)),
  shiftw('roriw', 0x30, 5, word(i32.rotr(rs1w, immw))),
  unary('orc.b', 0x287, 5, i64.mul(isByteSet, i64.const(0xff))),
  unary('rev8', 0x6b8, 5, bytesReversed),

  // Zbc: the low and the high half of the product without carries, and its bits 126 to 63
  r('clmul', 0x05, 1, carrylessLow),
  r('clmulh', 0x05, 3, carrylessHigh),
  r('clmulr', 0x05, 2, i64.or(i64.shl(carrylessHigh, one), i64.shr_u(carrylessLow, i64.const(63)))),

  // Zbs
  r('bclr', 0x24, 1, i64.and(rs1, not(bitOf(rs2)))),
  shift('bclri', 0x12, 1, i64.and(rs1, not(bitOf(imm)))),
  r('bext', 0x24, 5, i64.and(i64.shr_u(rs1, rs2), one)),
  shift('bexti', 0x12, 5, i64.and(i64.shr_u(rs1, imm), one)),
  r('binv', 0x34, 1, i64.xor(rs1, bitOf(rs2))),
  shift('binvi', 0x1a, 1, i64.xor(rs1, bitOf(imm))),
  r('bset', 0x14, 1, i64.or(rs1, bitOf(rs2))),
  shift('bseti', 0x0a, 1, i64.or(rs1, bitOf(imm))),

  // Zicond
  r('czero.eqz', 0x07, 5, choose(i64.eqz(rs2), zero, rs1)),
  r('czero.nez', 0x07, 7, choose(i64.eqz(rs2), rs1, zero)),
];
