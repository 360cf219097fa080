/**
 * The two formats, binary32 and binary64 (IEEE 754-2008 §3.4), and what is asked of their bits.
 *
 * Values travel as the integer that has their bits: i32 for binary32, i64 for binary64. Trees given to
 * these functions are used several times, so they should be locals.
 */
import {
  f32,
  f64,
  i32,
  i64,
  type Expr,
  type FloatOps,
  type FloatType,
  type IntType,
} from '../wasm/ir.ts';

/** Bits of fflags (vol. I, "Floating-Point Control and Status Register"). */
export const FLAG = { NX: 1, UF: 2, OF: 4, DZ: 8, NV: 16 } as const;

/** Rounding modes, as in frm and in an instruction's rm field (ibid.). */
export const ROUND = { RNE: 0, RTZ: 1, RDN: 2, RUP: 3, RMM: 4 } as const;
/** The rm field that stands for frm. */
export const ROUND_DYNAMIC = 7;

/** What the integer types have in common, at the width of a format. */
type Words = Pick<
  typeof i32,
  | 'eqz'
  | 'eq'
  | 'ne'
  | 'lt_s'
  | 'gt_u'
  | 'add'
  | 'sub'
  | 'and'
  | 'or'
  | 'xor'
  | 'shl'
  | 'shr_s'
  | 'shr_u'
> & { readonly const: (value: bigint) => Expr };

export interface Format {
  readonly name: FloatType;
  /** The type of its bits, its operations, and the host's operations on values. */
  readonly t: IntType;
  readonly word: Words;
  readonly host: FloatOps;
  readonly bits: 32 | 64;
  /** Significant bits, the hidden one included. */
  readonly precision: 24 | 53;
  readonly bias: number;
  /** The exponent field of infinities and NaNs. */
  readonly special: number;
}

const word32: Words = {
  ...i32,
  const: (value: bigint) => i32.const(Number(BigInt.asIntN(32, value))),
};
const word64: Words = { ...i64, const: (value: bigint) => i64.const(BigInt.asIntN(64, value)) };

export const BINARY32: Format = {
  name: 'f32',
  t: 'i32',
  word: word32,
  host: f32,
  bits: 32,
  precision: 24,
  bias: 127,
  special: 255,
};
export const BINARY64: Format = {
  name: 'f64',
  t: 'i64',
  word: word64,
  host: f64,
  bits: 64,
  precision: 53,
  bias: 1023,
  special: 2047,
};

const fractionBits = ({ precision }: Format): bigint => BigInt(precision - 1);
const signBit = ({ bits }: Format): bigint => 1n << BigInt(bits - 1);
export const infinityBits = (format: Format): bigint =>
  BigInt(format.special) << fractionBits(format);
const quietBit = (format: Format): bigint => 1n << (fractionBits(format) - 1n);

/** Every NaN that an operation makes has these bits (vol. I, "NaN Generation and Propagation"). */
export const canonicalNan = (format: Format): Expr =>
  format.word.const(infinityBits(format) | quietBit(format));

/** 1 if the value is negative (or -0), as an i32. */
export const signOf = ({ word, t, bits }: Format, a: Expr): Expr => {
  const shifted = word.shr_u(a, word.const(BigInt(bits - 1)));
  return t === 'i32' ? shifted : i32.wrap(shifted);
};

/** The exponent field, as an i32. */
export const exponentOf = (format: Format, a: Expr): Expr => {
  const shifted = format.word.shr_u(a, format.word.const(fractionBits(format)));
  return i32.and(format.t === 'i32' ? shifted : i32.wrap(shifted), i32.const(format.special));
};

/** The fraction field, at the top of an i64 but for the place of the hidden bit. */
export const fractionOnTop = (format: Format, a: Expr): Expr => {
  const { word, t, precision } = format;
  const fraction = word.and(a, word.const((1n << fractionBits(format)) - 1n));
  return i64.shl(t === 'i32' ? i64.extend_u(fraction) : fraction, i64.const(64 - precision));
};

export const magnitudeOf = (format: Format, a: Expr): Expr =>
  format.word.and(a, format.word.const(signBit(format) - 1n));
export const negated = (format: Format, a: Expr): Expr =>
  format.word.xor(a, format.word.const(signBit(format)));
/** The sign bit of one value on the magnitude of another. */
export const withSignOf = (format: Format, magnitude: Expr, sign: Expr): Expr =>
  format.word.or(
    magnitudeOf(format, magnitude),
    format.word.and(sign, format.word.const(signBit(format))),
  );
/** A sign (an i32) at its place. */
export const signAt = (format: Format, sign: Expr): Expr =>
  format.word.shl(
    format.t === 'i32' ? sign : i64.extend_u(sign),
    format.word.const(BigInt(format.bits - 1)),
  );

export const isNan = (format: Format, a: Expr): Expr =>
  format.word.gt_u(magnitudeOf(format, a), format.word.const(infinityBits(format)));
export const isSignaling = (format: Format, a: Expr): Expr =>
  i32.and(
    isNan(format, a),
    format.word.eqz(format.word.and(a, format.word.const(quietBit(format)))),
  );
export const isInfinite = (format: Format, a: Expr): Expr =>
  format.word.eq(magnitudeOf(format, a), format.word.const(infinityBits(format)));
export const isZero = (format: Format, a: Expr): Expr => format.word.eqz(magnitudeOf(format, a));
/** An infinity or a NaN. */
export const isSpecial = (format: Format, a: Expr): Expr =>
  i32.eq(exponentOf(format, a), i32.const(format.special));

export const toBits = ({ host }: Format, value: Expr): Expr => host.toBits(value);
export const fromBits = ({ host }: Format, bits: Expr): Expr => host.fromBits(bits);
