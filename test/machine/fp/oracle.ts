/**
 * IEEE 754 by its definition: an operation gives the exact rational number, and that is rounded. Shares
 * nothing with src/machine/fp; slow, and meant to be read beside the standard (2008, §4 to §7) and
 * vol. I, "F" and "D".
 */

export interface Format {
  readonly bits: 32 | 64;
  /** Significant bits, and the exponents of the largest and the smallest normal numbers. */
  readonly p: bigint;
  readonly emax: bigint;
}
export const BINARY32: Format = { bits: 32, p: 24n, emax: 127n };
export const BINARY64: Format = { bits: 64, p: 53n, emax: 1023n };

export const NX = 1;
export const UF = 2;
export const OF = 4;
export const DZ = 8;
export const NV = 16;

/** In the order of frm. */
export const MODES = ['rne', 'rtz', 'rdn', 'rup', 'rmm'] as const;
export type Mode = (typeof MODES)[number];

/** What an operation gives: bits (or an integer), and the flags it raises. */
export interface Outcome {
  readonly value: bigint;
  readonly flags: number;
}

/** n / d, d positive. */
interface Rational {
  readonly n: bigint;
  readonly d: bigint;
}
type Decoded =
  | { readonly kind: 'nan'; readonly signaling: boolean }
  | { readonly kind: 'infinity'; readonly sign: bigint }
  | { readonly kind: 'finite'; readonly sign: bigint; readonly value: Rational };

const emin = ({ emax }: Format): bigint => 1n - emax;
const fractionBits = ({ p }: Format): bigint => p - 1n;
const signBit = ({ bits }: Format): bigint => 1n << BigInt(bits - 1);
const infinity = (f: Format, sign: bigint): bigint =>
  sign * signBit(f) + ((2n * f.emax + 1n) << fractionBits(f));
const zero = (f: Format, sign: bigint): bigint => sign * signBit(f);
export const canonicalNan = (f: Format): bigint => infinity(f, 0n) + (1n << (fractionBits(f) - 1n));

const power2 = (e: bigint): Rational => (e >= 0n ? { n: 1n << e, d: 1n } : { n: 1n, d: 1n << -e });
const times = (a: Rational, b: Rational): Rational => ({ n: a.n * b.n, d: a.d * b.d });
const plus = (a: Rational, b: Rational): Rational => ({ n: a.n * b.d + b.n * a.d, d: a.d * b.d });
const minus = (a: Rational): Rational => ({ n: -a.n, d: a.d });
const isLess = (a: Rational, b: Rational): boolean => a.n * b.d < b.n * a.d;
const magnitude = (a: Rational): Rational => ({ n: a.n < 0n ? -a.n : a.n, d: a.d });

function decode(f: Format, bits: bigint): Decoded {
  const sign = bits >> BigInt(f.bits - 1);
  const exponent = (bits & ~signBit(f)) >> fractionBits(f);
  const fraction = bits & ((1n << fractionBits(f)) - 1n);
  if (exponent === 2n * f.emax + 1n) {
    if (fraction === 0n) return { kind: 'infinity', sign };
    return { kind: 'nan', signaling: fraction >> (fractionBits(f) - 1n) === 0n };
  }
  const hidden = exponent === 0n ? 0n : 1n << fractionBits(f);
  const scale = (exponent === 0n ? emin(f) : exponent - f.emax) - fractionBits(f);
  const value = times({ n: hidden + fraction, d: 1n }, power2(scale));
  return { kind: 'finite', sign, value: sign === 1n ? minus(value) : value };
}

/** The multiple of a quantum (a positive rational) that a number is rounded to, as its count of quanta. */
function quanta(x: Rational, quantum: Rational, mode: Mode): bigint {
  const size = magnitude(x);
  const n = size.n * quantum.d;
  const d = size.d * quantum.n;
  const below = n / d;
  const rest = n % d;
  const isNegative = x.n < 0n;
  const isUp = {
    rne: 2n * rest > d || (2n * rest === d && below % 2n === 1n),
    rmm: 2n * rest >= d,
    rtz: false,
    rdn: isNegative && rest > 0n,
    rup: !isNegative && rest > 0n,
  }[mode];
  const count = below + (isUp ? 1n : 0n);
  return isNegative ? -count : count;
}

/** The exponent of a positive rational: 2^e <= x < 2^(e+1). */
function exponentOf({ n, d }: Rational): bigint {
  let e = BigInt(n.toString(2).length - d.toString(2).length);
  if (isLess({ n, d }, power2(e))) e -= 1n;
  return e;
}

/** Rounds what is not zero (§4.3, §7.4, §7.5; tininess after rounding). */
function round(f: Format, x: Rational, mode: Mode): Outcome {
  const sign = x.n < 0n ? 1n : 0n;
  const e = exponentOf(magnitude(x));
  const atPrecision = (exponent: bigint): { quantum: Rational; count: bigint } => {
    const quantum = power2(exponent - fractionBits(f));
    return { quantum, count: quanta(x, quantum, mode) };
  };
  // With an exponent as large or as small as it takes.
  const unbounded = atPrecision(e);
  const valueUnbounded = magnitude(times({ n: unbounded.count, d: 1n }, unbounded.quantum));
  const isTiny = isLess(valueUnbounded, power2(emin(f)));
  if (!isLess(valueUnbounded, power2(f.emax + 1n))) {
    const staysFinite = mode === 'rtz' || mode === (sign === 1n ? 'rup' : 'rdn');
    return { value: infinity(f, sign) - (staysFinite ? 1n : 0n), flags: OF | NX };
  }
  const { quantum, count } = atPrecision(e < emin(f) ? emin(f) : e);
  const size = count < 0n ? -count : count;
  const isExact = count * quantum.n * x.d === x.n * quantum.d;
  const exponent = exponentOf(quantum) + fractionBits(f);
  // The hidden bit of a normal number counts as one in the exponent field.
  const field = (exponent + f.emax - 1n) << fractionBits(f);
  const flags = isExact ? 0 : isTiny ? NX | UF : NX;
  return { value: sign * signBit(f) + field + size, flags };
}

const invalid = (f: Format): Outcome => ({ value: canonicalNan(f), flags: NV });
/** The canonical NaN, invalid if an operand was signaling; undefined if none was a NaN. */
function nanOf(f: Format, ...operands: Decoded[]): Outcome | undefined {
  const nans = operands.flatMap((operand) => (operand.kind === 'nan' ? [operand.signaling] : []));
  if (nans.length === 0) return undefined;
  return { value: canonicalNan(f), flags: nans.includes(true) ? NV : 0 };
}

const exact = (value: bigint): Outcome => ({ value, flags: 0 });
const isZero = (x: Decoded): boolean => x.kind === 'finite' && x.value.n === 0n;

/** §6.3: an exact zero sum is +0, but -0 when rounding down, and keeps a sign that both have. */
function sum(
  f: Format,
  a: Decoded,
  b: Decoded,
  bits: readonly [bigint, bigint],
  mode: Mode,
): Outcome {
  if (a.kind === 'nan' || b.kind === 'nan') throw new Error('a sum of NaNs');
  if (a.kind === 'infinity') {
    return b.kind === 'infinity' && a.sign !== b.sign ? invalid(f) : exact(infinity(f, a.sign));
  }
  if (b.kind === 'infinity') return exact(bits[1]);
  const total = plus(a.value, b.value);
  if (total.n !== 0n) return round(f, total, mode);
  return exact(zero(f, a.sign === b.sign ? a.sign : mode === 'rdn' ? 1n : 0n));
}

export function add(f: Format, x: bigint, y: bigint, mode: Mode): Outcome {
  const [a, b] = [decode(f, x), decode(f, y)];
  return nanOf(f, a, b) ?? sum(f, a, b, [x, y], mode);
}
export const negate = (f: Format, x: bigint): bigint => x ^ signBit(f);

export function multiply(f: Format, x: bigint, y: bigint, mode: Mode): Outcome {
  const [a, b] = [decode(f, x), decode(f, y)];
  const nan = nanOf(f, a, b);
  if (nan !== undefined || a.kind === 'nan' || b.kind === 'nan') return nan as Outcome;
  const sign = a.sign ^ b.sign;
  if (a.kind === 'infinity' || b.kind === 'infinity')
    return isZero(a) || isZero(b) ? invalid(f) : exact(infinity(f, sign));
  const product = times(a.value, b.value);
  return product.n === 0n ? exact(zero(f, sign)) : round(f, product, mode);
}

export function divide(f: Format, x: bigint, y: bigint, mode: Mode): Outcome {
  const [a, b] = [decode(f, x), decode(f, y)];
  const nan = nanOf(f, a, b);
  if (nan !== undefined || a.kind === 'nan' || b.kind === 'nan') return nan as Outcome;
  const sign = a.sign ^ b.sign;
  if (a.kind === 'infinity') return b.kind === 'infinity' ? invalid(f) : exact(infinity(f, sign));
  if (b.kind === 'infinity') return exact(zero(f, sign));
  if (b.value.n === 0n)
    return a.value.n === 0n ? invalid(f) : { value: infinity(f, sign), flags: DZ };
  if (a.value.n === 0n) return exact(zero(f, sign));
  const { n, d } = magnitude(b.value);
  const quotient = times(a.value, { n: d, d: n });
  return round(f, b.sign === 1n ? minus(quotient) : quotient, mode);
}

/** floor(sqrt(n)) by Newton's method. */
function integerRoot(n: bigint): bigint {
  if (n < 2n) return n;
  let root = 1n << BigInt((n.toString(2).length + 1) >> 1);
  for (;;) {
    const next = (root + n / root) >> 1n;
    if (next >= root) return root;
    root = next;
  }
}

export function squareRoot(f: Format, x: bigint, mode: Mode): Outcome {
  const a = decode(f, x);
  const nan = nanOf(f, a);
  if (nan !== undefined || a.kind === 'nan') return nan as Outcome;
  if (isZero(a)) return exact(x);
  if (a.sign === 1n) return invalid(f);
  if (a.kind === 'infinity') return exact(x);
  // Scaled by 4^k the root has far more bits than are kept; where it is not exact, half a unit stands
  // for what is missing: it is neither a number of the format nor between two of them.
  const k = 80n + (a.value.d.toString(2).length > 1 ? BigInt(a.value.d.toString(2).length) : 0n);
  const scaled = (a.value.n << (2n * k)) / a.value.d;
  const root = integerRoot(scaled);
  const isExact = root * root === scaled && scaled * a.value.d === a.value.n << (2n * k);
  return round(f, { n: 2n * root + (isExact ? 0n : 1n), d: 1n << (k + 1n) }, mode);
}

export function multiplyAdd(f: Format, x: bigint, y: bigint, z: bigint, mode: Mode): Outcome {
  const [a, b, c] = [decode(f, x), decode(f, y), decode(f, z)];
  // Invalid whatever the addend is.
  if ((a.kind === 'infinity' && isZero(b)) || (isZero(a) && b.kind === 'infinity'))
    return invalid(f);
  const nan = nanOf(f, a, b, c);
  if (nan !== undefined || a.kind === 'nan' || b.kind === 'nan') return nan as Outcome;
  const sign = a.sign ^ b.sign;
  const product: Decoded =
    a.kind === 'infinity' || b.kind === 'infinity'
      ? { kind: 'infinity', sign }
      : { kind: 'finite', sign, value: times(a.value, b.value) };
  return sum(f, product, c, [0n, z], mode);
}

export function compare(f: Format, x: bigint, y: bigint, name: 'eq' | 'lt' | 'le'): Outcome {
  const [a, b] = [decode(f, x), decode(f, y)];
  if (a.kind === 'nan' || b.kind === 'nan') {
    const isInvalid = name !== 'eq' || nanOf(f, a, b)?.flags === NV;
    return { value: 0n, flags: isInvalid ? NV : 0 };
  }
  const [p, q] = [ordinal(f, x), ordinal(f, y)];
  return exact({ eq: p === q, lt: p < q, le: p <= q }[name] ? 1n : 0n);
}
/** Orders what is no NaN; both zeros are 0. */
const ordinal = (f: Format, x: bigint): bigint => {
  const size = x & (signBit(f) - 1n);
  return x >= signBit(f) ? -size : size;
};

export function extremum(f: Format, x: bigint, y: bigint, name: 'min' | 'max'): Outcome {
  const [a, b] = [decode(f, x), decode(f, y)];
  const flags = nanOf(f, a, b)?.flags ?? 0;
  if (a.kind === 'nan') return { value: b.kind === 'nan' ? canonicalNan(f) : y, flags };
  if (b.kind === 'nan') return { value: x, flags };
  const difference = ordinal(f, x) - ordinal(f, y);
  // Of zeros the negative one is less.
  const isFirstLess = difference === 0n ? a.sign >= b.sign : difference < 0n;
  return exact(isFirstLess === (name === 'min') ? x : y);
}

export function classify(f: Format, x: bigint): bigint {
  const a = decode(f, x);
  if (a.kind === 'nan') return a.signaling ? 1n << 8n : 1n << 9n;
  const size =
    a.kind === 'infinity'
      ? 3n
      : a.value.n === 0n
        ? 0n
        : isLess(magnitude(a.value), power2(emin(f)))
          ? 1n
          : 2n;
  return 1n << (a.sign === 1n ? 3n - size : 4n + size);
}

/** To an integer of a range; what is outside gives the nearest end and "invalid" alone. */
export function toInteger(
  f: Format,
  x: bigint,
  least: bigint,
  greatest: bigint,
  mode: Mode,
): Outcome {
  const a = decode(f, x);
  if (a.kind === 'nan') return { value: greatest, flags: NV };
  if (a.kind === 'infinity') return { value: a.sign === 1n ? least : greatest, flags: NV };
  const integer = quanta(a.value, power2(0n), mode);
  if (integer < least) return { value: least, flags: NV };
  if (integer > greatest) return { value: greatest, flags: NV };
  return { value: integer, flags: integer * a.value.d === a.value.n ? 0 : NX };
}

export const fromInteger = (f: Format, integer: bigint, mode: Mode): Outcome =>
  integer === 0n ? exact(0n) : round(f, { n: integer, d: 1n }, mode);

export function convert(from: Format, to: Format, x: bigint, mode: Mode): Outcome {
  const a = decode(from, x);
  if (a.kind === 'nan') return { value: canonicalNan(to), flags: a.signaling ? NV : 0 };
  if (a.kind === 'infinity') return exact(infinity(to, a.sign));
  return a.value.n === 0n ? exact(zero(to, a.sign)) : round(to, a.value, mode);
}
