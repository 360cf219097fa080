/** RV64I without its environment calls, and M: vol. I (20250508) §2, §4 and §13. */
import { call, choose, i32, i64, type Expr } from '../wasm/ir.ts';
import { PREFETCH_ENCODINGS } from './cache.ts';
import type { Instruction } from './instruction.ts';
import {
  bool,
  compute,
  full,
  i,
  imm,
  immw,
  MASK_I,
  minusOne,
  OP_32,
  OP_IMM,
  OP_IMM_32,
  pc,
  r,
  rs1,
  rs1w,
  rs2,
  rs2w,
  shift,
  shiftw,
  word,
} from './formats.ts';

const ld = (name: string, funct3: number, bytes: 1 | 2 | 4 | 8, signed: boolean): Instruction =>
  full(name, 'I', 'rd,imm(rs1)', (funct3 << 12) | 0x03, MASK_I, { kind: 'load', bytes, signed });
const st = (name: string, funct3: number, bytes: 1 | 2 | 4 | 8): Instruction =>
  full(name, 'S', 'rs2,imm(rs1)', (funct3 << 12) | 0x23, MASK_I, { kind: 'store', bytes });
const branch = (name: string, funct3: number, taken: Expr): Instruction =>
  full(name, 'B', 'rs1,rs2,target', (funct3 << 12) | 0x63, MASK_I, { kind: 'branch', taken });
/** Division by zero and overflow do not trap; the results are those of the table in vol. I §13.2. */
const MIN64 = i64.const(-(1n << 63n));
const MIN32 = i32.const(-0x80000000);
const isOverflow64 = i32.and(i64.eq(rs1, MIN64), i64.eq(rs2, minusOne));
const isOverflow32 = i32.and(i32.eq(rs1w, MIN32), i32.eq(rs2w, i32.const(-1)));

export const BASE: readonly Instruction[] = [
  // vol. I §2 and §4
  full('lui', 'U', 'rd,upper', 0x37, 0x7f, compute(imm)),
  full('auipc', 'U', 'rd,upper', 0x17, 0x7f, compute(i64.add(pc, imm))),
  full('jal', 'J', 'rd,target', 0x6f, 0x7f, { kind: 'jump', target: i64.add(pc, imm) }),
  full('jalr', 'I', 'rd,imm(rs1)', 0x67, MASK_I, {
    kind: 'jump',
    target: i64.and(i64.add(rs1, imm), i64.const(-2)),
  }),
  branch('beq', 0, i64.eq(rs1, rs2)),
  branch('bne', 1, i64.ne(rs1, rs2)),
  branch('blt', 4, i64.lt_s(rs1, rs2)),
  branch('bge', 5, i64.ge_s(rs1, rs2)),
  branch('bltu', 6, i64.lt_u(rs1, rs2)),
  branch('bgeu', 7, i64.ge_u(rs1, rs2)),
  ld('lb', 0, 1, true),
  ld('lh', 1, 2, true),
  ld('lw', 2, 4, true),
  ld('ld', 3, 8, true),
  ld('lbu', 4, 1, false),
  ld('lhu', 5, 2, false),
  ld('lwu', 6, 4, false),
  st('sb', 0, 1),
  st('sh', 1, 2),
  st('sw', 2, 4),
  st('sd', 3, 8),
  i('addi', 0, i64.add(rs1, imm)),
  i('slti', 2, bool(i64.lt_s(rs1, imm))),
  i('sltiu', 3, bool(i64.lt_u(rs1, imm))),
  i('xori', 4, i64.xor(rs1, imm)),
  i('ori', 6, i64.or(rs1, imm), OP_IMM, { except: PREFETCH_ENCODINGS }),
  i('andi', 7, i64.and(rs1, imm)),
  shift('slli', 0x00, 1, i64.shl(rs1, imm)),
  shift('srli', 0x00, 5, i64.shr_u(rs1, imm)),
  shift('srai', 0x10, 5, i64.shr_s(rs1, imm)),
  r('add', 0x00, 0, i64.add(rs1, rs2)),
  r('sub', 0x20, 0, i64.sub(rs1, rs2)),
  r('sll', 0x00, 1, i64.shl(rs1, rs2)),
  r('slt', 0x00, 2, bool(i64.lt_s(rs1, rs2))),
  r('sltu', 0x00, 3, bool(i64.lt_u(rs1, rs2))),
  r('xor', 0x00, 4, i64.xor(rs1, rs2)),
  r('srl', 0x00, 5, i64.shr_u(rs1, rs2)),
  r('sra', 0x20, 5, i64.shr_s(rs1, rs2)),
  r('or', 0x00, 6, i64.or(rs1, rs2)),
  r('and', 0x00, 7, i64.and(rs1, rs2)),
  i('addiw', 0, word(i32.add(rs1w, immw)), OP_IMM_32),
  shiftw('slliw', 0x00, 1, word(i32.shl(rs1w, immw))),
  shiftw('srliw', 0x00, 5, word(i32.shr_u(rs1w, immw))),
  shiftw('sraiw', 0x20, 5, word(i32.shr_s(rs1w, immw))),
  r('addw', 0x00, 0, word(i32.add(rs1w, rs2w)), OP_32),
  r('subw', 0x20, 0, word(i32.sub(rs1w, rs2w)), OP_32),
  r('sllw', 0x00, 1, word(i32.shl(rs1w, rs2w)), OP_32),
  r('srlw', 0x00, 5, word(i32.shr_u(rs1w, rs2w)), OP_32),
  r('sraw', 0x20, 5, word(i32.shr_s(rs1w, rs2w)), OP_32),

  // M, vol. I §13
  r('mul', 0x01, 0, i64.mul(rs1, rs2)),
  r('mulh', 0x01, 1, call('mulh', 'i64', rs1, rs2)),
  r('mulhsu', 0x01, 2, call('mulhsu', 'i64', rs1, rs2)),
  r('mulhu', 0x01, 3, call('mulhu', 'i64', rs1, rs2)),
  r('div', 0x01, 4, choose(i64.eqz(rs2), minusOne, choose(isOverflow64, rs1, i64.div_s(rs1, rs2)))),
  r('divu', 0x01, 5, choose(i64.eqz(rs2), minusOne, i64.div_u(rs1, rs2))),
  r('rem', 0x01, 6, choose(i64.eqz(rs2), rs1, i64.rem_s(rs1, rs2))),
  r('remu', 0x01, 7, choose(i64.eqz(rs2), rs1, i64.rem_u(rs1, rs2))),
  r('mulw', 0x01, 0, word(i32.mul(rs1w, rs2w)), OP_32),
  r(
    'divw',
    0x01,
    4,
    choose(i32.eqz(rs2w), minusOne, choose(isOverflow32, word(rs1w), word(i32.div_s(rs1w, rs2w)))),
    OP_32,
  ),
  r('divuw', 0x01, 5, choose(i32.eqz(rs2w), minusOne, word(i32.div_u(rs1w, rs2w))), OP_32),
  r('remw', 0x01, 6, choose(i32.eqz(rs2w), word(rs1w), word(i32.rem_s(rs1w, rs2w))), OP_32),
  r('remuw', 0x01, 7, choose(i32.eqz(rs2w), word(rs1w), word(i32.rem_u(rs1w, rs2w))), OP_32),
];
