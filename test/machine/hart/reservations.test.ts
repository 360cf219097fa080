import { describe, expect, it } from 'vitest';

import type { ReservationSpec } from '../../../src/machine/reservation-spec.ts';
import { abaReports } from '../../../src/machine/reservations.ts';
import { Bench, CAUSES, CORES, RAM, type BenchOptions } from './bench.ts';
import { A, D, G, PageTables, R, RWX, V, W } from './page-tables.ts';

const VALUE: ReservationSpec = { mode: 'value', detectsAba: false };
const DETECT: ReservationSpec = { mode: 'value', detectsAba: true };
const PAGE: ReservationSpec = { mode: 'page', detectsAba: false };
const GLOBAL: ReservationSpec = { mode: 'global', detectsAba: false };
const MODES: readonly (readonly [string, ReservationSpec])[] = [
  ['value', VALUE],
  ['value, detecting', DETECT],
  ['page', PAGE],
  ['global', GLOBAL],
];

/** Harts that run one after the other, each until its next `wfi`, with a1 at a page that is new to all. */
class Harts extends Bench {
  data = RAM + 0x10_0000n;

  constructor(core: BenchOptions, reservations: ReservationSpec) {
    super({ ...core, harts: 3, reservations });
  }

  renew(): this {
    this.reset();
    this.data += 0x1000n;
    for (const id of [0, 1, 2]) {
      this.current = id;
      this.setX('a1', this.data);
    }
    return this;
  }

  get aba(): ReturnType<typeof abaReports> {
    return abaReports(this.machine.memory, this.machine.parts.plan);
  }

  /** What `lines` leave in a0 of a hart. */
  on(hart: number, lines: string): bigint {
    this.current = hart;
    this.load(`${lines}\n wfi`, RAM + 0x1000n * BigInt(hart));
    // A page that begins to be watched has the hart try again.
    this.pc = RAM + 0x1000n * BigInt(hart);
    for (let turn = 0; turn < 5; turn++) if (this.run() !== 'again') break;
    if (this.trap().cause !== 0n) throw new Error(`it trapped: ${this.trap().cause}`);
    return this.x('a0');
  }
}

describe.each(CORES)('on the %s core', (_, core) => {
  const machines = new Map(MODES.map(([, spec]) => [spec, new Harts(core, spec)]));
  const fresh = (spec: ReservationSpec): Harts => (machines.get(spec) as Harts).renew();

  const WIDTHS = [
    ['d', 8n],
    ['w', 4n],
  ] as const;

  describe.each(WIDTHS)('lr.%s and sc.%s', (width) => {
    const LR = `lr.${width} a0, (a1)`;
    const SC = `li a2, 99\n sc.${width} a0, a2, (a1)`;
    const back = (from: string): string => `li a3, 1\n ${from}\n li a3, 5\n ${from}`;
    const begin = (spec: ReservationSpec): Harts => {
      const harts = fresh(spec);
      harts.write(harts.data, 5n);
      // Write tags that hart 1 has before anybody reserves.
      harts.on(1, `sd zero, 8(a1)`);
      expect(harts.on(0, LR)).toBe(5n);
      return harts;
    };

    it.each(MODES)('%s: succeeds if nobody stored', (_name, spec) => {
      const harts = begin(spec);
      harts.on(1, 'ld a0, 0(a1)\n sd zero, 16(a1)');
      expect([harts.on(0, SC), harts.read(harts.data, 8)]).toEqual([0n, 99n]);
      expect(harts.on(0, SC)).toBe(1n);
    });

    it.each(MODES)('%s: fails if the value is another', (_name, spec) => {
      const harts = begin(spec);
      harts.on(1, 'li a3, 6\n sd a3, 0(a1)');
      expect([harts.on(0, SC), harts.read(harts.data, 8)]).toEqual([1n, 6n]);
    });

    it.each([
      ['stores', back('sd a3, 0(a1)')],
      ['a store of the same value', 'li a3, 5\n sd a3, 0(a1)'],
      ['stores of one byte', back('sb a3, 0(a1)')],
      ['compressed stores', back('c.sd a3, 0(a1)')],
      ['swaps', back('amoswap.d a4, a3, (a1)')],
      ['sums', 'li a3, 1\n amoadd.d a4, a3, (a1)\n li a3, -1\n amoadd.d a4, a3, (a1)'],
      ['minima and maxima', 'li a3, 1\n amomin.d a4, a3, (a1)\n li a3, 5\n amomaxu.d a4, a3, (a1)'],
      ['a pair of its own', 'lr.d a4, (a1)\n sc.d a5, a4, (a1)\n bnez a5, bad'],
      ['a store that is not aligned', 'li a3, 5\n slli a3, a3, 16\n sd a3, -2(a1)'],
    ])('after A-B-A by %s of another hart only `value` succeeds', (_name, lines) => {
      for (const [name, spec] of MODES) {
        const harts = begin(spec);
        const before = harts.aba.count;
        harts.on(1, `${lines}\n j on\n bad: ebreak\n on:`);
        expect([name, harts.read(harts.data, 4)]).toEqual([name, 5n]);
        const succeeds = spec.mode === 'value';
        expect([name, harts.on(0, SC)]).toEqual([name, succeeds ? 0n : 1n]);
        expect([name, harts.read(harts.data, 4)]).toEqual([name, succeeds ? 99n : 5n]);
        expect([name, harts.aba.count - before]).toEqual([name, spec === DETECT ? 1 : 0]);
      }
    });

    it('in tracked modes a hart’s own stores leave its reservation alone', () => {
      for (const [name, spec] of MODES) {
        const harts = begin(spec);
        harts.on(0, 'li a3, 5\n sd a3, 0(a1)');
        expect([name, harts.on(0, SC)]).toEqual([name, 0n]);
      }
    });
  });

  it.each(MODES)('%s: an SC of another address or width than the LR’s fails', (_name, spec) => {
    const harts = fresh(spec);
    for (const [lr, sc] of [
      ['lr.d a0, (a1)', 'addi a4, a1, 8\n sc.d a0, a2, (a4)'],
      ['lr.w a0, (a1)', 'sc.d a0, a2, (a1)'],
      ['lr.d a0, (a1)', 'sc.w a0, a2, (a1)'],
      ['lr.d a0, (a1)\n sc.d a0, a0, (a1)', 'sc.d a0, a2, (a1)'],
    ] as const) {
      harts.on(0, lr);
      expect([lr, sc, harts.on(0, sc)]).toEqual([lr, sc, 1n]);
    }
  });

  it.each(MODES)('%s: faults are those of a load and of a store', (_name, spec) => {
    const bench = fresh(spec);
    const VA = 0x5000_0000n;
    for (const [lines, va, wanted] of [
      ['lr.d a0, (a1)', VA + 4n, CAUSES.LOAD_MISALIGNED],
      ['sc.d a0, a0, (a1)', VA + 4n, CAUSES.STORE_MISALIGNED],
      ['lr.d a0, (a1)', VA + 4096n, CAUSES.LOAD_PAGE],
      ['sc.d a0, a0, (a1)', VA + 4096n, CAUSES.STORE_PAGE],
      ['sc.d a0, a0, (a1)', VA + 8192n, CAUSES.STORE_PAGE],
      ['lr.d a0, (a1)\n sc.d a0, a0, (a1)', VA + 8192n, CAUSES.STORE_PAGE],
      ['lr.w a0, (a1)', VA + 12288n, CAUSES.LOAD_ACCESS],
      ['sc.w a0, a0, (a1)', VA + 12288n, CAUSES.STORE_ACCESS],
      ['lr.w a0, (a1)\n sc.w a0, a0, (a1)', VA, CAUSES.ECALL_S],
    ] as const) {
      PageTables.restart();
      bench.renew();
      bench.current = 0;
      bench.openPmp();
      const tables = new PageTables(bench);
      tables.map(RAM, RAM, RWX | G, 2);
      tables.map(VA, bench.data, V | R | W | A | D);
      tables.map(VA + 8192n, bench.data, V | R | A);
      tables.map(VA + 12288n, 0x1000_0000n, V | R | W | A | D);
      bench.setCsr('satp', tables.satp());
      bench.hart.translation.tlb.flushAll();
      bench.setX('a1', va);
      bench.load(`${lines}\n ecall`);
      bench.mode = 'S';
      bench.pc = RAM;
      for (let turn = 0; turn < 5; turn++) if (bench.run() !== 'again') break;
      const { cause, value } = bench.trap();
      expect([lines, va, cause]).toEqual([lines, va, cause]);
      expect([lines, cause, value]).toEqual([lines, wanted, wanted === CAUSES.ECALL_S ? 0n : va]);
    }
  });

  it('the detector says which hart, where, and who stored in between', () => {
    const harts = new Harts(core, DETECT).renew();
    harts.write(harts.data, 5n);
    harts.on(2, 'lr.d a0, (a1)');
    harts.on(1, 'li a3, 5\n sd a3, 0(a1)');
    harts.on(2, 'nop\n sc.d a0, zero, (a1)');
    expect(harts.aba).toEqual({
      count: 1,
      first: [{ hart: 2, writer: 1, pc: RAM + 0x2004n, address: harts.data }],
    });
  });

  it('tells two reservations on one page apart, and harts that hit each other', () => {
    const harts = fresh(PAGE);
    harts.on(0, 'lr.d a0, (a1)');
    harts.on(1, 'addi a1, a1, 8\n lr.d a0, (a1)');
    harts.on(2, 'sd zero, 0(a1)');
    expect(harts.on(1, 'sc.d a0, a2, (a1)')).toBe(0n);
    expect(harts.on(0, 'sc.d a0, a2, (a1)')).toBe(1n);
    harts.on(0, 'lr.d a0, (a1)');
    harts.on(2, 'lr.d a0, (a1)');
    expect(harts.on(2, 'sc.d a0, zero, (a1)')).toBe(0n);
    expect(harts.on(0, 'sc.d a0, zero, (a1)')).toBe(1n);
  });
});
