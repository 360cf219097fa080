import { parseHTML } from 'linkedom';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';

import { ROOT } from '../../../src/lab/bundled.ts';
import {
  historyChart,
  rowsChart,
  section,
  withSection,
} from '../../../src/lab/host-bench/charts.ts';
import type { HostRow } from '../../../src/lab/host-bench/compare.ts';
import { summarized, type HostReport } from '../../../src/lab/host-bench/report.ts';

const row = (name: string, harts: number, ratio: number | null): HostRow => ({
  group: name === 'trap' ? 'system' : 'integer',
  name,
  harts,
  count: 1,
  cordonSeconds: ratio,
  qemuSeconds: 1,
  ratio,
  leastRatio: ratio,
  cordonColdSeconds: ratio,
  qemuColdSeconds: 1,
  coldRatio: ratio,
});
const report = (rows: readonly HostRow[]): HostReport =>
  summarized(
    {
      date: '2026-01-02T03:04:05.000Z',
      commit: '0123456789ab',
      host: { cpu: 'a cpu', cores: 2, system: 'linux x64', loadAverage: 0.25 },
      versions: { node: '26', v8: '14', qemu: '7.2' },
      jit: true,
      repeat: 3,
      rounds: 4,
      scalePercent: 100,
    },
    rows,
  );
const SAMPLE = report([
  row('sieve', 1, 0.5),
  row('qsort', 1, 2),
  row('sieve', 2, 1.3),
  row('trap', 1, 0.9),
]);

describe('the charts', () => {
  it('are SVG files with a bar for each row that has a ratio', () => {
    const { document } = parseHTML(
      rowsChart(report([row('sieve', 1, 0.5), row('nbody', 1, null)])),
    );
    const svg = document.querySelector('svg');
    expect(svg?.getAttribute('xmlns')).toBe('http://www.w3.org/2000/svg');
    expect(svg?.textContent).toContain('sieve');
    expect(svg?.textContent).not.toContain('nbody');
    expect(document.querySelectorAll('circle')).toHaveLength(1);
  });

  it('have a point for each run and number of harts', () => {
    const { document } = parseHTML(
      historyChart([SAMPLE, { ...SAMPLE, date: '2026-02-02T00:00:00.000Z' }]),
    );
    expect(document.querySelectorAll('circle')).toHaveLength(4);
  });
});

describe('the results on the page', () => {
  const text = section(SAMPLE);

  it('say whether the targets hold', () => {
    expect(text).toContain('| integer rows, 1 hart | 1 | 0.75 | 0.5 | 1.00 | not yet |');
    expect(text).toContain('| integer rows, 2 harts | 1.2 | 0.85 | 0.6 | 1.30 | missed |');
    expect(text).toContain('| trap from S to M and back | 1.5 | 1 | 0.5 | 0.90 | reached |');
    expect(section(report([row('sieve', 1, 0.4)]))).toContain('| 0.40 | more than reached |');
    expect(section(report([row('sieve', 1, null)]))).toContain('|  | not measured |');
  });

  it('go between the markers of the page as it is, and only there', () => {
    const page = readFileSync(join(ROOT, 'docs/host-performance.md'), 'utf8');
    const once = withSection(page, text);
    expect(once).toContain(text);
    expect(withSection(once, text)).toBe(once);
    expect(once.slice(0, page.indexOf('## Results'))).toBe(
      page.slice(0, page.indexOf('## Results')),
    );
    expect(() => withSection('no markers', text)).toThrow(/no place/);
  });
});
