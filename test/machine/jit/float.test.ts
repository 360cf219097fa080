/**
 * Floating point in regions asks the host where it can: here every operation on many operands, translated
 * and interpreted, bit for bit with its flags. What the interpreter says is held against an oracle elsewhere
 * (test/machine/hart/float.test.ts).
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { Bench, RAM } from '../hart/bench.ts';
import { ROWS, type Row } from '../isa/assembler.ts';

const [DATA, OUTPUT, FUNCTION] = [RAM + 0x10_0000n, RAM + 0x20_0000n, RAM + 0x1000n] as const;
const COUNT = Number(process.env['CORDON_JIT_OPERANDS'] ?? 400);
const SEED = Number(process.env['CORDON_JIT_SEED'] ?? 7);
/** Three operands of each register file, and fcsr, in 8 bytes each; what comes out is as wide. */
const CASE_BYTES = 64;
const BOX = 0xffff_ffffn << 32n;

/** Instructions that compute with f registers and touch no memory. */
const COMPUTING = [...ROWS.values()].filter(
  ({ syntax, name, bytes }) => bytes === 4 && /\bf[ds]/.test(syntax) && !/^f[ls][wd]$/.test(name),
);

const number = (fraction: number, bias: number): fc.Arbitrary<bigint> => {
  const special = BigInt(2 * bias + 1);
  const width = BigInt(fraction);
  const exponents = fc.oneof(
    fc.constantFrom(0n, 1n, 2n, 3n, special, special - 1n, special - 2n),
    { arbitrary: fc.bigInt({ min: BigInt(bias) - width, max: BigInt(bias) + width }), weight: 4 },
    fc.bigInt({ min: 0n, max: special }),
  );
  const all = (1n << width) - 1n;
  const fractions = fc.oneof(
    fc.constantFrom(0n, 1n, all, 1n << (width - 1n)),
    fc.bigInt({ min: 0n, max: all }),
    fc.bigInt({ min: 0n, max: 255n }).map((top) => top << (width - 8n)),
  );
  return fc
    .tuple(fc.bigInt({ min: 0n, max: 1n }), exponents, fractions)
    .map(([sign, e, f]) => (((sign * (special + 1n)) | e) << width) | f);
};
const double = number(52, 1023);
const single = number(23, 127);
/** Mostly what the instruction expects, now and then the other format, or a single without its box. */
const operand = (isDouble: boolean): fc.Arbitrary<bigint> => {
  const boxed = single.map((bits) => BOX | bits);
  return isDouble
    ? fc.oneof({ arbitrary: double, weight: 9 }, boxed)
    : fc.oneof({ arbitrary: boxed, weight: 9 }, double, single);
};
const integer = fc.oneof(
  fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
  fc.bigInt({ min: -100n, max: 100n }),
);
/** To the nearest and inexact already, mostly: what the host may be asked for. */
const status = fc
  .tuple(
    fc.oneof({ arbitrary: fc.constant(0n), weight: 6 }, fc.bigInt({ min: 1n, max: 4n })),
    fc.oneof({ arbitrary: fc.constant(1n), weight: 3 }, fc.bigInt({ min: 0n, max: 31n })),
  )
  .map(([frm, fflags]) => (frm << 5n) | fflags);

interface Case {
  readonly floats: readonly bigint[];
  readonly integers: readonly bigint[];
  readonly status: bigint;
}

/** The instruction with its operands, each time in other places. */
function line({ name, syntax }: Row, turn: number): string {
  const place = (at: number): number => (turn + at) % 3;
  const operands: Record<string, string> = {
    fd: `fs${2 + turn}`,
    rd: `s${5 + turn}`,
    fs1: `fa${place(0)}`,
    fs2: `fa${place(1)}`,
    fs3: `fa${place(2)}`,
    rs1: `a${place(0)}`,
  };
  const names = syntax.split(',').filter((part) => part !== 'rm' && part !== 'exact');
  return `${name} ${names.map((part) => operands[part]).join(', ')}`;
}

/**
 * Sets fcsr and calls a function, which is translated from its second call on, for each case. The function
 * computes three times: a flag that one raises may let the host in for the next.
 */
const program = (row: Row): string => {
  const result = (turn: number): string =>
    row.syntax.startsWith('fd')
      ? `fsd fs${2 + turn}, ${8 * turn}(s2)`
      : `sd s${5 + turn}, ${8 * turn}(s2)`;
  const turns = [0, 1, 2];
  return `
    li s0, ${DATA}
    li s2, ${OUTPUT}
    li s1, ${COUNT}
    li s3, ${FUNCTION}
    again: ld t0, 48(s0)
    csrw fcsr, t0
    jalr ra, 0(s3)
    csrr t0, fcsr
    sd t0, 24(s2)
    addi s0, s0, ${CASE_BYTES}
    addi s2, s2, ${CASE_BYTES}
    addi s1, s1, -1
    bnez s1, again
    wfi
    .org 0x1000
    ${turns.map((n) => `fld fa${n}, ${8 * n}(s0)\n ld a${n}, ${24 + 8 * n}(s0)`).join('\n')}
    ${turns.map((turn) => line(row, turn)).join('\n')}
    ${turns.map(result).join('\n')}
    ret`;
};

function outcome(bench: Bench, row: Row, cases: readonly Case[]): bigint[] {
  bench.reset();
  const [main = '', fn = ''] = program(row).split('.org 0x1000');
  bench.load(main);
  bench.load(fn, FUNCTION);
  for (const [n, { floats, integers, status: fcsr }] of cases.entries())
    for (const [m, value] of [...floats, ...integers, fcsr].entries())
      bench.write(DATA + BigInt(CASE_BYTES * n + 8 * m), value);
  bench.setCsr('mstatus', 0x6000n);
  bench.pc = RAM;
  for (let end = 'limit'; end !== 'waiting';) {
    end = bench.run(1_000_000);
    if (end !== 'waiting' && end !== 'limit') throw new Error(`${row.name} ended with '${end}'`);
  }
  return cases.flatMap((_, n) =>
    [0, 1, 2, 3].map((m) => bench.read(OUTPUT + BigInt(CASE_BYTES * n + 8 * m), 8)),
  );
}

describe('translated floating point', () => {
  const interpreting = new Bench({ deterministic: false });
  const translating = new Bench({ deterministic: false, jitAfter: 2 });

  it.each(COMPUTING.map((row) => [row.name, row] as const))('%s', (name, row) => {
    const before = translating.hart.jit?.statistics.regions ?? 0;
    const ofDoubles = name.includes('.d');
    const cases = fc.sample(
      fc.record({
        floats: fc.tuple(...Array.from({ length: 3 }, () => operand(ofDoubles))),
        integers: fc.tuple(integer, integer, integer),
        status,
      }),
      { seed: SEED, numRuns: COUNT },
    );
    const wanted = outcome(interpreting, row, cases);
    const got = outcome(translating, row, cases);
    const wrong = got.findIndex((value, n) => value !== wanted[n]);
    const at = cases[wrong >> 2];
    const text = (value: bigint | undefined): string => (value ?? 0n).toString(16);
    expect(
      wrong < 0
        ? ''
        : `${at?.floats.map(text).join(' ')}, fcsr ${text(at?.status)}: ` +
            `${text(got[wrong])} instead of ${text(wanted[wrong])} at place ${wrong & 3}`,
    ).toBe('');
    expect(translating.hart.jit?.statistics.regions).toBeGreaterThan(before);
  });
});
