import { describe, expect, it } from 'vitest';

import { COUNTERS, type Counter } from '../../../src/machine/core/hart-block.ts';
import { Bench, RAM } from './bench.ts';
import { G, PageTables, RWX } from './page-tables.ts';

const VA = 0x5000_0000n;

describe('the modelled TLB', () => {
  const bench = new Bench({ deterministic: true });

  /** Counts what a program in S adds, over a space with a global gigapage of RAM and 64 pages at VA. */
  const measure = (
    source: string,
    { l1 = 8, l2 = 0, translated = true, mode = 'S' as 'S' | 'M' } = {},
  ): Record<'tlbMisses' | 'tlbL2Hits' | 'walkLevels', number> => {
    PageTables.restart();
    bench.reset();
    bench.openPmp();
    const tables = new PageTables(bench);
    tables.map(RAM, RAM, RWX | G, 2);
    for (let n = 0n; n < 64n; n++) tables.map(VA + 4096n * n, RAM + 0x10_0000n + 4096n * n, RWX);
    if (translated) bench.setCsr('satp', tables.satp(1n));
    bench.hart.modelledTlb.configure(l1, l2);
    bench.hart.settleCounters();
    const before = COUNTERS.map((name) => bench.hart.counter(name));
    bench.setX('a1', mode === 'S' && translated ? VA : RAM + 0x10_0000n);
    bench.execute(`${source}\n ecall`, mode);
    bench.hart.settleCounters();
    const added = (name: Counter): number =>
      bench.hart.counter(name) - (before[COUNTERS.indexOf(name)] as number);
    bench.hart.modelledTlb.configure(0, 0);
    return {
      tlbMisses: added('tlbMisses'),
      tlbL2Hits: added('tlbL2Hits'),
      walkLevels: added('walkLevels'),
    };
  };
  /** Reads `pages` pages, `rounds` times. */
  const sweep = (pages: number, rounds: number): string => `
    li s0, ${rounds}
    li t1, 4096
    round: mv a0, a1
    li s1, ${pages}
    each: ld a2, 0(a0)
    add a0, a0, t1
    addi s1, s1, -1
    bnez s1, each
    addi s0, s0, -1
    bnez s0, round`;

  it('charges a walk of three levels for a page, of one for a gigapage', () => {
    expect(measure('nop')).toEqual({ tlbMisses: 1, tlbL2Hits: 0, walkLevels: 1 });
    expect(measure('ld a0, 0(a1)')).toEqual({ tlbMisses: 2, tlbL2Hits: 0, walkLevels: 4 });
  });

  it('holds as many pages as it has entries, and thrashes on one more', () => {
    expect(measure(sweep(8, 10)).tlbMisses).toBe(1 + 8);
    expect(measure(sweep(9, 10)).tlbMisses).toBe(1 + 90);
  });

  it('finds what the first level lost in the second', () => {
    const { tlbMisses, tlbL2Hits } = measure(sweep(9, 10), { l2: 64 });
    expect([tlbMisses, tlbL2Hits]).toEqual([1 + 9, 81]);
  });

  it('is not asked where nothing is translated: M-mode and Bare', () => {
    for (const options of [{ mode: 'M' as const }, { translated: false }])
      expect(measure(sweep(9, 2), options).tlbMisses).toBe(0);
  });

  it('forgets at sfence.vma: a page, an ASID, everything', () => {
    const reload = (fence: string): number =>
      measure(`li t2, 1\n li t3, 2\n ld a0, 0(a1)\n ${fence}\n ld a0, 0(a1)`).tlbMisses;
    expect(reload('nop')).toBe(2);
    expect(reload('sfence.vma a1')).toBe(3);
    expect(reload('sfence.vma zero, t3')).toBe(2);
    expect(reload('sfence.vma zero, t2')).toBe(3);
  });
});
