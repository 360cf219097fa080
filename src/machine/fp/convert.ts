/** Conversions between the formats and from and to integers (IEEE 754-2008 §5.4.1, §5.8). */
import { FunctionBuilder } from '../wasm/encoder.ts';
import { choose, f32, f64, i32, i64, ret, set, when, type Expr, type Stmt } from '../wasm/ir.ts';
import {
  BINARY32,
  BINARY64,
  canonicalNan,
  exponentOf,
  FLAG,
  fractionOnTop,
  infinityBits,
  isNan,
  isSignaling,
  isSpecial,
  isZero,
  ROUND,
  signAt,
  signOf,
  toBits,
  type Format,
} from './format.ts';
import { isOrdinary, mayAskHost, raise, rounded, shiftRightSticky, unpack } from './round.ts';

/**
 * `f64_to_integer(hart, a, rm, greatest, least)`: the integer nearest to a number in the direction of
 * the mode. `greatest` is the largest integer that there is and `least` the magnitude of the smallest,
 * both unsigned; what is beyond, and every NaN, gives one of them and raises "invalid" alone (vol. I,
 * "Domains of float-to-integer conversions").
 */
function toInteger(): FunctionBuilder {
  const fn = new FunctionBuilder('f64_to_integer', ['i32', 'i64', 'i32', 'i64', 'i64'], 'i64');
  const [hart, a, rm] = [fn.param(0), fn.param(1), fn.param(2)];
  const [greatest, least] = [fn.param(3), fn.param(4)];
  const sign = fn.local('i32');
  const exponent = fn.local('i32');
  const sig = fn.local('i64');
  const integer = fn.local('i64');
  /** What is below the point, from the highest bit down. */
  const rest = fn.local('i64');
  const HALF = i64.const(-(1n << 63n));
  const is = (mode: keyof typeof ROUND): Expr => i32.eq(rm, i32.const(ROUND[mode]));
  const isInexact = i64.ne(rest, i64.const(0));
  const isOdd = i32.wrap(integer);
  const roundsUp = choose(
    is('RNE'),
    i32.or(i64.gt_u(rest, HALF), i32.and(i64.eq(rest, HALF), isOdd)),
    choose(
      is('RMM'),
      i64.ge_u(rest, HALF),
      i32.and(isInexact, i32.eq(rm, i32.sub(i32.const(ROUND.RUP), sign))),
    ),
  );
  const withSign = (positive: Expr, negative: Expr): Expr =>
    choose(sign, i64.sub(i64.const(0), negative), positive);
  const limit = choose(sign, least, greatest);
  const outOfRange = [raise(hart, FLAG.NV), ret(withSign(greatest, least))];
  fn.body = [
    when(isNan(BINARY64, a), [raise(hart, FLAG.NV), ret(greatest)]),
    set(sign, signOf(BINARY64, a)),
    set(exponent, exponentOf(BINARY64, a)),
    set(sig, fractionOnTop(BINARY64, a)),
    // Subnormal numbers round like any that is not zero and far below one half.
    when(exponent, [set(sig, i64.or(sig, HALF))]),
    set(exponent, i32.sub(exponent, i32.const(BINARY64.bias))),
    when(i32.lt_s(i32.const(63), exponent), outOfRange),
    when(
      i32.lt_s(exponent, i32.const(0)),
      [set(rest, shiftRightSticky(sig, i32.sub(i32.const(-1), exponent)))],
      [
        set(integer, i64.shr_u(sig, i64.extend_u(i32.sub(i32.const(63), exponent)))),
        set(rest, i64.shl(i64.shl(sig, i64.extend_u(exponent)), i64.const(1))),
      ],
    ),
    set(integer, i64.add(integer, i64.extend_u(roundsUp))),
    when(i64.gt_u(integer, limit), outOfRange),
    when(isInexact, [raise(hart, FLAG.NX)]),
    ret(withSign(integer, integer)),
  ];
  return fn;
}

/** `f64_from_i64(hart, integer, rm)` and the like. */
function fromInteger(format: Format, isSigned: boolean): FunctionBuilder {
  const { t, host } = format;
  const name = `${format.name}_from_${isSigned ? 'i64' : 'u64'}`;
  const fn = new FunctionBuilder(name, ['i32', 'i64', 'i32'], t);
  const [hart, integer, rm] = [fn.param(0), fn.param(1), fn.param(2)];
  const sign = fn.local('i32');
  const shift = fn.local('i32');
  const convert = isSigned ? host.convert_i64_s : host.convert_i64_u;
  fn.body = [
    when(mayAskHost(hart, rm), [ret(toBits(format, convert(integer)))]),
    when(i64.eqz(integer), [ret(signAt(format, i32.const(0)))]),
    ...(isSigned
      ? [
          when(i64.lt_s(integer, i64.const(0)), [
            set(sign, i32.const(1)),
            set(integer, i64.sub(i64.const(0), integer)),
          ]),
        ]
      : []),
    set(shift, i32.wrap(i64.clz(integer))),
    rounded(
      format,
      hart,
      sign,
      i32.sub(i32.const(format.bias + 63), shift),
      i64.shl(integer, i64.extend_u(shift)),
      rm,
    ),
  ];
  return fn;
}

/** Returns the NaN of a conversion: the canonical one of the other format. */
const convertedNan = (hart: Expr, from: Format, a: Expr, to: Format): Stmt[] => [
  when(isSignaling(from, a), [raise(hart, FLAG.NV)]),
  ret(canonicalNan(to)),
];

/** `f32_from_f64(hart, a, rm)` */
function narrow(): FunctionBuilder {
  const fn = new FunctionBuilder('f32_from_f64', ['i32', 'i64', 'i32'], 'i32');
  const [hart, a, rm] = [fn.param(0), fn.param(1), fn.param(2)];
  const result = fn.local('i32');
  const exponent = fn.local('i32');
  const shift = fn.local('i32');
  const sig = fn.local('i64');
  const sign = signAt(BINARY32, signOf(BINARY64, a));
  fn.body = [
    when(mayAskHost(hart, rm), [
      set(result, f32.toBits(f32.demote(f64.fromBits(a)))),
      when(isOrdinary(BINARY32, result), [ret(result)]),
    ]),
    when(isSpecial(BINARY64, a), [
      when(isNan(BINARY64, a), convertedNan(hart, BINARY64, a, BINARY32)),
      ret(i32.or(sign, BINARY32.word.const(infinityBits(BINARY32)))),
    ]),
    when(isZero(BINARY64, a), [ret(sign)]),
    ...unpack(BINARY64, a, exponent, sig, shift),
    rounded(
      BINARY32,
      hart,
      signOf(BINARY64, a),
      i32.sub(exponent, i32.const(BINARY64.bias - BINARY32.bias)),
      sig,
      rm,
    ),
  ];
  return fn;
}

/** `f64_from_f32(hart, a)`: every number is exact. */
function widen(): FunctionBuilder {
  const fn = new FunctionBuilder('f64_from_f32', ['i32', 'i32'], 'i64');
  const [hart, a] = [fn.param(0), fn.param(1)];
  fn.body = [
    when(isNan(BINARY32, a), convertedNan(hart, BINARY32, a, BINARY64)),
    ret(f64.toBits(f64.promote(f32.fromBits(a)))),
  ];
  return fn;
}

export const conversionFunctions = (): FunctionBuilder[] => [
  toInteger(),
  ...[BINARY32, BINARY64].flatMap((format) => [
    fromInteger(format, true),
    fromInteger(format, false),
  ]),
  narrow(),
  widen(),
];
