import { beforeAll, describe, expect, it } from 'vitest';
import { cyclesAt, pricesOf, readPreset, type Counts } from '../../../src/lab/cost-model.ts';
import { Session } from '../../../src/lab/session.ts';
import { COUNTERS, type Counter } from '../../../src/machine/core/hart-block.ts';
import { CHARGE } from '../../../src/nested-kernel/charges.ts';
import { program } from '../../cpu-worker/assembler.ts';
import { GUEST_INSTRUCTIONS, referenceGate } from './reference-gate.ts';

const CALLS = 100;

async function execute(calls: number): Promise<Counts> {
  const session = new Session({
    harts: 1,
    ramBytes: 16 << 20,
    image: program(referenceGate(calls)),
    mode: { kind: 'deterministic', seed: '0' },
    seconds: 10,
  });
  const { exit } = await session.start().done;
  if (exit.reason !== 'power-off' || exit.code !== 0)
    throw new Error(`the reference went wrong: ${JSON.stringify(exit)}`);
  const read = session.counters(0);
  return Object.fromEntries(COUNTERS.map((name) => [name, read(name)])) as unknown as Counts;
}

describe('the charge for a gate, there and back', () => {
  /** The reference's handler, per call. */
  let instructions = 0;
  let perCall: (name: Counter) => number;
  beforeAll(async () => {
    const [some, more] = [await execute(CALLS), await execute(2 * CALLS)];
    perCall = (name) => (more[name] - some[name]) / CALLS;
    instructions = perCall('instructions') - GUEST_INSTRUCTIONS;
  });

  it('is for the same traps and writes of satp as the reference', () => {
    expect([perCall('traps'), perCall('satpWrites')]).toEqual([2, 2]);
  });

  const charged = CHARGE.GATE_ENTER + CHARGE.GATE_LEAVE;

  it('is what the reference in guest code executes beyond saving, restoring and dispatch', () => {
    // Per trap: 31 stores and 31 loads, mscratch twice, three to tell what kind of trap it is, mret.
    const entry = 31 + 31 + 2 + 3 + 1;
    expect(charged).toBe(instructions - 2 * entry);
  });

  it.each([
    ['in-order', 0.8, 1.25],
    // A monitor call there is priced by published calls of a nested kernel, which include more.
    ['out-of-order', 0.8, 1.5],
    ['x86-like', 0.8, 1.5],
  ])('under the %s prices is near the cost of executing the reference', (name, least, most) => {
    const file = new URL(`../../../bench/presets/${name}.toml`, import.meta.url).pathname;
    const prices = pricesOf(readPreset(file), 'default');
    const counts = (some: Partial<Counts>): Counts =>
      Object.fromEntries(COUNTERS.map((each) => [each, some[each] ?? 0])) as unknown as Counts;
    const asCharged = cyclesAt(
      counts({ traps: 2, monitorCalls: 2, monitorOps: charged, satpWrites: 2 }),
      prices,
    );
    const asExecuted = cyclesAt(counts({ traps: 2, instructions, satpWrites: 2 }), prices);
    expect(asCharged / asExecuted).toBeGreaterThan(least);
    expect(asCharged / asExecuted).toBeLessThan(most);
  });
});
