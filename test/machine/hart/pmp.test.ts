import { describe, expect, it } from 'vitest';

import { PmpTable } from '../../../src/machine/pmp.ts';
import { Bench, CAUSES, CORES, RAM, u64 } from './bench.ts';
import { PageTables, RWX } from './page-tables.ts';

const [R, W, X, TOR, NA4, NAPOT, L] = [1n, 2n, 4n, 1n << 3n, 2n << 3n, 3n << 3n, 0x80n] as const;
const DATA = RAM + 0x10_0000n;
const napot = (base: bigint, bytes: bigint): bigint => (base + bytes / 2n - 1n) >> 2n;

describe.each(CORES)('physical memory protection on the %s core', (_, core) => {
  const bench = new Bench(core);

  /** Sets entries 0 onwards: [pmpaddr, configuration]; all of RAM may be executed by what follows. */
  const entries = (...list: (readonly [bigint, bigint])[]): void => {
    bench.reset();
    const all = [...list, [napot(RAM, 1n << 16n), R | W | X | NAPOT] as const];
    all.forEach(([address], n) => bench.setCsr(`pmpaddr${n}`, address));
    const config = (from: number): bigint =>
      all.slice(from, from + 8).reduce((bits, [, value], n) => bits | (value << BigInt(8 * n)), 0n);
    bench.setCsr('pmpcfg2', config(8));
    bench.setCsr('pmpcfg0', config(0));
  };
  /** The cause of one access, 0 if it was allowed. */
  const access = (line: string, address: bigint, mode: 'M' | 'S' | 'U' = 'S'): bigint => {
    bench.load(`${line}\n ecall`);
    bench.setX('a1', address);
    bench.mode = mode;
    bench.finish();
    const { cause, value, pc } = bench.trap();
    if (pc === RAM + 4n) return 0n;
    expect(value & ~7n).toBe(address & ~7n);
    return cause;
  };
  const LOAD = 'lw a0, 0(a1)';
  const STORE = 'sw a0, 0(a1)';

  it('denies S and U everything while no entry allows it, and M nothing', () => {
    bench.reset();
    bench.load('nop');
    for (const mode of ['S', 'U'] as const) {
      bench.mode = mode;
      bench.finish();
      expect(bench.trap()).toEqual({ cause: CAUSES.FETCH_ACCESS, pc: RAM, value: RAM, mode });
    }
    expect(access(STORE, DATA, 'M')).toBe(0n);
  });

  it.each([
    ['NAPOT of 8 bytes', [[napot(DATA, 8n), R | NAPOT]], 0n, 8n],
    ['NAPOT of a page', [[napot(DATA, 4096n), R | NAPOT]], 0n, 4096n],
    ['NAPOT of a megabyte', [[napot(DATA, 1n << 20n), R | NAPOT]], 0n, 1n << 20n],
    ['NA4', [[(DATA + 4n) >> 2n, R | NA4]], 4n, 8n],
    [
      'TOR between two',
      [
        [(DATA + 16n) >> 2n, 0n],
        [(DATA + 8192n) >> 2n, R | TOR],
      ],
      16n,
      8192n,
    ],
  ] as [string, [bigint, bigint][], bigint, bigint][])(
    '%s matches from its first byte to its last',
    (_name, list, start, end) => {
      entries(...list);
      expect([
        access(LOAD, DATA + start - 4n),
        access(LOAD, DATA + start),
        access(LOAD, DATA + end - 4n),
        access(LOAD, DATA + end),
        access(STORE, DATA + start),
      ]).toEqual([CAUSES.LOAD_ACCESS, 0n, 0n, CAUSES.LOAD_ACCESS, CAUSES.STORE_ACCESS]);
    },
  );

  it('TOR of entry 0 begins at 0; all ones reach everything; an empty range matches nothing', () => {
    entries([u64(-1n), R | X | TOR]);
    expect([access(LOAD, DATA), access(STORE, DATA)]).toEqual([0n, CAUSES.STORE_ACCESS]);
    entries([u64(-1n), R | X | NAPOT]);
    expect([access(LOAD, DATA), access(STORE, DATA)]).toEqual([0n, CAUSES.STORE_ACCESS]);
    entries([(DATA + 8n) >> 2n, 0n], [DATA >> 2n, TOR], [napot(DATA, 4096n), R | W | NAPOT]);
    expect([access(LOAD, DATA), access('ld a0, 0(a1)', DATA + 4n)]).toEqual([0n, 0n]);
  });

  it('the lowest entry decides, page by page and within a page', () => {
    entries([napot(DATA, 8n), NAPOT], [napot(DATA, 4096n), R | NAPOT]);
    expect([access(LOAD, DATA), access(LOAD, DATA + 8n)]).toEqual([CAUSES.LOAD_ACCESS, 0n]);
    expect(access(LOAD, DATA + 4n)).toBe(CAUSES.LOAD_ACCESS);
  });

  it('an access that an entry matches in part fails, in M as well', () => {
    entries([(DATA + 4n) >> 2n, R | W | NA4], [napot(DATA, 4096n), R | W | NAPOT]);
    for (const mode of ['M', 'S'] as const) {
      expect([
        access('ld a0, 0(a1)', DATA, mode),
        access('sd a0, 0(a1)', DATA, mode),
        access('lw a0, 0(a1)', DATA + 2n, mode),
        access('lw a0, 0(a1)', DATA + 4n, mode),
      ]).toEqual([CAUSES.LOAD_ACCESS, CAUSES.STORE_ACCESS, CAUSES.LOAD_ACCESS, 0n]);
    }
  });

  it('a locked entry holds for M and keeps its values until reset', () => {
    entries([napot(DATA, 4096n), R | L | NAPOT]);
    expect([access(LOAD, DATA, 'M'), access(STORE, DATA, 'M')]).toEqual([0n, CAUSES.STORE_ACCESS]);
    bench.setCsr('pmpaddr0', 0n);
    bench.setCsr('pmpcfg0', 0n);
    expect([bench.csr('pmpaddr0'), bench.csr('pmpcfg0') & 0xffn]).toEqual([
      napot(DATA, 4096n),
      R | L | NAPOT,
    ]);
    bench.reset();
    expect([bench.csr('pmpcfg0'), access(STORE, DATA, 'M')]).toEqual([0n, 0n]);
  });

  it('a locked TOR entry locks the address below it', () => {
    entries([DATA >> 2n, 0n], [(DATA + 4096n) >> 2n, R | L | TOR]);
    bench.setCsr('pmpaddr0', 0n);
    expect(bench.csr('pmpaddr0')).toBe(DATA >> 2n);
  });

  it('a change takes effect on translations that are already remembered', () => {
    entries([napot(DATA, 4096n), R | W | NAPOT]);
    expect(access(STORE, DATA)).toBe(0n);
    bench.setCsr('pmpcfg0', (bench.csr('pmpcfg0') & ~0xffn) | R | NAPOT);
    expect([access(STORE, DATA), access(LOAD, DATA)]).toEqual([CAUSES.STORE_ACCESS, 0n]);
  });

  it('code runs on a page that an entry cuts, up to the cut', () => {
    entries([napot(DATA + 2048n, 8n), R | NAPOT], [napot(DATA, 4096n), X | NAPOT]);
    bench.load(
      'li a0, 3\n loop: addi a0, a0, -1\n bnez a0, loop\n j on\n .zero 2028\n on: nop\n nop',
      DATA,
    );
    bench.mode = 'S';
    bench.finish(DATA);
    const cut = DATA + 2048n;
    expect([bench.x('a0'), bench.at('on')]).toEqual([0n, DATA + 2044n]);
    expect(bench.trap()).toEqual({ cause: CAUSES.FETCH_ACCESS, pc: cut, value: cut, mode: 'S' });
  });

  it('reads of page tables are S’s own: an access fault of the access that needed them', () => {
    for (const [line, cause] of [
      [LOAD, CAUSES.LOAD_ACCESS],
      [STORE, CAUSES.STORE_ACCESS],
    ] as const) {
      PageTables.restart();
      bench.reset();
      const tables = new PageTables(bench);
      tables.map(RAM, RAM, RWX, 2);
      tables.map(0x5000_0000n, DATA, RWX);
      const last = tables.entry(0x5000_0000n, 0) & ~4095n;
      entries([napot(last, 4096n), NAPOT], [u64(-1n), R | W | X | NAPOT]);
      bench.setCsr('satp', tables.satp());
      expect(access(line, 0x5000_0000n)).toBe(cause);
    }
  });

  it('MPRV is judged by the mode in MPP', () => {
    entries([napot(DATA, 4096n), R | NAPOT]);
    bench.setCsr('mstatus', (1n << 17n) | (1n << 11n));
    expect(access(STORE, DATA, 'M')).toBe(CAUSES.STORE_ACCESS);
    bench.setCsr('mstatus', (1n << 17n) | (3n << 11n));
    expect(access(STORE, DATA, 'M')).toBe(0n);
  });
});

describe('a table of entries', () => {
  it('need not be asked when the first lets everyone do everything', () => {
    const table = new PmpTable();
    expect([table.isActive(1), table.isActive(3)]).toEqual([true, false]);
    table.open();
    expect([table.isActive(0), table.isActive(1), table.isActive(3)]).toEqual([
      false,
      false,
      false,
    ]);
    table.setConfig(0, 0x18);
    expect(table.isActive(1)).toBe(true);
  });
});
