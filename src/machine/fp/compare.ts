/** Comparison, minimum and maximum, and classification (IEEE 754-2019 §5.11, §9.6, §5.7.2). */
import { FunctionBuilder } from '../wasm/encoder.ts';
import { choose, i32, i64, ret, when, type Expr, type Local, type Stmt } from '../wasm/ir.ts';
import {
  canonicalNan,
  exponentOf,
  FLAG,
  fromBits,
  isNan,
  isSignaling,
  isZero,
  signOf,
  type Format,
} from './format.ts';
import { raise } from './round.ts';

/** FEQ is quiet: only a signaling NaN is invalid. FLT and FLE signal: any is. */
function comparison(format: Format, name: 'eq' | 'lt' | 'le'): FunctionBuilder {
  const { t, host } = format;
  const fn = new FunctionBuilder(`${format.name}_${name}`, ['i32', t, t], 'i64');
  const [hart, a, b] = [fn.param(0), fn.param(1), fn.param(2)];
  const isInvalid = name === 'eq' ? isSignaling : isNan;
  fn.body = [
    when(i32.or(isInvalid(format, a), isInvalid(format, b)), [raise(hart, FLAG.NV)]),
    // The host's comparisons with a NaN are false.
    ret(i64.extend_u(host[name](fromBits(format, a), fromBits(format, b)))),
  ];
  return fn;
}

/**
 * minimumNumber and maximumNumber: a NaN loses against any number, and -0 is less than +0 (vol. I,
 * "Single-Precision Floating-Point Computational Instructions").
 */
function extremum(format: Format, name: 'min' | 'max'): FunctionBuilder {
  const { t, word, bits } = format;
  const fn = new FunctionBuilder(`${format.name}_${name}`, ['i32', t, t], t);
  const [hart, a, b] = [fn.param(0), fn.param(1), fn.param(2)];
  /** Two's complement orders positive numbers by their bits; negative ones are turned around. */
  const ordered = (x: Local): Expr =>
    word.xor(x, word.shr_u(word.shr_s(x, word.const(BigInt(bits - 1))), word.const(1n)));
  const isLess = word.lt_s(ordered(a), ordered(b));
  const unlessNan = (x: Expr): Stmt => ret(choose(isNan(format, x), canonicalNan(format), x));
  fn.body = [
    when(i32.or(isSignaling(format, a), isSignaling(format, b)), [raise(hart, FLAG.NV)]),
    when(isNan(format, a), [unlessNan(b)]),
    when(isNan(format, b), [ret(a)]),
    ret(name === 'min' ? choose(isLess, a, b) : choose(isLess, b, a)),
  ];
  return fn;
}

/** One bit of ten, as the table in vol. I, "Single-Precision Floating-Point Classify Instruction" numbers them. */
function classify(format: Format): FunctionBuilder {
  const { t } = format;
  const fn = new FunctionBuilder(`${format.name}_class`, [t], 'i64');
  const a = fn.param(0);
  const bit = (index: Expr): Expr => i64.shl(i64.const(1), i64.extend_u(index));
  const exponent = exponentOf(format, a);
  /** From zero to infinity. */
  const size = choose(
    isZero(format, a),
    i32.const(0),
    choose(
      i32.eqz(exponent),
      i32.const(1),
      choose(i32.eq(exponent, i32.const(format.special)), i32.const(3), i32.const(2)),
    ),
  );
  fn.body = [
    when(isNan(format, a), [ret(bit(choose(isSignaling(format, a), i32.const(8), i32.const(9))))]),
    ret(bit(choose(signOf(format, a), i32.sub(i32.const(3), size), i32.add(i32.const(4), size)))),
  ];
  return fn;
}

export const comparisonFunctions = (format: Format): FunctionBuilder[] => [
  comparison(format, 'eq'),
  comparison(format, 'lt'),
  comparison(format, 'le'),
  extremum(format, 'min'),
  extremum(format, 'max'),
  classify(format),
];
