import { describe, expect, it } from 'vitest';

import { Bench, CAUSES, CORES, RAM } from './bench.ts';

const DATA = RAM + 0x10_0000n;

describe.each(CORES)('on the %s core', (_, core) => {
  const bench = new Bench(core);
  const fresh = (source: string): void => {
    bench.reset();
    bench.write(DATA, 0x11223344_55667788n);
    bench.setX('a1', DATA);
    bench.load(source);
    bench.pc = RAM;
  };

  describe.each(['wrs.nto', 'wrs.sto'])('%s', (wait) => {
    it.each(['lr.w', 'lr.d'])('waits after %s, and goes on where it stands', (reserve) => {
      fresh(`${reserve} a0, (a1)\n ${wait}\n li a2, 1\n wfi`);
      expect([bench.run(), bench.x('a2'), bench.pc]).toEqual(['reserved', 0n, RAM + 8n]);
      expect([bench.run(), bench.x('a2')]).toEqual(['waiting', 1n]);
    });

    it('goes on at once without a reservation', () => {
      for (const before of ['nop', 'lr.w a0, (a1)\n sc.w a3, a0, (a1)']) {
        fresh(`${before}\n ${wait}\n li a2, 1\n wfi`);
        expect([bench.run(), bench.x('a2')]).toEqual(['waiting', 1n]);
      }
    });

    it('goes on at once if what is reserved was written, in either half', () => {
      for (const offset of [0, 4]) {
        fresh(`lr.d a0, (a1)\n sw zero, ${offset}(a1)\n ${wait}\n li a2, 1\n wfi`);
        expect([bench.run(), bench.x('a2')]).toEqual(['waiting', 1n]);
      }
      // The other half is not reserved.
      fresh(`lr.w a0, (a1)\n sw zero, 4(a1)\n ${wait}\n wfi`);
      expect(bench.run()).toBe('reserved');
    });

    it('goes on at once while an interrupt is pending, even if none can be taken', () => {
      fresh(`lr.w a0, (a1)\n ${wait}\n li a2, 1\n j loop\n loop: j loop`);
      bench.setCsr('mie', 8n);
      bench.line(3, true);
      expect([bench.run(), bench.x('a2')]).toEqual(['limit', 1n]);
      bench.line(3, false);
    });

    it('parks no longer than the word stays as it is, and not for ever', () => {
      fresh(`lr.w a0, (a1)\n ${wait}\n wfi`);
      expect(bench.run()).toBe('reserved');
      const before = performance.now();
      bench.hart.waiting.parkOnReservation();
      const waited = performance.now() - before;
      expect(waited).toBeGreaterThan(0.5);
      expect(waited).toBeLessThan(1000);
    });
  });

  it('wrs.sto is allowed in U whatever mstatus.TW says', () => {
    fresh('lr.w a0, (a1)\n wrs.sto\n ecall');
    bench.openPmp();
    bench.setCsr('mstatus', 1n << 21n);
    bench.mode = 'U';
    expect([bench.run(), bench.pc]).toEqual(['reserved', RAM + 8n]);
  });

  it('wrs.nto traps under mstatus.TW only if it had to wait', () => {
    fresh('wrs.nto\n ecall');
    bench.openPmp();
    bench.setCsr('mstatus', 1n << 21n);
    bench.mode = 'U';
    bench.finish();
    expect(bench.trap()).toMatchObject({ cause: CAUSES.ECALL_U, pc: RAM + 4n });
    fresh('lr.w a0, (a1)\n wrs.nto\n ecall');
    bench.openPmp();
    bench.setCsr('mstatus', 1n << 21n);
    bench.mode = 'U';
    const before = bench.hart.instret;
    bench.finish();
    expect(bench.trap()).toMatchObject({ cause: CAUSES.ILLEGAL, pc: RAM + 4n, value: 0x00d00073n });
    // LR, and the trap page's WFI.
    expect(bench.hart.instret - before).toBe(2);
  });
});
