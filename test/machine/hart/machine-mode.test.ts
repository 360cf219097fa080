import { describe, expect, it } from 'vitest';

import { PENDING } from '../../../src/machine/core/hart-block.ts';
import { signalHart } from '../../../src/machine/hart-lines.ts';
import type { Hart } from '../../../src/machine/hart.ts';
import type { MachineMode } from '../../../src/machine/machine-mode.ts';
import { attachMachine, createMachine } from '../../../src/machine/machine.ts';
import { RAM_BASE } from '../../../src/machine/physical-map.ts';
import { assemble } from '../isa/assembler.ts';

/** An M-mode that counts, skips the trapping instruction and returns; `ebreak` ends the run. */
class CountingMachineMode implements MachineMode {
  readonly causes: number[] = [];
  served = 0;

  trap(hart: Hart): void {
    const cause = hart.csrLow('mcause');
    this.causes.push(cause);
    if (cause === 3) hart.requestReturn();
    hart.setCsr('mepc', hart.csrLow('mepc') + 4, hart.csrHigh('mepc'));
    hart.setX(10, this.causes.length, 0);
    hart.mret();
  }

  serve(): void {
    this.served += 1;
  }
}

describe('a hart whose M-mode is the host', () => {
  const machine = attachMachine(
    createMachine({
      harts: 1,
      ramBytes: 16 << 20,
      deterministic: false,
      hasKeys: false,
      monitorBytes: 4096,
    }),
  );
  const start = (source: string): { hart: Hart; mode: CountingMachineMode } => {
    const mode = new CountingMachineMode();
    const hart = machine.hart(0, mode);
    machine.load(RAM_BASE, assemble(source).bytes);
    hart.reset(RAM_BASE | 0, 0);
    hart.set('mode', 1);
    return { hart, mode };
  };

  it('runs S with all of memory open, and gets its traps without leaving the run', () => {
    const { hart, mode } = start('ecall\n mv s0, a0\n ecall\n .word 0xffffffff\n ebreak');
    expect(hart.run(1000)).toBe('requested');
    expect(mode.causes).toEqual([9, 9, 2, 3]);
    expect([hart.x(8), hart.x(10), hart.mode]).toEqual([1, 4, 1]);
  });

  it('serves fences when it is told to, in a loop within one page too, and stops when told', () => {
    const { hart, mode } = start('loop: j loop');
    hart.run(100);
    const atStart = mode.served;
    signalHart(machine.words, machine.parts.plan, 0, PENDING.FENCE);
    expect(hart.run(100)).toBe('limit');
    expect(mode.served - atStart).toBe(2); // at the start of the run, and at the signal
    signalHart(machine.words, machine.parts.plan, 0, PENDING.STOP);
    expect([hart.run(1e9), hart.run(1e9)]).toEqual(['stopped', 'stopped']);
  });
});
