import { describe, expect, it } from 'vitest';

import {
  geometricMean,
  meansOf,
  median,
  rowsOf,
  scalingOf,
  type HostRow,
  type Repetition,
} from '../../../src/lab/host-bench/compare.ts';
import type { GuestRun } from '../../../src/lab/host-bench/guest-output.ts';
import { readGuestRun } from '../../../src/lab/host-bench/guest-output.ts';
import { renderHostReport, summarized } from '../../../src/lab/host-bench/report.ts';

/** A run of rows with the given rounds, in seconds. */
const ran = (rows: Record<string, readonly number[]>, check = '7'): GuestRun => ({
  known: Object.keys(rows),
  rounds: new Map(
    Object.entries(rows).map(([name, rounds]) => [
      name,
      rounds.map((seconds) => ({ group: 'integer', name, seconds, count: 10, checks: [check] })),
    ]),
  ),
});
const rowNamed = (rows: readonly HostRow[], name: string): HostRow =>
  rows.find((row) => row.name === name) as HostRow;

describe('what the guest prints', () => {
  const text = [
    'has integer sieve',
    'has smp shootdown',
    'row integer sieve hart=0 round=0 ticks=20000000 count=8 check=656200',
    'row integer sieve hart=1 round=0 ticks=30000000 count=8 check=18446744073709551615',
  ].join('\r\n');

  it('is read: the slowest hart is the time of a round, and no digit of a result is lost', () => {
    const { known, rounds } = readGuestRun(text, { harts: 2, rounds: 1 });
    expect(known).toEqual(['sieve', 'shootdown']);
    expect(rounds.get('sieve')).toEqual([
      {
        group: 'integer',
        name: 'sieve',
        seconds: 3,
        count: 8,
        checks: ['656200', '18446744073709551615'],
      },
    ]);
    expect(rounds.has('shootdown')).toBe(false);
  });

  it('is refused when a hart or a round is missing', () => {
    expect(() => readGuestRun(text, { harts: 3, rounds: 1 })).toThrow(/round 0 has 2 of 3 harts/);
    expect(() => readGuestRun(text, { harts: 2, rounds: 2 })).toThrow(/round 1 has 0 of 2 harts/);
  });

  it('is refused when the guest panics or says nothing', () => {
    expect(() => readGuestRun(`${text}\npanic trap 0x2`, { harts: 2, rounds: 1 })).toThrow(
      /panic trap 0x2/,
    );
    expect(() => readGuestRun('', { harts: 1, rounds: 1 })).toThrow(/said nothing/);
  });
});

describe('ratios', () => {
  const repetitions: Repetition[] = [
    { cordon: ran({ sieve: [9, 2, 4] }), qemu: ran({ sieve: [3, 1, 1] }) },
    { cordon: ran({ sieve: [8, 6, 6] }), qemu: ran({ sieve: [4, 6, 6] }) },
    { cordon: ran({ sieve: [8, 4, 4] }), qemu: ran({ sieve: [2, 2, 2] }) },
  ];

  it('are medians of the pairs, not ratios of medians', () => {
    // Warm pairs: 3/1, 6/6, 4/2. Medians by themselves would be 4/2 as well only by chance: 4 and 2.
    const row = rowNamed(rowsOf(1, repetitions), 'sieve');
    expect(row.ratio).toBe(2);
    expect(row.cordonSeconds).toBe(4);
    expect(row.qemuSeconds).toBe(2);
    expect(row.leastRatio).toBe(2 / 1);
    expect(row.coldRatio).toBe(3);
    expect(row.cordonColdSeconds).toBe(8);
  });

  it('take the only round for the warm one as well', () => {
    const row = rowNamed(rowsOf(1, [{ cordon: ran({ a: [3] }), qemu: ran({ a: [6] }) }]), 'a');
    expect([row.ratio, row.coldRatio]).toEqual([0.5, 0.5]);
  });

  it('are null where one machine is missing, or lacks the row', () => {
    expect(rowsOf(1, [{ cordon: ran({ a: [1, 1] }) }])[0]).toMatchObject({
      cordonSeconds: 1,
      qemuSeconds: null,
      ratio: null,
      leastRatio: null,
      coldRatio: null,
    });
    const rows = rowsOf(1, [{ cordon: ran({ a: [1] }), qemu: ran({ a: [1], float: [2] }) }]);
    expect(rowNamed(rows, 'float')).toMatchObject({
      cordonSeconds: null,
      qemuSeconds: 2,
      ratio: null,
    });
    expect(meansOf(rows)).toMatchObject([{ group: 'integer', harts: 1, rows: 1, ratio: 1 }]);
  });

  it('are not made of runs that computed different things', () => {
    const wrong = [{ cordon: ran({ a: [1] }, '8'), qemu: ran({ a: [1] }) }];
    expect(() => rowsOf(1, wrong)).toThrow(/row a on 1 harts: results 7 and 8 differ/);
  });
});

describe('summaries', () => {
  it('the geometric mean treats twice and half alike', () => {
    expect(geometricMean([2, 0.5, 1])).toBeCloseTo(1, 12);
    expect(median([3, 1, 2, 10])).toBe(2.5);
    expect(() => median([])).toThrow(RangeError);
  });

  it('scaling is the work that harts do together in the time of one', () => {
    const one = rowsOf(1, [{ cordon: ran({ a: [2] }), qemu: ran({ a: [1] }) }]);
    const two = rowsOf(2, [{ cordon: ran({ a: [2] }), qemu: ran({ a: [2] }) }]);
    expect(scalingOf([...one, ...two])).toEqual([{ name: 'a', harts: 2, cordon: 2, qemu: 1 }]);
    expect(scalingOf(two)).toEqual([]);
    const boots = [...one, ...two].map((row) => ({ ...row, group: 'boot' }));
    expect(scalingOf(boots)).toEqual([]);
  });

  const facts = {
    date: '2026-01-01T00:00:00.000Z',
    commit: 'abc',
    host: { cpu: 'a cpu', cores: 2, system: 'linux x64', loadAverage: 0 },
    jit: true,
    repeat: 1,
    rounds: 1,
    scalePercent: 100,
  };

  it('the headline is the mean of the integer rows on one hart', () => {
    const rows = rowsOf(1, [{ cordon: ran({ a: [2], b: [8] }), qemu: ran({ a: [1], b: [1] }) }]);
    const report = summarized({ ...facts, versions: { node: '26', v8: '14', qemu: '7.2' } }, rows);
    expect(report.geomean).toBeCloseTo(4, 12);
    expect(renderHostReport(report)).toMatch(/integer, 2 rows +1 +4\.00/);
  });

  it('without QEMU there is no ratio, and the report says why', () => {
    const rows = rowsOf(1, [{ cordon: ran({ a: [2] }) }]);
    const report = summarized({ ...facts, versions: { node: '26', v8: '14', qemu: null } }, rows);
    expect(report.geomean).toBeNull();
    expect(renderHostReport(report)).toContain('QEMU is not installed or not wanted');
    expect(renderHostReport(report)).toMatch(/^a +1 +2\.0000 s +- +- +- +- /m);
  });
});
