import { describe, expect, it } from 'vitest';

import { MIP_MSIP, MIP_MTIP } from '../../../src/machine/bus.ts';
import { ACLINT_MTIME, ACLINT_MTIMECMP } from '../../../src/machine/devices/aclint.ts';
import { ACLINT } from '../../../src/machine/physical-map.ts';
import { createMachine } from './fixtures.ts';

const MSIP = (hart: number): number => ACLINT.base + 4 * hart;
const MTIMECMP = (hart: number): number => ACLINT.base + ACLINT_MTIMECMP + 8 * hart;
const MTIME = ACLINT.base + ACLINT_MTIME;

describe('MSWI', () => {
  it('drives the MSIP line of the hart from bit 0 and keeps no other bit', () => {
    const { board, lines } = createMachine();
    board.bus.store(MSIP(1), 4, 0xffff_ffff, 0);
    expect(lines.high).toEqual(new Set([`1:${MIP_MSIP}`]));
    expect(board.bus.load(MSIP(1), 4, 0)).toBe(1);
    board.bus.store(MSIP(1), 4, 0xffff_fffe, 1);
    expect(lines.high.size).toBe(0);
  });

  it('is wired to zero for harts that are not there', () => {
    const { board, lines } = createMachine({ harts: 2 });
    board.bus.store(MSIP(2), 4, 1, 0);
    expect(board.bus.load(MSIP(2), 4, 0)).toBe(0);
    expect(lines.changes).toBe(0);
  });
});

describe('MTIMER', () => {
  it('counts the clock’s ticks, in halves and whole', () => {
    const { board, clock } = createMachine();
    const out = new Int32Array(2);
    clock.advance(5 * 2 ** 32 + 0xffff_fff0);
    expect(board.bus.load(MTIME, 4, 0)).toBe(0xffff_fff0);
    expect(board.bus.load(MTIME + 4, 4, 0)).toBe(5);
    board.bus.load64(MTIME, out, 0);
    expect([...out].map((word) => word >>> 0)).toEqual([0xffff_fff0, 5]);
  });

  it('never fires before a kernel sets it', () => {
    const { board } = createMachine();
    expect(board.aclint.timerPending(0, Number.MAX_SAFE_INTEGER)).toBe(false);
  });

  it('is pending from the very tick it was set to', () => {
    const { board } = createMachine();
    board.bus.store64(MTIMECMP(0), 100, 1, 0);
    expect(board.aclint.timerDeadline(0)).toBe(2 ** 32 + 100);
    expect(board.aclint.timerPending(0, 2 ** 32 + 99)).toBe(false);
    expect(board.aclint.timerPending(0, 2 ** 32 + 100)).toBe(true);
    expect(board.aclint.timerPending(1, 2 ** 32 + 100)).toBe(false);
  });

  it('reads back what was written, each half on its own', () => {
    const { board } = createMachine();
    const out = new Int32Array(2);
    board.bus.store(MTIMECMP(1), 4, 0x89ab_cdef, 1);
    board.bus.store(MTIMECMP(1) + 4, 4, 0x123, 1);
    expect(board.bus.load(MTIMECMP(1), 4, 0)).toBe(0x89ab_cdef);
    board.bus.load64(MTIMECMP(1), out, 0);
    expect([...out].map((word) => word >>> 0)).toEqual([0x89ab_cdef, 0x123]);
    expect(board.aclint.timerDeadline(1)).toBe(0x123 * 2 ** 32 + 0x89ab_cdef);
  });

  it('sets and clears MTIP at the store', () => {
    const { board, clock, lines } = createMachine();
    clock.advance(1000);
    board.bus.store64(MTIMECMP(0), 1000, 0, 0);
    expect(lines.high).toEqual(new Set([`0:${MIP_MTIP}`]));
    board.bus.store64(MTIMECMP(0), 2000, 0, 0);
    expect(lines.high.size).toBe(0);
  });

  it('takes a 64-bit store in one piece: no half of it counts', () => {
    const { board, clock, lines } = createMachine();
    clock.advance(0xffff_0000);
    board.bus.store64(MTIMECMP(0), 0xffff_f000, 0, 0);
    const before = lines.changes;
    // With the low half alone the deadline would be long past.
    board.bus.store64(MTIMECMP(0), 0x10, 1, 0);
    expect(lines.changes).toBe(before + 1);
    expect(lines.high.size).toBe(0);
  });

  it('tells a hart whose deadline another hart moved, and only then', () => {
    const { board, moved } = createMachine();
    board.bus.store64(MTIMECMP(0), 5, 0, 0);
    expect(moved).toEqual([]);
    board.bus.store64(MTIMECMP(1), 5, 0, 0);
    expect(moved).toEqual([1]);
  });
});
