import { describe, expect, it } from 'vitest';

import { TLB_CONTEXTS } from '../../../src/machine/core/hart-block.ts';
import { Bench, CORES, RAM } from './bench.ts';
import { A, D, G, PageTables, R, RWX, V, W, X } from './page-tables.ts';

const VA = 0x5010_0000n;
const FRAMES = RAM + 0x10_0000n;
/** More views than the hart has tables, so that every one has lost its table when its turn comes again. */
const VIEWS = TLB_CONTEXTS + 8;
const SUM = 1n << 18n;

describe.each(CORES)('on the %s core', (_, core) => {
  const bench = new Bench(core);

  /** A space with the program where it is and a page of its own at VA, which holds its number. */
  const space = (number: bigint): PageTables => {
    const frame = FRAMES + number * 4096n;
    bench.write(frame, number);
    const tables = new PageTables(bench);
    tables.map(RAM, RAM, V | R | W | X | A | D | G, 2);
    tables.map(VA, frame, RWX);
    return tables;
  };

  it('a guest with more views than tables finds in each what it maps', () => {
    PageTables.restart();
    bench.reset();
    bench.openPmp();
    // The views share four roots: what tells most of them apart is their ASID.
    const roots = [0n, 1n, 2n, 3n].map(space);
    const list = RAM + 0x2000n;
    for (let n = 0; n < VIEWS; n++)
      bench.write(list + 8n * BigInt(n), (roots[n & 3] as PageTables).satp(BigInt(n + 1)));
    bench.setX('a1', VA);
    bench.setX('s0', list);
    bench.setX('s2', list + 8n * BigInt(VIEWS));
    // Two rounds; a digit of base 4 a view, in a checksum. SUM makes another regime of each.
    bench.execute(
      `
      li s3, 2
      li s4, 0
      li s6, 31
      li t1, ${SUM}
     round:
      mv s1, s0
     view:
      ld t0, 0(s1)
      csrw satp, t0
      ld a2, 0(a1)
      csrs sstatus, t1
      ld a3, 0(a1)
      csrc sstatus, t1
      mul s4, s4, s6
      add s4, s4, a2
      mul s4, s4, s6
      add s4, s4, a3
      addi s1, s1, 8
      bne s1, s2, view
      addi s3, s3, -1
      bnez s3, round
      ecall`,
      'S',
    );
    let sum = 0n;
    for (let n = 0; n < 2 * VIEWS; n++) {
      const value = BigInt((n % VIEWS) & 3);
      sum = (sum * 31n + value) * 31n + value;
    }
    expect(bench.x('s4')).toBe(BigInt.asUintN(64, sum));
    bench.hart.settleCounters();
    expect(bench.hart.counter('softTlbContextEvictions')).toBeGreaterThan(VIEWS);
  });

  it('two hart objects over one block do not trust what the other remembered', () => {
    PageTables.restart();
    bench.reset();
    bench.openPmp();
    const tables = space(7n);
    bench.load('ld a0, 0(a1)\n wfi', RAM);
    bench.setCsr('satp', tables.satp(1n));
    bench.setX('a1', VA);
    bench.mode = 'S';
    bench.finish();
    expect(bench.x('a0')).toBe(7n);
    // Nobody fences: the second has not translated anything yet, so it must walk.
    tables.map(VA, FRAMES + 9n * 4096n, RWX);
    bench.write(FRAMES + 9n * 4096n, 9n);
    const second = bench.machine.hart(0);
    second.translation.pmp.open();
    bench.pc = RAM;
    second.run(2);
    expect(bench.x('a0')).toBe(9n);
  });

  it('a guest that traps for ever ends its slice, with its traps counted', () => {
    bench.reset();
    bench.load('again: ebreak');
    bench.setCsr('mtvec', RAM);
    bench.pc = RAM;
    const { hart } = bench;
    const before = hart.instret;
    expect(bench.run(1000)).toBe('limit');
    expect(hart.instret).toBe(before);
    expect(hart.counter('traps')).toBeGreaterThan(1000);
  });
});
