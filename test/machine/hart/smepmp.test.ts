import { describe, expect, it } from 'vitest';

import { PRIVILEGE } from '../../../src/machine/core/hart-block.ts';
import { PmpTable } from '../../../src/machine/pmp.ts';
import { Bench, CAUSES, CORES, TRAP_PAGE } from './bench.ts';

const [MML, MMWP, RLB] = [1, 2, 4] as const;
const [NAPOT, TOR, L] = [0x18, 0x08, 0x80] as const;
const AT = 0x8010_0000;
const ACCESSES = [
  ['load', 'r'],
  ['store', 'w'],
  ['fetch', 'x'],
] as const;

/** Smepmp's truth table under mseccfg.MML: L, R, W, X, then what M has, and what S and U have. */
const MANUAL = `
  0 0 0 0  ---  ---
  0 0 0 1  ---  --x
  0 0 1 0  rw-  r--
  0 0 1 1  rw-  rw-
  0 1 0 0  ---  r--
  0 1 0 1  ---  r-x
  0 1 1 0  ---  rw-
  0 1 1 1  ---  rwx
  1 0 0 0  ---  ---
  1 0 0 1  --x  ---
  1 0 1 0  --x  --x
  1 0 1 1  r-x  --x
  1 1 0 0  r--  ---
  1 1 0 1  r-x  ---
  1 1 1 0  rw-  ---
  1 1 1 1  r--  r--`
  .trim()
  .split('\n')
  .map((line) => {
    const [l, r, w, x, m, below] = line.trim().split(/\s+/) as string[];
    const config = Number(r) | (Number(w) << 1) | (Number(x) << 2) | (Number(l) << 7);
    return { name: `${l}${r}${w}${x}`, config, m: m as string, below: below as string };
  });

/** A table whose entry 0 covers the page at AT, set while RLB allows all, then left with `mseccfg`. */
const tableWith = (config: number, mseccfg: number): PmpTable => {
  const table = new PmpTable();
  table.setMseccfg((mseccfg & MML) | RLB);
  table.setAddress(0, (AT >>> 2) | 0x1ff, 0);
  table.setConfig(0, config | NAPOT);
  table.setMseccfg(mseccfg);
  return table;
};
const given = (table: PmpTable, mode: number, at = AT): string =>
  ACCESSES.map(([access, letter]) => (table.allows(at, 4, access, mode) ? letter : '-')).join('');

describe('a rule under machine-mode lockdown', () => {
  it.each(MANUAL)('LRWX = $name: M $m, S and U $below', ({ config, m, below }) => {
    for (const mseccfg of [MML, MML | MMWP, MML | RLB]) {
      const table = tableWith(config, mseccfg);
      expect(table.config(0)).toBe(config | NAPOT);
      expect([PRIVILEGE.M, PRIVILEGE.S, PRIVILEGE.U].map((mode) => given(table, mode))).toEqual([
        m,
        below,
        below,
      ]);
    }
  });

  it.each(MANUAL)('LRWX = $name without it: what the base architecture says', ({ config }) => {
    const hasReserved = (config & 3) === 2;
    const kept = hasReserved ? config & ~2 : config;
    const letters = ['r', 'w', 'x'].map((letter, n) => ((kept >> n) & 1 ? letter : '-')).join('');
    for (const mseccfg of [0, MMWP]) {
      const table = tableWith(config, mseccfg);
      expect(table.config(0)).toBe(kept | NAPOT);
      expect([given(table, PRIVILEGE.M), given(table, PRIVILEGE.S)]).toEqual([
        (kept & L) === 0 ? 'rwx' : letters,
        letters,
      ]);
    }
  });

  it.each([
    [0, 'rwx'],
    [MML, 'rw-'],
    [MMWP, '---'],
    [MML | MMWP, '---'],
  ])('where none matches and mseccfg = %i, M has %s and S and U nothing', (mseccfg, m) => {
    const table = tableWith(L, mseccfg);
    expect([PRIVILEGE.M, PRIVILEGE.S, PRIVILEGE.U].map((mode) => given(table, mode, 0))).toEqual([
      m,
      '---',
      '---',
    ]);
    expect(table.isActive(PRIVILEGE.M)).toBe(true);
  });
});

describe('mseccfg', () => {
  it('keeps MML and MMWP until reset', () => {
    const table = new PmpTable();
    table.setMseccfg(MML);
    table.setMseccfg(MMWP);
    table.setMseccfg(0);
    expect(table.mseccfg).toBe(MML | MMWP);
    table.reset();
    expect(table.mseccfg).toBe(0);
  });

  it('lets RLB be set only while no entry is locked, one that is off included', () => {
    const table = new PmpTable();
    table.setConfig(40, L);
    table.setMseccfg(RLB);
    expect(table.mseccfg).toBe(0);
    table.reset();
    table.setMseccfg(RLB);
    table.setConfig(40, L);
    table.setMseccfg(RLB);
    expect(table.mseccfg).toBe(RLB);
    table.setMseccfg(0);
    table.setMseccfg(RLB);
    expect(table.mseccfg).toBe(0);
  });

  it('RLB opens locked entries, and the address below a locked TOR entry', () => {
    for (const mseccfg of [0, RLB]) {
      const table = new PmpTable();
      table.setMseccfg(RLB);
      table.setAddress(2, 1, 0);
      table.setAddress(3, 2, 0);
      table.setConfig(3, L | TOR | 1);
      table.setMseccfg(mseccfg);
      table.setAddress(2, 8, 0);
      table.setAddress(3, 9, 0);
      table.setConfig(3, 0);
      expect([table.addressLow(2), table.addressLow(3), table.config(3)]).toEqual(
        mseccfg === 0 ? [1, 2, L | TOR | 1] : [8, 9, 0],
      );
    }
  });

  it('no rule that lets M execute can be added under MML without RLB', () => {
    const refused = MANUAL.filter(({ config }) => {
      const table = new PmpTable();
      table.setMseccfg(MML);
      table.setConfig(0, config | NAPOT);
      return table.config(0) === 0;
    });
    expect(refused.map(({ name }) => name)).toEqual(['1001', '1010', '1011', '1101']);
  });
});

describe.each(CORES)('on the %s core', (_, core) => {
  it('M stops executing what no rule gives it as soon as MML is set', () => {
    const bench = new Bench(core);
    bench.setCsr('pmpaddr0', (TRAP_PAGE >> 2n) | 0x1ffn);
    bench.setCsr('pmpcfg0', BigInt(NAPOT | L | 5)); // the handler may go on
    bench.execute('csrwi mseccfg, 1\n here: nop\n wfi');
    expect(bench.trap()).toEqual({
      cause: CAUSES.FETCH_ACCESS,
      pc: bench.at('here'),
      value: bench.at('here'),
      mode: 'M',
    });
  });

  it('the last entry matches as the first does', () => {
    const bench = new Bench(core);
    bench.setCsr('pmpaddr63', BigInt(AT >>> 2) | 0x1ffn);
    bench.setCsr('pmpcfg14', BigInt(NAPOT | L | 1) << 56n);
    bench.setX('a1', BigInt(AT));
    bench.execute('ld a0, 0(a1)\n here: sd a0, 0(a1)\n wfi');
    expect(bench.trap()).toMatchObject({ cause: CAUSES.STORE_ACCESS, pc: bench.at('here') });
  });
});
