import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import * as oracle from '../fp/oracle.ts';
import {
  BINARY32,
  BINARY64,
  MODES,
  NV,
  NX,
  type Format,
  type Mode,
  type Outcome,
} from '../fp/oracle.ts';
import { encode, ROWS } from '../isa/assembler.ts';
import { Bench, CAUSES, CORES, RAM, u64 } from './bench.ts';

const DATA = RAM + 0x10_0000n;
const FS = { OFF: 0n, INITIAL: 0x2000n, CLEAN: 0x4000n, DIRTY: 0x6000n };
const BOX = 0xffffffff_00000000n;
const NAN32 = oracle.canonicalNan(BINARY32);
const SIGNALING64 = 0x7ff0_0000_0000_0001n;
const [ONE, TWO, THREE] = [0x3ff0n << 48n, 0x4000n << 48n, 0x4008n << 48n] as [
  bigint,
  bigint,
  bigint,
];

const FLOAT_ROWS = [...ROWS.values()].filter(({ syntax }) => /\bf[ds]/.test(syntax));
const FULL_ROWS = FLOAT_ROWS.filter(({ bytes }) => bytes === 4);

/** What an f register holds for the bits of a value. */
const box = (f: Format, bits: bigint): bigint => (f.bits === 32 ? BOX | bits : bits);

/** Each instruction that computes, as what it should do: operands are bits, integers are x registers. */
function twins(
  f: Format,
): Record<string, (a: bigint, b: bigint, c: bigint, mode: Mode) => Outcome> {
  const minus = (x: bigint): bigint => oracle.negate(f, x);
  const sign = 1n << BigInt(f.bits - 1);
  const exact = (value: bigint): Outcome => ({ value, flags: 0 });
  const s = f.bits === 32 ? 's' : 'd';
  const word = (outcome: Outcome): Outcome => ({
    ...outcome,
    value: u64(BigInt.asIntN(32, outcome.value)),
  });
  const long = (outcome: Outcome): Outcome => ({ ...outcome, value: u64(outcome.value) });
  return {
    [`fadd.${s}`]: (a, b, _, mode) => oracle.add(f, a, b, mode),
    [`fsub.${s}`]: (a, b, _, mode) => oracle.add(f, a, minus(b), mode),
    [`fmul.${s}`]: (a, b, _, mode) => oracle.multiply(f, a, b, mode),
    [`fdiv.${s}`]: (a, b, _, mode) => oracle.divide(f, a, b, mode),
    [`fsqrt.${s}`]: (a, _b, _c, mode) => oracle.squareRoot(f, a, mode),
    [`fmadd.${s}`]: (a, b, c, mode) => oracle.multiplyAdd(f, a, b, c, mode),
    [`fmsub.${s}`]: (a, b, c, mode) => oracle.multiplyAdd(f, a, b, minus(c), mode),
    [`fnmsub.${s}`]: (a, b, c, mode) => oracle.multiplyAdd(f, minus(a), b, c, mode),
    [`fnmadd.${s}`]: (a, b, c, mode) => oracle.multiplyAdd(f, minus(a), b, minus(c), mode),
    [`fmin.${s}`]: (a, b) => oracle.extremum(f, a, b, 'min'),
    [`fmax.${s}`]: (a, b) => oracle.extremum(f, a, b, 'max'),
    [`fsgnj.${s}`]: (a, b) => exact((a & ~sign) | (b & sign)),
    [`fsgnjn.${s}`]: (a, b) => exact((a & ~sign) | (~b & sign)),
    [`fsgnjx.${s}`]: (a, b) => exact(a ^ (b & sign)),
    [`feq.${s}`]: (a, b) => oracle.compare(f, a, b, 'eq'),
    [`flt.${s}`]: (a, b) => oracle.compare(f, a, b, 'lt'),
    [`fle.${s}`]: (a, b) => oracle.compare(f, a, b, 'le'),
    [`fclass.${s}`]: (a) => exact(oracle.classify(f, a)),
    [`fcvt.w.${s}`]: (a, _b, _c, mode) =>
      word(oracle.toInteger(f, a, -(2n ** 31n), 2n ** 31n - 1n, mode)),
    [`fcvt.wu.${s}`]: (a, _b, _c, mode) => word(oracle.toInteger(f, a, 0n, 2n ** 32n - 1n, mode)),
    [`fcvt.l.${s}`]: (a, _b, _c, mode) =>
      long(oracle.toInteger(f, a, -(2n ** 63n), 2n ** 63n - 1n, mode)),
    [`fcvt.lu.${s}`]: (a, _b, _c, mode) => long(oracle.toInteger(f, a, 0n, 2n ** 64n - 1n, mode)),
    [`fcvt.${s}.w`]: (a, _b, _c, mode) => oracle.fromInteger(f, BigInt.asIntN(32, a), mode),
    [`fcvt.${s}.wu`]: (a, _b, _c, mode) => oracle.fromInteger(f, BigInt.asUintN(32, a), mode),
    [`fcvt.${s}.l`]: (a, _b, _c, mode) => oracle.fromInteger(f, BigInt.asIntN(64, a), mode),
    [`fcvt.${s}.lu`]: (a, _b, _c, mode) => oracle.fromInteger(f, a, mode),
    ...(f.bits === 32
      ? {
          'fmv.x.w': (a) => exact(u64(BigInt.asIntN(32, a))),
          'fmv.w.x': (a) => exact(BigInt.asUintN(32, a)),
          'fcvt.d.s': (a, _b, _c, mode) => oracle.convert(BINARY32, BINARY64, a, mode),
        }
      : {
          'fmv.x.d': exact,
          'fmv.d.x': exact,
          'fcvt.s.d': (a, _b, _c, mode) => oracle.convert(BINARY64, BINARY32, a, mode),
        }),
  };
}

describe.each(CORES)('on the %s core', (_, options) => {
  const bench = new Bench(options);
  const fresh = (state: bigint = FS.DIRTY): void => {
    bench.reset();
    bench.setCsr('mstatus', state);
  };
  const state = (): bigint => bench.csr('mstatus') & FS.DIRTY;

  describe.each([
    ['binary32', BINARY32],
    ['binary64', BINARY64],
  ] as const)('%s', (_format, f) => {
    const operands = fc.sample(
      fc.oneof(
        fc.bigInt({ min: 0n, max: (1n << BigInt(f.bits)) - 1n }),
        // Around one, where sums and products mean something.
        fc
          .bigInt({ min: 0n, max: 8n << (f.p - 1n) })
          .map((bits) => bits + ((f.emax - 4n) << (f.p - 1n))),
        fc.constantFrom(
          0n,
          oracle.canonicalNan(f),
          oracle.canonicalNan(f) - 1n,
          f.emax << (f.p - 1n),
        ),
      ),
      { seed: 21, numRuns: 60 },
    );

    it.each(Object.entries(twins(f)))(
      '%s, in every rounding mode, static and dynamic',
      (name, twin) => {
        const row = ROWS.get(name);
        if (row === undefined) throw new Error(`no row for ${name}`);
        const takesInteger = row.syntax.includes('rs1');
        const wide = /^fcvt\.[sd]\.[wl]/.test(name) || takesInteger;
        const registers = row.syntax.replace('fd', 'fa0').replace('rd', 'a0').replace('rs1', 'a1');
        const text = registers.replace('fs1', 'fa1').replace('fs2', 'fa2').replace('fs3', 'fa3');
        const rounds = /,(rm|exact)$/.test(text);
        const modes = rounds ? MODES : (['rne'] as const);
        fresh();
        bench.load(
          (rounds ? [...MODES, 'dyn'] : [''])
            .map((rm, n) => `at${n}: ${name} ${text.replace(/,(rm|exact)$/, `,${rm}`)}\n wfi`)
            .join('\n'),
        );
        const target = row.syntax.startsWith('fd')
          ? name === 'fcvt.d.s'
            ? BINARY64
            : name === 'fcvt.s.d'
              ? BINARY32
              : f
          : undefined;
        const wrong: string[] = [];
        for (const [index, a] of operands.entries()) {
          const b = operands[(7 * index + 3) % operands.length] as bigint;
          const c = operands[(11 * index + 5) % operands.length] as bigint;
          for (const [n, mode] of modes.entries()) {
            const wanted = twin(a, b, c, mode);
            const value = target === undefined ? wanted.value : box(target, wanted.value);
            for (const at of rounds ? [n, MODES.length] : [0]) {
              if (wide) bench.setX('a1', a);
              else bench.setF('fa1', box(f, a));
              bench.setF('fa2', box(f, b));
              bench.setF('fa3', box(f, c));
              // A dynamic mode, or one that the static mode overrides.
              bench.setCsr('fcsr', BigInt(at === n ? (n + 1) % 5 : n) << 5n);
              bench.finish(`at${at}`);
              const got = target === undefined ? bench.x('a0') : bench.f('fa0');
              const flags = bench.csr('fflags');
              if (got !== value || flags !== BigInt(wanted.flags))
                wrong.push(
                  `${name} ${mode} ${[a, b, c].map((x) => x.toString(16)).join()}: ${got.toString(16)} ${flags}, not ${value.toString(16)} ${wanted.flags}`,
                );
            }
          }
        }
        expect(wrong).toEqual([]);
      },
    );
  });

  describe('mstatus.FS', () => {
    it('is Off after reset, and then nothing of F and D is legal', () => {
      fresh(FS.OFF);
      bench.setX('a1', DATA);
      expect(bench.csr('mstatus') & FS.DIRTY).toBe(FS.OFF);
      for (const { name, bytes } of FLOAT_ROWS) {
        // a1 and fs1, and so on: one number names both.
        const raw = encode(
          name,
          bytes === 2 ? { rd: 10, rs1: 11, rs2: 12 } : { rd: 10, rs1: 11, rs2: 12, rs3: 13 },
        );
        bench.execute(`.${bytes === 2 ? 'half' : 'word'} ${raw}\n wfi`);
        expect(`${name} ${bench.trap().cause} ${bench.trap().value}`).toBe(`${name} 2 ${raw}`);
      }
      for (const csr of ['fflags', 'frm', 'fcsr']) {
        bench.execute(`csrr a0, ${csr}\n wfi`);
        expect(bench.trap()).toMatchObject({ cause: CAUSES.ILLEGAL, pc: RAM });
      }
    });

    it('allows in U what it allows in M, and S reads it in sstatus', () => {
      fresh(FS.CLEAN);
      bench.openPmp();
      bench.execute('fadd.d fa0, fa1, fa2\n ecall', 'U');
      expect([bench.trap().cause, state()]).toEqual([CAUSES.ECALL_U, FS.DIRTY]);
      expect(bench.csr('sstatus') & ((1n << 63n) | FS.DIRTY)).toBe((1n << 63n) | FS.DIRTY);
    });

    it.each([
      ['fmv.d.x fa0, a0', FS.DIRTY],
      ['fld fa0, 0(a1)', FS.DIRTY],
      ['flw fa0, 4093(a1)', FS.DIRTY],
      ['fsgnj.d fa0, fa0, fa0', FS.DIRTY],
      ['csrw fflags, zero', FS.DIRTY],
      ['csrw frm, zero', FS.DIRTY],
      ['csrr a0, fcsr', FS.CLEAN],
      ['fmv.x.d a0, fa0', FS.CLEAN],
      ['fclass.d a0, fa3', FS.CLEAN],
      ['fsd fa0, 0(a1)', FS.CLEAN],
      ['feq.d a0, fa1, fa2', FS.CLEAN],
      // These raise flags, which are part of the state.
      ['feq.d a0, fa1, fa3', FS.DIRTY],
      ['fcvt.w.d a0, fa4', FS.DIRTY],
    ])('%s leaves it so', (line, after) => {
      fresh(FS.CLEAN);
      bench.setX('a1', DATA);
      bench.setF('fa3', SIGNALING64);
      bench.setF('fa4', ONE + 1n);
      bench.execute(
        line.includes('4093')
          ? `addi a1, a1, 2047\n addi a1, a1, 2046\n flw fa0, 0(a1)\n wfi`
          : `${line}\n wfi`,
      );
      expect(state()).toBe(after);
      expect(bench.csr('mstatus') >> 63n).toBe(after === FS.DIRTY ? 1n : 0n);
    });

    it('an instruction that faults leaves it as it was', () => {
      fresh(FS.CLEAN);
      bench.setCsr('frm', 5n);
      bench.setCsr('mstatus', FS.CLEAN);
      bench.execute('li a1, 0x40000000\n fld fa0, 0(a1)\n wfi');
      expect([bench.trap().cause, state()]).toEqual([CAUSES.LOAD_ACCESS, FS.CLEAN]);
      bench.execute('fadd.d fa0, fa0, fa0\n wfi');
      expect([bench.trap().cause, state()]).toEqual([CAUSES.ILLEGAL, FS.CLEAN]);
    });
  });

  it.each([5n, 6n, 7n])(
    'a dynamic rounding mode of %s is illegal, a static one beside it is not',
    (mode) => {
      fresh();
      bench.setCsr('frm', mode);
      expect(bench.csr('fcsr')).toBe(mode << 5n);
      for (const { name, syntax, bytes } of FULL_ROWS.filter((row) =>
        /,(rm|exact)$/.test(row.syntax),
      )) {
        const operands = { rd: 10, rs1: 11, rs2: 12, rs3: 13 };
        const dynamic = encode(name, { ...operands, rm: 7 });
        bench.execute(`.word ${dynamic}\n wfi`);
        expect(`${name} ${bytes} ${syntax} ${bench.trap().value}`).toBe(
          `${name} ${bytes} ${syntax} ${dynamic}`,
        );
        bench.setCsr('mcause', 0n);
        bench.execute(`.word ${encode(name, { ...operands, rm: 1 })}\n wfi`);
        expect(bench.csr('mcause')).toBe(0n);
      }
    },
  );

  it('fcsr is fflags and frm, and holds nothing else', () => {
    fresh();
    bench.execute(`
      li a0, -1
      csrw fcsr, a0
      csrr s0, fcsr
      csrrwi s1, fflags, 9
      csrrwi s2, frm, 3
      csrr s3, fcsr
      csrrci s4, fflags, 1
      csrr s5, fcsr
      wfi`);
    expect(['s0', 's1', 's2', 's3', 's4', 's5'].map((name) => bench.x(name))).toEqual([
      0xffn,
      0x1fn,
      7n,
      0x69n,
      9n,
      0x68n,
    ]);
  });

  describe('a binary32 number in an f register', () => {
    it('that is not boxed counts as the canonical NaN, but moves and stores as it is', () => {
      fresh();
      bench.setF('fa1', 0x00000000_3f800000n);
      bench.setF('fa2', 0xffffffff_3f800000n);
      bench.execute(`
        li a1, ${DATA}
        fadd.s fa3, fa1, fa2
        fsgnj.s fa4, fa1, fa2
        fsgnj.s fa5, fa2, fa1
        feq.s a2, fa1, fa1
        fclass.s a3, fa1
        fmv.x.w a4, fa1
        fmin.s fa6, fa1, fa2
        fcvt.d.s fa7, fa1
        fsw fa1, 0(a1)
        fsd fa1, 8(a1)
        fmadd.s ft0, fa2, fa2, fa1
        wfi`);
      expect(['fa3', 'fa4', 'fa5', 'fa6', 'ft0'].map((name) => bench.f(name))).toEqual([
        BOX | NAN32,
        BOX | NAN32,
        0xffffffff_3f800000n,
        0xffffffff_3f800000n,
        BOX | NAN32,
      ]);
      expect(bench.f('fa7')).toBe(oracle.canonicalNan(BINARY64));
      expect(['a2', 'a3', 'a4'].map((name) => bench.x(name))).toEqual([0n, 1n << 9n, 0x3f800000n]);
      expect([bench.read(DATA, 4), bench.read(DATA + 8n, 8)]).toEqual([0x3f800000n, 0x3f800000n]);
      expect(bench.csr('fflags')).toBe(0n);
    });

    it('is boxed by loads and moves', () => {
      fresh();
      bench.write(DATA, 0x11111111_80000001n);
      bench.execute(`li a1, ${DATA}\n flw ft0, 0(a1)\n fmv.w.x ft1, a1\n wfi`);
      expect([bench.f('ft0'), bench.f('ft1')]).toEqual([0xffffffff_80000001n, BOX | DATA]);
    });
  });

  it('f0 is a register like the others', () => {
    fresh();
    bench.setF('fa0', TWO);
    bench.execute(`
      li a1, ${DATA}
      fadd.d ft0, fa0, fa0
      fsd ft0, 0(a1)
      c.li a0, 3
      fcvt.d.w ft0, a0
      fcvt.w.d zero, ft0
      add a2, zero, zero
      wfi`);
    expect([bench.read(DATA, 8), bench.f('ft0'), bench.x('a2')]).toEqual([
      0x4010n << 48n,
      THREE,
      0n,
    ]);
  });

  it.each(['flw', 'fld', 'fsw', 'fsd'])('%s at every offset across the end of a page', (name) => {
    fresh();
    const bytes = name.endsWith('w') ? 4 : 8;
    const isLoad = name[1] === 'l';
    bench.load(`${name} fa0, -5(a1)\n wfi`);
    for (let at = DATA + 4085n; at <= DATA + 4097n; at++) {
      for (let n = 0n; n < 32n; n += 8n) bench.write(DATA + 4080n + n, u64(-1n));
      const value = 0x0102030405060708n;
      if (isLoad) bench.write(at, value, bytes);
      else bench.setF('fa0', value);
      bench.setX('a1', at + 5n);
      bench.setCsr('mstatus', FS.CLEAN);
      bench.finish();
      const low = BigInt.asUintN(8 * bytes, value);
      const around = [bench.read(at - 1n, 1), bench.read(at + BigInt(bytes), 1)];
      expect(around).toEqual([0xffn, 0xffn]);
      expect([isLoad ? bench.f('fa0') : bench.read(at, bytes), state()]).toEqual(
        isLoad ? [box(bytes === 4 ? BINARY32 : BINARY64, low), FS.DIRTY] : [low, FS.CLEAN],
      );
    }
  });

  it('loads from a device, and stores to one', () => {
    fresh();
    // mtimecmp of hart 0 (ACLINT).
    bench.setF('fa0', 0x0123456789abcdefn);
    bench.execute('li a1, 0x2004000\n fsd fa0, 0(a1)\n fld fa1, 0(a1)\n flw fa2, 4(a1)\n wfi');
    expect([bench.f('fa1'), bench.f('fa2')]).toEqual([0x0123456789abcdefn, BOX | 0x01234567n]);
  });

  it('compressed loads and stores do what they stand for', () => {
    fresh();
    bench.write(DATA + 16n, THREE);
    bench.execute(`
      li a0, ${DATA}
      c.fld fa1, 16(a0)
      c.fsd fa1, 8(a0)
      c.mv sp, a0
      c.fldsp ft0, 8(sp)
      c.fsdsp ft0, 504(sp)
      wfi`);
    expect([bench.f('fa1'), bench.f('ft0'), bench.read(DATA + 504n, 8)]).toEqual([
      THREE,
      THREE,
      THREE,
    ]);
  });

  it('flags accrue until they are cleared, whether the host is asked or not', () => {
    fresh();
    bench.setF('fa1', ONE);
    bench.setF('fa3', THREE);
    bench.setF('fa4', SIGNALING64);
    bench.execute(`
      fdiv.d fa0, fa1, fa3
      csrr s0, fflags
      fdiv.d fa0, fa1, fa3
      fadd.d fa5, fa4, fa1
      fdiv.d fa2, fa1, fa3
      csrrw s1, fflags, zero
      fadd.d fa1, fa1, fa1
      csrr s2, fflags
      wfi`);
    expect(['s0', 's1', 's2'].map((name) => bench.x(name))).toEqual([
      BigInt(NX),
      BigInt(NX | NV),
      0n,
    ]);
    expect(bench.f('fa2')).toBe(bench.f('fa0'));
  });
});
