/** What one run of the benchmark came to, and the same as a table. */
import {
  geometricMean,
  meansOf,
  scalingOf,
  type GroupMean,
  type HostRow,
  type Scaling,
} from './compare.ts';

export interface HostFacts {
  readonly cpu: string;
  readonly cores: number;
  readonly system: string;
  /** Runnable processes of the last minute when the run began; a quiet machine has less than one. */
  readonly loadAverage: number;
}

export interface HostReport {
  /** ISO 8601, UTC. */
  readonly date: string;
  /** Null outside a repository; ends with `+` if files were changed since. */
  readonly commit: string | null;
  readonly host: HostFacts;
  readonly versions: { readonly node: string; readonly v8: string; readonly qemu: string | null };
  /** Whether Cordon translated hot code. */
  readonly jit: boolean;
  readonly repeat: number;
  readonly rounds: number;
  readonly scalePercent: number;
  readonly rows: readonly HostRow[];
  readonly means: readonly GroupMean[];
  readonly scaling: readonly Scaling[];
  /** Of the integer rows on one hart, the number that stands for all; null without QEMU. */
  readonly geomean: number | null;
}

export const HEADLINE = { group: 'integer', harts: 1 } as const;

export function summarized(
  facts: Omit<HostReport, 'rows' | 'means' | 'scaling' | 'geomean'>,
  rows: readonly HostRow[],
): HostReport {
  const means = meansOf(rows);
  const headline = means.find(
    ({ group, harts }) => group === HEADLINE.group && harts === HEADLINE.harts,
  );
  return { ...facts, rows, means, scaling: scalingOf(rows), geomean: headline?.ratio ?? null };
}

export function renderHostReport(report: HostReport): string {
  const { host, versions, commit } = report;
  const head = [
    `Cordon ${commit ?? ''}${report.jit ? '' : ' without its JIT'} on Node ${versions.node} against ${versions.qemu === null ? 'nothing: QEMU is not installed or not wanted, so there are no ratios' : `QEMU ${versions.qemu}`}`,
    `${host.cpu}, ${host.cores} cores, load ${host.loadAverage.toFixed(1)}; ${report.repeat} repetitions of ${report.rounds} rounds. Below 1, Cordon is faster.`,
  ];
  const parts = [head.join('\n'), rowTable(report.rows)];
  if (report.means.length > 0) parts.push(meanTable(report.means));
  if (report.scaling.length > 0) parts.push(scalingTable(report.scaling));
  return `${parts.join('\n\n')}\n`;
}

function rowTable(rows: readonly HostRow[]): string {
  const heads = [
    '',
    'harts',
    'Cordon',
    'QEMU',
    'ratio',
    'of least',
    'cold',
    'Cordon, each',
    'QEMU, each',
  ];
  const lines = rows.map((row) => [
    row.name,
    String(row.harts),
    seconds(row.cordonSeconds),
    seconds(row.qemuSeconds),
    ratio(row.ratio),
    ratio(row.leastRatio),
    ratio(row.coldRatio),
    each(row.cordonSeconds, row.count),
    each(row.qemuSeconds, row.count),
  ]);
  return aligned([heads, ...lines]);
}

function meanTable(means: readonly GroupMean[]): string {
  const lines = means.map(({ group, harts, rows, ...of }) => [
    `${group}, ${rows} rows`,
    String(harts),
    ratio(of.ratio),
    ratio(of.leastRatio),
    ratio(of.coldRatio),
  ]);
  return aligned([['geometric mean', 'harts', 'ratio', 'of least', 'cold'], ...lines]);
}

function scalingTable(scaling: readonly Scaling[]): string {
  const lines = scaling.map(({ name, harts, cordon, qemu }) => [
    name,
    String(harts),
    times(cordon),
    times(qemu),
  ]);
  const groups = Map.groupBy(scaling, ({ harts }) => harts);
  for (const [harts, members] of groups) {
    const mean = (of: 'cordon' | 'qemu'): number | null => {
      const known = members.flatMap((member) => member[of] ?? []);
      return known.length === 0 ? null : geometricMean(known);
    };
    lines.push(['geometric mean', String(harts), times(mean('cordon')), times(mean('qemu'))]);
  }
  return aligned([['work in the time of one hart', 'harts', 'Cordon', 'QEMU'], ...lines]);
}

const NOTHING = '-';
const ratio = (value: number | null): string => (value === null ? NOTHING : value.toFixed(2));
const times = (value: number | null): string => (value === null ? NOTHING : `${value.toFixed(2)}x`);
const seconds = (value: number | null): string =>
  value === null ? NOTHING : `${value.toFixed(4)} s`;

function each(value: number | null, count: number): string {
  if (value === null) return NOTHING;
  const ns = (value / count) * 1e9;
  if (ns >= 1e9) return `${(ns / 1e9).toFixed(1)} s`;
  return ns >= 10_000 ? `${(ns / 1000).toFixed(1)} us` : `${ns.toFixed(1)} ns`;
}

/** The first column to the left, the others to the right. */
function aligned(lines: readonly (readonly string[])[]): string {
  const widths = (lines[0] as readonly string[]).map((_, column) =>
    Math.max(...lines.map((cells) => (cells[column] as string).length)),
  );
  return lines
    .map((cells) =>
      cells
        .map((cell, column) =>
          column === 0 ? cell.padEnd(widths[0] as number) : cell.padStart(widths[column] as number),
        )
        .join('  '),
    )
    .join('\n');
}
