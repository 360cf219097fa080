import { describe, expect, it } from 'vitest';

import { Bench, CAUSES, CORES, RAM, u64 } from './bench.ts';
import { A, D, PageTables, R, RWX, U, V, W, X } from './page-tables.ts';

const DATA = RAM + 0x10_0000n;
const VA = 0x5010_0000n;
const NOWHERE = 0x4000_0000n;
const UART = 0x1000_0000n;
const [CBIE, CBCFE, CBZE] = [0x30n, 0x40n, 0x80n] as const;
const ALL = CBIE | CBCFE | CBZE;
const MANAGEMENT = ['cbo.inval', 'cbo.clean', 'cbo.flush'] as const;

describe.each(CORES)('on the %s core', (_, core) => {
  const bench = new Bench(core);
  const fresh = (menvcfg = ALL, senvcfg = ALL): void => {
    PageTables.restart();
    bench.reset();
    bench.openPmp();
    bench.setCsr('menvcfg', menvcfg);
    bench.setCsr('senvcfg', senvcfg);
    for (let n = -64n; n < 192n; n += 8n) bench.write(DATA + n, u64(-1n));
  };
  /** How an instruction on a1 ends in a mode: 'ok', or the cause of its trap, whose value must be a1. */
  const attempt = (line: string, mode: 'M' | 'S' | 'U', a1: bigint): 'ok' | bigint => {
    bench.load(`${line} (a1)\n ecall`);
    bench.setX('a1', a1);
    bench.mode = mode;
    const before = bench.hart.instret;
    bench.finish();
    const { cause, pc, value } = bench.trap();
    if (pc === RAM + 4n) return 'ok';
    // The trap page's first WFI is all that retires.
    expect([pc, bench.hart.instret - before]).toEqual([RAM, 1]);
    expect(value).toBe(cause === CAUSES.ILLEGAL ? bench.read(RAM, 4) : a1);
    return cause;
  };

  it('cbo.zero clears the 64 bytes around an address, wherever it points in them', () => {
    for (const offset of [0n, 1n, 8n, 63n]) {
      fresh();
      expect(attempt('cbo.zero', 'M', DATA + 64n + offset)).toBe('ok');
      const words = Array.from({ length: 32 }, (_word, n) =>
        bench.read(DATA - 64n + 8n * BigInt(n), 8),
      );
      expect(words.map((word) => word === 0n)).toEqual(words.map((_word, n) => n >= 16 && n < 24));
    }
  });

  it('does not change memory otherwise', () => {
    fresh();
    for (const name of MANAGEMENT) expect(attempt(name, 'M', DATA + 3n)).toBe('ok');
    expect(bench.read(DATA, 8)).toBe(u64(-1n));
  });

  it.each([
    ['cbo.inval', CBIE],
    ['cbo.inval', 0x10n],
    ['cbo.clean', CBCFE],
    ['cbo.flush', CBCFE],
    ['cbo.zero', CBZE],
  ])('%s needs its field %s of menvcfg in S, and of senvcfg too in U', (name, field) => {
    const ends = (mode: 'M' | 'S' | 'U', menvcfg: bigint, senvcfg: bigint): 'ok' | bigint => {
      fresh(menvcfg, senvcfg);
      return attempt(name, mode, DATA);
    };
    const others = name === 'cbo.inval' ? ALL & ~CBIE : ALL & ~field;
    expect(ends('M', 0n, 0n)).toBe('ok');
    expect(ends('S', field, 0n)).toBe('ok');
    expect(ends('S', others, ALL)).toBe(CAUSES.ILLEGAL);
    expect(ends('U', field, field)).toBe('ok');
    expect(ends('U', ALL, others)).toBe(CAUSES.ILLEGAL);
    expect(ends('U', others, ALL)).toBe(CAUSES.ILLEGAL);
  });

  describe('under page tables', () => {
    const ends = (name: string, flags: bigint): 'ok' | bigint => {
      fresh();
      const tables = new PageTables(bench);
      tables.map(RAM, RAM, RWX, 2);
      if (flags !== 0n) tables.map(VA, DATA, flags);
      bench.setCsr('satp', tables.satp());
      bench.hart.translation.tlb.flushAll();
      return attempt(name, 'S', VA + 5n);
    };

    it('cbo.zero is a store', () => {
      expect(ends('cbo.zero', V | R | W | A | D)).toBe('ok');
      expect(bench.read(DATA, 8)).toBe(0n);
      for (const flags of [0n, V | R | A | D, V | R | W | A, V | R | W | U | A | D])
        expect(ends('cbo.zero', flags)).toBe(CAUSES.STORE_PAGE);
    });

    it.each(MANAGEMENT)('%s may act where a load or a store may, and faults as a store', (name) => {
      expect(ends(name, V | R | W | A | D)).toBe('ok');
      expect(ends(name, V | R | A)).toBe('ok');
      for (const flags of [0n, V | X | A, V | R | W | U | A | D, V | R | W | D])
        expect(ends(name, flags)).toBe(CAUSES.STORE_PAGE);
    });
  });

  it.each(['cbo.zero', ...MANAGEMENT])('%s is refused where there is nothing', (name) => {
    fresh();
    expect(attempt(name, 'M', NOWHERE + 7n)).toBe(CAUSES.STORE_ACCESS);
  });

  it('devices have no blocks to zero, and nothing to be cleaned of', () => {
    fresh();
    expect(attempt('cbo.zero', 'M', UART)).toBe(CAUSES.STORE_ACCESS);
    expect(attempt('cbo.flush', 'M', UART)).toBe('ok');
  });

  it('obeys PMP where that cuts a page', () => {
    fresh();
    // Entry 0: 64 bytes at DATA + 64 may be read only; entry 1: all else is open.
    bench.setCsr('pmpaddr0', ((DATA + 64n) >> 2n) | 7n);
    bench.setCsr('pmpaddr1', u64(-1n) >> 10n);
    bench.setCsr('pmpcfg0', 0x1f19n);
    expect(attempt('cbo.zero', 'S', DATA + 64n)).toBe(CAUSES.STORE_ACCESS);
    expect(attempt('cbo.clean', 'S', DATA + 64n)).toBe('ok');
    expect(attempt('cbo.zero', 'S', DATA + 130n)).toBe('ok');
    expect([bench.read(DATA + 64n, 8), bench.read(DATA + 128n, 8)]).toEqual([u64(-1n), 0n]);
    bench.setCsr('pmpcfg0', 0x1f18n);
    expect(attempt('cbo.clean', 'S', DATA + 64n)).toBe(CAUSES.STORE_ACCESS);
  });
});
