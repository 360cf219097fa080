import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { generateCore } from '../../../src/machine/core/generate.ts';
import { HartBlock } from '../../../src/machine/core/hart-block.ts';
import { FLOAT_EXPORTS } from '../../../src/machine/fp/library.ts';
import * as oracle from './oracle.ts';
import { BINARY32, BINARY64, MODES, NX, type Format, type Mode, type Outcome } from './oracle.ts';

type Call = (...args: (number | bigint)[]) => number | bigint;

const PAGES = 2;
const memory = new WebAssembly.Memory({ initial: PAGES, maximum: PAGES, shared: true });
const library = new WebAssembly.Instance(
  new WebAssembly.Module(generateCore({ memoryPages: PAGES, exact: true })),
  { env: { memory } },
).exports as unknown as Record<string, Call>;
const words = new Int32Array(memory.buffer as unknown as SharedArrayBuffer);
const FFLAGS = HartBlock.offset.fflags >> 2;
/** A hart block at the start of memory. */
const HART = 0;

/** Bits as the function's types want them. */
const pass = (f: Format, bits: bigint): number | bigint =>
  f.bits === 32 ? Number(BigInt.asIntN(32, bits)) : BigInt.asIntN(64, bits);
const unsigned = (bits: number, value: number | bigint): bigint =>
  BigInt.asUintN(bits, BigInt(value));

/** Significands at which something changes, as the fraction field. */
const fractions = (f: Format): fc.Arbitrary<bigint> => {
  const width = f.p - 1n;
  const all = (1n << width) - 1n;
  return fc.oneof(
    fc.constantFrom(0n, 1n, 2n, 3n, all, all - 1n, 1n << (width - 1n), (1n << (width - 1n)) + 1n),
    fc.bigInt({ min: 0n, max: all }),
    // Few bits: exact results, and halves.
    fc.bigInt({ min: 0n, max: 255n }).map((top) => top << (width - 8n)),
    // A run of ones down to the end.
    fc.bigInt({ min: 0n, max: width }).map((length) => (1n << length) - 1n),
  );
};
/** Exponent fields: the ends, the middle, where products and quotients leave the range. */
const exponents = (f: Format): fc.Arbitrary<bigint> => {
  const special = 2n * f.emax + 1n;
  const near = (centre: bigint, by: bigint): fc.Arbitrary<bigint> =>
    fc.bigInt({ min: centre - by, max: centre + by });
  return fc.oneof(
    fc.constantFrom(0n, 1n, 2n, special - 1n, special - 2n, f.emax),
    { arbitrary: fc.constant(special), weight: 1 },
    { arbitrary: near(f.emax, f.p + 4n), weight: 4 },
    { arbitrary: near(f.emax / 2n, f.p / 2n), weight: 2 },
    { arbitrary: near(f.emax + f.emax / 2n, f.p / 2n), weight: 2 },
    { arbitrary: fc.bigInt({ min: 0n, max: f.p + 3n }), weight: 2 },
    { arbitrary: fc.bigInt({ min: 0n, max: special }), weight: 2 },
  );
};
const numbers = (f: Format): fc.Arbitrary<bigint> =>
  fc
    .tuple(fc.bigInt({ min: 0n, max: 1n }), exponents(f), fractions(f))
    .map(
      ([sign, e, fraction]) =>
        (((sign << BigInt(f.bits - Number(f.p))) | e) << (f.p - 1n)) | fraction,
    );

/** Every kind of number and its neighbours, for all pairs to be tried. */
const corners = (f: Format): bigint[] => {
  const width = f.p - 1n;
  const infinity = (2n * f.emax + 1n) << width;
  const one = f.emax << width;
  const positive = [
    ...[0n, 1n, 2n, (1n << width) - 1n, 1n << width, (1n << width) + 1n],
    ...[one - 1n, one, one + 1n, one + (1n << (width - 1n)), (f.emax + 1n) << width],
    ...[infinity - 1n, infinity, infinity + 1n, infinity + (1n << (width - 1n))],
  ];
  return positive.flatMap((bits) => [bits, bits | (1n << BigInt(f.bits - 1))]);
};

const samples = (f: Format, count: number, seed: number): bigint[] =>
  fc.sample(numbers(f), { seed, numRuns: count });
/** All pairs of corners, and random pairs. */
function pairs(f: Format, count: number): [bigint, bigint][] {
  const [left, right] = [samples(f, count, 11), samples(f, count, 12)];
  return [
    ...corners(f).flatMap((a) => corners(f).map((b): [bigint, bigint] => [a, b])),
    ...left.map((a, n): [bigint, bigint] => [a, right[n] as bigint]),
    // Nearly equal, and opposite: cancellation.
    ...left.map((a, n): [bigint, bigint] => [a, oracle.negate(f, a) ^ (BigInt(n) & 7n)]),
  ];
}

/**
 * Calls the function with "inexact" clear and accrued: that it then may ask the host must not show.
 * What differs is added to `wrong`.
 */
function check(
  wrong: string[],
  what: string,
  bits: number,
  wanted: Outcome,
  call: () => number | bigint,
): void {
  for (const accrued of [0, NX]) {
    words[FFLAGS] = accrued;
    const value = unsigned(bits, call());
    const flags = words[FFLAGS];
    if (value === unsigned(bits, wanted.value) && flags === (wanted.flags | accrued)) continue;
    const said = (v: bigint, f: number): string => `${unsigned(bits, v).toString(16)} flags ${f}`;
    wrong.push(`${what}: ${said(value, flags)}, not ${said(wanted.value, wanted.flags | accrued)}`);
  }
}
const shown = (...operands: bigint[]): string => operands.map((bits) => bits.toString(16)).join();
const COUNT = 400;

describe.each([
  ['f32', BINARY32],
  ['f64', BINARY64],
] as const)('%s', (prefix, f) => {
  const fn = (name: string): Call => library[`${prefix}_${name}`] as Call;

  describe.each(MODES.map((mode, rm) => [mode, rm] as const))('rounding %s', (mode, rm) => {
    it.each([
      ['add', oracle.add],
      ['mul', oracle.multiply],
      ['div', oracle.divide],
    ] as const)('%s is exact, and so are its flags', (name, twin) => {
      const wrong: string[] = [];
      for (const [a, b] of pairs(f, COUNT))
        check(wrong, `${name} ${mode} ${shown(a, b)}`, f.bits, twin(f, a, b, mode), () =>
          fn(name)(HART, pass(f, a), pass(f, b), rm),
        );
      expect(wrong).toEqual([]);
    });

    it('sqrt is exact, and so are its flags', () => {
      const wrong: string[] = [];
      for (const a of [...corners(f), ...samples(f, 2 * COUNT, 13)])
        check(wrong, `sqrt ${mode} ${shown(a)}`, f.bits, oracle.squareRoot(f, a, mode), () =>
          fn('sqrt')(HART, pass(f, a), rm),
        );
      expect(wrong).toEqual([]);
    });

    it('muladd rounds once', () => {
      const wrong: string[] = [];
      const operands = pairs(f, COUNT);
      const addends = samples(f, operands.length, 14);
      for (const [n, [a, b]] of operands.entries()) {
        // Now a random addend, now one that nearly cancels the product.
        const product = oracle.multiply(f, a, b, 'rne').value;
        const c =
          n % 2 === 0 ? (addends[n] as bigint) : oracle.negate(f, product) ^ (BigInt(n) & 3n);
        check(
          wrong,
          `muladd ${mode} ${shown(a, b, c)}`,
          f.bits,
          oracle.multiplyAdd(f, a, b, c, mode),
          () => fn('muladd')(HART, pass(f, a), pass(f, b), pass(f, c), rm),
        );
      }
      expect(wrong).toEqual([]);
    });

    it('from_i64 and from_u64', () => {
      const wrong: string[] = [];
      const edges = [
        0n,
        1n,
        (1n << 24n) + 1n,
        (1n << 53n) + 1n,
        (1n << 63n) - 1n,
        (1n << 64n) - 1n,
      ];
      const random = fc.sample(fc.bigInt({ min: 0n, max: (1n << 64n) - 1n }), {
        seed: 15,
        numRuns: COUNT,
      });
      const any = [...edges, ...random.map((value, n) => value >> BigInt(n % 64))];
      for (const value of any) {
        const signed = BigInt.asIntN(64, value);
        check(wrong, `from_u64 ${mode} ${value}`, f.bits, oracle.fromInteger(f, value, mode), () =>
          fn('from_u64')(HART, signed, rm),
        );
        for (const integer of [signed, BigInt.asIntN(64, -signed)])
          check(
            wrong,
            `from_i64 ${mode} ${integer}`,
            f.bits,
            oracle.fromInteger(f, integer, mode),
            () => fn('from_i64')(HART, integer, rm),
          );
      }
      expect(wrong).toEqual([]);
    });
  });

  it.each(['eq', 'lt', 'le'] as const)('%s, and which NaNs it minds', (name) => {
    const wrong: string[] = [];
    for (const [a, b] of pairs(f, COUNT))
      check(wrong, `${name} ${shown(a, b)}`, 64, oracle.compare(f, a, b, name), () =>
        fn(name)(HART, pass(f, a), pass(f, b)),
      );
    expect(wrong).toEqual([]);
  });

  it.each(['min', 'max'] as const)('%s prefers numbers to NaNs, and tells zeros apart', (name) => {
    const wrong: string[] = [];
    for (const [a, b] of pairs(f, COUNT))
      check(wrong, `${name} ${shown(a, b)}`, f.bits, oracle.extremum(f, a, b, name), () =>
        fn(name)(HART, pass(f, a), pass(f, b)),
      );
    expect(wrong).toEqual([]);
  });

  it('class', () => {
    for (const a of [...corners(f), ...samples(f, COUNT, 16)])
      expect(`${shown(a)}: ${fn('class')(pass(f, a))}`).toBe(
        `${shown(a)}: ${oracle.classify(f, a)}`,
      );
  });
});

describe.each(MODES.map((mode, rm) => [mode, rm] as const))(
  'conversions, rounding %s',
  (mode, rm) => {
    it.each([
      ['a signed word', -(2n ** 31n), 2n ** 31n - 1n],
      ['an unsigned word', 0n, 2n ** 32n - 1n],
      ['a signed doubleword', -(2n ** 63n), 2n ** 63n - 1n],
      ['an unsigned doubleword', 0n, 2n ** 64n - 1n],
    ])('to %s saturate, invalid alone', (_, least, greatest) => {
      const wrong: string[] = [];
      const around = [0n, least, greatest]
        .flatMap((end) => [end - 1n, end, end + 1n])
        .map((end) => oracle.fromInteger(BINARY64, end, 'rne').value)
        .flatMap((bits) => [bits - 1n, bits, bits + 1n, bits + (1n << 50n)]);
      const any = [...corners(BINARY64), ...around, ...samples(BINARY64, COUNT, 17)];
      for (const a of any.filter((bits) => bits >= 0n))
        check(
          wrong,
          `${mode} ${shown(a)}`,
          64,
          oracle.toInteger(BINARY64, a, least, greatest, mode as Mode),
          () =>
            (library['f64_to_integer'] as Call)(
              HART,
              pass(BINARY64, a),
              rm,
              BigInt.asIntN(64, greatest),
              BigInt.asIntN(64, -least),
            ),
        );
      expect(wrong).toEqual([]);
    });

    it('between the formats', () => {
      const wrong: string[] = [];
      const wide = [...corners(BINARY64), ...samples(BINARY64, 2 * COUNT, 18)];
      // Most binary64 numbers are far out of range: some at the edges of binary32's.
      const narrow = [...corners(BINARY32), ...samples(BINARY32, COUNT, 19)];
      const edges = narrow
        .map((bits) => oracle.convert(BINARY32, BINARY64, bits, 'rne').value)
        .flatMap((bits) => [
          bits,
          bits + 1n,
          bits - 1n,
          bits + (1n << 28n),
          bits + (1n << 28n) + 1n,
        ]);
      for (const a of [...wide, ...edges].map((bits) => unsigned(64, bits)))
        check(
          wrong,
          `f32_from_f64 ${mode} ${shown(a)}`,
          32,
          oracle.convert(BINARY64, BINARY32, a, mode),
          () => (library['f32_from_f64'] as Call)(HART, pass(BINARY64, a), rm),
        );
      for (const a of narrow)
        check(
          wrong,
          `f64_from_f32 ${shown(a)}`,
          64,
          oracle.convert(BINARY32, BINARY64, a, mode),
          () => (library['f64_from_f32'] as Call)(HART, pass(BINARY32, a)),
        );
      expect(wrong).toEqual([]);
    });
  },
);

describe('the library', () => {
  it('is exported whole', () => {
    expect(FLOAT_EXPORTS.filter((name) => typeof library[name] !== 'function')).toEqual([]);
    expect(FLOAT_EXPORTS).toHaveLength(29);
  });

  it('makes mstatus.FS Dirty only when a flag is new', () => {
    const MSTATUS = (HartBlock.offset.csr >> 2) + 0;
    const inexact = (): void =>
      void (library['f64_div'] as Call)(HART, 0x3ff0000000000000n, 0x4008000000000000n, 1);
    words[MSTATUS] = 0x4000;
    words[FFLAGS] = NX;
    inexact();
    expect(words[MSTATUS]).toBe(0x4000);
    words[FFLAGS] = 0;
    inexact();
    expect([words[MSTATUS], words[FFLAGS]]).toEqual([0x6000, NX]);
  });
});
