/**
 * F and D: vol. I (20250508), "F" Extension for Single-Precision Floating-Point and "D" Extension for
 * Double-Precision Floating-Point, both Version 2.2.
 *
 * The arithmetic is the library's (fp/library.ts); what needs no rounding is said here. Rows of both
 * formats come from the same text.
 */
import {
  BINARY32,
  BINARY64,
  canonicalNan,
  negated,
  ROUND_DYNAMIC,
  withSignOf,
  type Format,
} from '../fp/format.ts';
import { call, choose, codeOf, f32, f64, i32, i64, operand, type Expr } from '../wasm/ir.ts';
import type { Instruction, Syntax } from './instruction.ts';
import { FORMATS, full, MASK_I, MASK_R, rs1, rs1w, word } from './formats.ts';

const hart = operand('hart', 'i32');
const rm = operand('rm', 'i32');

/** One of the two formats, as encodings and f registers have it. */
interface Precision {
  readonly format: Format;
  readonly suffix: 's' | 'd';
  /** The fmt field. */
  readonly fmt: 0 | 1;
  /** funct3 of loads and stores, and the bytes they move. */
  readonly width: 2 | 3;
  readonly bytes: 4 | 8;
  /** The bits of the value in an f register. */
  readonly in: (register: Expr) => Expr;
  /** What an f register holds for the bits of a value. */
  readonly out: (bits: Expr) => Expr;
}

const BOX_BITS = -(1n << 32n);
const BOX = i64.const(BOX_BITS);
/** A binary32 value that is not boxed properly counts as the canonical NaN ("NaN Boxing of Narrower Values"). */
export const unboxed = (register: Expr): Expr =>
  choose(i64.eq(i64.and(register, BOX), BOX), i32.wrap(register), canonicalNan(BINARY32));
/** The operand that a tree of a meaning takes out of its box; undefined if the tree is something else. */
export function unboxedOperand(tree: Expr): string | undefined {
  if (tree.k !== 'choose') return undefined;
  const [condition, bits] = tree.args;
  const register = bits.k === 'op' && bits.code === WRAP ? bits.args[0] : undefined;
  return condition.k === 'op' && register?.k === 'operand' ? register.name : undefined;
}
const WRAP = codeOf(i32.wrap(BOX));
/** What an f register holds for the bits of a binary32 value. */
export const boxed = (bits: Expr): Expr => i64.or(i64.extend_u(bits), BOX);
/** The bits that a tree of that kind puts into a box; undefined if it is something else. */
export function boxedBits(tree: Expr): Expr | undefined {
  if (tree.k !== 'op' || tree.code !== OR) return undefined;
  const [inner, box] = tree.args;
  const isBoxed = inner?.k === 'op' && inner.code === EXTEND && box?.k === 'const';
  return isBoxed && BigInt(box.value) === BOX_BITS ? inner.args[0] : undefined;
}
const OR = codeOf(boxed(i32.const(0)));
const EXTEND = codeOf(i64.extend_u(i32.const(0)));

const SINGLE: Precision = {
  format: BINARY32,
  suffix: 's',
  fmt: 0,
  width: 2,
  bytes: 4,
  in: unboxed,
  out: boxed,
};
const DOUBLE: Precision = {
  format: BINARY64,
  suffix: 'd',
  fmt: 1,
  width: 3,
  bytes: 8,
  in: (register) => register,
  out: (bits) => bits,
};

const OP_FP = 0x53;
const MASK_ROUNDS = 0xfe00007f;
const MASK_ROUNDS_UNARY = 0xfff0007f;
const MASK_UNARY = 0xfff0707f;
const MASK_FUSED = 0x0600007f;
/** Rounding modes 5 and 6 are reserved; 7 is frm's. */
const RESERVED_MODES = [5, 6].map((mode) => ({ match: mode << 12, mask: ROUND_DYNAMIC << 12 }));

/** An operation with an rm field. */
const rounding = (
  name: string,
  format: keyof typeof FORMATS,
  syntax: Syntax,
  match: number,
  mask: number,
  to: 'x' | 'f',
  result: Expr,
): Instruction =>
  full(
    name,
    format,
    syntax,
    match,
    mask,
    { kind: 'float', to, result, rounds: true },
    { except: RESERVED_MODES },
  );
/** An operation without. */
const plain = (
  name: string,
  format: keyof typeof FORMATS,
  syntax: Syntax,
  match: number,
  mask: number,
  to: 'x' | 'f',
  result: Expr,
): Instruction =>
  full(name, format, syntax, match, mask, { kind: 'float', to, result, rounds: false });

/** The integers of FCVT: name, rs2 field, extremes for `f64_to_integer`, and how rd takes the result. */
const INTEGERS = [
  { name: 'w', code: 0, greatest: 2n ** 31n - 1n, least: 2n ** 31n, isWord: true },
  { name: 'wu', code: 1, greatest: 2n ** 32n - 1n, least: 0n, isWord: true },
  { name: 'l', code: 2, greatest: 2n ** 63n - 1n, least: 2n ** 63n, isWord: false },
  { name: 'lu', code: 3, greatest: 2n ** 64n - 1n, least: 0n, isWord: false },
] as const;
const bits64 = (value: bigint): Expr => i64.const(BigInt.asIntN(64, value));

function rowsOf(p: Precision): Instruction[] {
  const { format, suffix, fmt, width, bytes } = p;
  const { name: prefix, t } = format;
  const [a, b, c] = [1, 2, 3].map((n) => p.in(operand(`frs${n}`))) as [Expr, Expr, Expr];
  const minusA = negated(format, a);
  const minusB = negated(format, b);
  const minusC = negated(format, c);
  const named = (name: string): string => `${name}.${suffix}`;
  const code = (funct5: number, rest = 0): number => (funct5 << 27) | (fmt << 25) | rest | OP_FP;
  const rs2Field = (value: number): number => value << 20;
  const funct3 = (value: number): number => value << 12;
  const library = (name: string, ...operands: Expr[]): Expr =>
    call(`${prefix}_${name}`, t, hart, ...operands);

  const binary = (name: string, funct5: number, bits: Expr): Instruction =>
    rounding(named(name), 'FLOAT', 'fd,fs1,fs2,rm', code(funct5), MASK_ROUNDS, 'f', p.out(bits));
  const fused = (name: string, opcode: number, x: Expr, z: Expr): Instruction =>
    rounding(
      named(name),
      'FUSED',
      'fd,fs1,fs2,fs3,rm',
      (fmt << 25) | opcode,
      MASK_FUSED,
      'f',
      p.out(library('muladd', x, b, z, rm)),
    );
  const selection = (name: string, funct5: number, f3: number, bits: Expr): Instruction =>
    plain(named(name), 'R', 'fd,fs1,fs2', code(funct5, funct3(f3)), MASK_R, 'f', p.out(bits));
  const comparison = (name: string, f3: number): Instruction =>
    plain(
      named(`f${name}`),
      'R',
      'rd,fs1,fs2',
      code(0x14, funct3(f3)),
      MASK_R,
      'x',
      call(`${prefix}_${name}`, 'i64', hart, a, b),
    );

  // Every binary32 number is a binary64 one, and so converts to the same integer.
  const wide = t === 'i64' ? a : f64.toBits(f64.promote(f32.fromBits(a)));
  const toInteger = INTEGERS.map(({ name, code: which, greatest, least, isWord }) => {
    const integer = call('f64_to_integer', 'i64', hart, wide, rm, bits64(greatest), bits64(least));
    return rounding(
      named(`fcvt.${name}`),
      'FLOAT_UNARY',
      'rd,fs1,rm',
      code(0x18, rs2Field(which)),
      MASK_ROUNDS_UNARY,
      'x',
      isWord ? word(i32.wrap(integer)) : integer,
    );
  });
  const fromInteger = INTEGERS.map(({ name, code: which }) => {
    const isExact = t === 'i64' && (name === 'w' || name === 'wu');
    const source = { w: word(rs1w), wu: i64.extend_u(rs1w), l: rs1, lu: rs1 }[name];
    const exact = name === 'w' ? f64.convert_i32_s(rs1w) : f64.convert_i32_u(rs1w);
    return rounding(
      `fcvt.${suffix}.${name}`,
      'FLOAT_UNARY',
      isExact ? 'fd,rs1,exact' : 'fd,rs1,rm',
      code(0x1a, rs2Field(which)),
      MASK_ROUNDS_UNARY,
      'f',
      isExact
        ? f64.toBits(exact)
        : p.out(library(name === 'lu' ? 'from_u64' : 'from_i64', source, rm)),
    );
  });

  const register = operand('frs1');
  const moveName = t === 'i32' ? 'w' : 'd';
  return [
    full(`fl${moveName}`, 'I', 'fd,imm(rs1)', funct3(width) | 0x07, MASK_I, {
      kind: 'floatLoad',
      bytes,
    }),
    full(`fs${moveName}`, 'S', 'fs2,imm(rs1)', funct3(width) | 0x27, MASK_I, {
      kind: 'floatStore',
      bytes,
    }),
    fused('fmadd', 0x43, a, c),
    fused('fmsub', 0x47, a, minusC),
    fused('fnmsub', 0x4b, minusA, c),
    fused('fnmadd', 0x4f, minusA, minusC),
    binary('fadd', 0x00, library('add', a, b, rm)),
    binary('fsub', 0x01, library('add', a, minusB, rm)),
    binary('fmul', 0x02, library('mul', a, b, rm)),
    binary('fdiv', 0x03, library('div', a, b, rm)),
    rounding(
      named('fsqrt'),
      'FLOAT_UNARY',
      'fd,fs1,rm',
      code(0x0b),
      MASK_ROUNDS_UNARY,
      'f',
      p.out(library('sqrt', a, rm)),
    ),
    selection('fsgnj', 0x04, 0, withSignOf(format, a, b)),
    selection('fsgnjn', 0x04, 1, withSignOf(format, a, minusB)),
    selection('fsgnjx', 0x04, 2, withSignOf(format, a, format.word.xor(a, b))),
    selection('fmin', 0x05, 0, library('min', a, b)),
    selection('fmax', 0x05, 1, library('max', a, b)),
    comparison('le', 0),
    comparison('lt', 1),
    comparison('eq', 2),
    ...toInteger,
    ...fromInteger,
    plain(
      named('fclass'),
      'UNARY',
      'rd,fs1',
      code(0x1c, funct3(1)),
      MASK_UNARY,
      'x',
      call(`${prefix}_class`, 'i64', a),
    ),
    // Moves take the bits as they are, boxed or not.
    plain(
      `fmv.x.${moveName}`,
      'UNARY',
      'rd,fs1',
      code(0x1c),
      MASK_UNARY,
      'x',
      t === 'i32' ? word(i32.wrap(register)) : register,
    ),
    plain(
      `fmv.${moveName}.x`,
      'UNARY',
      'fd,rs1',
      code(0x1e),
      MASK_UNARY,
      'f',
      p.out(t === 'i32' ? rs1w : rs1),
    ),
  ];
}

export const FLOAT: readonly Instruction[] = [
  ...rowsOf(SINGLE),
  ...rowsOf(DOUBLE),
  rounding(
    'fcvt.s.d',
    'FLOAT_UNARY',
    'fd,fs1,rm',
    (0x08 << 27) | (1 << 20) | OP_FP,
    MASK_ROUNDS_UNARY,
    'f',
    boxed(call('f32_from_f64', 'i32', hart, operand('frs1'), rm)),
  ),
  rounding(
    'fcvt.d.s',
    'FLOAT_UNARY',
    'fd,fs1,exact',
    (0x08 << 27) | (1 << 25) | OP_FP,
    MASK_ROUNDS_UNARY,
    'f',
    call('f64_from_f32', 'i64', hart, unboxed(operand('frs1'))),
  ),
];
