/**
 * Charts and tables of docs/host-performance.md, from bench/history.jsonl: run it as a script after a benchmark.
 */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import * as Plot from '@observablehq/plot';
import { parseHTML } from 'linkedom';

import { ROOT } from '../bundled.ts';
import { geometricMean } from './compare.ts';
import { HISTORY, readHistory } from './history.ts';
import type { HostReport } from './report.ts';
import { SCALING_TARGET, TARGETS, verdict } from './targets.ts';

const PAGE = 'docs/host-performance.md';
const ROWS_CHART = 'docs/charts/host-rows.svg';
const HISTORY_CHART = 'docs/charts/host-history.svg';
const BEGIN = '<!-- host-bench: begin; written by src/lab/host-bench/charts.ts -->';
const END = '<!-- host-bench: end -->';

const INK = '#222222';
const FASTER = '#0072b2';
const SLOWER = '#d55e00';
const STYLE = { fontFamily: 'sans-serif', fontSize: '12px', background: '#ffffff', color: INK };

/** Plot makes an SVG element in whatever document it is given; a file also wants the namespace. */
function svg(options: Plot.PlotOptions): string {
  const { document } = parseHTML('<html><body></body></html>');
  const element = Plot.plot({
    ...options,
    style: STYLE,
    document: document as never,
  });
  element.setAttribute('xmlns', 'http://www.w3.org/2000/svg');
  return `${element.outerHTML}\n`;
}

const hartsText = (harts: number): string => (harts === 1 ? '1 hart' : `${harts} harts`);

/** Ratios row by row, on a scale where twice and half are equally far from 1. */
export function rowsChart({ rows }: HostReport): string {
  const shown = rows
    .filter(({ ratio }) => ratio !== null)
    .map(({ name, harts, ratio, coldRatio }) => ({
      name,
      harts: hartsText(harts),
      ratio,
      coldRatio,
    }));
  const names = [...new Set(shown.map(({ name }) => name))];
  const facets = new Set(shown.map(({ harts }) => harts)).size;
  return svg({
    width: 760,
    height: 70 + 18 * names.length * facets,
    marginLeft: 120,
    marginRight: 70,
    marginBottom: 45,
    x: {
      type: 'log',
      label: 'time relative to QEMU; below 1 Cordon is faster',
      grid: true,
      tickFormat: '~g',
    },
    y: { label: null, domain: names },
    fy: { label: null },
    facet: { data: shown, y: 'harts' },
    marks: [
      Plot.ruleX([1], { stroke: INK }),
      Plot.ruleY(shown, {
        y: 'name',
        x1: 1,
        x2: 'ratio',
        stroke: ({ ratio }: { ratio: number }) => (ratio <= 1 ? FASTER : SLOWER),
        strokeWidth: 6,
      }),
      Plot.dot(shown, { y: 'name', x: 'coldRatio', stroke: INK, r: 3 }),
    ],
  });
}

/** The means of each run of the past, and what they should come to. */
export function historyChart(history: readonly HostReport[]): string {
  const points = history.flatMap(({ date, means }) =>
    means
      .filter(({ group }) => group === 'integer')
      .map(({ harts, ratio }) => ({ date: new Date(date), ratio, harts: hartsText(harts) })),
  );
  const last = points.at(-1)?.date.getTime();
  return svg({
    width: 760,
    height: 320,
    marginLeft: 50,
    x: {
      type: 'point',
      label: 'run',
      tickFormat: (date: Date) => date.toISOString().slice(5, 16).replace('T', ' '),
    },
    y: { type: 'log', label: 'integer rows, time relative to QEMU', grid: true, tickFormat: '~g' },
    color: { domain: [1, 2].map(hartsText), range: [FASTER, SLOWER] },
    marks: [
      Plot.ruleY([1], { stroke: INK }),
      Plot.ruleY([TARGETS[0]?.reach ?? 1], { stroke: FASTER, strokeDasharray: '4,3' }),
      Plot.line(points, { x: 'date', y: 'ratio', stroke: 'harts' }),
      Plot.dot(points, { x: 'date', y: 'ratio', fill: 'harts' }),
      Plot.text(
        points.filter(({ date }) => date.getTime() === last),
        { x: 'date', y: 'ratio', text: 'harts', dy: -10 },
      ),
    ],
  });
}

const cell = (value: number | null): string => (value === null ? '' : value.toFixed(2));

/** The part of the page that is made of numbers. */
export function section(report: HostReport): string {
  const { host, versions, rows, scaling } = report;
  const targets = TARGETS.map((target) => {
    const { name, most, reach, then, of } = target;
    return `| ${name} | ${most} | ${reach} | ${then} | ${cell(of(report))} | ${verdict(target, report)} |`;
  });
  const table = rows.map(
    ({ name, harts, ratio, leastRatio, coldRatio }) =>
      `| ${name} | ${harts} | ${cell(ratio)} | ${cell(leastRatio)} | ${cell(coldRatio)} |`,
  );
  const ours = scaling.flatMap(({ harts, cordon }) =>
    harts === 2 && cordon !== null ? [cordon] : [],
  );
  const theirs = scaling.flatMap(({ harts, qemu }) => (harts === 2 && qemu !== null ? [qemu] : []));
  return [
    `Commit ${report.commit ?? 'unknown'}, ${report.date.slice(0, 10)}: ${host.cpu}, ${host.cores} cores, load ` +
      `${host.loadAverage.toFixed(1)} at the start; Node ${versions.node}, QEMU ${versions.qemu ?? 'none'}; ` +
      `${report.repeat} repetitions of ${report.rounds} rounds.`,
    [
      '| time relative to QEMU | a defect above | to reach | then | measured | |',
      '|---|--:|--:|--:|--:|---|',
      ...targets,
    ].join('\n'),
    ...(ours.length === 0
      ? []
      : [
          `Two harts do ${geometricMean(ours).toFixed(2)} times the work of one in the same time (QEMU's ` +
            `${theirs.length === 0 ? 'unknown' : geometricMean(theirs).toFixed(2)}; at least ${SCALING_TARGET} is wanted).`,
        ]),
    '![Each row relative to QEMU](charts/host-rows.svg)',
    '![The means over time](charts/host-history.svg)',
    ['| row | harts | ratio | of least | cold |', '|---|--:|--:|--:|--:|', ...table].join('\n'),
  ].join('\n\n');
}

/** The page with that part brought up to date. */
export function withSection(page: string, text: string): string {
  const begin = page.indexOf(BEGIN);
  const end = page.indexOf(END);
  if (begin < 0 || end < begin) throw new Error(`${PAGE} has no place for the results`);
  return `${page.slice(0, begin + BEGIN.length)}\n\n${text}\n\n${page.slice(end)}`;
}

function write(path: string, content: string): void {
  mkdirSync(dirname(join(ROOT, path)), { recursive: true });
  writeFileSync(join(ROOT, path), content);
}

if (import.meta.main) {
  const history = readHistory();
  const latest = history.at(-1);
  if (latest === undefined) {
    process.stderr.write(`${HISTORY} has no run yet: npm run bench:host makes one\n`);
    process.exitCode = 1;
  } else {
    write(ROWS_CHART, rowsChart(latest));
    write(HISTORY_CHART, historyChart(history));
    write(PAGE, withSection(readFileSync(join(ROOT, PAGE), 'utf8'), section(latest)));
  }
}
