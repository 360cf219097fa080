import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { rangeOf, rowOf } from '../isa/assembler.ts';
import { Bench, CORES, RAM, u64 } from './bench.ts';
import {
  AMO_OPERATIONS,
  BRANCHES,
  IMMEDIATE_OPERATIONS,
  REGISTER_OPERATIONS,
  UNARY_OPERATIONS,
} from './reference.ts';

const EDGES = [
  0n,
  1n,
  2n,
  -1n,
  -2n,
  31n,
  32n,
  63n,
  64n,
  0x7fffffffn,
  0x80000000n,
  0xffffffffn,
  0x100000000n,
  -0x80000000n,
  -0x80000001n,
  2n ** 63n - 1n,
  -(2n ** 63n),
  0x123456789abcdef0n,
].map(u64);

const value: fc.Arbitrary<bigint> = fc.oneof(
  fc.constantFrom(...EDGES),
  fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
);
const runs = { seed: 7, numRuns: 120 };
const DATA = RAM + 0x10_0000n;

describe.each(CORES)('on the %s core', (_, core) => {
  const bench = new Bench(core);

  /** Every instruction once, each followed by `wfi`; returns where each begins. */
  const place = (lines: readonly string[]): void => {
    bench.reset();
    bench.load(lines.map((line, n) => `at${n}: ${line}\n wfi`).join('\n'));
  };

  describe('an operation on two registers', () => {
    const names = Object.keys(REGISTER_OPERATIONS);
    const start = (): void => place(names.map((name) => `${name} a0, a1, a2`));

    it.each(names.map((name, n) => [name, n] as const))('%s', (name, n) => {
      start();
      const twin = REGISTER_OPERATIONS[name] as (a: bigint, b: bigint) => bigint;
      const check = (a: bigint, b: bigint): void => {
        bench.setX('a1', a);
        bench.setX('a2', b);
        bench.finish(`at${n}`);
        const at = `${name} ${a.toString(16)}, ${b.toString(16)}: `;
        expect(at + bench.x('a0').toString(16)).toBe(at + u64(twin(a, b)).toString(16));
      };
      for (const a of EDGES) for (const b of EDGES) check(a, b);
      fc.assert(fc.property(value, value, check), runs);
    });
  });

  it.each(Object.keys(UNARY_OPERATIONS))('an operation on one register: %s', (name) => {
    place([`${name} a0, a1`]);
    const twin = UNARY_OPERATIONS[name] as (a: bigint) => bigint;
    const check = (a: bigint): void => {
      bench.setX('a1', a);
      bench.finish('at0');
      const at = `${name} ${a.toString(16)}: `;
      expect(at + bench.x('a0').toString(16)).toBe(at + u64(twin(a)).toString(16));
    };
    for (const a of EDGES) check(a);
    for (let bit = 0n; bit < 64n; bit++) {
      check(1n << bit);
      check(u64(-1n << bit));
    }
    fc.assert(fc.property(value, check), runs);
  });

  describe('an operation on a register and an immediate', () => {
    it.each(Object.keys(IMMEDIATE_OPERATIONS))('%s', (name) => {
      const row = rowOf(name);
      const { min, max } = rangeOf(row, row.syntax.endsWith('uimm') ? 'uimm' : 'imm');
      const immediates = [...new Set([min, max, 0, 1, Math.floor(max / 2), max - 1])];
      const twin = IMMEDIATE_OPERATIONS[name] as (a: bigint, b: bigint) => bigint;
      place(immediates.map((immediate) => `${name} a0, a1, ${immediate}`));
      for (const [n, immediate] of immediates.entries()) {
        for (const a of EDGES) {
          bench.setX('a1', a);
          bench.finish(`at${n}`);
          const at = `${name} ${a.toString(16)}, ${immediate}: `;
          const wanted = u64(twin(a, BigInt(immediate)));
          expect(at + bench.x('a0').toString(16)).toBe(at + wanted.toString(16));
        }
      }
    });

    it('lui and auipc sign-extend from bit 31', () => {
      place(['lui a0, 0x80000', 'lui a0, 0x7ffff', 'auipc a0, 0x80000', 'auipc a0, 0x7ffff']);
      const results = [0, 1, 2, 3].map((n) => {
        bench.finish(`at${n}`);
        return bench.x('a0');
      });
      expect(results).toEqual([
        0xffffffff80000000n,
        0x7ffff000n,
        u64(bench.at('at2') - 0x80000000n),
        bench.at('at3') + 0x7ffff000n,
      ]);
    });
  });

  it.each(Object.keys(BRANCHES))('%s goes where it should, forwards and backwards', (name) => {
    bench.reset();
    bench.load(`
      back: li a0, 2
        wfi
      from: ${name} a1, a2, fore
        li a0, 0
        wfi
      fore: li a0, 1
        wfi
      behind: ${name} a1, a2, back
        li a0, 0
        wfi`);
    const twin = BRANCHES[name] as (a: bigint, b: bigint) => boolean;
    for (const a of EDGES) {
      for (const b of EDGES) {
        bench.setX('a1', a);
        bench.setX('a2', b);
        bench.finish('from');
        expect(bench.x('a0')).toBe(twin(a, b) ? 1n : 0n);
        bench.finish('behind');
        expect(bench.x('a0')).toBe(twin(a, b) ? 2n : 0n);
      }
    }
  });

  it('branches reach from page to page and back', () => {
    bench.reset();
    bench.load(`
      .zero 4088
      start: beqz zero, near
      li a0, 9
      wfi
      .zero 3500
      back: addi a0, a0, 1
      bnez a1, start2
      wfi
      near: c.beqz a2, near2
      wfi
      near2: addi a0, a0, 1
      li a1, 1
      j back
      .zero 100
      start2: c.j end
      wfi
      end: li a1, 0
      j back`);
    bench.finish('start');
    expect(bench.x('a0')).toBe(3n);
  });

  it('a loop within one page lets an interrupt in that it causes itself', () => {
    for (const jump of ['j loop', 'beqz zero, loop', 'c.j loop']) {
      bench.reset();
      bench.setCsr('mie', 8n);
      bench.setCsr('mstatus', 8n);
      bench.execute(`li a0, 0x2000000\n li a1, 1\n sw a1, 0(a0)\n nop\n loop: ${jump}`);
      expect(bench.csr('mcause')).toBe((1n << 63n) | 3n);
      bench.execute('li a0, 0x2000000\n sw zero, 0(a0)\n csrw mstatus, zero\n wfi');
    }
  });

  it('jalr drops the lowest bit and reads its base before it links', () => {
    bench.reset();
    bench.execute(`
      la a0, target
      addi a0, a0, 3
      jalr a0, -2(a0)
      after: li a1, 1
      target: wfi`);
    expect([bench.x('a0'), bench.x('a1')]).toEqual([bench.at('after'), 0n]);
  });

  it('compressed jumps link two bytes on', () => {
    bench.reset();
    bench.load(`
      la a0, target
      c.jalr a0
      after: c.addi zero, 0
      target: mv a1, ra
      c.j end
      wfi
      end: c.mv a2, a1
      wfi`);
    bench.finish();
    expect([bench.x('ra'), bench.x('a2')]).toEqual([bench.at('after'), bench.at('after')]);
  });

  it('x0 stays zero whatever is written to it', () => {
    bench.reset();
    bench.write(DATA, 5n);
    bench.execute(`
      li a1, ${DATA}
      addi zero, zero, 5
      ld zero, 0(a1)
      amoadd.d zero, a1, (a1)
      csrrs zero, mscratch, a1
      jal zero, on
      on: c.li zero, 3
      add a0, zero, zero
      wfi`);
    expect(bench.x('a0')).toBe(0n);
  });

  describe('loads and stores', () => {
    const widths = { b: 1, h: 2, w: 4, d: 8 } as const;
    const PATTERN = 0xf1e2d3c4b5a69788n;

    it.each([
      ['lb', 1, true],
      ['lh', 2, true],
      ['lw', 4, true],
      ['ld', 8, true],
      ['lbu', 1, false],
      ['lhu', 2, false],
      ['lwu', 4, false],
    ] as const)('%s at every offset in a page and across its end', (name, bytes, isSigned) => {
      place([`${name} a0, -3(a1)`]);
      bench.write(DATA + 4088n, PATTERN);
      bench.write(DATA + 4096n, u64(~PATTERN));
      for (let at = 4088n; at <= 4097n; at++) {
        bench.setX('a1', DATA + at + 3n);
        bench.setX('a0', 0n);
        bench.finish('at0');
        const raw = bench.read(DATA + at, bytes);
        expect(bench.x('a0')).toBe(isSigned ? u64(BigInt.asIntN(8 * bytes, raw)) : raw);
      }
    });

    it.each(Object.entries(widths))('s%s writes its bytes and no other', (letter, bytes) => {
      place([`s${letter} a0, 2047(a1)`]);
      for (let at = 4080n; at <= 4100n; at++) {
        for (let n = 4064n; n < 4128n; n += 8n) bench.write(DATA + n, u64(-1n));
        bench.setX('a0', PATTERN);
        bench.setX('a1', DATA + at - 2047n);
        bench.finish('at0');
        expect(bench.read(DATA + at, bytes)).toBe(BigInt.asUintN(8 * bytes, PATTERN));
        expect(bench.read(DATA + at - 1n, 1)).toBe(0xffn);
        expect(bench.read(DATA + at + BigInt(bytes), 1)).toBe(0xffn);
      }
    });
  });

  describe('atomics', () => {
    const cases = Object.keys(AMO_OPERATIONS).flatMap((name) =>
      (['w', 'd'] as const).map((width) => [`${name}.${width}`, name, width] as const),
    );
    it.each(cases)('%s', (full, name, width) => {
      place([`${full} a0, a2, (a1)`, `${full}.aqrl a2, a2, (a1)`]);
      const bits = width === 'w' ? 32 : 64;
      const twin = AMO_OPERATIONS[name] as (old: bigint, v: bigint, width: number) => bigint;
      const check = (old: bigint, operand: bigint): void => {
        for (const [n, rd] of ['a0', 'a2'].entries()) {
          bench.write(DATA, old);
          bench.setX('a1', DATA);
          bench.setX('a2', operand);
          bench.finish(`at${n}`);
          const narrow = BigInt.asUintN(bits, old);
          const next = BigInt.asUintN(bits, twin(narrow, BigInt.asUintN(bits, operand), bits));
          expect(bench.read(DATA, 8)).toBe(((old >> BigInt(bits)) << BigInt(bits)) | next);
          expect(bench.x(rd)).toBe(u64(BigInt.asIntN(bits, narrow)));
        }
      };
      for (const a of EDGES) for (const b of EDGES) check(a, b);
    });

    it('sc succeeds once after lr, fails without one, and always ends the reservation', () => {
      bench.reset();
      bench.write(DATA, 0xffffffff_80000001n);
      bench.execute(`
        li a1, ${DATA}
        li a2, 7
        sc.w s0, a2, (a1)
        lr.w s1, (a1)
        sc.w s2, a2, (a1)
        sc.w s3, a2, (a1)
        lr.d s4, (a1)
        addi a3, a1, 8
        sc.d s5, a2, (a3)
        sc.d s6, a2, (a1)
        wfi`);
      expect(['s0', 's1', 's2', 's3', 's5', 's6'].map((name) => bench.x(name))).toEqual([
        1n,
        u64(-0x7fffffffn),
        0n,
        1n,
        1n,
        1n,
      ]);
      expect(bench.read(DATA, 8)).toBe(0xffffffff_00000007n);
    });

    it('sc fails when the word was written, or reserved at another width', () => {
      bench.reset();
      bench.execute(`
        li a1, ${DATA}
        lr.w a0, (a1)
        sw a1, 0(a1)
        sc.w s0, zero, (a1)
        sd zero, 0(a1)
        lr.w a0, (a1)
        sc.d s1, zero, (a1)
        lr.d a0, (a1)
        sc.w s2, zero, (a1)
        wfi`);
      expect(['s0', 's1', 's2'].map((name) => bench.x(name))).toEqual([1n, 1n, 1n]);
    });
  });

  it('compressed instructions do what they stand for', () => {
    bench.reset();
    bench.write(DATA + 8n, 0x8000000080000001n);
    bench.execute(`
      li sp, ${DATA}
      c.addi4spn s0, sp, 8
      c.ld a0, 0(s0)
      c.lw a1, 0(s0)
      c.li a2, -32
      c.lui a3, 0xfffe0
      c.addiw a1, -1
      c.mv a4, a0
      c.srli a4, 63
      c.mv a5, a0
      c.srai a5, 63
      c.andi a5, -2
      c.addi16sp sp, 496
      c.sdsp a0, 504(sp)
      c.ldsp s2, 504(sp)
      c.swsp a2, 252(sp)
      c.lwsp s3, 252(sp)
      c.slli s3, 32
      c.addi16sp sp, -512
      c.sub a0, a2
      c.addw a3, a2
      wfi`);
    const wanted: Record<string, bigint> = {
      s0: DATA + 8n,
      a0: 0x8000000080000021n,
      a1: u64(-0x80000000n),
      a2: u64(-32n),
      a3: u64(-0x20020n),
      a4: 1n,
      a5: u64(-2n),
      s2: 0x8000000080000001n,
      s3: u64(-32n << 32n),
      sp: DATA - 16n,
    };
    const got = Object.fromEntries(Object.keys(wanted).map((name) => [name, bench.x(name)]));
    expect(got).toEqual(wanted);
  });
});

describe.each(CORES)('on the %s core', (_, core) => {
  it('the short forms of Zcb do what they stand for', () => {
    const bench = new Bench(core);
    bench.write(DATA, 0x8899_aabb_ccdd_eeffn);
    bench.execute(`
      li a0, ${DATA}
      c.lbu s1, 3(a0)
      c.sb s1, 1(a0)
      c.lhu a1, 0(a0)
      c.lh a2, 2(a0)
      c.sh a1, 2(a0)
      ld a3, 0(a0)
      c.mv s2, a3
      c.not s1
      c.mv s3, s1
      c.zext.w s1
      c.mv s4, s1
      c.sext.b s1
      c.zext.h s1
      c.mv s5, s1
      c.mv a4, a2
      c.sext.h a4
      c.zext.b a2
      li a5, 3
      c.mul a5, a2
      wfi`);
    const wanted: Record<string, bigint> = {
      a1: 0xccffn,
      a2: 0xddn,
      a4: u64(-0x3323n),
      a5: 3n * 0xddn,
      s2: 0x8899_aabb_ccff_ccffn,
      s3: u64(~0xccn),
      s4: 0xffffff33n,
      s5: 0x33n,
    };
    const got = Object.fromEntries(Object.keys(wanted).map((name) => [name, bench.x(name)]));
    expect(got).toEqual(wanted);
  });
});

describe('the exact core', () => {
  const bench = new Bench({ deterministic: true });

  it('stops after exactly the limit, wherever that falls', () => {
    bench.reset();
    bench.load(`
      loop: addi a0, a0, 1
      c.addi a0, 1
      beqz zero, over
      wfi
      over: addi a0, a0, 1
      j loop`);
    bench.pc = RAM;
    for (let limit = 1; limit < 40; limit++) {
      const before = bench.hart.instret;
      expect(bench.run(limit)).toBe('limit');
      expect(bench.hart.instret - before).toBe(limit);
    }
    expect(bench.hart.instret).toBe(780);
    expect(bench.x('a0')).toBe(BigInt((780 / 5) * 3));
  });
});

describe('the fast core', () => {
  it('may be given a limit that no 32-bit count holds', () => {
    const bench = new Bench({ deterministic: false });
    bench.execute('li a0, 5\n wfi');
    bench.pc = RAM;
    expect(bench.hart.run(2 ** 40)).toBe('waiting');
    expect(bench.x('a0')).toBe(5n);
  });
});
