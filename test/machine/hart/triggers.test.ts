import { beforeEach, describe, expect, it } from 'vitest';

import { Bench, CAUSES, CORES, HANDLER, RAM, TRAP_PAGE, u64, type BenchOptions } from './bench.ts';
import { PageTables, RWX } from './page-tables.ts';

const [LOAD, STORE, EXECUTE, U, S, M, NAPOT] = [1n, 2n, 4n, 8n, 16n, 64n, 1n << 7n] as const;
const [MCONTROL, MCONTROL6, DISABLED] = [2n << 60n, 6n << 60n, 15n << 60n] as const;
/** `hit` of the one, and of the other `hit0` without `hit1`: before the instruction retired. */
const HIT = new Map([
  [MCONTROL, 1n << 20n],
  [MCONTROL6, 1n << 22n],
]);
const [MIE, SIE, FS, MPRV] = [8n, 2n, 3n << 13n, 1n << 17n] as const;
const READY = MIE | SIE | FS;
const DELEGATED = 1n << CAUSES.BREAKPOINT;
const DATA = RAM + 0x10_0000n;
const ALL = [0, 1, 2, 3] as const;

/** Sets a trigger as the manual wants it done ("Trigger Module Registers"). */
const arm = (bench: Bench, data1: bigint, data2: bigint, index = 0): void => {
  bench.setCsr('tselect', BigInt(index));
  bench.setCsr('tdata1', 0n);
  bench.setCsr('tdata2', data2);
  bench.setCsr('tdata1', data1);
};
const select = (bench: Bench, index: number): void => bench.setCsr('tselect', BigInt(index));

describe('the registers of triggers', () => {
  const bench = new Bench({ deterministic: true });
  beforeEach(() => {
    bench.reset();
  });
  const data1After = (value: bigint): bigint => {
    bench.setCsr('tdata1', value);
    return bench.csr('tdata1');
  };

  it('a debugger that looks for triggers finds four, disabled, of both kinds and version 1', () => {
    const found: bigint[] = [];
    for (let index = 0; index < 16; index++) {
      select(bench, index);
      if (bench.csr('tselect') !== BigInt(index)) break;
      expect(bench.csr('tdata1')).toBe(DISABLED);
      found.push(bench.csr('tinfo'));
    }
    expect(found).toEqual(ALL.map(() => 0x0100_8044n));
  });

  it.each([
    ['mcontrol', MCONTROL],
    ['mcontrol6', MCONTROL6],
  ])('%s keeps accesses, modes and hit, and no feature that is not there', (_, type) => {
    const kept = type | LOAD | STORE | EXECUTE | U | S | M | (HIT.get(type) as bigint);
    expect(data1After(kept)).toBe(kept);
    expect(data1After(type | ((1n << 59n) - 1n) | (1n << 59n))).toBe(kept);
  });

  it('NAPOT is for mcontrol6 alone, and no other match is kept', () => {
    expect(data1After(MCONTROL6 | NAPOT)).toBe(MCONTROL6 | NAPOT);
    expect(data1After(MCONTROL | NAPOT)).toBe(MCONTROL);
    for (let match = 2n; match < 16n; match++)
      expect(data1After(MCONTROL6 | (match << 7n))).toBe(MCONTROL6);
  });

  it('every other type disables the trigger', () => {
    for (let type = 0n; type < 16n; type++) {
      if (type === 2n || type === 6n) continue;
      data1After(MCONTROL6 | M | LOAD);
      expect(data1After((type << 60n) | M | LOAD)).toBe(DISABLED);
    }
  });

  it('tdata2 keeps every address; the largest NAPOT range has 2^63 bytes', () => {
    for (const value of [u64(-1n), 0xffff_ffff_8000_1234n, 1n]) {
      bench.setCsr('tdata1', MCONTROL6 | M | EXECUTE);
      bench.setCsr('tdata2', value);
      expect(bench.csr('tdata2')).toBe(value);
    }
    bench.setCsr('tdata2', u64(-1n));
    expect(data1After(MCONTROL6 | NAPOT)).toBe(MCONTROL6);
    bench.setCsr('tdata1', 0n);
    bench.setCsr('tdata2', 0n);
    bench.setCsr('tdata1', MCONTROL6 | NAPOT);
    bench.setCsr('tdata2', u64(-1n));
    expect(bench.csr('tdata2')).toBe(u64(-1n) ^ (1n << 62n));
  });

  it('a write is for the selected trigger only, and reset disables all', () => {
    for (const index of ALL) arm(bench, MCONTROL6 | M | LOAD, DATA + BigInt(index), index);
    for (const index of ALL) {
      select(bench, index);
      expect(bench.csr('tdata2')).toBe(DATA + BigInt(index));
    }
    bench.hart.reset(0, 0);
    expect(bench.csr('tselect')).toBe(0n);
    for (const index of ALL) {
      select(bench, index);
      expect([bench.csr('tdata1'), bench.csr('tdata2')]).toEqual([DISABLED, 0n]);
    }
  });

  it('a hart that goes on from a snapshot has them as they were', () => {
    arm(bench, MCONTROL6 | NAPOT | M | EXECUTE, RAM | 7n, 2);
    const state = structuredClone(bench.hart.save());
    bench.reset();
    bench.execute('nop\n wfi');
    bench.hart.restore(state);
    expect([bench.csr('tselect'), bench.csr('tdata2')]).toEqual([2n, RAM | 7n]);
    bench.setCsr('mstatus', MIE);
    bench.finish();
    expect(bench.trap()).toMatchObject({ cause: CAUSES.BREAKPOINT, pc: RAM });
  });

  it('tinfo takes no write; tdata3 and tcontrol are not there', () => {
    const result = (line: string): bigint => {
      bench.load(`${line}\n wfi`);
      bench.setCsr('mcause', 0n);
      bench.mode = 'M';
      bench.finish();
      return bench.csr('mcause');
    };
    expect(result('csrw tinfo, x0')).toBe(0n);
    expect(bench.csr('tinfo')).toBe(0x0100_8044n);
    expect(result('csrr a0, tdata3')).toBe(CAUSES.ILLEGAL);
    expect(result('csrr a0, 0x7a5')).toBe(CAUSES.ILLEGAL);
  });

  it.each(['tselect', 'tdata1', 'tdata2', 'tinfo'])('%s is for M-mode', (name) => {
    bench.openPmp();
    bench.execute(`csrr a0, ${name}`, 'S');
    expect(bench.trap()).toMatchObject({ cause: CAUSES.ILLEGAL, pc: RAM, mode: 'S' });
  });
});

describe.each([
  ...CORES,
  ['exact, with tracked reservations,', { deterministic: true, reservations: { mode: 'page' } }],
] as [string, BenchOptions][])('triggers on the %s core', (_name, core) => {
  const bench = new Bench(core);
  beforeEach(() => {
    bench.reset();
    bench.openPmp();
    bench.setX('a1', DATA);
    bench.write(DATA - 8n, 0n);
    bench.write(DATA, 0x1111n);
    bench.write(DATA + 8n, 0n);
  });
  const hit = (index = 0): boolean => {
    select(bench, index);
    const data1 = bench.csr('tdata1');
    return (data1 & (HIT.get(data1 & (15n << 60n)) as bigint)) !== 0n;
  };
  /** Runs to the next trap or the end of the program in M-mode: what was broken off, by address. */
  const run = (
    from: bigint | string = RAM,
    mode: 'M' | 'S' | 'U' = 'M',
    status = READY,
  ): bigint | 'none' => {
    bench.setCsr('mstatus', status);
    bench.setCsr('mcause', 0n);
    bench.mode = mode;
    bench.pc = typeof from === 'string' ? bench.at(from) : from;
    // Where reservations are tracked, the first LR of a page gives other harts time to hear of it.
    while (bench.run() === 'again');
    if (bench.csr('mcause') !== CAUSES.BREAKPOINT) return 'none';
    return bench.csr('mtval');
  };
  const END = '\n ecall';

  it.each([
    ['mcontrol', MCONTROL],
    ['mcontrol6', MCONTROL6],
  ])('%s breaks before the instruction at its address, again and again', (_, type) => {
    bench.load(`li a0, 1\n addi a0, a0, 1\n there: addi a0, a0, 1\n li a2, 7${END}`);
    arm(bench, type | M | EXECUTE, bench.at('there'));
    for (let n = 0; n < 2; n++) {
      expect(run()).toBe(bench.at('there'));
      expect(bench.csr('mepc')).toBe(bench.at('there'));
      expect([bench.x('a0'), bench.x('a2')]).toEqual([2n, 0n]);
    }
    expect(hit()).toBe(true);
    bench.setCsr('tdata1', 0n);
    expect(run('there')).toBe('none');
    expect([bench.x('a0'), bench.x('a2')]).toEqual([3n, 7n]);
  });

  it('code that ran, and was translated, before the trigger was armed', () => {
    bench.load(`li a0, 0\n li a2, 50\n loop: addi a0, a0, 1\n bne a0, a2, loop${END}`);
    expect(run()).toBe('none');
    arm(bench, MCONTROL6 | M | EXECUTE, bench.at('loop'));
    expect([run(), bench.x('a0')]).toEqual([bench.at('loop'), 0n]);
  });

  it('data that translated code has already reached', () => {
    const source = `li a0, 0\n li a2, 50\n loop: sw a0, 0(a1)\n there: lw a3, 0(a1)
      addi a0, a0, 1\n bne a0, a2, loop${END}`;
    bench.load(source);
    expect(run()).toBe('none');
    arm(bench, MCONTROL6 | M | LOAD, DATA);
    expect([run(), bench.csr('mepc'), bench.read(DATA, 4)]).toEqual([DATA, bench.at('there'), 0n]);
  });

  it('a guest that arms a trigger on its own page meets it', () => {
    const source = `li a0, 0x6000000000000044\n la a2, there\n csrw tdata2, a2
      csrw tdata1, a0\n nop\n there: nop${END}`;
    bench.load(source);
    expect(run()).toBe(bench.at('there'));
  });

  it('a step of a debugger on the host takes the exception', () => {
    bench.load('nop\n wfi');
    arm(bench, MCONTROL6 | M | EXECUTE, RAM);
    bench.setCsr('mstatus', READY);
    bench.pc = RAM;
    bench.hart.step(true);
    expect([bench.csr('mcause'), bench.csr('mepc'), bench.pc]).toEqual([
      CAUSES.BREAKPOINT,
      RAM,
      TRAP_PAGE,
    ]);
  });

  it.each([
    ['lw a0, 0(a1)', 'load'],
    ['fld fa0, 0(a1)', 'load'],
    ['lr.w a0, (a1)', 'load'],
    ['sw a0, 0(a1)', 'store'],
    ['fsd fa0, 0(a1)', 'store'],
    ['cbo.zero (a1)', 'store'],
    ['cbo.flush (a1)', 'store'],
    ['amoadd.w a0, a0, (a1)', 'both'],
    ['amoadd.d.aqrl a0, a0, (a1)', 'both'],
  ] as const)('%s is a %s', (line, kind) => {
    const isBroken = (bits: bigint): boolean => {
      bench.reset();
      bench.setX('a0', 0x77n);
      bench.setX('a1', DATA);
      bench.write(DATA, 0x1111n);
      bench.load(line + END);
      arm(bench, MCONTROL6 | M | bits, DATA);
      const isAt = run() === DATA;
      expect(hit()).toBe(isAt);
      // Broken off, it has done nothing.
      const isUntouched = bench.x('a0') === 0x77n && bench.read(DATA, 4) === 0x1111n;
      return isAt && isUntouched;
    };
    expect([isBroken(LOAD), isBroken(STORE)]).toEqual([kind !== 'store', kind !== 'load']);
    expect(isBroken(EXECUTE)).toBe(false);
  });

  it('a store-conditional is a store and no load', () => {
    bench.load(`lr.w a2, (a1)\n sc.w a0, a1, (a1)${END}`);
    arm(bench, MCONTROL6 | M | STORE, DATA);
    expect([run(), bench.csr('mepc'), bench.read(DATA, 4)]).toEqual([DATA, RAM + 4n, 0x1111n]);
    bench.load(`sc.w a0, a1, (a1)${END}`);
    arm(bench, MCONTROL6 | M | LOAD, DATA);
    expect(run()).toBe('none');
  });

  it('what else is on the page is read and written as always', () => {
    const source = `li a0, 0x55\n sw a0, 8(a1)\n lw a2, 8(a1)\n amoadd.w a3, a0, (a4)
      retry: lr.w a5, (a4)\n addi a5, a5, 1\n sc.w a6, a5, (a4)\n bnez a6, retry\n cbo.zero (a7)${END}`;
    bench.load(source);
    arm(bench, MCONTROL6 | M | LOAD | STORE, DATA);
    bench.setX('a4', DATA + 8n);
    bench.setX('a7', DATA + 128n);
    bench.write(DATA + 128n, 9n);
    expect(run()).toBe('none');
    expect([bench.x('a2'), bench.x('a3'), bench.x('a6')]).toEqual([0x55n, 0x55n, 0n]);
    expect([bench.read(DATA + 8n, 4), bench.read(DATA + 128n, 8)]).toEqual([0xabn, 0n]);
    expect(hit()).toBe(false);
  });

  it('each byte of an access counts, over pages too, and the first that matches is told', () => {
    const cases = [
      ['ld a0, 0(a1)', DATA, DATA + 7n, DATA + 7n],
      ['ld a0, 0(a1)', DATA, DATA + 8n, 'none'],
      ['lb a0, 0(a1)', DATA, DATA - 1n, 'none'],
      ['ld a0, -3(a1)', DATA, DATA, DATA],
      ['ld a0, -3(a1)', DATA, DATA - 1n, DATA - 1n],
      ['ld a0, 0(a1)', 0xffff_fffcn, 0x1_0000_0001n, 0x1_0000_0001n],
      ['ld a0, 0(a1)', u64(-4n), 1n, 1n],
      ['cbo.zero (a1)', DATA + 70n, DATA + 64n, DATA + 64n],
      ['cbo.zero (a1)', DATA + 70n, DATA + 63n, 'none'],
      ['cbo.clean (a1)', DATA + 70n, DATA + 127n, DATA + 127n],
    ] as const;
    for (const [line, base, address, expected] of cases) {
      bench.load(line + END);
      bench.setX('a1', base);
      arm(bench, MCONTROL6 | M | LOAD | STORE, address);
      expect([line, run()]).toEqual([line, expected]);
    }
  });

  it('a NAPOT range breaks from its first byte to its last, from 2 bytes to half of all', () => {
    for (const bits of [1n, 4n, 12n, 21n, 63n]) {
      const bytes = 1n << bits;
      const start = DATA & -bytes;
      arm(bench, MCONTROL6 | NAPOT | M | LOAD, start | (bytes / 2n - 1n));
      for (const offset of [-1n, 0n, bytes - 1n, bytes]) {
        const address = start + offset;
        if (address < RAM || address >= RAM + 0x40_0000n) continue;
        bench.load(`lb a0, 0(a1)${END}`);
        bench.setX('a1', address);
        const isInside = offset >= 0n && offset < bytes;
        expect([bits, offset, run()]).toEqual([bits, offset, isInside ? address : 'none']);
      }
    }
  });

  it('a NAPOT range of code breaks before its first instruction', () => {
    bench.load(`nop\n nop\n nop\n nop\n first: nop\n nop${END}`);
    arm(bench, MCONTROL6 | NAPOT | M | EXECUTE, bench.at('first') | 3n);
    expect(run()).toBe(bench.at('first'));
  });

  it('all triggers that fire show it, and each is on its own', () => {
    bench.load(`lw a0, 0(a1)${END}`);
    arm(bench, MCONTROL6 | M | LOAD, DATA, 0);
    arm(bench, MCONTROL | M | LOAD, DATA, 1);
    arm(bench, MCONTROL6 | M | STORE, DATA, 2);
    arm(bench, MCONTROL6 | U | LOAD, DATA, 3);
    expect(run()).toBe(DATA);
    expect(ALL.map(hit)).toEqual([true, true, false, false]);
  });

  it('fires before the address is found misaligned, or not mapped, or not executable', () => {
    const nowhere = 0x10n;
    arm(bench, MCONTROL6 | M | LOAD | EXECUTE, nowhere);
    bench.load(`lw a0, 0(a1)${END}`);
    bench.setX('a1', nowhere);
    expect(run()).toBe(nowhere);
    expect([run(nowhere), bench.csr('mepc')]).toEqual([nowhere, nowhere]);
    arm(bench, MCONTROL6 | M | LOAD, DATA + 2n);
    bench.load(`lr.w a0, (a1)${END}`);
    bench.setX('a1', DATA + 2n);
    expect(run()).toBe(DATA + 2n);
  });

  it('fires in the modes that it names; MPRV does not change the mode', () => {
    bench.load(`lw a0, 0(a1)${END}`);
    for (const [bit, named] of [
      [M, 'M'],
      [S, 'S'],
      [U, 'U'],
    ] as const) {
      arm(bench, MCONTROL6 | bit | LOAD, DATA);
      for (const mode of ['M', 'S', 'U'] as const) {
        expect([mode, run(RAM, mode)]).toEqual([mode, mode === named ? DATA : 'none']);
      }
    }
    arm(bench, MCONTROL6 | U | LOAD, DATA);
    expect(run(RAM, 'M', READY | MPRV)).toBe('none'); // MPP is U
  });

  it('goes by virtual addresses', () => {
    const page = 0x4000_0000n;
    const tables = new PageTables(bench);
    tables.map(RAM, RAM, RWX);
    tables.map(page, DATA, RWX);
    bench.setCsr('satp', tables.satp());
    bench.load(`lw a0, 0(a1)\n lw a0, 4(a2)${END}`);
    bench.setX('a1', page);
    bench.setX('a2', page);
    arm(bench, MCONTROL6 | S | LOAD, DATA);
    expect(run(RAM, 'S')).toBe('none');
    arm(bench, MCONTROL6 | S | LOAD, page + 4n);
    expect([run(RAM, 'S'), bench.csr('mepc')]).toEqual([page + 4n, RAM + 4n]);
  });

  it('M-mode without MIE has none: its handler is not broken off by its own triggers', () => {
    const source = `handler: lw a2, 0(a1)\n csrr t0, mepc\n addi t0, t0, 4\n csrw mepc, t0\n mret
      start: la t0, handler\n csrw mtvec, t0\n csrsi mstatus, 8\n lw a0, 0(a1)\n after: lw a3, 8(a1)\n wfi`;
    bench.load(source);
    arm(bench, MCONTROL6 | M | LOAD, DATA);
    bench.setX('a0', 0x99n);
    expect(run('start', 'M', 0n)).toBe(DATA);
    expect([bench.x('a0'), bench.x('a2')]).toEqual([0x99n, 0x1111n]);
    // Back from it, the next access is broken off again.
    expect(bench.csr('mstatus') & MIE).toBe(MIE);
    arm(bench, MCONTROL6 | M | LOAD, DATA + 8n);
    expect(run('after')).toBe(DATA + 8n);
  });

  it('S-mode without SIE has none where breakpoints are delegated to it, and U-mode always', () => {
    const delegated = (status: bigint, medeleg: bigint, mode: 'S' | 'U'): string => {
      bench.setCsr('medeleg', medeleg);
      bench.setCsr('stvec', HANDLER);
      bench.setCsr('scause', 0n);
      bench.setCsr('stval', 0n);
      if (run(RAM, mode, status) === DATA) return 'M';
      return bench.csr('scause') === CAUSES.BREAKPOINT && bench.csr('stval') === DATA
        ? 'S'
        : 'none';
    };
    bench.load(`lw a0, 0(a1)${END}`);
    arm(bench, MCONTROL6 | S | U | LOAD, DATA);
    expect([
      delegated(MIE | SIE, 0n, 'S'),
      delegated(0n, 0n, 'S'),
      delegated(SIE, DELEGATED, 'S'),
      delegated(MIE, DELEGATED, 'S'),
      delegated(0n, DELEGATED, 'U'),
      delegated(0n, 0n, 'U'),
    ]).toEqual(['M', 'M', 'S', 'none', 'S', 'M']);
  });
});
