/**
 * The encoding formats, the operand leaves, and what makes a row of the table of them.
 *
 * "Base Instruction Formats" and "Immediate Encoding Variants", vol. I §2.2 and §2.3.
 */
import { i32, i64, operand, type Expr } from '../wasm/ir.ts';
import type { Field, Instruction, Meaning, Operands, Syntax } from './instruction.ts';

export const bits = (...pieces: [number, number, number][]): Field => ({
  pieces,
  signed: false,
  add: 0,
});
export const signedBits = (...pieces: [number, number, number][]): Field => ({
  pieces,
  signed: true,
  add: 0,
});
export const reg = (from: number): Field => bits([from, 5, 0]);
export const shortReg = (from: number): Field => ({
  pieces: [[from, 3, 0]],
  signed: false,
  add: 8,
});
export const fixed = (value: number): Field => ({
  pieces: [],
  signed: false,
  add: 0,
  fixed: value,
});

export const rs1 = operand('rs1');
export const rs2 = operand('rs2');
export const imm = operand('imm');
export const pc = operand('pc');
export const rs1w = i32.wrap(rs1);
export const rs2w = i32.wrap(rs2);
export const immw = i32.wrap(imm);
export const minusOne = i64.const(-1);
export const bool = (condition: Expr): Expr => i64.extend_u(condition);
export const word = (value: Expr): Expr => i64.extend_s(value);

export const FORMATS = {
  R: { rd: reg(7), rs1: reg(15), rs2: reg(20) },
  I: { rd: reg(7), rs1: reg(15), imm: signedBits([20, 12, 0]) },
  SHIFT: { rd: reg(7), rs1: reg(15), imm: bits([20, 6, 0]) },
  SHIFTW: { rd: reg(7), rs1: reg(15), imm: bits([20, 5, 0]) },
  S: { rs1: reg(15), rs2: reg(20), imm: signedBits([7, 5, 0], [25, 7, 5]) },
  B: {
    rs1: reg(15),
    rs2: reg(20),
    imm: signedBits([8, 4, 1], [25, 6, 5], [7, 1, 11], [31, 1, 12]),
  },
  U: { rd: reg(7), imm: signedBits([12, 20, 12]) },
  J: { rd: reg(7), imm: signedBits([21, 10, 1], [20, 1, 11], [12, 8, 12], [31, 1, 20]) },
  LOAD_RESERVED: { rd: reg(7), rs1: reg(15) },
  BLOCK: { rs1: reg(15) },
  UNARY: { rd: reg(7), rs1: reg(15) },
  FLOAT: { rd: reg(7), rs1: reg(15), rs2: reg(20), rm: bits([12, 3, 0]) },
  FLOAT_UNARY: { rd: reg(7), rs1: reg(15), rm: bits([12, 3, 0]) },
  FUSED: { rd: reg(7), rs1: reg(15), rs2: reg(20), rs3: reg(27), rm: bits([12, 3, 0]) },
  CSR: { rd: reg(7), rs1: reg(15), imm: bits([20, 12, 0]) },
  RS: { rs1: reg(15), rs2: reg(20) },
  FENCE: { imm: bits([20, 12, 0]) },
  NONE: {},
} as const satisfies Record<string, Operands>;

interface Extra {
  readonly raw?: boolean;
  readonly except?: readonly { readonly match: number; readonly mask: number }[];
}

export const full = (
  name: string,
  format: keyof typeof FORMATS,
  syntax: Syntax,
  match: number,
  mask: number,
  meaning: Meaning,
  extra: Extra = {},
): Instruction => ({
  name,
  match: match >>> 0,
  mask: mask >>> 0,
  bytes: 4,
  operands: FORMATS[format],
  syntax,
  meaning,
  except: extra.except ?? [],
  rawImmediate: extra.raw ?? false,
});

export const compute = (rd: Expr): Meaning => ({ kind: 'compute', rd });

export const OP = 0x33;
export const OP_IMM = 0x13;
export const OP_32 = 0x3b;
export const OP_IMM_32 = 0x1b;
export const MASK_R = 0xfe00707f;
export const MASK_I = 0x0000707f;
export const MASK_SHIFT = 0xfc00707f;

export const r = (
  name: string,
  funct7: number,
  funct3: number,
  rd: Expr,
  opcode = OP,
): Instruction =>
  full(name, 'R', 'rd,rs1,rs2', (funct7 << 25) | (funct3 << 12) | opcode, MASK_R, compute(rd));
export const i = (
  name: string,
  funct3: number,
  rd: Expr,
  opcode = OP_IMM,
  extra: Extra = {},
): Instruction =>
  full(name, 'I', 'rd,rs1,imm', (funct3 << 12) | opcode, MASK_I, compute(rd), extra);
export const shift = (
  name: string,
  funct6: number,
  funct3: number,
  rd: Expr,
  opcode = OP_IMM,
): Instruction =>
  full(
    name,
    'SHIFT',
    'rd,rs1,imm',
    (funct6 << 26) | (funct3 << 12) | opcode,
    MASK_SHIFT,
    compute(rd),
  );
export const shiftw = (name: string, funct7: number, funct3: number, rd: Expr): Instruction =>
  full(
    name,
    'SHIFTW',
    'rd,rs1,imm',
    (funct7 << 25) | (funct3 << 12) | OP_IMM_32,
    MASK_R,
    compute(rd),
  );
