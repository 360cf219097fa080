import { describe, expect, it } from 'vitest';

import { Bench, CAUSES, CORES, HANDLER, RAM, u64 } from './bench.ts';
import { A, D, G, PageTables, R, RWX, U, V, W, X } from './page-tables.ts';

const DATA = RAM + 0x10_0000n;
const OTHER = RAM + 0x11_0000n;
const VA = 0x5010_0000n;
const HIGH_VA = u64(-0x4000_0000n);
const [MPRV, SUM, MXR] = [1n << 17n, 1n << 18n, 1n << 19n] as const;
const MPP_S = 1n << 11n;

describe.each(CORES)('on the %s core', (_, core) => {
  const bench = new Bench(core);

  /** A new address space with the program's pages mapped where they are, for S. */
  const space = (): PageTables => {
    PageTables.restart();
    bench.reset();
    bench.openPmp();
    bench.write(DATA, 0x1111n);
    bench.write(OTHER, 0x2222n);
    const tables = new PageTables(bench);
    tables.map(RAM, RAM, V | R | W | X | A | D | G, 2);
    return tables;
  };
  const on = (tables: PageTables, asid = 0n): void => {
    bench.setCsr('satp', tables.satp(asid));
    bench.hart.translation.tlb.flushAll();
  };
  /** Runs in S; every trap goes to M. */
  const inS = (source: string): void => bench.execute(`${source}\n ecall`, 'S');
  const outcome = (): bigint => bench.csr('mcause');

  const ACCESS = {
    load: ['ld a0, 0(a1)', CAUSES.LOAD_PAGE],
    store: ['sd a0, 0(a1)', CAUSES.STORE_PAGE],
    amo: ['amoadd.d a0, a0, (a1)', CAUSES.STORE_PAGE],
    lr: ['lr.d a0, (a1)', CAUSES.LOAD_PAGE],
    sc: ['sc.d a0, a0, (a1)', CAUSES.STORE_PAGE],
    fetch: ['jalr ra, 0(a1)', CAUSES.FETCH_PAGE],
  } as const;
  type Access = keyof typeof ACCESS;

  /** What an access of a mode to VA ends with: 'ok' or its cause. */
  const attempt = (access: Access, mode: 'S' | 'U', va = VA): 'ok' | bigint => {
    bench.load(`${ACCESS[access][0]}\n ecall`);
    bench.write(DATA, 0x73n); // ecall, if it is fetched
    bench.setX('a1', va);
    bench.mode = mode;
    bench.finish();
    const { cause, value, pc } = bench.trap();
    if (access === 'fetch' ? cause === CAUSES.ECALL_S || cause === CAUSES.ECALL_U : pc === RAM + 4n)
      return 'ok';
    expect([value, pc]).toEqual([va, access === 'fetch' ? va : RAM]);
    return cause;
  };

  describe('the walk', () => {
    it.each([
      ['a page', VA, 0, DATA],
      ['a page of the upper half', HIGH_VA, 0, DATA],
      ['the last page of all', u64(-4096n), 0, DATA],
      ['a megapage', 0x4000_0000n, 1, RAM],
      ['a gigapage', 0x1_0000_0000n, 2, RAM],
    ])('finds %s', (_name, va, level, pa) => {
      const tables = space();
      tables.map(va, pa, RWX, level);
      on(tables);
      const offset = level === 0 ? 0x123n : DATA - RAM + 0x123n;
      bench.write(pa + offset, 0xabcdef0123456789n);
      bench.setX('a1', va + offset);
      inS('ld a0, 0(a1)\n sb zero, 0(a1)');
      expect(outcome()).toBe(CAUSES.ECALL_S);
      expect(bench.x('a0')).toBe(0xabcdef0123456789n);
      expect(bench.read(pa + offset, 8)).toBe(0xabcdef0123456700n);
    });

    const leaf = (flags: bigint): ((tables: PageTables) => void) => {
      return (tables) => tables.map(VA, DATA, flags);
    };
    const table = (
      level: number,
      change: (pte: bigint) => bigint,
    ): ((tables: PageTables) => void) => {
      return (tables) => {
        tables.map(VA, DATA, RWX);
        const at = tables.entry(VA, level);
        bench.write(at, change(bench.read(at, 8)));
      };
    };
    it.each<[string, (tables: PageTables) => void]>([
      ['V=0 at the top', table(2, () => 0n)],
      ['V=0 in the middle', table(1, (pte) => pte & ~V)],
      ['V=0 in the leaf', leaf(RWX & ~V)],
      ['W without R', leaf(RWX & ~R)],
      ['W without R or X', leaf(V | W | A | D)],
      ['a pointer at the last level', leaf(V)],
      ['A=0', leaf(RWX & ~A)],
      ['a misaligned megapage', (tables) => tables.map(VA, DATA, RWX, 1)],
      ['a misaligned gigapage', (tables) => tables.map(VA, RAM + 0x20_0000n, RWX, 2)],
      ['U in a pointer', table(1, (pte) => pte | U)],
      ['A in a pointer', table(1, (pte) => pte | A)],
      ['D in a pointer', table(2, (pte) => pte | D)],
      ['a reserved bit in a pointer', table(1, (pte) => pte | (1n << 54n))],
      ...[54n, 58n, 59n, 60n, 61n, 62n, 63n].map((bit): [string, (tables: PageTables) => void] => [
        `reserved bit ${bit} in the leaf`,
        leaf(RWX | (1n << bit)),
      ]),
    ])('faults on %s, whatever the access', (_name, draw) => {
      for (const access of ['load', 'store', 'amo', 'lr', 'sc', 'fetch'] as const) {
        const tables = space();
        draw(tables);
        on(tables);
        expect([access, attempt(access, 'S')]).toEqual([access, ACCESS[access][1]]);
      }
    });

    it('faults on D=0 for what writes, and only then (Svade)', () => {
      for (const access of Object.keys(ACCESS) as Access[]) {
        const tables = space();
        tables.map(VA, DATA, RWX & ~D);
        on(tables);
        const writes = ['store', 'amo', 'sc'].includes(access);
        expect([access, attempt(access, 'S')]).toEqual([access, writes ? CAUSES.STORE_PAGE : 'ok']);
        expect(bench.read(tables.entry(VA, 0), 8) & (A | D)).toBe(A);
      }
    });

    it('faults on addresses whose upper bits are not all alike, without looking further', () => {
      for (const va of [
        1n << 39n,
        1n << 38n,
        1n << 63n,
        u64(-(1n << 39n)),
        0xffff_ffbf_ffff_f000n,
      ]) {
        const tables = space();
        tables.map(va & ((1n << 39n) - 1n), DATA, RWX);
        on(tables);
        for (const access of ['load', 'store', 'fetch'] as const)
          expect([va, attempt(access, 'S', va)]).toEqual([va, ACCESS[access][1]]);
      }
    });

    it('finds nothing at address 0 of an empty space', () => {
      for (const va of [0n, 8n, 4088n, 1n << 32n, u64(-(1n << 32n))]) {
        on(space());
        for (const access of ['load', 'store', 'fetch'] as const)
          expect([va, attempt(access, 'S', va)]).toEqual([va, ACCESS[access][1]]);
      }
    });

    it('makes an access fault of a table or a page that is not RAM', () => {
      for (const access of ['load', 'store', 'fetch'] as const) {
        const fault = {
          load: CAUSES.LOAD_ACCESS,
          store: CAUSES.STORE_ACCESS,
          fetch: CAUSES.FETCH_ACCESS,
        };
        let tables = space();
        bench.write(tables.entry(VA, 2), ((0x4000_0000n >> 12n) << 10n) | V);
        on(tables);
        expect(attempt(access, 'S')).toBe(fault[access]);
        tables = space();
        tables.map(VA, 1n << 55n, RWX);
        on(tables);
        expect(attempt(access, 'S')).toBe(fault[access]);
      }
    });
  });

  describe('permissions', () => {
    const cases: [string, bigint, 'S' | 'U', bigint, Partial<Record<Access, 'ok'>>][] = [
      ['R', V | R, 'S', 0n, { load: 'ok', lr: 'ok' }],
      ['RW', V | R | W, 'S', 0n, { load: 'ok', lr: 'ok', store: 'ok', amo: 'ok', sc: 'ok' }],
      ['X', V | X, 'S', 0n, { fetch: 'ok' }],
      ['X, MXR', V | X, 'S', MXR, { fetch: 'ok', load: 'ok', lr: 'ok' }],
      ['RX', V | R | X, 'S', 0n, { fetch: 'ok', load: 'ok', lr: 'ok' }],
      ['URWX', RWX | U, 'S', 0n, {}],
      ['URWX, SUM', RWX | U, 'S', SUM, { load: 'ok', lr: 'ok', store: 'ok', amo: 'ok', sc: 'ok' }],
      ['UX, SUM and MXR', V | X | U, 'S', SUM | MXR, { load: 'ok', lr: 'ok' }],
    ];
    it.each(cases)('%s as S and the other way round', (_name, flags, mode, status, allowed) => {
      for (const access of Object.keys(ACCESS) as Access[]) {
        const tables = space();
        tables.map(VA, DATA, flags | A | D);
        on(tables);
        bench.setCsr('mstatus', status);
        const wanted = allowed[access] ?? ACCESS[access][1];
        expect([access, attempt(access, mode)]).toEqual([access, wanted]);
      }
    });

    it('a page without U is nothing to U, one with U all that it says', () => {
      for (const access of Object.keys(ACCESS) as Access[]) {
        for (const flags of [RWX, RWX | U]) {
          const tables = space();
          tables.map(RAM, RAM, RWX | U, 2);
          tables.map(VA, DATA, flags);
          on(tables);
          bench.setCsr('mstatus', SUM | MXR);
          const wanted = flags === RWX ? ACCESS[access][1] : 'ok';
          expect([access, attempt(access, 'U')]).toEqual([access, wanted]);
        }
      }
    });

    it('MPRV lends the rights and the translation of MPP to loads and stores of M, not to fetches', () => {
      const tables = space();
      tables.map(VA, DATA, V | R | A);
      on(tables);
      bench.setCsr('mstatus', MPRV | MPP_S);
      bench.setX('a1', VA);
      bench.execute('ld a0, 0(a1)\n here: sd a0, 0(a1)\n wfi', 'M');
      expect(bench.x('a0')).toBe(0x1111n);
      expect(bench.trap()).toEqual({
        cause: CAUSES.STORE_PAGE,
        pc: bench.at('here'),
        value: VA,
        mode: 'M',
      });
      // Without MPRV the address is physical.
      bench.setCsr('mstatus', MPP_S);
      bench.setX('a1', VA);
      bench.execute('ld a0, 0(a1)\n wfi', 'M');
      expect(bench.csr('mcause')).toBe(CAUSES.LOAD_ACCESS);
    });

    it('a change of SUM or MXR acts at once, in both directions', () => {
      const tables = space();
      tables.map(VA, DATA, V | R | U | A);
      on(tables);
      bench.setX('a1', VA);
      inS(`
        li t0, ${SUM}
        csrs sstatus, t0
        ld a0, 0(a1)
        csrc sstatus, t0
        here: ld a2, 0(a1)`);
      expect([bench.x('a0'), bench.trap().cause, bench.trap().pc]).toEqual([
        0x1111n,
        CAUSES.LOAD_PAGE,
        bench.at('here'),
      ]);
    });
  });

  describe('accesses over two pages', () => {
    const BOUNDARY = VA + 0x1000n;
    const two = (second: bigint): PageTables => {
      const tables = space();
      tables.map(VA, DATA, RWX);
      if (second !== 0n) tables.map(BOUNDARY, OTHER, second);
      on(tables);
      return tables;
    };

    it('reach two frames that are not neighbours', () => {
      two(RWX);
      bench.write(DATA + 4092n, 0x55667788n, 4);
      bench.write(OTHER, 0x11223344n, 4);
      bench.setX('a1', BOUNDARY - 4n);
      inS('ld a0, 0(a1)\n li a2, 0x0102030405060708\n sd a2, 1(a1)');
      expect(bench.x('a0')).toBe(0x1122334455667788n);
      expect([bench.read(DATA + 4092n, 4), bench.read(OTHER, 8)]).toEqual([
        0x06070888n,
        0x0102030405n,
      ]);
    });

    it('fault at the first byte that is not allowed and write nothing', () => {
      for (const [flags, cause] of [
        [0n, CAUSES.STORE_PAGE],
        [RWX & ~W, CAUSES.STORE_PAGE],
        [RWX & ~D, CAUSES.STORE_PAGE],
      ] as const) {
        two(flags);
        bench.write(DATA + 4088n, 0n);
        bench.setX('a1', BOUNDARY - 3n);
        inS('li a0, -1\n here: sd a0, 0(a1)');
        expect(bench.trap()).toEqual({ cause, pc: bench.at('here'), value: BOUNDARY, mode: 'S' });
        expect(bench.read(DATA + 4088n, 8)).toBe(0n);
      }
    });

    it('an instruction over two pages runs, and faults where its second half lies', () => {
      // li a0, 7 (00700513), c.nop, ecall
      for (const second of [RWX, 0n]) {
        two(second);
        bench.write(DATA + 4094n, 0x0513n, 2);
        bench.write(OTHER, 0x00000073_0001_0070n);
        bench.setX('a0', 0n);
        bench.mode = 'S';
        bench.finish(BOUNDARY - 2n);
        expect(bench.x('a0')).toBe(second === 0n ? 0n : 7n);
        expect(bench.trap()).toEqual(
          second === 0n
            ? { cause: CAUSES.FETCH_PAGE, pc: BOUNDARY - 2n, value: BOUNDARY, mode: 'S' }
            : { cause: CAUSES.ECALL_S, pc: BOUNDARY + 4n, value: 0n, mode: 'S' },
        );
      }
    });

    it('a load over two pages, itself on two pages, to a page not yet seen', () => {
      two(RWX);
      // ld a0, 0(a1) = 0005b503
      bench.write(DATA + 4094n, 0xb503n, 2);
      bench.write(OTHER, 0x00000073_0005n, 8);
      bench.setX('a1', BOUNDARY - 5n);
      bench.mode = 'S';
      bench.finish(BOUNDARY - 2n);
      expect(bench.trap().cause).toBe(CAUSES.ECALL_S);
      const wanted = [4091n, 4092n, 4093n, 4094n, 4095n].map((at) => bench.read(DATA + at, 1));
      for (let n = 0n; n < 3n; n++) wanted.push(bench.read(OTHER + n, 1));
      expect(bench.x('a0')).toBe(wanted.reduceRight((value, byte) => (value << 8n) | byte, 0n));
    });
  });

  describe('fences', () => {
    /** Reads VA, has the PTE changed to OTHER, fences or not, reads again. */
    const remapped = (fence: string, flags = RWX, level = 0, asid = 5n): bigint => {
      const tables = space();
      const [from, to] = level === 0 ? [DATA, OTHER] : [RAM, RAM + 0x20_0000n];
      tables.map(VA & ~(level === 0 ? 0xfffn : 0x1fffffn), from, flags, level);
      on(tables, asid);
      bench.write(RAM + (VA & 0x1fffffn), 0x1111n);
      bench.write(RAM + 0x20_0000n + (VA & 0x1fffffn), 0x2222n);
      const slot = tables.entry(VA, level);
      bench.setX('a1', VA);
      inS(`
        ld a0, 0(a1)
        li t0, ${slot}
        li t1, ${((to >> 12n) << 10n) | flags}
        sd t1, 0(t0)
        li t2, 5
        li t3, 6
        li t4, ${VA + 0x40_0000n}
        ${fence}
        ld a2, 0(a1)`);
      expect(bench.x('a0')).toBe(0x1111n);
      return bench.x('a2');
    };

    it.each([
      'sfence.vma',
      'sfence.vma a1',
      'sfence.vma zero, t2',
      'sfence.vma a1, t2',
      'sfence.w.inval\n sinval.vma a1, t2\n sfence.inval.ir',
    ])('%s makes a new leaf visible, page or superpage', (fence) => {
      expect([remapped(fence), remapped(fence, RWX, 1)]).toEqual([0x2222n, 0x2222n]);
    });

    it('for another address or ASID leaves the old one in use', () => {
      expect(remapped('nop')).toBe(0x1111n);
      expect(remapped('sfence.vma zero, t3')).toBe(0x1111n);
      expect(remapped('sfence.vma a1, t3')).toBe(0x1111n);
      expect(remapped('sfence.vma t4')).toBe(0x1111n);
    });

    it('make reduced permissions effective for loads, stores and fetches', () => {
      const tables = space();
      tables.map(VA, DATA, RWX);
      on(tables);
      bench.write(DATA, 0x8082n); // c.jr ra
      bench.setX('a1', VA);
      const slot = tables.entry(VA, 0);
      inS(`
        jalr ra, 0(a1)
        ld a0, 0(a1)
        sd a0, 8(a1)
        li t0, ${slot}
        li t1, ${((DATA >> 12n) << 10n) | V | R | A | D}
        sd t1, 0(t0)
        sfence.vma a1
        ld a2, 0(a1)
        here: sd a0, 8(a1)`);
      expect([bench.trap().cause, bench.trap().pc]).toEqual([CAUSES.STORE_PAGE, bench.at('here')]);
      expect(attempt('fetch', 'S')).toBe(CAUSES.FETCH_PAGE);
    });
  });

  describe('address spaces', () => {
    it('a write of satp shows another space at once and the first one again after', () => {
      const tables = space();
      const others = new PageTables(bench);
      others.map(RAM, RAM, RWX | G, 2);
      tables.map(VA, DATA, RWX);
      others.map(VA, OTHER, RWX);
      for (const [first, second] of [
        [1n, 2n],
        [3n, 3n],
      ] as const) {
        on(tables, first);
        bench.setX('a1', VA);
        inS(`
          ld a0, 0(a1)
          li t0, ${others.satp(second)}
          csrrw t1, satp, t0
          ld a2, 0(a1)
          csrw satp, t1
          ld a3, 0(a1)
          li t0, 0
          csrw satp, zero
          here: ld a4, 0(a1)`);
        expect(['a0', 'a2', 'a3'].map((name) => bench.x(name))).toEqual([
          0x1111n,
          0x2222n,
          0x1111n,
        ]);
        expect([bench.trap().cause, bench.trap().pc]).toEqual([
          CAUSES.LOAD_ACCESS,
          bench.at('here'),
        ]);
      }
    });

    it('more of them than the soft TLB has tables are told apart', () => {
      const tables = space();
      const all = Array.from({ length: 40 }, (_unused, n) => {
        const own = new PageTables(bench);
        own.map(RAM, RAM, RWX | G, 2);
        own.map(VA, DATA + BigInt(n) * 4096n, RWX);
        bench.write(DATA + BigInt(n) * 4096n, BigInt(n));
        return own.satp(BigInt(n));
      });
      on(tables);
      bench.load(`.dword ${all.join(',')}`, RAM + 0x2000n);
      bench.setX('a1', VA);
      inS(`
        li s0, 3
        round: li t0, ${RAM + 0x2000n}
        li s1, 0
        each: ld t1, 0(t0)
        csrw satp, t1
        ld a0, 0(a1)
        bne a0, s1, wrong
        addi t0, t0, 8
        addi s1, s1, 1
        li t2, 40
        bne s1, t2, each
        addi s0, s0, -1
        bnez s0, round
        wrong: nop`);
      expect([bench.x('s0'), bench.x('s1')]).toEqual([0n, 40n]);
      bench.hart.settleCounters();
      expect(bench.hart.counter('softTlbContextEvictions')).toBeGreaterThan(40);
    });

    it('a trap to S and back keeps the translations of both modes', () => {
      const tables = space();
      tables.map(VA, DATA, RWX | U);
      tables.map(VA + 0x1000n, OTHER, RWX | U);
      on(tables);
      bench.load('addi s0, s0, 1\n csrr t0, sepc\n addi t0, t0, 4\n csrw sepc, t0\n sret', HANDLER);
      bench.setCsr('stvec', HANDLER);
      bench.setCsr('medeleg', 1n << 8n);
      bench.load(
        `
        li s1, 50
        loop: ecall
        ld a0, 0(a1)
        addi s1, s1, -1
        bnez s1, loop
        ebreak`,
        VA,
        DATA,
      );
      bench.setX('a1', VA + 0x1000n);
      bench.hart.settleCounters();
      const before = bench.hart.counter('softTlbMisses');
      bench.mode = 'U';
      bench.finish(VA);
      expect([bench.x('s0'), bench.x('a0')]).toEqual([50n, 0x2222n]);
      bench.hart.settleCounters();
      expect(bench.hart.counter('softTlbMisses') - before).toBeLessThan(16);
    });
  });

  describe('code that changes', () => {
    const ADDI = (immediate: number): number => (immediate << 20) | 0x0513; // li a0, n
    const source = (fence: string): string => `
      call target
      mv a1, a0
      la t0, target
      li t1, ${ADDI(2)}
      sw t1, 0(t0)
      ${fence}
      call target
      wfi
      .align 64
      target: li a0, 1
      ret`;

    it('is seen after fence.i, on the same page and on another', () => {
      bench.reset();
      bench.execute(source('fence.i'));
      expect([bench.x('a1'), bench.x('a0')]).toEqual([1n, 2n]);
      bench.reset();
      bench.execute(source('fence.i').replace('.align 64', '.align 4096'));
      expect([bench.x('a1'), bench.x('a0')]).toEqual([1n, 2n]);
    });

    it.each([8, 100])(
      'is seen among %i pages, one of which changes before each fence.i',
      (pages) => {
        const ROUNDS = 150;
        bench.reset();
        bench.load(`
        li s0, ${ROUNDS}
        li s1, 0
        li s2, ${ADDI(0)}
        li s3, 0x00008067 # ret
        li s5, ${pages}
        la s4, first
        mv t0, s4
        mv t2, s5
        fill: sw s2, 0(t0)
        sw s3, 4(t0)
        li t3, 4096
        add t0, t0, t3
        addi t2, t2, -1
        bnez t2, fill
        fence.i
        round: remu t0, s0, s5
        slli t0, t0, 12
        add t0, t0, s4
        slli t1, s0, 20
        or t1, t1, s2
        sw t1, 0(t0)
        fence.i
        # Every page is called, then for some rounds only the one that changed: others grow old.
        andi t2, s0, 64
        bnez t2, one
        mv s6, s4
        mv s7, s5
        all: jalr ra, 0(s6)
        add s1, s1, a0
        li t3, 4096
        add s6, s6, t3
        addi s7, s7, -1
        bnez s7, all
        j more
        one: jalr ra, 0(t0)
        add s1, s1, a0
        more: addi s0, s0, -1
        bnez s0, round
        wfi
        .align 4096
        first: nop`);
        bench.mode = 'M';
        bench.finish(RAM, 200_000);
        const held = Array.from({ length: pages }, () => 0);
        let sum = 0;
        for (let round = ROUNDS; round > 0; round--) {
          held[round % pages] = round;
          sum += (round & 64) === 0 ? held.reduce((all, one) => all + one) : round;
        }
        expect(bench.x('s1')).toBe(BigInt(sum));
      },
    );

    it('without fence.i is either the old or the new, whole', () => {
      bench.reset();
      bench.execute(source('nop'));
      expect(bench.x('a1')).toBe(1n);
      expect([1n, 2n]).toContain(bench.x('a0'));
    });

    it('under a load that is not finished by the core is the load that was begun', () => {
      const tables = space();
      tables.map(VA, 0x1000_0000n, RWX);
      on(tables);
      bench.setX('a1', VA);
      // The device's page is never remembered, so the load is finished outside each time.
      inS(`
        li s0, 2
        la t0, load
        li t1, ${ADDI(2)}
        load: lbu a0, 5(a1)
        mv s1, a0
        sw t1, 0(t0)
        addi s0, s0, -1
        bnez s0, load`);
      expect([bench.trap().cause, bench.x('s0')]).toEqual([CAUSES.ECALL_S, 0n]);
      expect([2n, 0x60n]).toContain(bench.x('a0'));
    });

    it('is seen by another hart after its own fence.i', () => {
      const two = new Bench({ ...core, harts: 2 });
      const writer = `
        la t0, target
        li t1, ${ADDI(2)}
        sw t1, 0(t0)
        wfi
        .align 64
        target: li a0, 1
        ret`;
      two.load(writer);
      two.load(
        `
        call ${two.at('target')}
        mv a1, a0
        wfi
        fence.i
        call ${two.at('target')}
        wfi`,
        RAM + 0x1000n,
      );
      two.current = 1;
      two.finish(RAM + 0x1000n);
      two.current = 0;
      two.finish();
      two.current = 1;
      two.finish(two.pc);
      expect([two.x('a1'), two.x('a0')]).toEqual([1n, 2n]);
    });

    it('is right on more pages than the decode cache has room for', () => {
      bench.reset();
      const pages = bench.machine.parts.plan.decodedPages + 20;
      const first = RAM + 0x10_0000n;
      for (let n = 0; n < pages; n++) {
        const next = n + 1 < pages ? 4096 : -4096 * (pages - 1);
        const at = first + BigInt(n) * 4096n;
        // A jump reaches 1 MiB only.
        bench.load(
          next > 0
            ? `addi a0, a0, ${n % 1000}\n j ${at + BigInt(next)}`
            : `addi a0, a0, ${n % 1000}\n addi s0, s0, -1\n beqz s0, out\n li t0, ${first}\n jr t0\n out: wfi`,
          at,
        );
      }
      bench.setX('s0', 3n);
      bench.pc = first;
      expect(bench.run(100_000)).toBe('waiting');
      const sum = Array.from({ length: pages }, (_unused, n) => n % 1000).reduce(
        (a, b) => a + b,
        0,
      );
      expect(bench.x('a0')).toBe(BigInt(3 * sum));
    });
  });
});

describe('protection keys (not part of the RISC-V ISA)', () => {
  const bench = new Bench({ deterministic: false, hasKeys: true });
  it.each([
    ['all', 3n, true, true],
    ['read only', 1n, true, false],
    ['none', 0n, false, false],
    ['write without access is none', 2n, false, false],
  ])('rights over the key of a page: %s', (_name, rights, mayLoad, mayStore) => {
    for (const key of [1n, 17n, 31n]) {
      for (const [line, isAllowed] of [
        ['ld a0, 0(a1)', mayLoad],
        ['sd a0, 0(a1)', mayStore],
      ] as const) {
        PageTables.restart();
        bench.reset();
        bench.openPmp();
        const tables = new PageTables(bench);
        tables.map(RAM, RAM, RWX, 2);
        tables.map(VA, DATA, RWX | (key << 54n));
        bench.setCsr('satp', tables.satp());
        bench.setCsr('mkeys', 3n | (rights << (2n * key)));
        bench.setX('a1', VA);
        bench.execute(`${line}\n ecall`, 'S');
        expect([key, line, bench.csr('mcause') === CAUSES.ECALL_S]).toEqual([key, line, isAllowed]);
      }
    }
  });
});
