import { describe, expect, it, onTestFinished, vi } from 'vitest';

import { PENDING } from '../../../src/machine/core/hart-block.ts';
import { signalHart } from '../../../src/machine/hart-lines.ts';
import type { Jit } from '../../../src/machine/jit/jit.ts';
import { attachMachine, createMachine } from '../../../src/machine/machine.ts';
import { Bench, CAUSES, RAM, u64 } from '../hart/bench.ts';
import { A, D, G, PageTables, R, V, W, X } from '../hart/page-tables.ts';

const HOT = 3;
const VA = u64(-0x40_0000_0000n);
const [FIRST, SECOND, OTHER] = [RAM + 0x10_0000n, RAM + 0x11_0000n, RAM + 0x12_0000n] as const;
const CODE = V | R | W | X | A | D;

const jitOf = (bench: Bench): Jit => {
  const { jit } = bench.hart;
  if (jit === undefined) throw new Error('this bench translates nothing');
  return jit;
};

/** A function on one page that calls one on the next, thirty times. */
const CALLER = (callee: bigint): string => `
  li s0, 30
  li a0, 0
  loop: call ${callee}
  addi s0, s0, -1
  bnez s0, loop
  ecall`;
const adds = (n: number): string => `addi a0, a0, ${n}\n ret`;

describe('a region over two pages', () => {
  const bench = new Bench({ deterministic: false, jitAfter: HOT });

  const space = (second: bigint): PageTables => {
    const tables = new PageTables(bench);
    tables.map(RAM, RAM, V | R | W | X | A | D | G, 2);
    tables.map(VA, FIRST, CODE);
    tables.map(VA + 0x1000n, second, CODE);
    return tables;
  };
  const start = (): void => {
    PageTables.restart();
    bench.reset();
    bench.openPmp();
    bench.load(CALLER(VA + 0x1000n), VA, FIRST);
    bench.load(adds(1), VA + 0x1000n, SECOND);
    bench.load(adds(100), VA + 0x1000n, OTHER);
  };
  const runIn = (tables: PageTables, asid = 0n): bigint => {
    bench.setCsr('satp', tables.satp(asid));
    bench.mode = 'S';
    bench.finish(VA);
    expect(bench.trap().cause).toBe(CAUSES.ECALL_S);
    return bench.x('a0');
  };

  it('does what the pages behind its addresses say, address space by address space', () => {
    start();
    const [one, two] = [space(SECOND), space(OTHER)];
    for (let turn = 0; turn < 4; turn++) {
      expect(runIn(one, 1n)).toBe(30n);
      expect(runIn(two, 2n)).toBe(3000n);
    }
    expect(jitOf(bench).statistics.regions).toBeGreaterThan(0);
  });

  it('follows a page that moves, once it is fenced', () => {
    start();
    const tables = space(SECOND);
    expect(runIn(tables)).toBe(30n);
    for (const [frame, wanted] of [
      [OTHER, 3000n],
      [SECOND, 30n],
    ] as const) {
      tables.map(VA + 0x1000n, frame, CODE);
      bench.hart.fences.page(
        Number(BigInt.asIntN(32, VA + 0x1000n)),
        Number(BigInt.asIntN(32, (VA + 0x1000n) >> 32n)),
        -1,
      );
      expect(runIn(tables)).toBe(wanted);
    }
  });

  it('faults where a page of it lost the right to execute', () => {
    start();
    const tables = space(SECOND);
    expect(runIn(tables)).toBe(30n);
    tables.map(VA + 0x1000n, SECOND, V | R | W | A | D);
    bench.hart.fences.all(-1);
    bench.mode = 'S';
    bench.finish(VA);
    expect(bench.trap()).toMatchObject({ cause: CAUSES.FETCH_PAGE, pc: VA + 0x1000n });
  });

  it('is made anew after all code was dropped', () => {
    start();
    const tables = space(SECOND);
    expect(runIn(tables)).toBe(30n);
    const before = jitOf(bench).statistics.regions;
    jitOf(bench).purge();
    expect(runIn(tables)).toBe(30n);
    expect(jitOf(bench).statistics.regions).toBeGreaterThan(before);
  });
});

describe('a translated loop', () => {
  const ENDLESS = 'loop: addi a0, a0, 1\n addi a1, a1, 1\n j loop';

  it('returns at the limit, late by less than one way through it', () => {
    const bench = new Bench({ deterministic: false, jitAfter: HOT });
    bench.load(ENDLESS);
    bench.pc = RAM;
    for (const limit of [1000, 100_000, 20_000_000]) {
      const before = bench.hart.instret;
      expect(bench.run(limit)).toBe('limit');
      const ran = bench.hart.instret - before;
      expect(ran - limit).toBeGreaterThanOrEqual(0);
      expect(ran - limit).toBeLessThan(6);
    }
    expect(bench.x('a0')).toBe(bench.x('a1'));
  });

  it('lets a signal through', () => {
    const bench = new Bench({ deterministic: false, jitAfter: HOT });
    bench.load(ENDLESS);
    bench.pc = RAM;
    bench.run(1000);
    const { machine } = bench;
    const before = bench.hart.instret;
    signalHart(machine.words, machine.parts.plan, 0, PENDING.STOP);
    expect(bench.run(1_000_000)).toBe('stopped');
    expect(bench.hart.instret - before).toBeLessThan(6);
  });
});

describe('what cannot be translated', () => {
  it('stays the interpreter’s: code that jumps into the middle of loops, and rare instructions', () => {
    const bench = new Bench({ deterministic: false, jitAfter: HOT });
    // Two ways into the loop of `one` and `two`: no nesting says it, so it is dispatched.
    bench.load(`
      li s0, 40
      andi t0, s0, 1
      bnez t0, two
      one: addi a0, a0, 1
      addi s0, s0, -1
      beqz s0, out
      two: addi a1, a1, 1
      csrr t1, minstret
      addi s0, s0, -1
      bnez s0, one
      out: wfi`);
    bench.finish();
    expect([bench.x('a0'), bench.x('a1'), bench.x('s0')]).toEqual([20n, 20n, 0n]);
  });

  it('is every instruction of a deterministic machine', () => {
    const spec = { harts: 1, ramBytes: 16 << 20, hasKeys: false, monitorBytes: 4096 };
    expect(() => createMachine({ ...spec, deterministic: true, jitAfter: HOT })).toThrow(
      RangeError,
    );
    const machine = attachMachine(createMachine({ ...spec, deterministic: true }));
    expect(machine.hart(0).jit).toBeUndefined();
  });
});

describe('code that is nearly all translated', () => {
  it('has little more of it translated, until something else runs', () => {
    // Time stands still, so what may be made after a while is not.
    const clock = vi.spyOn(performance, 'now').mockReturnValue(1);
    onTestFinished(() => clock.mockRestore());
    const bench = new Bench({ deterministic: false, jitAfter: 50 });
    const { statistics } = jitOf(bench);
    const loop = (turns: number): string =>
      `li s0, ${turns}\n loop: addi s0, s0, -1\n bnez s0, loop\n wfi`;
    const run = (turns: number, from: bigint): void => {
      bench.load(loop(turns), from);
      bench.pc = from;
      while (bench.run(10_000_000) !== 'waiting');
    };
    run(2_000_000, RAM);
    const settled = statistics.regions;
    expect(settled).toBeGreaterThan(0);
    run(80, RAM + 0x1000n);
    expect(statistics).toMatchObject({ regions: settled, postponed: 1 });
    run(2_000_000, RAM + 0x2000n);
    expect(statistics.regions).toBe(settled + 1);
    expect(bench.x('s0')).toBe(0n);
    clock.mockReturnValue(2002);
    run(80, RAM + 0x3000n);
    expect(statistics.regions).toBe(settled + 2);
  });
});
