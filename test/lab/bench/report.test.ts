import { describe, expect, it } from 'vitest';
import { parseHTML } from 'linkedom';
import { renderChart } from '../../../src/lab/bench/chart.ts';
import type { Measurement } from '../../../src/lab/bench/measure.ts';
import { renderReport, type Report } from '../../../src/lab/bench/report.ts';
import { csv, rowsOf } from '../../../src/lab/bench/rows.ts';
import { ordersOf, tornadosOf } from '../../../src/lab/bench/sensitivity.ts';
import { readPreset, type Counts } from '../../../src/lab/cost-model.ts';
import { COUNTERS } from '../../../src/machine/core/hart-block.ts';
import type { MechanismName } from '../../../src/policy/contexts.ts';

const preset = readPreset(
  new URL('../../../bench/presets/in-order.toml', import.meta.url).pathname,
);
const run = { name: 'gate, "null"', program: 'lat_gate', arguments: ['$N'], repetitions: 10 };
const plain = { name: 'plain', program: 'lat_syscall', arguments: ['$N'], repetitions: 10 };

const measured = (
  what: typeof run,
  mechanism: MechanismName,
  some: Partial<Counts>,
): Measurement => ({
  run: what,
  mechanism,
  harts: 1,
  repetitions: 10,
  counts: Object.fromEntries(COUNTERS.map((name) => [name, some[name] ?? 0])) as unknown as Counts,
});

/** Ten gates; under asid each writes satp twice, under pkey the keys. */
const gates = { instructions: 200, traps: 20, monitorCalls: 20, gates: 10, monitorOps: 2000 };
const measurements = [
  measured(run, 'none', { instructions: 300 }),
  measured(plain, 'none', { instructions: 1000 }),
  measured(run, 'vbit', { ...gates, satpWrites: 20, fencesPage: 2000, pteWrites: 2000 }),
  measured(plain, 'vbit', { instructions: 1001 }),
  measured(run, 'asid', { ...gates, satpWrites: 20 }),
  measured(plain, 'asid', { instructions: 1001 }),
  measured(run, 'pkey', { ...gates, keyWrites: 20 }),
  measured(plain, 'pkey', { instructions: 1001 }),
];
const rows = rowsOf(measurements, preset);
const report: Report = { title: 'T & Co', seed: '0', preset, rows };

describe('rows', () => {
  it('are per repetition', () => {
    const asid = rows.find(({ name, mechanism }) => name === run.name && mechanism === 'asid');
    expect(asid).toMatchObject({ instructions: 20, gates: 1, traps: 2 });
  });

  it('have an overhead of 1 without separation, and none where that was not measured', () => {
    expect(rows[0]?.overhead).toBe(1);
    const alone = rowsOf([measurements[4] as Measurement], preset);
    expect(alone[0]?.overhead).toBe(null);
    expect(renderReport({ ...report, rows: alone })).not.toContain('relative');
  });

  it('explain the whole difference to none', () => {
    for (const row of rows) {
      const base = rows.find(({ name, mechanism }) => name === row.name && mechanism === 'none');
      const added = Object.values(row.added ?? {}).reduce((sum, part) => sum + part, 0);
      expect(added).toBeCloseTo(row.cycles - (base?.cycles ?? NaN), 6);
    }
  });

  it('become a table with commas that quotes what it must', () => {
    const [head, first] = csv(rows).split('\n');
    expect(head).toMatch(/^name,mechanism,harts,/);
    expect(first).toMatch(/^"gate, ""null""",none,1,10,42,/);
  });
});

describe('the order of the mechanisms', () => {
  const [gate, null_] = ordersOf(rows, preset);

  it('says which pairs hold for all prices and which do not', () => {
    expect(gate?.pairs).toMatchObject([
      { dearer: 'vbit', cheaper: 'asid', isCertain: true },
      { dearer: 'asid', cheaper: 'pkey', isCertain: false },
      { dearer: 'pkey', cheaper: 'none', isCertain: true },
    ]);
  });

  it('calls costs equal that differ by less than half a per cent', () => {
    expect(null_?.pairs.every(({ differs }) => !differs)).toBe(true);
    expect(renderReport(report)).toMatch(/plain +vbit = asid = pkey = none\n/);
  });

  it('is shown with a question mark where the prices decide', () => {
    expect(renderReport(report)).toMatch(/gate, "null" +vbit > asid >\? pkey > none/);
  });
});

describe('a tornado', () => {
  it('begins with the price that moves the mean most', () => {
    const vbit = tornadosOf(rows, preset).find(({ mechanism }) => mechanism === 'vbit');
    expect(vbit?.swings[0]?.parameter).toBe('fencePage');
    const parameters = tornadosOf(rows, preset)
      .find(({ mechanism }) => mechanism === 'asid')
      ?.swings.map(({ parameter }) => parameter);
    expect(parameters).not.toContain('keyWrite');
  });
});

describe('the chart', () => {
  it('is well-formed, with a bar for every row but those of none', () => {
    const svg = renderChart(report);
    const { document } = parseHTML(svg);
    expect(document.querySelectorAll('g > rect').length).toBe(6);
    expect(document.querySelector('title')?.textContent).toContain('T & Co');
    expect(svg).not.toMatch(/NaN|undefined|Infinity/);
  });

  it('shows cycles where there is nothing to compare with', () => {
    const alone = rows.filter(({ mechanism }) => mechanism === 'asid');
    const svg = renderChart({ ...report, rows: alone.map((row) => ({ ...row, overhead: null })) });
    expect(svg).not.toMatch(/NaN|undefined|Infinity/);
  });
});
