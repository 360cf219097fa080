/**
 * Addition, multiplication, division, square root and the fused multiply-add (IEEE 754-2008 §5.4.1).
 * Each first asks the host where that cannot be wrong; what follows is exact and slow.
 */
import { FunctionBuilder } from '../wasm/encoder.ts';
import {
  br,
  call,
  choose,
  f32,
  f64,
  i32,
  i64,
  label,
  loop,
  ret,
  set,
  when,
  type Expr,
  type Local,
  type Stmt,
} from '../wasm/ir.ts';
import {
  BINARY32,
  BINARY64,
  canonicalNan,
  FLAG,
  fromBits,
  infinityBits,
  isInfinite,
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
import { hostFuses } from './host.ts';
import {
  invalid,
  isOrdinary,
  mayAskHost,
  nanOf,
  raise,
  rounded,
  shiftRightSticky,
  unpack,
} from './round.ts';

const ONE = i64.const(1);
const isNotZero = (value: Expr): Expr => i64.extend_u(i64.ne(value, i64.const(0)));
const infinity = (format: Format, sign: Expr): Expr =>
  format.word.or(signAt(format, sign), format.word.const(infinityBits(format)));
const zero = (format: Format, sign: Expr): Expr => signAt(format, sign);
/** The sign of an exact zero sum of numbers of these signs (IEEE 754-2008 §6.3). */
const signOfZeroSum = (a: Expr, b: Expr, rm: Expr): Expr =>
  choose(i32.eq(a, b), a, i32.eq(rm, i32.const(ROUND.RDN)));

/** A function of two operands and a rounding mode, with the locals that all of them use. */
function binaryFunction(format: Format, name: string): Binary {
  const { t } = format;
  const fn = new FunctionBuilder(`${format.name}_${name}`, ['i32', t, t, 'i32'], t);
  return {
    fn,
    hart: fn.param(0),
    a: fn.param(1),
    b: fn.param(2),
    rm: fn.param(3),
    sign: fn.local('i32'),
    exponentA: fn.local('i32'),
    exponentB: fn.local('i32'),
    sigA: fn.local('i64'),
    sigB: fn.local('i64'),
    shift: fn.local('i32'),
    result: fn.local(t),
  };
}
interface Binary {
  readonly fn: FunctionBuilder;
  readonly hart: Local;
  readonly a: Local;
  readonly b: Local;
  readonly rm: Local;
  readonly sign: Local;
  readonly exponentA: Local;
  readonly exponentB: Local;
  readonly sigA: Local;
  readonly sigB: Local;
  readonly shift: Local;
  readonly result: Local;
}

/** Returns what the host says if that can be trusted. */
const askHost = (
  format: Format,
  { hart, rm, result }: Pick<Binary, 'hart' | 'rm' | 'result'>,
  value: Expr,
  isTrusted: Expr = isOrdinary(format, result),
): Stmt =>
  when(mayAskHost(hart, rm), [set(result, toBits(format, value)), when(isTrusted, [ret(result)])]);

function add(format: Format): FunctionBuilder {
  const f = binaryFunction(format, 'add');
  const { fn, hart, a, b, rm, sign, exponentA, exponentB, sigA, sigB, shift, result } = f;
  const otherSign = fn.local('i32');
  const swap64 = fn.local('i64');
  fn.body = [
    // A sum that is not special had no special operand, and one that is tiny is exact.
    askHost(
      format,
      f,
      format.host.add(fromBits(format, a), fromBits(format, b)),
      i32.eqz(isSpecial(format, result)),
    ),
    set(sign, signOf(format, a)),
    set(otherSign, signOf(format, b)),
    when(i32.or(isSpecial(format, a), isSpecial(format, b)), [
      when(i32.or(isNan(format, a), isNan(format, b)), nanOf(format, hart, a, b)),
      when(isInfinite(format, a), [
        when(i32.and(isInfinite(format, b), i32.ne(sign, otherSign)), invalid(format, hart)),
        ret(a),
      ]),
      ret(b),
    ]),
    ...unpack(format, a, exponentA, sigA, shift),
    ...unpack(format, b, exponentB, sigB, shift),
    // The larger exponent first.
    when(i32.lt_s(exponentA, exponentB), [
      set(shift, exponentA),
      set(exponentA, exponentB),
      set(exponentB, shift),
      set(swap64, sigA),
      set(sigA, sigB),
      set(sigB, swap64),
      set(shift, sign),
      set(sign, otherSign),
      set(otherSign, shift),
    ]),
    // One bit of room for the carry.
    set(sigA, i64.shr_u(sigA, ONE)),
    set(sigB, shiftRightSticky(i64.shr_u(sigB, ONE), i32.sub(exponentA, exponentB))),
    when(
      i32.eq(sign, otherSign),
      [set(sigA, i64.add(sigA, sigB))],
      [
        set(sigA, i64.sub(sigA, sigB)),
        when(i64.lt_s(sigA, i64.const(0)), [
          set(sigA, i64.sub(i64.const(0), sigA)),
          set(sign, otherSign),
          set(otherSign, i32.eqz(sign)),
        ]),
      ],
    ),
    when(i64.eqz(sigA), [ret(zero(format, signOfZeroSum(sign, otherSign, rm)))]),
    set(shift, i32.wrap(i64.clz(sigA))),
    rounded(
      format,
      hart,
      sign,
      i32.sub(i32.add(exponentA, i32.const(1)), shift),
      i64.shl(sigA, i64.extend_u(shift)),
      rm,
    ),
  ];
  return fn;
}

function multiply(format: Format): FunctionBuilder {
  const f = binaryFunction(format, 'mul');
  const { fn, hart, a, b, rm, sign, exponentA, exponentB, sigA, sigB, shift } = f;
  fn.body = [
    askHost(format, f, format.host.mul(fromBits(format, a), fromBits(format, b))),
    set(sign, i32.xor(signOf(format, a), signOf(format, b))),
    when(i32.or(isSpecial(format, a), isSpecial(format, b)), [
      when(i32.or(isNan(format, a), isNan(format, b)), nanOf(format, hart, a, b)),
      when(i32.or(isZero(format, a), isZero(format, b)), invalid(format, hart)),
      ret(infinity(format, sign)),
    ]),
    when(i32.or(isZero(format, a), isZero(format, b)), [ret(zero(format, sign))]),
    ...unpack(format, a, exponentA, sigA, shift),
    ...unpack(format, b, exponentB, sigB, shift),
    set(exponentA, i32.add(exponentA, i32.sub(exponentB, i32.const(format.bias - 1)))),
    set(sigA, i64.or(call('mulhu', 'i64', sigA, sigB), isNotZero(i64.mul(sigA, sigB)))),
    set(shift, i32.wrap(i64.clz(sigA))),
    rounded(format, hart, sign, i32.sub(exponentA, shift), i64.shl(sigA, i64.extend_u(shift)), rm),
  ];
  return fn;
}

function divide(format: Format): FunctionBuilder {
  const f = binaryFunction(format, 'div');
  const { fn, hart, a, b, rm, sign, exponentA, exponentB, sigA, sigB, shift } = f;
  const quotient = fn.local('i64');
  const remainder = fn.local('i64');
  // A remainder is below the divisor, so as many bits of the quotient can be had from one division.
  const digit = 64 - format.precision;
  const digits = Math.ceil((format.precision + 2) / digit);
  const digitBits = i64.const(digit);
  fn.body = [
    askHost(format, f, format.host.div(fromBits(format, a), fromBits(format, b))),
    set(sign, i32.xor(signOf(format, a), signOf(format, b))),
    when(i32.or(isSpecial(format, a), isSpecial(format, b)), [
      when(i32.or(isNan(format, a), isNan(format, b)), nanOf(format, hart, a, b)),
      when(isInfinite(format, a), [
        when(isInfinite(format, b), invalid(format, hart)),
        ret(infinity(format, sign)),
      ]),
      ret(zero(format, sign)),
    ]),
    when(isZero(format, b), [
      when(isZero(format, a), invalid(format, hart)),
      raise(hart, FLAG.DZ),
      ret(infinity(format, sign)),
    ]),
    when(isZero(format, a), [ret(zero(format, sign))]),
    ...unpack(format, a, exponentA, sigA, shift),
    ...unpack(format, b, exponentB, sigB, shift),
    set(sigA, i64.shr_u(sigA, digitBits)),
    set(sigB, i64.shr_u(sigB, digitBits)),
    set(quotient, i64.div_u(sigA, sigB)),
    set(remainder, i64.rem_u(sigA, sigB)),
    ...Array.from({ length: digits }, () => [
      set(sigA, i64.shl(remainder, digitBits)),
      set(quotient, i64.or(i64.shl(quotient, digitBits), i64.div_u(sigA, sigB))),
      set(remainder, i64.rem_u(sigA, sigB)),
    ]).flat(),
    set(shift, i32.wrap(i64.clz(quotient))),
    rounded(
      format,
      hart,
      sign,
      // The first digit is 0 or 1, just as the quotient of the significands is below or above 1.
      i32.sub(
        i32.add(i32.sub(exponentA, exponentB), i32.const(format.bias + 63 - digits * digit)),
        shift,
      ),
      i64.or(i64.shl(quotient, i64.extend_u(shift)), isNotZero(remainder)),
      rm,
    ),
  ];
  return fn;
}

/** The root digit by digit, as on paper: two bits of the number give one of the root. */
function squareRoot(format: Format): FunctionBuilder {
  const { t } = format;
  const fn = new FunctionBuilder(`${format.name}_sqrt`, ['i32', t, 'i32'], t);
  const [hart, a, rm] = [fn.param(0), fn.param(1), fn.param(2)];
  const result = fn.local(t);
  const exponent = fn.local('i32');
  const shift = fn.local('i32');
  const digits = fn.local('i32');
  const sig = fn.local('i64');
  const root = fn.local('i64');
  const remainder = fn.local('i64');
  const trial = i64.or(i64.shl(root, ONE), ONE);
  const next = label('next digit');
  const DIGITS = format.precision + 2;
  fn.body = [
    askHost(format, { hart, rm, result }, format.host.sqrt(fromBits(format, a))),
    when(isNan(format, a), nanOf(format, hart, a)),
    when(isZero(format, a), [ret(a)]),
    when(signOf(format, a), invalid(format, hart)),
    when(isInfinite(format, a), [ret(a)]),
    ...unpack(format, a, exponent, sig, shift),
    set(exponent, i32.sub(exponent, i32.const(format.bias))),
    // The point stands behind the first pair of bits: an even exponent leaves 1 there, an odd one 2 or 3.
    when(i32.eqz(i32.and(exponent, i32.const(1))), [set(sig, i64.shr_u(sig, ONE))]),
    set(digits, i32.const(DIGITS)),
    loop(next, [
      set(remainder, i64.or(i64.shl(remainder, i64.const(2)), i64.shr_u(sig, i64.const(62)))),
      set(sig, i64.shl(sig, i64.const(2))),
      set(root, i64.shl(root, ONE)),
      when(i64.ge_u(remainder, trial), [
        set(remainder, i64.sub(remainder, trial)),
        set(root, i64.or(root, ONE)),
      ]),
      set(digits, i32.sub(digits, i32.const(1))),
      when(digits, [br(next)]),
    ]),
    rounded(
      format,
      hart,
      i32.const(0),
      i32.add(i32.shr_s(exponent, i32.const(1)), i32.const(format.bias)),
      i64.or(i64.shl(root, i64.const(64 - DIGITS)), isNotZero(remainder)),
      rm,
    ),
  ];
  return fn;
}

/**
 * The host's multiply-add of binary32 where it has none: the product is exact in binary64, and the
 * sum, rounded there, is good for a second rounding unless it lies halfway between two numbers.
 */
function multiplyAddOnHost(
  { hart, rm, a, b, c, result }: Record<'hart' | 'rm' | 'a' | 'b' | 'c' | 'result', Local>,
  wide: Local,
): Stmt {
  const value = (bits: Local): Expr => f64.promote(f32.fromBits(bits));
  const DROPPED = BINARY64.precision - BINARY32.precision;
  return when(mayAskHost(hart, rm), [
    set(wide, f64.toBits(f64.add(f64.mul(value(a), value(b)), value(c)))),
    when(
      i64.ne(
        i64.and(wide, i64.const((1n << BigInt(DROPPED)) - 1n)),
        i64.const(1n << BigInt(DROPPED - 1)),
      ),
      [
        set(result, f32.toBits(f32.demote(f64.fromBits(wide)))),
        when(isOrdinary(BINARY32, result), [ret(result)]),
      ],
    ),
  ]);
}

/** a * b + c with one rounding: the product and the sum have 128 bits, in a high and a low half. */
function multiplyAdd(format: Format): FunctionBuilder {
  const { t } = format;
  const fn = new FunctionBuilder(`${format.name}_muladd`, ['i32', t, t, t, 'i32'], t);
  const [hart, a, b, c, rm] = [0, 1, 2, 3, 4].map((n) => fn.param(n)) as [
    Local,
    Local,
    Local,
    Local,
    Local,
  ];
  const result = fn.local(t);
  const sign = fn.local('i32');
  const signC = fn.local('i32');
  const exponent = fn.local('i32');
  const exponentC = fn.local('i32');
  const shift = fn.local('i32');
  const high = fn.local('i64');
  const low = fn.local('i64');
  const highC = fn.local('i64');
  const lowC = fn.local('i64');
  const by = i64.extend_u(shift);
  const anyOf = (test: (format: Format, x: Expr) => Expr, ...xs: Expr[]): Expr =>
    xs.map((x) => test(format, x)).reduce((x, y) => i32.or(x, y));
  const isInfinityTimesZero = i32.or(
    i32.and(isInfinite(format, a), isZero(format, b)),
    i32.and(isZero(format, a), isInfinite(format, b)),
  );

  /** Shifts 128 bits right by `shift`, the lowest standing for all that fell out. */
  const shiftRight128Sticky = (upper: Local, lower: Local): Stmt =>
    when(
      i32.gt_u(shift, i32.const(63)),
      [
        set(
          lower,
          i64.or(shiftRightSticky(upper, i32.sub(shift, i32.const(64))), isNotZero(lower)),
        ),
        set(upper, i64.const(0)),
      ],
      [
        // Shifting left in two steps: by 64 is not by 0.
        set(
          lower,
          i64.or(
            i64.shl(i64.shl(upper, ONE), i64.sub(i64.const(63), by)),
            shiftRightSticky(lower, shift),
          ),
        ),
        set(upper, i64.shr_u(upper, by)),
      ],
    );

  fn.body = [
    ...(hostFuses()
      ? [
          askHost(
            format,
            { hart, rm, result },
            format.host.fused(fromBits(format, a), fromBits(format, b), fromBits(format, c)),
          ),
        ]
      : format === BINARY32
        ? [multiplyAddOnHost({ hart, rm, a, b, c, result }, fn.local('i64'))]
        : []),
    set(sign, i32.xor(signOf(format, a), signOf(format, b))),
    set(signC, signOf(format, c)),
    when(anyOf(isSpecial, a, b, c), [
      // Invalid even if the addend is a quiet NaN (vol. I, "Single-Precision Floating-Point Computational
      // Instructions").
      when(i32.or(isInfinityTimesZero, anyOf(isSignaling, a, b, c)), invalid(format, hart)),
      when(anyOf(isNan, a, b, c), [ret(canonicalNan(format))]),
      when(anyOf(isInfinite, a, b), [
        when(i32.and(isInfinite(format, c), i32.ne(sign, signC)), invalid(format, hart)),
        ret(infinity(format, sign)),
      ]),
      ret(c),
    ]),
    when(anyOf(isZero, a, b), [
      when(isZero(format, c), [ret(zero(format, signOfZeroSum(sign, signC, rm)))]),
      ret(c),
    ]),
    ...unpack(format, a, exponent, high, shift),
    ...unpack(format, b, exponentC, low, shift),
    set(exponent, i32.add(exponent, i32.sub(exponentC, i32.const(format.bias - 1)))),
    set(highC, call('mulhu', 'i64', high, low)),
    set(low, i64.mul(high, low)),
    // One bit of room for the carry; the lowest bit was not in use.
    set(low, i64.or(i64.shr_u(low, ONE), i64.shl(highC, i64.const(63)))),
    set(high, i64.shr_u(highC, ONE)),
    ...unpack(format, c, exponentC, highC, shift),
    when(isZero(format, c), [set(exponentC, exponent)]),
    set(highC, i64.shr_u(highC, ONE)),
    when(
      i32.lt_s(exponent, exponentC),
      [
        set(shift, i32.sub(exponentC, exponent)),
        set(exponent, exponentC),
        shiftRight128Sticky(high, low),
      ],
      [set(shift, i32.sub(exponent, exponentC)), shiftRight128Sticky(highC, lowC)],
    ),
    when(
      i32.eq(sign, signC),
      [
        set(low, i64.add(low, lowC)),
        set(high, i64.add(i64.add(high, highC), i64.extend_u(i64.lt_u(low, lowC)))),
      ],
      [
        set(high, i64.sub(i64.sub(high, highC), i64.extend_u(i64.lt_u(low, lowC)))),
        set(low, i64.sub(low, lowC)),
        when(i64.lt_s(high, i64.const(0)), [
          set(low, i64.sub(i64.const(0), low)),
          set(high, i64.sub(i64.xor(high, i64.const(-1)), i64.const(-1))),
          when(i64.ne(low, i64.const(0)), [set(high, i64.sub(high, ONE))]),
          set(sign, signC),
        ]),
        when(i64.eqz(i64.or(high, low)), [ret(zero(format, i32.eq(rm, i32.const(ROUND.RDN))))]),
      ],
    ),
    when(i64.eqz(high), [
      set(high, low),
      set(low, i64.const(0)),
      set(exponent, i32.sub(exponent, i32.const(64))),
    ]),
    set(shift, i32.wrap(i64.clz(high))),
    set(
      high,
      i64.or(i64.shl(high, by), i64.shr_u(i64.shr_u(low, ONE), i64.sub(i64.const(63), by))),
    ),
    set(high, i64.or(high, isNotZero(i64.shl(low, by)))),
    rounded(format, hart, sign, i32.sub(i32.add(exponent, i32.const(1)), shift), high, rm),
  ];
  return fn;
}

export const arithmeticFunctions = (format: Format): FunctionBuilder[] => [
  add(format),
  multiply(format),
  divide(format),
  squareRoot(format),
  multiplyAdd(format),
];
