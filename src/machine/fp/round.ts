/**
 * What every operation of the library ends in: rounding, packing, raising flags.
 *
 * Between operands and result a number is a sign (i32, 0 or 1), a biased exponent (i32, unbounded) and a
 * significand (i64) whose highest bit is its leading one and whose lowest stands for everything below
 * it: "sticky". The formats keep at most 53 of the 64 bits, so rounding sees a guard bit and the
 * sticky bit whatever was lost.
 */
import { HartBlock, csrIndex } from '../core/hart-block.ts';
import { MSTATUS_BITS } from '../csr-numbers.ts';
import { FunctionBuilder } from '../wasm/encoder.ts';
import {
  call,
  choose,
  i32,
  i64,
  load,
  ret,
  set,
  store,
  when,
  type Expr,
  type Local,
  type Stmt,
} from '../wasm/ir.ts';
import {
  canonicalNan,
  exponentOf,
  FLAG,
  fractionOnTop,
  infinityBits,
  isSignaling,
  ROUND,
  signAt,
  type Format,
} from './format.ts';

const at = HartBlock.offset;
const MSTATUS = at.csr + 8 * csrIndex.mstatus;

/** Ors into the flags that accrued. */
export const raise = (hart: Expr, flags: number | Expr): Stmt => ({
  k: 'callVoid',
  callee: 'float_raise',
  args: [hart, typeof flags === 'number' ? i32.const(flags) : flags],
});

/** Raises "invalid" and returns the canonical NaN. */
export const invalid = (format: Format, hart: Expr): Stmt[] => [
  raise(hart, FLAG.NV),
  ret(canonicalNan(format)),
];

/** Returns the NaN of an operation with NaN operands: invalid if one of them was signaling. */
export const nanOf = (format: Format, hart: Expr, ...operands: Expr[]): Stmt[] => [
  when(
    operands.map((operand) => isSignaling(format, operand)).reduce((a, b) => i32.or(a, b)),
    invalid(format, hart),
  ),
  ret(canonicalNan(format)),
];

/** `sig` shifted right by a count that is not negative, its lowest bit standing for all that fell out. */
export const shiftRightSticky = (sig: Expr, count: Expr): Expr =>
  call('float_shift_right_sticky', 'i64', sig, count);

/** Rounds and packs: see `roundFunction`. */
export const rounded = (
  format: Format,
  hart: Expr,
  sign: Expr,
  exponent: Expr,
  sig: Expr,
  rm: Expr,
): Stmt => ret(call(`${format.name}_round`, format.t, hart, sign, exponent, sig, rm));

/**
 * Takes a finite number apart. Zero has a significand of 0 and an exponent below every other's, so it
 * can be added like any number.
 */
export const unpack = (
  format: Format,
  a: Expr,
  exponent: Local,
  sig: Local,
  spare: Local,
): Stmt[] => [
  set(exponent, exponentOf(format, a)),
  set(sig, fractionOnTop(format, a)),
  when(
    exponent,
    [set(sig, i64.or(sig, i64.const(-(1n << 63n))))],
    [
      // Subnormal: its exponent is that of the smallest normal numbers, its leading one further down.
      set(spare, i32.wrap(i64.clz(sig))),
      set(sig, i64.shl(sig, i64.extend_u(spare))),
      set(exponent, i32.sub(i32.const(1), spare)),
    ],
  ),
];

/**
 * Whether the host's own operation may be asked: it rounds to the nearest and tells no flags, which is
 * enough if that is the mode and "inexact" has accrued already, for as long as the result shows that no
 * other flag can be due. Programs that do not clear the flags spend their lives here.
 */
export const mayAskHost = (hart: Expr, rm: Expr): Expr =>
  i32.eqz(
    i32.or(
      rm,
      i32.and(
        i32.xor(load('i32', 4, false, hart, at.fflags), i32.const(FLAG.NX)),
        i32.const(FLAG.NX),
      ),
    ),
  );

/** Neither special nor zero, subnormal or so small that it may have been subnormal before rounding. */
export const isOrdinary = (format: Format, a: Expr): Expr =>
  i32.lt_u(i32.sub(exponentOf(format, a), i32.const(2)), i32.const(format.special - 2));

/**
 * `float_raise(hart, flags)`: a flag that was clear also makes mstatus.FS Dirty (vol. II, "Extension
 * Context Status").
 */
function raiseFunction(): FunctionBuilder {
  const fn = new FunctionBuilder('float_raise', ['i32', 'i32']);
  const [hart, flags] = [fn.param(0), fn.param(1)];
  const old = load('i32', 4, false, hart, at.fflags);
  fn.body = [
    when(i32.and(flags, i32.xor(old, i32.const(-1))), [
      store('i32', 4, hart, i32.or(old, flags), at.fflags),
      store(
        'i32',
        4,
        hart,
        i32.or(load('i32', 4, false, hart, MSTATUS), i32.const(MSTATUS_BITS.FS)),
        MSTATUS,
      ),
    ]),
  ];
  return fn;
}

function shiftFunction(): FunctionBuilder {
  const fn = new FunctionBuilder('float_shift_right_sticky', ['i64', 'i32'], 'i64');
  const [sig, count] = [fn.param(0), fn.param(1)];
  const by = i64.extend_u(count);
  const lost = i64.and(sig, i64.sub(i64.shl(i64.const(1), by), i64.const(1)));
  const isNotZero = (value: Expr): Expr => i64.extend_u(i64.ne(value, i64.const(0)));
  fn.body = [
    ret(
      choose(
        i32.gt_u(count, i32.const(63)),
        isNotZero(sig),
        i64.or(i64.shr_u(sig, by), isNotZero(lost)),
      ),
    ),
  ];
  return fn;
}

/**
 * `f64_round(hart, sign, exponent, sig, rm)`: the bits of the number nearest to this one, which is not
 * zero, in the direction of the mode; raises "inexact", "underflow" and "overflow".
 *
 * Tininess is detected after rounding (vol. I, "Subnormal Arithmetic"): a number is tiny if it would be
 * below the normal ones even when rounded to full precision.
 */
function roundFunction(format: Format): FunctionBuilder {
  const { word, t, precision, special } = format;
  const fn = new FunctionBuilder(`${format.name}_round`, ['i32', 'i32', 'i32', 'i64', 'i32'], t);
  const [hart, sign, exponent, sig, rm] = [0, 1, 2, 3, 4].map((n) => fn.param(n)) as [
    Local,
    Local,
    Local,
    Local,
    Local,
  ];
  const added = fn.local('i64');
  const rest = fn.local('i64');
  const isTiny = fn.local('i32');
  const packed = fn.local(t);
  const low = 64 - precision;
  const LOW_MASK = i64.const((1n << BigInt(low)) - 1n);
  const HALF = i64.const(1n << BigInt(low - 1));
  const narrow = (value: Expr): Expr => (t === 'i32' ? i32.wrap(value) : value);
  const is = (mode: keyof typeof ROUND): Expr => i32.eq(rm, i32.const(ROUND[mode]));
  const infinity = word.const(infinityBits(format));
  const largest = word.const(infinityBits(format) - 1n);
  const signed = (value: Expr): Expr => word.or(signAt(format, sign), value);
  const kept = i64.add(
    i64.shr_u(sig, i64.const(low)),
    i64.shr_u(i64.add(rest, added), i64.const(low)),
  );
  /** To the nearest, and halfway: the sum was rounded up, and its lowest bit is to be even. */
  const tie = i64.extend_u(i32.and(i32.eqz(rm), i64.eq(rest, HALF)));

  fn.body = [
    // What rounding adds below the last bit that is kept, for the carry out to round it up.
    set(
      added,
      choose(
        i32.or(is('RNE'), is('RMM')),
        HALF,
        choose(i32.eq(rm, i32.sub(i32.const(ROUND.RUP), sign)), LOW_MASK, i64.const(0)),
      ),
    ),
    when(i32.lt_s(exponent, i32.const(1)), [
      set(isTiny, i32.or(i32.lt_s(exponent, i32.const(0)), i64.ge_u(i64.add(sig, added), sig))),
      set(sig, shiftRightSticky(sig, i32.sub(i32.const(1), exponent))),
      set(exponent, i32.const(1)),
    ]),
    set(rest, i64.and(sig, LOW_MASK)),
    // The hidden bit adds one to the exponent field, and so does a carry out of the fraction.
    set(
      packed,
      word.add(
        narrow(i64.shl(i64.extend_u(i32.sub(exponent, i32.const(1))), i64.const(precision - 1))),
        narrow(i64.and(kept, i64.xor(tie, i64.const(-1)))),
      ),
    ),
    when(
      i32.or(
        i32.lt_s(i32.const(special - 1), exponent),
        i32.eq(exponentOf(format, packed), i32.const(special)),
      ),
      [raise(hart, FLAG.OF | FLAG.NX), ret(signed(choose(i64.eqz(added), largest, infinity)))],
    ),
    when(i64.ne(rest, i64.const(0)), [
      raise(hart, choose(isTiny, i32.const(FLAG.NX | FLAG.UF), i32.const(FLAG.NX))),
    ]),
    ret(signed(packed)),
  ];
  return fn;
}

export const roundFunctions = (formats: readonly Format[]): FunctionBuilder[] => [
  raiseFunction(),
  shiftFunction(),
  ...formats.map(roundFunction),
];
