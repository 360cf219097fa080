import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import fc from 'fast-check';
import {
  alwaysCostsMore,
  crossover,
  cycles,
  cyclesAt,
  difference,
  PARAMETERS,
  parsePreset,
  parts,
  PresetError,
  pricesOf,
  ratio,
  readPreset,
  type Counts,
  type Preset,
  type Prices,
} from '../../../src/lab/cost-model.ts';
import { COUNTERS } from '../../../src/machine/core/hart-block.ts';

const PRESETS = ['in-order', 'out-of-order', 'x86-like'];
const fileOf = (name: string): string =>
  new URL(`../../../bench/presets/${name}.toml`, import.meta.url).pathname;
const inOrder: Preset = readPreset(fileOf('in-order'));

const counts = (some: Partial<Counts>): Counts =>
  Object.fromEntries(COUNTERS.map((name) => [name, some[name] ?? 0])) as unknown as Counts;

const price = (name: (typeof PARAMETERS)[number]): number => inOrder.parameters[name].default;

const anyCounts = fc
  .array(fc.nat(10_000), { minLength: COUNTERS.length, maxLength: COUNTERS.length })
  .map((values) => {
    const drawn = Object.fromEntries(COUNTERS.map((name, n) => [name, values[n] as number]));
    // No more monitor calls than traps, as on every hart; and something was executed.
    return counts({
      ...drawn,
      traps: (drawn['traps'] as number) + (drawn['monitorCalls'] as number),
      instructions: (drawn['instructions'] as number) + 1,
    });
  });
const anyPrices = fc
  .array(fc.double({ min: 0, max: 1, noNaN: true }), {
    minLength: PARAMETERS.length,
    maxLength: PARAMETERS.length,
  })
  .map(
    (shares) =>
      Object.fromEntries(
        PARAMETERS.map((name, n) => {
          const { low, high } = inOrder.parameters[name];
          return [name, low + (shares[n] as number) * (high - low)];
        }),
      ) as unknown as Prices,
  );

describe('cycles', () => {
  it('charges a trap once: to the monitor if it took it, else to the kernel', () => {
    const toKernel = cycles(counts({ traps: 5 }), inOrder).default;
    const toMonitor = cycles(counts({ traps: 5, monitorCalls: 5 }), inOrder).default;
    expect(toKernel).toBe(5 * price('trap'));
    expect(toMonitor).toBe(5 * price('monitorCall'));
  });

  it('charges copies by words of eight bytes', () => {
    expect(cycles(counts({ bytesCopied: 64 }), inOrder).default).toBe(8 * price('copyWord'));
  });

  it('charges a hart that serves the fence of another for its trap into the monitor', () => {
    const cost = cycles(counts({ shootdownsServed: 1, fencesPage: 1 }), inOrder).default;
    expect(cost).toBe(price('monitorCall') + price('fencePage'));
  });

  it('charges nothing for waiting', () => {
    expect(cycles(counts({ wfi: 1000 }), inOrder).high).toBe(0);
  });

  it('are linear: counts that add up cost what the two cost', () => {
    fc.assert(
      fc.property(anyCounts, anyCounts, anyPrices, (a, b, prices) => {
        const both = difference(a, difference(counts({}), b));
        expect(cyclesAt(both, prices)).toBeCloseTo(cyclesAt(a, prices) + cyclesAt(b, prices), 3);
      }),
    );
  });

  it('are the sum of their parts, so that every price belongs to one', () => {
    fc.assert(
      fc.property(anyCounts, (a) => {
        const sum = Object.values(parts(a, inOrder)).reduce((all, part) => all + part, 0);
        expect(sum).toBeCloseTo(cycles(a, inOrder).default, 3);
      }),
    );
  });
});

describe('a range over all prices', () => {
  it('holds the ratio at any choice of prices', () => {
    fc.assert(
      fc.property(anyCounts, anyCounts, anyPrices, (a, b, prices) => {
        const { low, high } = ratio(a, b, inOrder);
        const here = cyclesAt(a, prices) / cyclesAt(b, prices);
        expect(here).toBeGreaterThanOrEqual(low * (1 - 1e-9));
        expect(here).toBeLessThanOrEqual(high * (1 + 1e-9));
      }),
    );
  });

  it('is no wider than some choice of prices reaches', () => {
    // With one price apart from the instructions, the extremes are at that price's ends.
    const a = counts({ instructions: 100, satpWrites: 10 });
    const b = counts({ instructions: 100 });
    const { satpWrite, cpi } = inOrder.parameters;
    expect(ratio(a, b, inOrder).low).toBeCloseTo(1 + (10 * satpWrite.low) / (100 * cpi.high), 9);
    expect(ratio(a, b, inOrder).high).toBeCloseTo(1 + (10 * satpWrite.high) / (100 * cpi.low), 9);
  });

  it('calls an order certain only if no choice of prices turns it', () => {
    const dear = counts({ instructions: 10, satpWrites: 1 });
    const cheap = counts({ instructions: 10, keyWrites: 1 });
    // satp 5 to 60, keys 1 to 10: they overlap.
    expect(alwaysCostsMore(dear, cheap, inOrder)).toBe(false);
    expect(alwaysCostsMore(counts({ ...dear, satpWrites: 3 }), cheap, inOrder)).toBe(true);
    fc.assert(
      fc.property(anyCounts, anyCounts, anyPrices, (a, b, prices) => {
        const isCertain = alwaysCostsMore(a, b, inOrder);
        expect(isCertain && cyclesAt(a, prices) <= cyclesAt(b, prices)).toBe(false);
      }),
    );
  });
});

describe('a crossover', () => {
  it('is the price at which both cost the same', () => {
    const a = counts({ instructions: 100, satpWrites: 2 });
    const b = counts({ instructions: 100, keyWrites: 2 });
    const at = crossover(a, b, 'keyWrite', inOrder) as number;
    const prices = { ...pricesOf(inOrder, 'default'), keyWrite: at };
    expect(at).toBe(price('satpWrite'));
    expect(cyclesAt(a, prices)).toBeCloseTo(cyclesAt(b, prices), 9);
  });

  it('does not exist where the price is paid equally often, or would have to be negative', () => {
    const a = counts({ instructions: 100, satpWrites: 2 });
    expect(crossover(a, counts({ instructions: 50, satpWrites: 2 }), 'satpWrite', inOrder)).toBe(
      undefined,
    );
    expect(crossover(a, counts({ instructions: 50 }), 'satpWrite', inOrder)).toBe(undefined);
  });
});

describe('a preset', () => {
  it.each(PRESETS)('%s names every price and says where it is from', (name) => {
    const preset = readPreset(fileOf(name));
    expect(preset.name).toBe(name);
    expect(Object.keys(preset.parameters).toSorted()).toEqual([...PARAMETERS].toSorted());
    for (const { source } of Object.values(preset.parameters)) expect(source).not.toBe('');
  });

  const text = readFileSync(fileOf('in-order'), 'utf8');
  it.each([
    ['a missing price', text.replace(/^cpi .*$/m, ''), /parameters\.cpi/],
    ['an unknown price', `${text}\nspeed = 3\n`, /parameters\.speed/],
    ['values out of order', text.replace('low = 30,', 'low = 90,'), /parameters\.trap: order/],
    ['an unknown grade', text.replace('grade = "C"', 'grade = "E"'), /grade: give a grade/],
    ['a TLB that the model cannot have', text.replace('= 512', '= 500'), /l2Entries: .*power/],
    ['broken TOML', `${text}\n[`, /p\.toml/],
  ])('with %s is refused with the place', (_what, broken, message) => {
    expect(() => parsePreset(broken, 'p.toml')).toThrow(PresetError);
    expect(() => parsePreset(broken, 'p.toml')).toThrow(message);
  });
});
