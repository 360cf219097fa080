/**
 * The instruction set, once: encoding, operands and meaning of every instruction.
 *
 * RV64IMAC with Zicsr, Zifencei and Zihintpause, and the privileged instructions, from "The RISC-V Instruction Set
 * Manual", volume I (unprivileged) and II (privileged), 20250508. The interpreter, the decoder and the
 * disassembler are generated from this table; a test proves that no two encodings overlap.
 *
 * Meanings are expression trees over the operand leaves `rs1`, `rs2`, `imm`, `pc` and `next` (the
 * address of the following instruction), all 64 bits wide. `rs1w` and `rs2w` are the low halves.
 */
import { call, choose, i32, i64, operand, type AtomicRmw, type Expr } from '../wasm/ir.ts';

/** Why the core returns to its caller; everything else it does by itself. */
export const EXIT = {
  /** The pending word is not zero. */
  PENDING: 1,
  /** The instruction limit is reached. */
  LIMIT: 2,
  /** No translation for a fetch at pc. */
  FETCH_MISS: 3,
  /** The record at `ip` is not decoded. */
  DECODE: 4,
  /** No translation, no RAM, or not within one page: load at `faultAddress`. */
  LOAD_MISS: 5,
  /** The same for a store, an AMO or an SC. */
  STORE_MISS: 6,
  /** A 4-byte instruction whose second half lies on the next page. */
  CROSS: 7,
  /** A CSR instruction, raw bits in the record's immediate. */
  CSR: 8,
  ECALL: 9,
  EBREAK: 10,
  MRET: 11,
  SRET: 12,
  WFI: 13,
  SFENCE_VMA: 14,
  FENCE_I: 15,
  /** An encoding that is in no table; raw bits in the record's immediate. */
  ILLEGAL: 16,
  /** The guest spins, and others would do better with the time. */
  PAUSE: 17,
  /** Control has come to pc so often that the code from there on should be translated. */
  HOT: 18,
  /** The translated region at pc has to be validated for the present regime. */
  UNPROVEN: 19,
} as const;
export type Exit = (typeof EXIT)[keyof typeof EXIT];

export type Meaning =
  | { readonly kind: 'compute'; readonly rd: Expr }
  | { readonly kind: 'load'; readonly bytes: 1 | 2 | 4 | 8; readonly signed: boolean }
  | { readonly kind: 'store'; readonly bytes: 1 | 2 | 4 | 8 }
  /** Goes to pc + imm if the condition (an i32) is not zero. */
  | { readonly kind: 'branch'; readonly taken: Expr }
  /** Goes to the target and links `next`. */
  | { readonly kind: 'jump'; readonly target: Expr }
  | { readonly kind: 'lr' | 'sc'; readonly bytes: 4 | 8 }
  | { readonly kind: 'amo'; readonly bytes: 4 | 8; readonly op: AtomicRmw }
  /** An AMO that the host has no instruction for: the new value from `old` and `value` (type of width). */
  | { readonly kind: 'amoLoop'; readonly bytes: 4 | 8; readonly result: Expr }
  /** Orders earlier stores before later loads if the operands ask for it; nothing otherwise. */
  | { readonly kind: 'fence' }
  | { readonly kind: 'exit'; readonly reason: Exit };

/** Where an operand's bits lie: pieces [instruction bit, width, value bit]. */
export interface Field {
  readonly pieces: readonly (readonly [from: number, width: number, to: number])[];
  readonly signed: boolean;
  /** Added after extraction: 8 for the three-bit register fields of C. */
  readonly add: number;
  /** Set for an operand that the encoding implies. */
  readonly fixed?: number;
}

const bits = (...pieces: [number, number, number][]): Field => ({ pieces, signed: false, add: 0 });
const signedBits = (...pieces: [number, number, number][]): Field => ({
  pieces,
  signed: true,
  add: 0,
});
const reg = (from: number): Field => bits([from, 5, 0]);
const shortReg = (from: number): Field => ({ pieces: [[from, 3, 0]], signed: false, add: 8 });
const fixed = (value: number): Field => ({ pieces: [], signed: false, add: 0, fixed: value });

export interface Operands {
  readonly rd?: Field;
  readonly rs1?: Field;
  readonly rs2?: Field;
  readonly imm?: Field;
}

/** How the disassembler prints the operands. */
export type Syntax =
  | 'none'
  | 'rd,rs1,rs2'
  | 'rd,rs1,imm'
  | 'rd,imm(rs1)'
  | 'rs2,imm(rs1)'
  | 'rs1,rs2,target'
  | 'rd,target'
  | 'rd,upper'
  | 'rd,(rs1)'
  | 'rd,rs2,(rs1)'
  | 'rd,csr,rs1'
  | 'rd,csr,uimm'
  | 'rs1,rs2'
  | 'fence'
  // What compressed instructions leave unsaid is not printed.
  | 'rd,rs2'
  | 'rd,imm'
  | 'rs1'
  | 'rs1,target'
  | 'target';

export interface Instruction {
  readonly name: string;
  readonly match: number;
  readonly mask: number;
  readonly bytes: 2 | 4;
  readonly operands: Operands;
  readonly syntax: Syntax;
  readonly meaning: Meaning;
  /** Encodings that match but belong to another instruction or are reserved. */
  readonly except: readonly { readonly match: number; readonly mask: number }[];
  /** For a compressed instruction, the name of the one it stands for. */
  readonly base?: string;
  /** Keeps the raw bits as the immediate: for whoever finishes the instruction outside of the core. */
  readonly rawImmediate: boolean;
}

const rs1 = operand('rs1');
const rs2 = operand('rs2');
const imm = operand('imm');
const pc = operand('pc');
const rs1w = i32.wrap(rs1);
const rs2w = i32.wrap(rs2);
const immw = i32.wrap(imm);
const minusOne = i64.const(-1);
const bool = (condition: Expr): Expr => i64.extend_u(condition);
const word = (value: Expr): Expr => i64.extend_s(value);

const FORMATS = {
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
  CSR: { rd: reg(7), rs1: reg(15), imm: bits([20, 12, 0]) },
  RS: { rs1: reg(15), rs2: reg(20) },
  FENCE: { imm: bits([20, 12, 0]) },
  NONE: {},
} as const satisfies Record<string, Operands>;

interface Extra {
  readonly raw?: boolean;
  readonly except?: readonly { readonly match: number; readonly mask: number }[];
}

const full = (
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

const compute = (rd: Expr): Meaning => ({ kind: 'compute', rd });

const OP = 0x33;
const OP_32 = 0x3b;
const MASK_R = 0xfe00707f;
const MASK_I = 0x0000707f;
/** FENCE with predecessors W, no successors, and x0 for both registers. */
const PAUSE = { match: 0x0100000f, mask: 0xffffffff };
const MASK_SHIFT = 0xfc00707f;

const r = (name: string, funct7: number, funct3: number, rd: Expr, opcode = OP): Instruction =>
  full(name, 'R', 'rd,rs1,rs2', (funct7 << 25) | (funct3 << 12) | opcode, MASK_R, compute(rd));
const i = (name: string, funct3: number, rd: Expr, opcode = 0x13): Instruction =>
  full(name, 'I', 'rd,rs1,imm', (funct3 << 12) | opcode, MASK_I, compute(rd));
const shift = (name: string, funct6: number, funct3: number, rd: Expr): Instruction =>
  full(
    name,
    'SHIFT',
    'rd,rs1,imm',
    (funct6 << 26) | (funct3 << 12) | 0x13,
    MASK_SHIFT,
    compute(rd),
  );
const shiftw = (name: string, funct7: number, funct3: number, rd: Expr): Instruction =>
  full(name, 'SHIFTW', 'rd,rs1,imm', (funct7 << 25) | (funct3 << 12) | 0x1b, MASK_R, compute(rd));
const ld = (name: string, funct3: number, bytes: 1 | 2 | 4 | 8, signed: boolean): Instruction =>
  full(name, 'I', 'rd,imm(rs1)', (funct3 << 12) | 0x03, MASK_I, { kind: 'load', bytes, signed });
const st = (name: string, funct3: number, bytes: 1 | 2 | 4 | 8): Instruction =>
  full(name, 'S', 'rs2,imm(rs1)', (funct3 << 12) | 0x23, MASK_I, { kind: 'store', bytes });
const branch = (name: string, funct3: number, taken: Expr): Instruction =>
  full(name, 'B', 'rs1,rs2,target', (funct3 << 12) | 0x63, MASK_I, { kind: 'branch', taken });
const csr = (name: string, funct3: number, syntax: Syntax): Instruction =>
  full(
    name,
    'CSR',
    syntax,
    (funct3 << 12) | 0x73,
    MASK_I,
    { kind: 'exit', reason: EXIT.CSR },
    { raw: true },
  );
const system = (name: string, match: number, reason: Exit, mask = 0xffffffff): Instruction =>
  full(
    name,
    mask === 0xffffffff ? 'NONE' : 'RS',
    mask === 0xffffffff ? 'none' : 'rs1,rs2',
    match,
    mask,
    { kind: 'exit', reason },
    { raw: true },
  );

/** A-extension encodings ignore aq and rl: every atomic access of the host is sequentially consistent. */
const MASK_AMO = 0xf800707f;
const MASK_LR = 0xf9f0707f;
const amoCode = (funct5: number, bytes: 4 | 8): number =>
  (funct5 << 27) | ((bytes === 4 ? 2 : 3) << 12) | 0x2f;
const suffix = (bytes: 4 | 8): string => (bytes === 4 ? '.w' : '.d');
const amo = (name: string, funct5: number, op: AtomicRmw): Instruction[] =>
  ([4, 8] as const).map((bytes) =>
    full(name + suffix(bytes), 'R', 'rd,rs2,(rs1)', amoCode(funct5, bytes), MASK_AMO, {
      kind: 'amo',
      bytes,
      op,
    }),
  );
type Compare = (a: Expr, b: Expr) => Expr;
const amoSelect = (
  name: string,
  funct5: number,
  keepOld32: Compare,
  keepOld64: Compare,
): Instruction[] =>
  ([4, 8] as const).map((bytes) => {
    const t = bytes === 4 ? 'i32' : 'i64';
    const old = operand('old', t);
    const value = operand('value', t);
    const result = choose((bytes === 4 ? keepOld32 : keepOld64)(old, value), old, value);
    return full(name + suffix(bytes), 'R', 'rd,rs2,(rs1)', amoCode(funct5, bytes), MASK_AMO, {
      kind: 'amoLoop',
      bytes,
      result,
    });
  });

/** Division by zero and overflow do not trap; the results are those of the table in vol. I §13.2. */
const MIN64 = i64.const(-(1n << 63n));
const MIN32 = i32.const(-0x80000000);
const isOverflow64 = i32.and(i64.eq(rs1, MIN64), i64.eq(rs2, minusOne));
const isOverflow32 = i32.and(i32.eq(rs1w, MIN32), i32.eq(rs2w, i32.const(-1)));

const FULL: readonly Instruction[] = [
  // RV32I and RV64I base, vol. I §2 and §4
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
  i('ori', 6, i64.or(rs1, imm)),
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
  i('addiw', 0, word(i32.add(rs1w, immw)), 0x1b),
  shiftw('slliw', 0x00, 1, word(i32.shl(rs1w, immw))),
  shiftw('srliw', 0x00, 5, word(i32.shr_u(rs1w, immw))),
  shiftw('sraiw', 0x20, 5, word(i32.shr_s(rs1w, immw))),
  r('addw', 0x00, 0, word(i32.add(rs1w, rs2w)), OP_32),
  r('subw', 0x20, 0, word(i32.sub(rs1w, rs2w)), OP_32),
  r('sllw', 0x00, 1, word(i32.shl(rs1w, rs2w)), OP_32),
  r('srlw', 0x00, 5, word(i32.shr_u(rs1w, rs2w)), OP_32),
  r('sraw', 0x20, 5, word(i32.shr_s(rs1w, rs2w)), OP_32),
  full('fence', 'FENCE', 'fence', 0x0f, MASK_I, { kind: 'fence' }, { except: [PAUSE] }),
  // Zihintpause, vol. I §9: a FENCE that orders nothing.
  full('pause', 'NONE', 'none', PAUSE.match, PAUSE.mask, { kind: 'exit', reason: EXIT.PAUSE }),
  full('fence.i', 'NONE', 'none', 0x100f, MASK_I, { kind: 'exit', reason: EXIT.FENCE_I }),
  system('ecall', 0x00000073, EXIT.ECALL),
  system('ebreak', 0x00100073, EXIT.EBREAK),

  // Zicsr, vol. I §6
  csr('csrrw', 1, 'rd,csr,rs1'),
  csr('csrrs', 2, 'rd,csr,rs1'),
  csr('csrrc', 3, 'rd,csr,rs1'),
  csr('csrrwi', 5, 'rd,csr,uimm'),
  csr('csrrsi', 6, 'rd,csr,uimm'),
  csr('csrrci', 7, 'rd,csr,uimm'),

  // Privileged instructions, vol. II §3.3 and §12.2.1
  system('mret', 0x30200073, EXIT.MRET),
  system('sret', 0x10200073, EXIT.SRET),
  system('wfi', 0x10500073, EXIT.WFI),
  system('sfence.vma', 0x12000073, EXIT.SFENCE_VMA, 0xfe007fff),

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

  // A, vol. I §14
  ...([4, 8] as const).flatMap((bytes) => [
    full('lr' + suffix(bytes), 'LOAD_RESERVED', 'rd,(rs1)', amoCode(0x02, bytes), MASK_LR, {
      kind: 'lr',
      bytes,
    }),
    full('sc' + suffix(bytes), 'R', 'rd,rs2,(rs1)', amoCode(0x03, bytes), MASK_AMO, {
      kind: 'sc',
      bytes,
    }),
  ]),
  ...amo('amoswap', 0x01, 'xchg'),
  ...amo('amoadd', 0x00, 'add'),
  ...amo('amoxor', 0x04, 'xor'),
  ...amo('amoand', 0x0c, 'and'),
  ...amo('amoor', 0x08, 'or'),
  ...amoSelect('amomin', 0x10, i32.lt_s, i64.lt_s),
  ...amoSelect(
    'amomax',
    0x14,
    (a, b) => i32.lt_s(b, a),
    (a, b) => i64.lt_s(b, a),
  ),
  ...amoSelect('amominu', 0x18, i32.lt_u, i64.lt_u),
  ...amoSelect(
    'amomaxu',
    0x1c,
    (a, b) => i32.lt_u(b, a),
    (a, b) => i64.lt_u(b, a),
  ),
];

const BY_NAME = new Map(FULL.map((instruction) => [instruction.name, instruction]));

/** A compressed instruction stands for a full one with some operands implied (vol. I §27). */
const c = (
  name: string,
  base: string,
  syntax: Syntax,
  match: number,
  mask: number,
  operands: Operands,
  except: Instruction['except'] = [],
): Instruction => {
  const stands = BY_NAME.get(base);
  if (stands === undefined) throw new Error(`${name} stands for unknown '${base}'`);
  return {
    name,
    match,
    mask,
    bytes: 2,
    operands,
    syntax,
    meaning: stands.meaning,
    except,
    base,
    rawImmediate: stands.rawImmediate,
  };
};

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
const rdIsZero = { match: 0, mask: 0x0f80 };
const rs2IsZero = { match: 0, mask: 0x007c };
const immIsZero = { match: 0, mask: 0x107c };

const COMPRESSED: readonly Instruction[] = [
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
  c(
    'c.ldsp',
    'ld',
    'rd,imm(rs1)',
    0x6002,
    0xe003,
    { rd: rdFull, rs1: sp, imm: bits([5, 2, 3], [12, 1, 5], [2, 3, 6]) },
    [rdIsZero],
  ),
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
    imm: bits([10, 3, 3], [7, 3, 6]),
  }),
];

/** Every instruction, full ones first. */
export const INSTRUCTIONS: readonly Instruction[] = [...FULL, ...COMPRESSED];

/** The full instructions, each of which is one operation of the core. */
export const OPERATIONS: readonly Instruction[] = FULL;
