import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import type { DecodeCache } from '../../../src/machine/decode-cache.ts';
import { RAM_BASE } from '../../../src/machine/physical-map.ts';
import { Translation } from '../../../src/machine/translation.ts';
import { Bench, CAUSES, CORES, RAM, RAM_BYTES, u64 } from './bench.ts';
import { A, D, G, PageTables, R, RWX, U, V, X, W } from './page-tables.ts';
import { referenceWalk, type Access, type Outcome } from './walk-reference.ts';

const DATA = RAM + 0x10_0000n;
const N = 1n << 63n;
const [ADUE, PBMTE] = [1n << 61n, 1n << 62n] as const;
const PBMT = (type: bigint): bigint => type << 61n;
const leafOf = (pa: bigint, flags: bigint): bigint => ((pa >> 12n) << 10n) | flags;
const halves = (value: bigint): [number, number] => [
  Number(BigInt.asIntN(32, value)),
  Number(BigInt.asIntN(32, value >> 32n)),
];

describe.each([
  ['without keys', false],
  ['with keys', true],
])('the walk %s', (_, hasKeys) => {
  const bench = new Bench({ deterministic: false, hasKeys });
  const TABLES = [0n, 1n, 2n, 3n].map((n) => RAM + 0x40_0000n + n * 4096n);

  /** Any PTE, mostly one that goes on or that translates. */
  const pteOf = (next: bigint): fc.Arbitrary<bigint> =>
    fc
      .tuple(
        fc.oneof(
          { arbitrary: fc.constant(leafOf(next, V)), weight: 6 },
          { arbitrary: fc.constant(leafOf(DATA, RWX)), weight: 3 },
          { arbitrary: fc.constant(leafOf(RAM, RWX)), weight: 2 },
          { arbitrary: fc.constant(leafOf(0n, RWX)), weight: 1 },
          { arbitrary: fc.constant(leafOf(1n << 40n, V)), weight: 1 },
          { arbitrary: fc.constant(N | leafOf(DATA + 0x8000n, RWX)), weight: 2 },
          { arbitrary: fc.bigInt({ min: 0n, max: (1n << 64n) - 1n }), weight: 1 },
        ),
        fc.oneof(
          fc.constant(0n),
          fc.bigInt({ min: 0n, max: 255n }).map((bits) => bits & ~V),
        ),
        fc.oneof(
          { arbitrary: fc.constant(0n), weight: 6 },
          {
            arbitrary: fc.integer({ min: 54, max: 63 }).map((at) => 1n << BigInt(at)),
            weight: 1,
          },
        ),
      )
      .map(([pte, low, high]) => pte ^ low ^ high);

  const addresses = fc
    .tuple(
      fc.bigInt({ min: 0n, max: (1n << 64n) - 1n }),
      fc.constantFrom(39, 39, 39, 48, 48, 48, 64),
    )
    .map(([value, bits]) => u64(BigInt.asIntN(bits, value)));

  const physical = (fault: number, access: Access): Outcome => {
    const cause = BigInt(fault);
    const { LOAD_PAGE, STORE_PAGE, FETCH_PAGE } = CAUSES;
    if (cause === { load: LOAD_PAGE, store: STORE_PAGE, fetch: FETCH_PAGE }[access])
      return 'page fault';
    const { LOAD_ACCESS, STORE_ACCESS, FETCH_ACCESS } = CAUSES;
    if (cause === { load: LOAD_ACCESS, store: STORE_ACCESS, fetch: FETCH_ACCESS }[access])
      return 'access fault';
    expect(fault).toBe(-1);
    return BigInt(bench.hart.translation.physical);
  };

  it('ends where the manual says, and leaves the entries as it says', () => {
    const cases = fc.record({
      va: addresses,
      access: fc.constantFrom<Access>('load', 'store', 'fetch'),
      mode: fc.constantFrom<'S' | 'U'>('S', 'U'),
      satpMode: fc.constantFrom(0n, 8n, 8n, 9n, 9n),
      sum: fc.boolean(),
      mxr: fc.boolean(),
      pbmte: fc.boolean(),
      adue: fc.boolean(),
      keys: fc.bigInt({ min: 0n, max: (1n << 64n) - 1n }).map((keys) => keys | 3n),
      ptes: fc.tuple(...TABLES.map((_table, n) => pteOf(TABLES[n + 1] ?? DATA))),
    });
    const seen = new Map<string, number>();
    bench.reset();
    bench.openPmp();
    fc.assert(
      fc.property(cases, (c) => {
        const satp = (c.satpMode << 60n) | ((TABLES[0] as bigint) >> 12n);
        // The tables hold one entry each, where this address looks.
        const top = c.satpMode === 9n ? 3 : 2;
        const slots = TABLES.map(
          (table, n) => table + 8n * ((c.va >> BigInt(12 + 9 * Math.max(0, top - n))) & 511n),
        );
        slots.forEach((slot, n) => bench.write(slot, c.ptes[n] as bigint));
        const memory = new Map(slots.map((slot) => [slot, bench.read(slot, 8)]));
        const expected = referenceWalk(c.va, c.access, {
          ...c,
          satp,
          keys: hasKeys ? c.keys : undefined,
          read: (at) =>
            memory.get(at) ??
            (at >= RAM && at < RAM + BigInt(RAM_BYTES) ? bench.read(at, 8) : undefined),
          write: (at, pte) => memory.set(at, pte),
        });
        bench.setCsr('satp', satp);
        bench.setCsr('menvcfg', (c.adue ? ADUE : 0n) | (c.pbmte ? PBMTE : 0n));
        bench.setCsr('mstatus', (c.sum ? 1n << 18n : 0n) | (c.mxr ? 1n << 19n : 0n));
        if (hasKeys) bench.setCsr('mkeys', c.keys);
        bench.mode = c.mode;
        const fault = bench.hart.translation.translate(...halves(c.va), c.access, 1);
        const found = physical(fault, c.access);
        expect(found).toBe(typeof expected === 'bigint' ? BigInt(Number(expected)) : expected);
        for (const [slot, pte] of memory) expect(bench.read(slot, 8)).toBe(pte);
        const kind = typeof expected === 'bigint' ? `found, mode ${c.satpMode}` : expected;
        seen.set(kind, (seen.get(kind) ?? 0) + 1);
      }),
      { seed: 11, numRuns: 4000 },
    );
    for (const kind of ['found, mode 8', 'found, mode 9', 'page fault', 'access fault'])
      expect([kind, (seen.get(kind) ?? 0) > 20]).toEqual([kind, true]);
  });
});

describe.each(CORES)('on the %s core', (_, core) => {
  const bench = new Bench(core);
  const VA = 0x5555_5550_0000n;

  const space = (levels: 3 | 4, menvcfg = 0n): PageTables => {
    PageTables.restart();
    bench.reset();
    bench.openPmp();
    bench.setCsr('menvcfg', menvcfg);
    const tables = new PageTables(bench, levels);
    tables.map(RAM, RAM, RWX | G, 2);
    return tables;
  };
  const inS = (tables: PageTables, source: string): bigint => {
    bench.setCsr('satp', tables.satp());
    bench.hart.translation.tlb.flushAll();
    bench.execute(`${source}\n ecall`, 'S');
    return bench.trap().cause;
  };

  describe('Sv48', () => {
    it.each([
      ['a page', VA, 0, DATA],
      ['the last page of all', u64(-4096n), 0, DATA],
      ['a megapage', 0x4000_0000_0000n, 1, RAM],
      ['a gigapage', 0x4001_0000_0000n, 2, RAM],
      ['a terapage', 0x7f00_0000_0000n, 3, 0n],
    ])('translates loads, stores and fetches of %s', (_name, va, level, pa) => {
      const tables = space(4);
      tables.map(va, pa, RWX, level);
      const at = va + (DATA - pa) + 0x120n;
      bench.write(DATA + 0x120n, 0x8082n); // c.jr ra
      bench.write(DATA + 0x128n, 0x1234n);
      bench.setX('a1', at);
      expect(inS(tables, 'jalr ra, 0(a1)\n ld a0, 8(a1)\n sd a0, 16(a1)')).toBe(CAUSES.ECALL_S);
      expect([bench.x('a0'), bench.read(DATA + 0x130n, 8)]).toEqual([0x1234n, 0x1234n]);
    });

    it('a fence for one address drops every piece of a terapage', () => {
      const tables = space(4);
      const va = 0x7f00_0000_0000n;
      tables.map(va, 0n, RWX, 3);
      const first = va + DATA;
      bench.setX('a1', first);
      bench.setX('a2', first + 0x4_0000n);
      bench.setX('t0', tables.entry(va, 3));
      expect(
        inS(
          tables,
          'ld a0, 0(a1)\n ld a0, 0(a2)\n sd zero, 0(t0)\n ld a0, 0(a2)\n sfence.vma a1\n here: ld a0, 0(a2)',
        ),
      ).toBe(CAUSES.LOAD_PAGE);
      expect(bench.trap().pc).toBe(bench.at('here'));
    });
  });

  describe('Svnapot', () => {
    const base = 0x5000_0000n;
    const frames = RAM + 0x20_0000n;
    const napot = (): PageTables => {
      const tables = space(3);
      for (let n = 0n; n < 16n; n++) {
        bench.write(tables.entry(base + n * 4096n, 0), N | leafOf(frames + 0x8000n, RWX));
        bench.write(frames + n * 4096n, 0x100n + n);
      }
      return tables;
    };

    it('takes the low four bits of the page number from the address', () => {
      const tables = napot();
      bench.setX('a1', base);
      expect(
        inS(
          tables,
          `li s0, 0
           li t1, 4096
           each: ld a0, 0(a1)
           addi t0, s0, 0x100
           bne a0, t0, wrong
           add a1, a1, t1
           addi s0, s0, 1
           li t0, 16
           bne s0, t0, each
           wrong:`,
        ),
      ).toBe(CAUSES.ECALL_S);
      expect(bench.x('s0')).toBe(16n);
    });

    it('a fence for one address drops the whole range', () => {
      const tables = napot();
      bench.setX('a1', base);
      bench.setX('a2', base + 0xf000n);
      bench.setX('t0', tables.entry(base + 0xf000n, 0));
      expect(
        inS(tables, 'ld a0, 0(a2)\n sd zero, 0(t0)\n sfence.vma a1\n here: ld a0, 0(a2)'),
      ).toBe(CAUSES.LOAD_PAGE);
      expect(bench.trap().pc).toBe(bench.at('here'));
    });
  });

  describe('Svpbmt', () => {
    it.each([
      [0n, 1n, CAUSES.LOAD_PAGE],
      [0n, 2n, CAUSES.LOAD_PAGE],
      [PBMTE, 0n, CAUSES.ECALL_S],
      [PBMTE, 1n, CAUSES.ECALL_S],
      [PBMTE, 2n, CAUSES.ECALL_S],
      [PBMTE, 3n, CAUSES.LOAD_PAGE],
    ])('menvcfg = %s, memory type %s', (menvcfg, type, cause) => {
      const tables = space(3, menvcfg);
      bench.write(tables.entry(0x5000_0000n, 0), PBMT(type) | leafOf(DATA, RWX));
      bench.setX('a1', 0x5000_0000n);
      expect(inS(tables, 'ld a0, 0(a1)')).toBe(cause);
    });

    it('a change of menvcfg.PBMTE acts on translations that are already remembered', () => {
      const tables = space(3, PBMTE);
      bench.write(tables.entry(0x5000_0000n, 0), PBMT(1n) | leafOf(DATA, RWX));
      bench.setX('a1', 0x5000_0000n);
      expect(inS(tables, 'ld a0, 0(a1)')).toBe(CAUSES.ECALL_S);
      bench.setCsr('menvcfg', 0n);
      bench.mode = 'S';
      bench.finish();
      expect(bench.trap().cause).toBe(CAUSES.LOAD_PAGE);
    });
  });

  describe('Svadu', () => {
    const va = 0x5000_0000n;
    it.each([
      ['ld a0, 0(a1)', A],
      ['lr.d a0, (a1)', A],
      ['sd a0, 0(a1)', A | D],
      ['amoadd.d a0, a0, (a1)', A | D],
      ['ld a0, 0(a1)\n sd a0, 0(a1)', A | D],
      ['jalr ra, 0(a1)', A],
    ])('%s sets what it has to', (line, bits) => {
      for (const [menvcfg, level] of [
        [ADUE, 0],
        [ADUE, 1],
        [0n, 0],
      ] as const) {
        const tables = space(3, menvcfg);
        const pa = level === 0 ? DATA : RAM + 0x20_0000n;
        bench.write(pa, 0x8082n);
        tables.map(va, pa, RWX & ~(A | D), level);
        bench.setX('a1', va);
        const cause = inS(tables, line);
        expect([
          cause === CAUSES.ECALL_S,
          bench.read(tables.entry(va, level), 8) & (A | D),
        ]).toEqual(menvcfg === 0n ? [false, 0n] : [true, bits]);
      }
    });

    it('sets nothing for an access that is refused', () => {
      for (const flags of [V | X, V | R | U, V]) {
        const tables = space(3, ADUE);
        tables.map(va, DATA, flags);
        bench.setX('a1', va);
        expect(inS(tables, 'sd a0, 0(a1)')).toBe(CAUSES.STORE_PAGE);
        expect(bench.read(tables.entry(va, 0), 8) & (A | D)).toBe(0n);
      }
    });

    it('the write of an entry needs the right to write where the table lies', () => {
      const tables = space(3, ADUE);
      tables.map(va, DATA, RWX & ~(A | D));
      const table = tables.entry(va, 0) & ~4095n;
      bench.setCsr('pmpaddr0', (table + 2047n) >> 2n);
      bench.setCsr('pmpcfg0', 0x19n); // NAPOT, read only
      bench.setX('a1', va);
      expect(inS(tables, 'sd a0, 0(a1)')).toBe(CAUSES.STORE_ACCESS);
      expect(inS(tables, 'ld a0, 0(a1)')).toBe(CAUSES.LOAD_ACCESS);
      expect(bench.read(tables.entry(va, 0), 8) & (A | D)).toBe(0n);
    });

    it('looks again when the entry changed in between', () => {
      const tables = space(3, ADUE);
      tables.map(va, DATA, RWX & ~(A | D));
      const slot = tables.entry(va, 0);
      bench.setCsr('satp', tables.satp());
      bench.mode = 'S';
      const { core, base, plan } = bench.hart;
      let isFirst = true;
      const translation = new Translation({
        memory: bench.machine.memory,
        core: {
          ...core,
          compareExchange64: (...args) => {
            if (isFirst) bench.write(slot, leafOf(DATA + 4096n, V | R | W));
            isFirst = false;
            return core.compareExchange64(...args);
          },
        },
        hartBase: base,
        ram: plan.ram,
        ramBase: RAM_BASE,
        ramBytes: plan.ramBytes,
        hasKeys: false,
        watchedPage: 0,
        decodeCache: {} as DecodeCache, // nothing is remembered
      });
      translation.pmp.open();
      expect(translation.translate(...halves(va), 'store', 8)).toBe(-1);
      expect(BigInt(translation.physical)).toBe(DATA + 4096n);
      expect(bench.read(slot, 8)).toBe(leafOf(DATA + 4096n, V | R | W | A | D));
    });
  });
});
