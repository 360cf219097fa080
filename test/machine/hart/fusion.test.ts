import { describe, expect, it } from 'vitest';

import {
  bytesOf,
  dispatchNumber,
  FIRST_FUSION,
  fused,
  FUSIONS,
  operationNumber,
  operationOf,
  unfused,
} from '../../../src/machine/core/operations.ts';
import { Bench, CAUSES, CORES, RAM } from './bench.ts';

const NOWHERE = 0x4000_0000n;
const DATA = RAM + 0x10_0000n;

describe('a fused pair', () => {
  it('keeps the operation, the length and the operands of its first instruction', () => {
    for (const [index, { first, second }] of FUSIONS.entries()) {
      const head = first | (0x48 << 16);
      const both = fused(head, second | (0x50 << 16));
      expect(both & 0xffff).toBe(FIRST_FUSION + index);
      expect(both >>> 16).toBe(0x48);
      expect(operationOf(both)).toBe(operationOf(first));
      expect(bytesOf(both)).toBe((first & 1) === 0 ? 4 : 2);
      expect(unfused(both)).toBe(head);
      // What follows may be fused itself.
      expect(fused(both, fused(second, first))).toBe(both);
    }
  });

  it('is none with an instruction behind which a line ends', () => {
    const add = dispatchNumber(operationNumber.get('add') as number, 4);
    const ecall = dispatchNumber(operationNumber.get('ecall') as number, 4);
    expect(fused(add, ecall)).toBe(add);
    expect(fused(add, 0)).toBe(add);
  });
});

describe.each(CORES)('on the %s core', (_, core) => {
  const bench = new Bench(core);

  it('the second half of a pair can be jumped to', () => {
    bench.reset();
    bench.setX('a0', 1n);
    bench.execute(`
      li a2, 2
      again: addi a0, a0, 16
      half: addi a1, a1, 1
      addi a2, a2, -1
      bne a2, zero, half
      bne a3, zero, done
      li a3, 1
      li a2, 1
      j again
      done: wfi`);
    expect([bench.x('a0'), bench.x('a1')]).toEqual([33n, 3n]);
  });

  it.each([
    ['ld a0, 0(a1)', 'ld a2, 0(a3)', 'half', CAUSES.LOAD_ACCESS, 1n],
    ['ld a2, 0(a3)', 'ld a0, 0(a1)', 'both', CAUSES.LOAD_ACCESS, 0n],
    ['addi a0, zero, 7', 'sd a2, 0(a3)', 'half', CAUSES.STORE_ACCESS, 1n],
    ['sd a2, 0(a3)', 'sd a0, 8(a1)', 'both', CAUSES.STORE_ACCESS, 0n],
  ])('%s and %s: a fault of one is at %s and retires what is before', (one, two, at, cause, n) => {
    bench.reset();
    bench.write(DATA, 7n);
    bench.write(DATA + 8n, 0n);
    for (const [name, value] of [
      ['a0', 5n],
      ['a1', DATA],
      ['a2', 9n],
      ['a3', NOWHERE],
    ] as const)
      bench.setX(name, value);
    bench.load(`nop\n both: ${one}\n half: ${two}\n wfi`);
    bench.pc = bench.at('both');
    const before = bench.hart.instret;
    bench.finish('both');
    expect(bench.trap()).toMatchObject({ cause, pc: bench.at(at), value: NOWHERE });
    // WFI ends the handler: it retires as well.
    expect(BigInt(bench.hart.instret - before)).toBe(n + 1n);
    expect(bench.x('a0')).toBe(n === 1n ? 7n : 5n);
    expect(bench.x('a2')).toBe(9n);
    expect(bench.read(DATA + 8n, 8)).toBe(0n);
  });

  it('a pair whose second half was written anew does the new after FENCE.I', () => {
    bench.reset();
    bench.execute(`
      la a4, half
      la a5, new
      lw a5, 0(a5)
      li a2, 2
      again: addi a0, a0, 1
      half: addi a1, a1, 1
      sw a5, 0(a4)
      fence.i
      addi a2, a2, -1
      bne a2, zero, again
      wfi
      new: addi a1, a1, 64`);
    expect([bench.x('a0') & 0xffn, bench.x('a1') & 0xffn]).toEqual([2n, 65n]);
  });
});
