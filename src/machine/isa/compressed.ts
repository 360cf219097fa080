/**
 * The compressed instructions: C, vol. I (20250508) §27, and Zcb ("Zc* Extensions for Code Size Reduction").
 *
 * Each stands for a full instruction with some operands implied.
 */
import type { Instruction, Operands, StandIn, Syntax } from './instruction.ts';
import { bits, fixed, reg, shortReg, signedBits } from './formats.ts';

const c = (
  name: string,
  base: string,
  syntax: Syntax,
  match: number,
  mask: number,
  operands: Operands,
  except: Instruction['except'] = [],
): StandIn => ({ name, match, mask, bytes: 2, operands, syntax, except, base });

const x0 = fixed(0);
const ra = fixed(1);
const sp = fixed(2);
const rdFull = reg(7);
const rs2Full = reg(2);
const rdShort = shortReg(2);
const rs1Short = shortReg(7);
const imm6 = signedBits([2, 5, 0], [12, 1, 5]);
const shamt6 = bits([2, 5, 0], [12, 1, 5]);
const offsetW = bits([6, 1, 2], [10, 3, 3], [5, 1, 6]);
const offsetD = bits([10, 3, 3], [5, 2, 6]);
const offsetBranch = signedBits([3, 2, 1], [10, 2, 3], [2, 1, 5], [5, 2, 6], [12, 1, 8]);
const offsetJump = signedBits(
  [3, 3, 1],
  [11, 1, 4],
  [2, 1, 5],
  [7, 1, 6],
  [6, 1, 7],
  [9, 2, 8],
  [8, 1, 10],
  [12, 1, 11],
);
const stackD = bits([5, 2, 3], [12, 1, 5], [2, 3, 6]);
const stackStoreD = bits([10, 3, 3], [7, 3, 6]);
const offsetB = bits([6, 1, 0], [5, 1, 1]);
const offsetH = bits([5, 1, 1]);
const rdIsZero = { match: 0, mask: 0x0f80 };
const rs2IsZero = { match: 0, mask: 0x007c };
const immIsZero = { match: 0, mask: 0x107c };

export const COMPRESSED: readonly StandIn[] = [
  c(
    'c.addi4spn',
    'addi',
    'rd,rs1,imm',
    0x0000,
    0xe003,
    { rd: rdShort, rs1: sp, imm: bits([6, 1, 2], [5, 1, 3], [11, 2, 4], [7, 4, 6]) },
    [{ match: 0, mask: 0x1fe0 }],
  ),
  c('c.lw', 'lw', 'rd,imm(rs1)', 0x4000, 0xe003, { rd: rdShort, rs1: rs1Short, imm: offsetW }),
  c('c.ld', 'ld', 'rd,imm(rs1)', 0x6000, 0xe003, { rd: rdShort, rs1: rs1Short, imm: offsetD }),
  c('c.sw', 'sw', 'rs2,imm(rs1)', 0xc000, 0xe003, { rs1: rs1Short, rs2: rdShort, imm: offsetW }),
  c('c.sd', 'sd', 'rs2,imm(rs1)', 0xe000, 0xe003, { rs1: rs1Short, rs2: rdShort, imm: offsetD }),
  c('c.addi', 'addi', 'rd,imm', 0x0001, 0xe003, { rd: rdFull, rs1: rdFull, imm: imm6 }),
  c('c.addiw', 'addiw', 'rd,imm', 0x2001, 0xe003, { rd: rdFull, rs1: rdFull, imm: imm6 }, [
    rdIsZero,
  ]),
  c('c.li', 'addi', 'rd,imm', 0x4001, 0xe003, { rd: rdFull, rs1: x0, imm: imm6 }),
  c(
    'c.addi16sp',
    'addi',
    'rd,imm',
    0x6101,
    0xef83,
    { rd: sp, rs1: sp, imm: signedBits([6, 1, 4], [2, 1, 5], [5, 1, 6], [3, 2, 7], [12, 1, 9]) },
    [immIsZero],
  ),
  c(
    'c.lui',
    'lui',
    'rd,upper',
    0x6001,
    0xe003,
    { rd: rdFull, imm: signedBits([2, 5, 12], [12, 1, 17]) },
    [immIsZero, { match: 0x0100, mask: 0x0f80 }],
  ),
  c('c.srli', 'srli', 'rd,imm', 0x8001, 0xec03, { rd: rs1Short, rs1: rs1Short, imm: shamt6 }),
  c('c.srai', 'srai', 'rd,imm', 0x8401, 0xec03, { rd: rs1Short, rs1: rs1Short, imm: shamt6 }),
  c('c.andi', 'andi', 'rd,imm', 0x8801, 0xec03, { rd: rs1Short, rs1: rs1Short, imm: imm6 }),
  c('c.sub', 'sub', 'rd,rs2', 0x8c01, 0xfc63, { rd: rs1Short, rs1: rs1Short, rs2: rdShort }),
  c('c.xor', 'xor', 'rd,rs2', 0x8c21, 0xfc63, { rd: rs1Short, rs1: rs1Short, rs2: rdShort }),
  c('c.or', 'or', 'rd,rs2', 0x8c41, 0xfc63, { rd: rs1Short, rs1: rs1Short, rs2: rdShort }),
  c('c.and', 'and', 'rd,rs2', 0x8c61, 0xfc63, { rd: rs1Short, rs1: rs1Short, rs2: rdShort }),
  c('c.subw', 'subw', 'rd,rs2', 0x9c01, 0xfc63, { rd: rs1Short, rs1: rs1Short, rs2: rdShort }),
  c('c.addw', 'addw', 'rd,rs2', 0x9c21, 0xfc63, { rd: rs1Short, rs1: rs1Short, rs2: rdShort }),
  c('c.j', 'jal', 'target', 0xa001, 0xe003, { rd: x0, imm: offsetJump }),
  c('c.beqz', 'beq', 'rs1,target', 0xc001, 0xe003, { rs1: rs1Short, rs2: x0, imm: offsetBranch }),
  c('c.bnez', 'bne', 'rs1,target', 0xe001, 0xe003, { rs1: rs1Short, rs2: x0, imm: offsetBranch }),
  c('c.slli', 'slli', 'rd,imm', 0x0002, 0xe003, { rd: rdFull, rs1: rdFull, imm: shamt6 }),
  c(
    'c.lwsp',
    'lw',
    'rd,imm(rs1)',
    0x4002,
    0xe003,
    { rd: rdFull, rs1: sp, imm: bits([4, 3, 2], [12, 1, 5], [2, 2, 6]) },
    [rdIsZero],
  ),
  c('c.ldsp', 'ld', 'rd,imm(rs1)', 0x6002, 0xe003, { rd: rdFull, rs1: sp, imm: stackD }, [
    rdIsZero,
  ]),
  c('c.jr', 'jalr', 'rs1', 0x8002, 0xf07f, { rd: x0, rs1: rdFull, imm: fixed(0) }, [rdIsZero]),
  c('c.mv', 'add', 'rd,rs2', 0x8002, 0xf003, { rd: rdFull, rs1: x0, rs2: rs2Full }, [rs2IsZero]),
  c('c.ebreak', 'ebreak', 'none', 0x9002, 0xffff, {}),
  c('c.jalr', 'jalr', 'rs1', 0x9002, 0xf07f, { rd: ra, rs1: rdFull, imm: fixed(0) }, [rdIsZero]),
  c('c.add', 'add', 'rd,rs2', 0x9002, 0xf003, { rd: rdFull, rs1: rdFull, rs2: rs2Full }, [
    rs2IsZero,
  ]),
  c('c.swsp', 'sw', 'rs2,imm(rs1)', 0xc002, 0xe003, {
    rs1: sp,
    rs2: rs2Full,
    imm: bits([9, 4, 2], [7, 2, 6]),
  }),
  c('c.sdsp', 'sd', 'rs2,imm(rs1)', 0xe002, 0xe003, {
    rs1: sp,
    rs2: rs2Full,
    imm: stackStoreD,
  }),

  // With D
  c('c.fld', 'fld', 'fd,imm(rs1)', 0x2000, 0xe003, { rd: rdShort, rs1: rs1Short, imm: offsetD }),
  c('c.fsd', 'fsd', 'fs2,imm(rs1)', 0xa000, 0xe003, { rs1: rs1Short, rs2: rdShort, imm: offsetD }),
  c('c.fldsp', 'fld', 'fd,imm(rs1)', 0x2002, 0xe003, { rd: rdFull, rs1: sp, imm: stackD }),
  c('c.fsdsp', 'fsd', 'fs2,imm(rs1)', 0xa002, 0xe003, {
    rs1: sp,
    rs2: rs2Full,
    imm: stackStoreD,
  }),

  // Zcb
  c('c.lbu', 'lbu', 'rd,imm(rs1)', 0x8000, 0xfc03, { rd: rdShort, rs1: rs1Short, imm: offsetB }),
  c('c.lhu', 'lhu', 'rd,imm(rs1)', 0x8400, 0xfc43, { rd: rdShort, rs1: rs1Short, imm: offsetH }),
  c('c.lh', 'lh', 'rd,imm(rs1)', 0x8440, 0xfc43, { rd: rdShort, rs1: rs1Short, imm: offsetH }),
  c('c.sb', 'sb', 'rs2,imm(rs1)', 0x8800, 0xfc03, { rs1: rs1Short, rs2: rdShort, imm: offsetB }),
  c('c.sh', 'sh', 'rs2,imm(rs1)', 0x8c00, 0xfc43, { rs1: rs1Short, rs2: rdShort, imm: offsetH }),
  c('c.zext.b', 'andi', 'rd', 0x9c61, 0xfc7f, { rd: rs1Short, rs1: rs1Short, imm: fixed(255) }),
  c('c.sext.b', 'sext.b', 'rd', 0x9c65, 0xfc7f, { rd: rs1Short, rs1: rs1Short }),
  c('c.zext.h', 'zext.h', 'rd', 0x9c69, 0xfc7f, { rd: rs1Short, rs1: rs1Short }),
  c('c.sext.h', 'sext.h', 'rd', 0x9c6d, 0xfc7f, { rd: rs1Short, rs1: rs1Short }),
  c('c.zext.w', 'add.uw', 'rd', 0x9c71, 0xfc7f, { rd: rs1Short, rs1: rs1Short, rs2: x0 }),
  c('c.not', 'xori', 'rd', 0x9c75, 0xfc7f, { rd: rs1Short, rs1: rs1Short, imm: fixed(-1) }),
  c('c.mul', 'mul', 'rd,rs2', 0x9c41, 0xfc63, { rd: rs1Short, rs1: rs1Short, rs2: rdShort }),
];
