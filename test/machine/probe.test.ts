import { createHash } from 'node:crypto';
import { beforeAll, describe, expect, it, vi } from 'vitest';
import { COUNTERS, HartBlock } from '../../src/machine/core/hart-block.ts';
import { ControlBlock, hartBase, planMemory } from '../../src/machine/memory-plan.ts';
import {
  counterIndex,
  createProbe,
  EXIT_REASON,
  HART_STATE,
  PRIVILEGE,
  type Observed,
} from '../../src/machine/probe.ts';

const HARTS = 2;

/** A machine's memory without a machine: what the probe may see and nobody who changes it. */
function observed(): Observed & { readonly bytes: SharedArrayBuffer } {
  const plan = planMemory({ harts: HARTS, ramBytes: 16 << 20, deviceBytes: 64, monitorBytes: 64 });
  const memory = new WebAssembly.Memory({
    initial: plan.totalPages,
    maximum: plan.totalPages,
    shared: true,
  });
  return { plan, memory, bytes: memory.buffer as unknown as SharedArrayBuffer };
}

describe('the probe', () => {
  let machine: ReturnType<typeof observed>;
  beforeAll(() => {
    machine = observed();
  });

  it('tells of each hart what its block holds', () => {
    const block = HartBlock.at(machine.bytes, hartBase(machine.plan, 1));
    block.state.store(HART_STATE.PARKED);
    block.mode.store(PRIVILEGE.M);
    block.domain.store(3);
    block.view.store(7);
    block.thread.store(11);
    block.instret[0] = 5n * 2n ** 32n + 0xffff_fffen;
    block.counters[counterIndex.gates] = 42;
    block.counters[counterIndex.shootdownWaitNs] = 1.5e9;
    const [other, hart] = createProbe(machine).readHarts();
    expect(hart).toMatchObject({ id: 1, state: HART_STATE.PARKED, mode: PRIVILEGE.M });
    expect(hart).toMatchObject({ domain: 3, view: 7, thread: 11 });
    expect(hart?.instructions).toBe(5 * 2 ** 32 + 0xffff_fffe);
    expect(hart?.counters[counterIndex.gates]).toBe(42);
    expect(hart?.counters[counterIndex.shootdownWaitNs]).toBe(1.5e9);
    expect(hart?.counters).toHaveLength(COUNTERS.length);
    expect(other).toMatchObject({ id: 0, state: HART_STATE.STOPPED, instructions: 0 });
  });

  it('does not mix the halves of a count that passes 2^32 while it is read', () => {
    const { instret } = HartBlock.at(machine.bytes, hartBase(machine.plan, 0));
    const highIndex = (instret.byteOffset >> 2) + 1;
    const load = Atomics.load.bind(Atomics);
    instret[0] = 0xffff_ffffn;
    // The hart retires one instruction right after the high half was read for the first time.
    const spy = vi.spyOn(Atomics, 'load').mockImplementation(((
      words: Int32Array,
      index: number,
    ) => {
      const value = load(words, index);
      if (index === highIndex && instret[0] === 0xffff_ffffn) instret[0] = 0x1_0000_0000n;
      return value;
    }) as typeof Atomics.load);
    const seen = createProbe(machine).readHarts()[0]?.instructions;
    spy.mockRestore();
    expect(seen).toBe(2 ** 32);
    instret[0] = 0n;
  });

  it('tells why and where the run ended', () => {
    const probe = createProbe(machine);
    expect(probe.readRunEnd().reason).toBe(EXIT_REASON.NONE);
    const control = ControlBlock.at(machine.bytes, machine.plan.control);
    control.exitReason.store(EXIT_REASON.POWER_OFF);
    control.exitCode.store(3);
    control.exitHart.store(-1);
    expect(probe.readRunEnd()).toEqual({ reason: EXIT_REASON.POWER_OFF, code: 3, hart: -1 });
  });

  it('hands out private memory: later counts do not change a sample, nor the reverse', () => {
    const counters = HartBlock.at(machine.bytes, hartBase(machine.plan, 0)).counters;
    counters[0] = 1;
    const sample = createProbe(machine).readHarts()[0];
    expect(sample?.counters.buffer).not.toBe(machine.bytes);
    counters[0] = 2;
    expect(sample?.counters[0]).toBe(1);
  });

  it('reuses its samples, so that looking often makes no garbage', () => {
    const probe = createProbe(machine);
    const first = probe.readHarts();
    const [hart] = first;
    expect(probe.readHarts()).toBe(first);
    expect(probe.readHarts()[0]).toBe(hart);
  });

  it('leaves every byte of the machine as it was', () => {
    const bytes = new Uint8Array(machine.bytes);
    // Noise, so that a store of any constant would show.
    let seed = 1;
    const words = new Uint32Array(machine.bytes, 0, machine.plan.ram >> 2);
    for (let i = 0; i < words.length; i++) words[i] = seed = (seed * 1664525 + 1013904223) >>> 0;
    const digest = (): string => createHash('sha256').update(bytes).digest('hex');
    const before = digest();
    const probe = createProbe(machine);
    for (let look = 0; look < 100; look++) {
      probe.readHarts();
      probe.readRunEnd();
    }
    expect(digest()).toBe(before);
    // The digest does see a single bit.
    bytes[hartBase(machine.plan, 1)] = (bytes[hartBase(machine.plan, 1)] as number) ^ 1;
    expect(digest()).not.toBe(before);
  });
});
