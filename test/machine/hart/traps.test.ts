import { describe, expect, it } from 'vitest';

import { PENDING } from '../../../src/machine/core/hart-block.ts';
import { signalHart } from '../../../src/machine/hart-lines.ts';
import { Bench, CAUSES, CORES, HANDLER, RAM, TRAP_PAGE, u64 } from './bench.ts';

const MSTATUS = { SIE: 1n << 1n, MIE: 1n << 3n, SPIE: 1n << 5n, MPIE: 1n << 7n, SPP: 1n << 8n };
const MPP = (mode: bigint): bigint => mode << 11n;
const [MPRV, SUM, MXR, TVM, TW, TSR] = [17n, 18n, 19n, 20n, 21n, 22n].map((n) => 1n << n) as [
  bigint,
  bigint,
  bigint,
  bigint,
  bigint,
  bigint,
];
/** UXL and SXL are 64 bits. */
const XL = 0xan << 32n;
/** FS, and SD, which says that it is Dirty. */
const FS = 0x6000n;
const SD = 1n << 63n;
const INTERRUPT = 1n << 63n;
const [SSI, MSI, STI, MTI, SEI, MEI] = [1, 3, 5, 7, 9, 11] as const;
const DATA = RAM + 0x10_0000n;
const NOWHERE = 0x4000_0000n;

describe.each(CORES)('on the %s core', (_, core) => {
  const bench = new Bench(core);
  const fresh = (): void => {
    bench.reset();
    bench.openPmp();
  };
  /** Traps to S end where the state just after them can be read. */
  const stopInS = (): void => bench.setCsr('stvec', HANDLER);

  describe('an exception', () => {
    it.each([
      ['an all-zero encoding', '.half 0', CAUSES.ILLEGAL, 0n],
      ['a long reserved one', '.word 0xffffffff', CAUSES.ILLEGAL, 0xffffffffn],
      ['a CSR that is not there', 'csrr a0, 0x5c0', CAUSES.ILLEGAL, 0x5c002573n],
      ['a write of a read-only CSR', 'csrw mhartid, a0', CAUSES.ILLEGAL, 0xf1451073n],
      ['ebreak', 'ebreak', CAUSES.BREAKPOINT, 'pc'],
      ['c.ebreak', 'c.ebreak', CAUSES.BREAKPOINT, 'pc'],
      ['ecall', 'ecall', CAUSES.ECALL_M, 0n],
      ['a load from nowhere', 'ld a0, 8(a1)', CAUSES.LOAD_ACCESS, NOWHERE + 8n],
      ['a store to nowhere', 'sb a0, -1(a1)', CAUSES.STORE_ACCESS, NOWHERE - 1n],
      ['an AMO of nowhere', 'amoadd.w a0, a0, (a1)', CAUSES.STORE_ACCESS, NOWHERE],
      ['lr of nowhere', 'lr.d a0, (a1)', CAUSES.LOAD_ACCESS, NOWHERE],
      ['a misaligned AMO', 'amoswap.d a0, a0, (a2)', CAUSES.STORE_MISALIGNED, DATA + 4n],
      ['a misaligned lr', 'lr.d a0, (a2)', CAUSES.LOAD_MISALIGNED, DATA + 4n],
      ['a misaligned sc', 'sc.d a0, a0, (a2)', CAUSES.STORE_MISALIGNED, DATA + 4n],
      ['an AMO of a device', 'amoadd.w a0, a0, (a3)', CAUSES.STORE_ACCESS, 0x1000_0000n],
    ])('%s leaves its cause, pc and value, and retires nothing', (_name, line, cause, value) => {
      fresh();
      bench.setX('a1', NOWHERE);
      bench.setX('a2', DATA + 4n);
      bench.setX('a3', 0x1000_0000n);
      bench.setX('a0', 77n);
      bench.load(`c.addi s0, 1\n here: ${line}\n wfi`);
      const before = bench.hart.instret;
      bench.finish();
      const pc = bench.at('here');
      expect(bench.trap()).toEqual({ cause, pc, value: value === 'pc' ? pc : value, mode: 'M' });
      expect([bench.x('a0'), bench.hart.instret - before]).toEqual([77n, 2]);
    });

    it('of a fetch names the address that could not be read', () => {
      fresh();
      bench.execute(`li a0, ${NOWHERE}\n jalr ra, 2(a0)`);
      const where = NOWHERE + 2n;
      expect(bench.trap()).toEqual({
        cause: CAUSES.FETCH_ACCESS,
        pc: where,
        value: where,
        mode: 'M',
      });
    });

    it('of an instruction whose second half is beyond the end of RAM names that half', () => {
      fresh();
      const last = RAM + (16n << 20n) - 2n;
      bench.write(last, 0x0013n, 2);
      bench.finish(last);
      const value = last + 2n;
      expect(bench.trap()).toEqual({ cause: CAUSES.FETCH_ACCESS, pc: last, value, mode: 'M' });
    });

    it.each([
      ['U', CAUSES.ECALL_U],
      ['S', CAUSES.ECALL_S],
      ['M', CAUSES.ECALL_M],
    ] as const)('by ecall says that it came from %s', (mode, cause) => {
      fresh();
      bench.execute('nop\n ecall', mode);
      expect(bench.trap()).toEqual({ cause, pc: RAM + 4n, value: 0n, mode });
      expect(bench.mode).toBe('M');
    });

    it('a misaligned access over the end of RAM writes nothing', () => {
      fresh();
      const last = RAM + (16n << 20n) - 4n;
      bench.write(last, 0x11223344n, 4);
      bench.setX('a1', last);
      bench.execute('li a0, -1\n here: sd a0, 0(a1)\n wfi');
      const value = last + 4n;
      expect(bench.trap().value).toBe(value);
      expect(bench.read(last, 4)).toBe(0x11223344n);
    });
  });

  describe('delegation', () => {
    it('sends what it names to S, from S and U', () => {
      for (const mode of ['S', 'U'] as const) {
        fresh();
        stopInS();
        bench.setCsr('medeleg', 1n << CAUSES.BREAKPOINT);
        bench.setCsr('mstatus', MSTATUS.SIE);
        bench.load('nop\n ebreak');
        bench.mode = mode;
        bench.finish();
        expect(bench.mode).toBe('S');
        expect([bench.csr('scause'), bench.csr('sepc'), bench.csr('stval')]).toEqual([
          CAUSES.BREAKPOINT,
          RAM + 4n,
          RAM + 4n,
        ]);
        const spp = mode === 'S' ? MSTATUS.SPP : 0n;
        expect(bench.csr('mstatus')).toBe(XL | MSTATUS.SPIE | spp);
      }
    });

    it('never takes a trap of M to S', () => {
      fresh();
      stopInS();
      bench.setCsr('medeleg', u64(-1n));
      bench.execute('ebreak');
      expect([bench.mode, bench.csr('mcause')]).toEqual(['M', CAUSES.BREAKPOINT]);
    });

    it('leaves what it does not name with M', () => {
      fresh();
      stopInS();
      bench.setCsr('medeleg', 1n << CAUSES.ECALL_U);
      bench.execute('ebreak', 'U');
      expect(bench.trap()).toEqual({ cause: CAUSES.BREAKPOINT, pc: RAM, value: RAM, mode: 'U' });
    });

    it('holds only bits that may be delegated', () => {
      fresh();
      bench.setCsr('medeleg', u64(-1n));
      bench.setCsr('mideleg', u64(-1n));
      expect([bench.csr('medeleg'), bench.csr('mideleg')]).toEqual([0xb3ffn, 0x222n]);
    });
  });

  describe('the stack of modes and enables', () => {
    it.each([
      ['M', 3n],
      ['S', 1n],
      ['U', 0n],
    ] as const)('mret returns to %s', (mode, mpp) => {
      for (const mpie of [0n, MSTATUS.MPIE]) {
        fresh();
        stopInS();
        bench.setCsr('mstatus', MPP(mpp) | mpie | MPRV | MSTATUS.SIE);
        bench.setCsr('mepc', RAM + 0x101n);
        bench.load('mret');
        bench.load('nop', RAM + 0x100n);
        bench.mode = 'M';
        bench.pc = RAM;
        bench.run(1);
        expect([bench.mode, bench.pc]).toEqual([mode, RAM + 0x100n]);
        const mie = mpie === 0n ? 0n : MSTATUS.MIE;
        const mprv = mode === 'M' ? MPRV : 0n;
        expect(bench.csr('mstatus')).toBe(XL | MSTATUS.MPIE | mie | mprv | MSTATUS.SIE);
      }
    });

    it.each([
      ['S', MSTATUS.SPP],
      ['U', 0n],
    ] as const)('sret returns to %s and drops MPRV', (mode, spp) => {
      for (const from of ['S', 'M'] as const) {
        for (const spie of [0n, MSTATUS.SPIE]) {
          fresh();
          bench.setCsr('mstatus', spp | spie | MPRV | MSTATUS.MIE);
          bench.setCsr('sepc', RAM + 0x100n);
          bench.load('sret');
          bench.load('nop', RAM + 0x100n);
          bench.mode = from;
          bench.pc = RAM;
          bench.run(1);
          expect([bench.mode, bench.pc]).toEqual([mode, RAM + 0x100n]);
          const sie = spie === 0n ? 0n : MSTATUS.SIE;
          expect(bench.csr('mstatus')).toBe(XL | MSTATUS.SPIE | sie | MSTATUS.MIE);
        }
      }
    });

    it('a trap to M saves the mode and disables interrupts', () => {
      fresh();
      bench.setCsr('mstatus', MSTATUS.MIE | MSTATUS.SIE | SUM);
      bench.execute('ecall', 'S');
      expect(bench.csr('mstatus')).toBe(XL | MPP(1n) | MSTATUS.MPIE | MSTATUS.SIE | SUM);
    });
  });

  describe('privilege', () => {
    it.each([
      ['mret', 'S'],
      ['mret', 'U'],
      ['sret', 'U'],
      ['wfi', 'U'],
      ['sfence.vma', 'U'],
      ['sinval.vma', 'U'],
      ['sfence.w.inval', 'U'],
      ['sfence.inval.ir', 'U'],
      ['csrr a0, mscratch', 'S'],
      ['csrw mscratch, a0', 'S'],
      ['csrr a0, sscratch', 'U'],
      ['csrw sscratch, a0', 'U'],
      ['csrr a0, sstatus', 'U'],
      ['csrsi sstatus, 2', 'U'],
      ['csrw sepc, a0', 'U'],
      ['csrw mepc, a0', 'S'],
      ['csrr a0, time', 'S'],
      ['csrr a0, stimecmp', 'S'],
    ] as const)('forbids %s in %s', (line, mode) => {
      fresh();
      bench.setCsr('mscratch', 1n);
      bench.setX('a0', 77n);
      bench.execute(line, mode);
      expect([bench.trap().cause, bench.trap().pc]).toEqual([CAUSES.ILLEGAL, RAM]);
      expect(bench.trap().value).toBe(bench.read(RAM, 4));
      expect([bench.x('a0'), bench.csr('mscratch')]).toEqual([77n, 1n]);
    });

    it.each([
      ['TVM', TVM, 'csrr a0, satp'],
      ['TVM', TVM, 'csrw satp, zero'],
      ['TVM', TVM, 'sfence.vma'],
      ['TVM', TVM, 'sinval.vma'],
      ['TW', TW, 'wfi'],
      ['TSR', TSR, 'sret'],
    ])('mstatus.%s takes it from S but not from M: %s %s', (_name, bit, line) => {
      fresh();
      bench.setCsr('mstatus', bit);
      bench.execute(line, 'S');
      expect(bench.trap().cause).toBe(CAUSES.ILLEGAL);
      fresh();
      bench.setCsr('mstatus', bit);
      bench.setCsr('sepc', TRAP_PAGE);
      bench.execute(`${line}\n wfi`, 'M');
      expect(bench.csr('mcause')).toBe(line === 'sret' ? CAUSES.ILLEGAL : 0n);
    });

    it('counters are shown to S by mcounteren and to U by scounteren as well', () => {
      const see = (mode: 'S' | 'U', m: bigint, s: bigint, name: string): boolean => {
        fresh();
        bench.setCsr('mcounteren', m);
        bench.setCsr('scounteren', s);
        bench.execute(`csrr a0, ${name}\n ecall`, mode);
        return bench.trap().cause !== CAUSES.ILLEGAL;
      };
      for (const [name, bit] of [
        ['cycle', 1n],
        ['time', 2n],
        ['instret', 4n],
        ['hpmcounter3', 8n],
        ['hpmcounter31', 1n << 31n],
      ] as const) {
        expect([
          see('S', bit, 0n, name),
          see('S', ~bit, u64(-1n), name),
          see('U', bit, bit, name),
          see('U', bit, ~bit, name),
          see('U', ~bit, bit, name),
        ]).toEqual([true, false, true, false, false]);
      }
    });
  });

  describe('CSRs', () => {
    const written = (name: string, value: bigint): bigint => {
      fresh();
      bench.setX('a0', value);
      bench.execute(`csrw ${name}, a0\n csrr a1, ${name}\n wfi`);
      expect(bench.csr('mcause')).toBe(0n);
      return bench.x('a1');
    };
    const ALL = u64(-1n);

    it.each([
      ['mstatus', ALL, SD | XL | 0x7e79aan],
      ['mstatus', MPP(2n), XL],
      ['sstatus', ALL, SD | (2n << 32n) | 0xc6122n],
      ['mie', ALL, 0xaaan],
      ['mtvec', ALL, u64(-4n)],
      ['mtvec', 0x80000001n, 0x80000001n],
      ['stvec', 0x80000002n, 0x80000000n],
      ['mepc', ALL, u64(-2n)],
      ['sepc', ALL, u64(-2n)],
      ['mscratch', ALL, ALL],
      ['sscratch', ALL, ALL],
      ['mtval', ALL, ALL],
      ['stval', ALL, ALL],
      ['scause', INTERRUPT | 5n, INTERRUPT | 5n],
      ['mcause', 0n, 0n],
      ['mcounteren', ALL, 0xffffffffn],
      ['scounteren', ALL, 0xffffffffn],
      ['mcountinhibit', ALL, 5n],
      ['menvcfg', ALL, (7n << 61n) | 0xf1n],
      ['menvcfg', 0x20n, 0n],
      ['senvcfg', ALL, 0xf1n],
      ['satp', (8n << 60n) | (0xffffn << 44n) | 0xfffffffffffn, (8n << 60n) | ((1n << 60n) - 1n)],
      ['satp', (9n << 60n) | 5n, (9n << 60n) | 5n],
      ...[1n, 7n, 10n, 11n, 15n].map((mode): [string, bigint, bigint] => [
        'satp',
        (mode << 60n) | 5n,
        0n,
      ]),
      ['misa', 0n, (2n << 62n) | 0x141107n],
      ['misa', ALL, (2n << 62n) | 0x14112fn],
      ['pmpaddr3', ALL, (1n << 54n) - 1n],
      ['pmpaddr63', ALL, (1n << 54n) - 1n],
      ['pmpcfg0', 0x020a1f0fn, 0x00081f0fn],
      ['pmpcfg14', 0x020a1f0fn, 0x00081f0fn],
      ['mseccfg', u64(-4n), 4n],
      ['mhpmcounter3', ALL, 0n],
      ['mhpmevent3', ALL, 0n],
    ])('%s keeps of %s what is legal', (name, value, kept) => {
      expect(written(name, value).toString(16)).toBe(kept.toString(16));
    });

    it('the odd pmpcfg registers are RV32 ones', () => {
      fresh();
      bench.execute('csrr a0, pmpcfg1');
      expect(bench.trap().cause).toBe(CAUSES.ILLEGAL);
    });

    it('without misa.F, FS is zero whatever is written, by M and by S (vol. II §3.1.6.6)', () => {
      bench.setCsr('mstatus', 3n << 13n);
      bench.setCsr('misa', 0n);
      expect(bench.csr('mstatus') & (3n << 13n)).toBe(0n);
      bench.setCsr('mstatus', ALL);
      expect(bench.csr('mstatus') & (3n << 13n)).toBe(0n);
      bench.setX('a1', 3n << 13n);
      bench.execute(`
        csrw sstatus, a1
        csrr a2, sstatus
        csrs sstatus, a1
        csrr a3, sstatus
        wfi`);
      expect([bench.x('a2'), bench.x('a3')].map((status) => status & (3n << 13n))).toEqual([
        0n,
        0n,
      ]);
    });

    it('MPP keeps its value when the reserved mode is written', () => {
      fresh();
      bench.setCsr('mstatus', MPP(1n));
      bench.setCsr('mstatus', MPP(2n) | MXR);
      expect(bench.csr('mstatus')).toBe(XL | MPP(1n) | MXR);
    });

    it('set, clear and immediate forms do what they say, and without a source do not write', () => {
      fresh();
      bench.setCsr('mcounteren', 0xf0n);
      bench.execute(`
        li a0, 0x3c
        csrrs a1, mcounteren, a0
        csrrc a2, mcounteren, a0
        csrrsi a3, mcounteren, 3
        csrrci a4, mcounteren, 1
        csrrwi a5, mcounteren, 31
        csrrw a0, mcounteren, a0
        csrrs a6, mhartid, zero
        csrrci a7, mhartid, 0
        wfi`);
      expect(['a1', 'a2', 'a3', 'a4', 'a5', 'a0'].map((name) => bench.x(name))).toEqual([
        0xf0n,
        0xfcn,
        0xc0n,
        0xc3n,
        0xc2n,
        31n,
      ]);
      expect([bench.csr('mcounteren'), bench.csr('mcause')]).toEqual([0x3cn, 0n]);
    });

    it('a plain cell is swapped with rd and rs1 the same register', () => {
      fresh();
      bench.setCsr('mscratch', 5n);
      bench.execute('li a0, 9\n csrrw a0, mscratch, a0\n csrrw zero, sscratch, a0\n wfi');
      expect([bench.x('a0'), bench.csr('mscratch'), bench.csr('sscratch')]).toEqual([5n, 9n, 5n]);
    });

    it('sstatus and sie are windows of mstatus and mie', () => {
      fresh();
      bench.setCsr('mstatus', MPP(3n) | TSR);
      bench.setCsr('mideleg', 1n << 5n);
      bench.setCsr('mie', 0x888n);
      bench.execute('li a0, -1\n csrw sstatus, a0\n csrw sie, a0\n wfi');
      expect(bench.csr('mstatus')).toBe(SD | XL | MPP(3n) | TSR | 0xc6122n);
      expect([bench.csr('mie'), bench.csr('sie')]).toEqual([0x8a8n, 0x20n]);
    });

    it('sstatus is read, set and cleared by register and immediate', () => {
      fresh();
      bench.setCsr('mstatus', TSR | MPP(3n));
      bench.execute(`
        li t0, ${SUM | MXR | 0x7ff000n | MSTATUS.SPP}
        csrrsi a0, sstatus, 31
        csrrs a1, sstatus, t0
        csrr a2, sstatus
        csrrci a3, sstatus, 2
        li t1, ${SUM | MSTATUS.SPP | 0x4000n}
        csrrc t1, sstatus, t1
        csrrci a4, sstatus, 0
        csrrs zero, sstatus, zero
        wfi`);
      const uxl = 2n << 32n;
      expect(['a0', 'a1', 'a2', 'a3', 't1', 'a4'].map((name) => bench.x(name) - uxl)).toEqual([
        0n,
        MSTATUS.SIE,
        SD | MSTATUS.SIE | SUM | MXR | MSTATUS.SPP | FS,
        SD | MSTATUS.SIE | SUM | MXR | MSTATUS.SPP | FS,
        SD | SUM | MXR | MSTATUS.SPP | FS,
        MXR | 0x2000n,
      ]);
      expect(bench.csr('mstatus')).toBe(XL | TSR | MPP(3n) | MXR | 0x2000n);
    });

    it('counters count what retired before, and can be written', () => {
      fresh();
      bench.execute(`
        csrr s0, minstret
        nop
        csrr s1, minstret
        li a0, -2
        csrw minstret, a0
        csrr s2, minstret
        csrr s3, minstret
        csrr s4, instret
        li a0, 0x100000000
        csrw mcycle, a0
        csrr s5, cycle
        csrr s6, minstret
        wfi`);
      expect(bench.x('s1') - bench.x('s0')).toBe(2n);
      expect(['s2', 's3', 's4', 's5'].map((name) => bench.x(name))).toEqual([
        u64(-2n),
        u64(-1n),
        0n,
        1n << 32n,
      ]);
      expect(bench.x('s6')).toBe(5n);
    });

    it('counters stand still while mcountinhibit says so, and can be written meanwhile', () => {
      fresh();
      bench.execute(`
        csrw minstret, zero
        csrwi mcountinhibit, 4
        nop
        csrr s0, minstret
        csrr s1, instret
        csrr s2, mcycle
        nop
        csrr s3, mcycle
        csrwi mcountinhibit, 0
        csrr s4, minstret
        csrr s5, minstret
        csrwi mcountinhibit, 5
        li a0, 0xffffffff
        csrw mcycle, a0
        nop
        csrr s6, mcycle
        csrwi mcountinhibit, 4
        csrr s7, mcycle
        csrr s8, mcycle
        wfi`);
      const [s0, s1, s2, s3, s4, s5] = ['s0', 's1', 's2', 's3', 's4', 's5'].map((name) =>
        bench.x(name),
      ) as [bigint, bigint, bigint, bigint, bigint, bigint];
      expect([s0, s1, s3 - s2, s4, s5]).toEqual([1n, 1n, 2n, 1n, 2n]);
      expect([bench.x('s6'), bench.x('s7'), bench.x('s8')]).toEqual([
        0xffffffffn,
        0xffffffffn,
        1n << 32n,
      ]);
    });
  });

  describe('reset', () => {
    it('loses neither a line that is raised at that moment nor what another thread asks', () => {
      fresh();
      for (const bit of [MSI, SEI, MEI]) bench.line(bit, true);
      signalHart(bench.machine.words, bench.machine.parts.plan, 0, PENDING.STOP);
      bench.hart.reset(Number(BigInt.asIntN(32, RAM)), 0);
      expect(bench.csr('mip')).toBe((1n << 3n) | (1n << 9n) | (1n << 11n));
      expect(bench.run()).toBe('stopped');
      bench.hart.set('pending', 0);
      bench.setCsr('mtvec', TRAP_PAGE);
      bench.setCsr('mie', 1n << 11n);
      bench.execute('csrsi mstatus, 8\n nop\n wfi');
      expect(bench.csr('mcause')).toBe(INTERRUPT | 11n);
    });

    it('forgets what software had set, and the lines of its timers', () => {
      fresh();
      bench.setCsr('mscratch', 5n);
      bench.line(MTI, true);
      bench.hart.reset(Number(BigInt.asIntN(32, RAM)), 0);
      expect([bench.csr('mscratch'), bench.csr('mip')]).toEqual([0n, 0n]);
    });
  });

  describe('interrupts', () => {
    const all = (1n << 12n) - 1n;

    it('are taken in the order of the manual, each with its own cause', () => {
      fresh();
      bench.setCsr('mie', all);
      bench.load('nop');
      for (const bit of [SSI, MSI, STI, SEI, MEI]) bench.line(bit, true);
      const setTimer = (ticks: bigint): void => {
        bench.load(`li a0, 0x2004000\n li a1, ${ticks}\n sd a1, 0(a0)\n wfi`, RAM + 0x200n);
        bench.setCsr('mstatus', 0n);
        bench.pc = RAM + 0x200n;
        bench.run(10);
      };
      setTimer(0n);
      const order: bigint[] = [];
      for (const bit of [MEI, MSI, MTI, SEI, SSI, STI]) {
        bench.setCsr('mstatus', MSTATUS.MIE);
        bench.finish();
        order.push(bench.csr('mcause'));
        expect(bench.csr('mepc')).toBe(RAM);
        if (bit === MTI) setTimer(-1n);
        else bench.line(bit, false);
      }
      expect(order).toEqual([11n, 3n, 7n, 9n, 1n, 5n].map((code) => INTERRUPT | code));
    });

    it('destined to M are taken below M whatever MIE says, in M only with MIE', () => {
      for (const [mode, mie, isTaken] of [
        ['U', 0n, true],
        ['S', 0n, true],
        ['M', 0n, false],
        ['M', MSTATUS.MIE, true],
      ] as const) {
        fresh();
        bench.load('li a0, 1\n ecall');
        bench.setCsr('mie', 1n << BigInt(MEI));
        bench.setCsr('mstatus', mie);
        bench.line(MEI, true);
        bench.mode = mode;
        bench.finish();
        expect([mode, mie, bench.csr('mcause') === (INTERRUPT | 11n)]).toEqual([
          mode,
          mie,
          isTaken,
        ]);
        bench.line(MEI, false);
      }
    });

    it('delegated ones go to S in U, in S only with SIE, and never interrupt M', () => {
      for (const [mode, sie, isTaken] of [
        ['U', 0n, true],
        ['S', 0n, false],
        ['S', MSTATUS.SIE, true],
        ['M', MSTATUS.SIE | MSTATUS.MIE, false],
      ] as const) {
        fresh();
        stopInS();
        bench.load('li a0, 1\n ecall');
        bench.setCsr('mideleg', 1n << BigInt(SEI));
        bench.setCsr('mie', 1n << BigInt(SEI));
        bench.setCsr('mstatus', sie);
        bench.line(SEI, true);
        bench.mode = mode;
        bench.pc = RAM;
        bench.run(100);
        expect([mode, sie, bench.csr('scause')]).toEqual([
          mode,
          sie,
          isTaken ? INTERRUPT | 9n : 0n,
        ]);
        bench.line(SEI, false);
      }
    });

    it('vectored ones go to base + 4 * cause; exceptions do not', () => {
      fresh();
      bench.setCsr('mtvec', HANDLER | 1n);
      bench.load('wfi\n .zero 40\n li a0, 11\n wfi\n end: j end', HANDLER);
      bench.setCsr('mie', 1n << BigInt(MEI));
      bench.line(MEI, true);
      bench.load('nop');
      bench.mode = 'U';
      bench.pc = RAM;
      bench.run(100);
      expect(bench.x('a0')).toBe(11n);
      bench.line(MEI, false);
      bench.load('ebreak');
      bench.mode = 'U';
      bench.finish();
      expect(bench.pc).toBe(HANDLER + 4n);
    });

    it('enabled by a CSR write are taken before the next instruction', () => {
      fresh();
      bench.line(MSI, true);
      bench.setCsr('mie', 1n << BigInt(MSI));
      bench.execute(`csrsi mstatus, 8\n here: li a0, 1\n wfi`);
      expect([bench.x('a0'), bench.csr('mepc')]).toEqual([0n, bench.at('here')]);
      fresh();
      bench.line(MSI, true);
      bench.setCsr('mstatus', MSTATUS.MIE);
      bench.execute(`li a1, 8\n csrs mie, a1\n here: li a0, 1\n wfi`);
      expect([bench.x('a0'), bench.csr('mepc')]).toEqual([0n, bench.at('here')]);
      bench.line(MSI, false);
    });

    it('are taken when S sets SIE, by immediate and by register, whatever raised them', () => {
      for (const line of ['csrsi sstatus, 2', 'csrs sstatus, t0', 'csrrsi a1, sstatus, 2']) {
        for (const isLine of [true, false]) {
          fresh();
          stopInS();
          bench.setX('t0', 2n);
          bench.setCsr('mideleg', 1n << BigInt(SEI));
          bench.setCsr('mie', 1n << BigInt(SEI));
          if (isLine) bench.line(SEI, true);
          else bench.setCsr('mip', 1n << BigInt(SEI));
          bench.execute(`${line}\n here: li a0, 1\n ecall`, 'S');
          expect([bench.x('a0'), bench.csr('sepc'), bench.csr('scause')]).toEqual([
            0n,
            bench.at('here'),
            INTERRUPT | 9n,
          ]);
          bench.line(SEI, false);
        }
      }
    });

    it('are taken when mret or sret enables them, at the address returned to', () => {
      for (const instruction of ['mret', 'sret']) {
        fresh();
        bench.line(MSI, true);
        bench.setCsr('mie', 1n << BigInt(MSI));
        bench.setCsr('mepc', RAM + 0x100n);
        bench.setCsr('sepc', RAM + 0x100n);
        bench.execute(instruction);
        expect(bench.trap()).toEqual({
          cause: INTERRUPT | 3n,
          pc: RAM + 0x100n,
          value: 0n,
          mode: 'U',
        });
        bench.line(MSI, false);
      }
    });

    it('sip shows and takes only what is delegated', () => {
      fresh();
      bench.setCsr('mideleg', 1n << BigInt(SSI));
      bench.execute(
        `li a0, -1\n csrw mip, a0\n csrr a1, mip\n csrr a2, sip\n csrw sip, zero\n csrr a3, mip\n wfi`,
      );
      expect(['a1', 'a2', 'a3'].map((name) => bench.x(name) & ~0x80n)).toEqual([
        0x222n,
        2n,
        0x220n,
      ]);
    });

    it('mip.SEIP is the or of the controller’s line and a bit of M’s own', () => {
      fresh();
      bench.line(SEI, true);
      bench.execute(`
        li a0, 0x200
        csrc mip, a0
        csrr a1, mip
        csrs mip, a0
        wfi`);
      bench.line(SEI, false);
      expect([bench.x('a1') & 0x200n, bench.csr('mip') & 0x200n]).toEqual([0x200n, 0x200n]);
      bench.execute('li a0, 0x200\n csrc mip, a0\n wfi');
      expect(bench.csr('mip') & 0x200n).toBe(0n);
    });

    it('mip.STIP follows stimecmp once menvcfg.STCE is set, and no write moves it', () => {
      fresh();
      bench.execute(`
        li a0, 0x20
        csrs mip, a0
        csrr a1, mip
        csrc mip, a0
        li a2, 1
        slli a2, a2, 63
        csrw menvcfg, a2
        csrw stimecmp, zero
        csrr a3, mip
        csrc mip, a0
        csrr a4, mip
        li a5, -1
        csrw stimecmp, a5
        csrr a5, mip
        wfi`);
      expect(['a1', 'a3', 'a4', 'a5'].map((name) => bench.x(name) & 0x20n)).toEqual([
        0x20n,
        0x20n,
        0x20n,
        0n,
      ]);
    });
  });

  describe('wfi', () => {
    it('goes on when an enabled interrupt is pending, whatever the global enables say', () => {
      fresh();
      bench.setCsr('mie', 1n << BigInt(MSI));
      bench.load('wfi\n li a0, 1\n csrw mie, zero\n wfi');
      bench.pc = RAM;
      expect(bench.run()).toBe('waiting');
      expect([bench.x('a0'), bench.pc]).toEqual([0n, RAM + 4n]);
      bench.line(MSI, true);
      expect(bench.run()).toBe('waiting');
      expect([bench.x('a0'), bench.csr('mcause')]).toEqual([1n, 0n]);
      bench.line(MSI, false);
    });

    it('interrupted, returns behind itself', () => {
      fresh();
      bench.setCsr('mie', 1n << BigInt(MSI));
      bench.setCsr('mstatus', MSTATUS.MIE);
      bench.line(MSI, true);
      bench.line(MSI, false);
      bench.load('nop\n wfi\n here: nop');
      bench.pc = RAM;
      expect(bench.run()).toBe('waiting');
      bench.line(MSI, true);
      bench.run(100);
      expect(bench.csr('mepc')).toBe(bench.at('here'));
      bench.line(MSI, false);
    });
  });
});
