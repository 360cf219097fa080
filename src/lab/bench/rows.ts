/**
 * From counts to the rows of a report: everything per repetition, priced, and relative to `none`.
 */
import type { MechanismName } from '../../policy/contexts.ts';
import {
  cycles,
  parts,
  ratio,
  type Counts,
  type PartName,
  type Preset,
  type Range,
} from '../cost-model.ts';
import type { Measurement } from './measure.ts';

/** Plain data: `--json` prints it as it is. All but `repetitions`, `harts` and `counts` per repetition. */
export interface Row {
  readonly name: string;
  readonly mechanism: MechanismName;
  readonly harts: number;
  readonly repetitions: number;
  readonly cycles: number;
  /** With every price at the low and at the high end of its range. */
  readonly cyclesLow: number;
  readonly cyclesHigh: number;
  readonly instructions: number;
  readonly gates: number;
  /** Into the kernel and into the monitor. */
  readonly traps: number;
  readonly tlbMisses: number;
  /** Page-table entries that walks have read. */
  readonly walks: number;
  /** Fences that were asked of other harts, by harts asked. */
  readonly shootdowns: number;
  /** Cycles over those of `none` on as many harts; null if `none` was not measured. */
  readonly overhead: number | null;
  /** Extremes of the overhead over all prices within their ranges, the same for both. */
  readonly overheadLow: number | null;
  readonly overheadHigh: number | null;
  /** Cycles more than `none`, by what they are spent on; null as above. */
  readonly added: Readonly<Record<PartName, number>> | null;
  /** Totals over all repetitions and harts, as the machine counted them. */
  readonly counts: Counts;
}

export function rowsOf(measurements: readonly Measurement[], preset: Preset): Row[] {
  return measurements.map((measurement) => {
    const { run, mechanism, harts, repetitions, counts } = measurement;
    const each = (total: number): number => total / repetitions;
    const cost = cycles(counts, preset);
    const base = measurements.find(
      (other) => other.run === run && other.harts === harts && other.mechanism === 'none',
    );
    const overhead: Range | undefined =
      base === undefined ? undefined : overheadOf(measurement, base, preset);
    return {
      name: run.name,
      mechanism,
      harts,
      repetitions,
      cycles: each(cost.default),
      cyclesLow: each(cost.low),
      cyclesHigh: each(cost.high),
      instructions: each(counts.instructions),
      gates: each(counts.gates),
      traps: each(counts.traps + counts.interrupts),
      tlbMisses: each(counts.tlbMisses),
      walks: each(counts.walkLevels),
      shootdowns: each(counts.shootdownTargets),
      overhead: overhead?.default ?? null,
      overheadLow: overhead?.low ?? null,
      overheadHigh: overhead?.high ?? null,
      added: base === undefined ? null : addedTo(base, measurement, preset),
      counts,
    };
  });
}

/** A ratio per repetition: programs round their repetitions up in the same way, but need not. */
function overheadOf(measurement: Measurement, base: Measurement, preset: Preset): Range {
  const { low, default: usual, high } = ratio(measurement.counts, base.counts, preset);
  const scale = base.repetitions / measurement.repetitions;
  return { low: low * scale, default: usual * scale, high: high * scale };
}

function addedTo(
  base: Measurement,
  { counts, repetitions }: Measurement,
  preset: Preset,
): Record<PartName, number> {
  const [mine, its] = [parts(counts, preset), parts(base.counts, preset)];
  return Object.fromEntries(
    Object.entries(mine).map(([name, cost]) => [
      name,
      cost / repetitions - its[name as PartName] / base.repetitions,
    ]),
  ) as Record<PartName, number>;
}

/** Rows by benchmark, in the order of the script. */
export function byName(rows: readonly Row[]): Map<string, Row[]> {
  const groups = new Map<string, Row[]>();
  for (const row of rows) {
    const group = groups.get(row.name);
    if (group === undefined) groups.set(row.name, [row]);
    else group.push(row);
  }
  return groups;
}

/** Mechanisms in the order of their first row. */
export const mechanismsOf = (rows: readonly Row[]): MechanismName[] => [
  ...new Set(rows.map(({ mechanism }) => mechanism)),
];

export const hartCountsOf = (rows: readonly Row[]): number[] => [
  ...new Set(rows.map(({ harts }) => harts)),
];

/** A comma-separated table; the names of its columns are those of `Row`. */
export function csv(rows: readonly Row[]): string {
  const columns = [
    'name',
    'mechanism',
    'harts',
    'repetitions',
    'cycles',
    'cyclesLow',
    'cyclesHigh',
    'instructions',
    'gates',
    'traps',
    'tlbMisses',
    'walks',
    'shootdowns',
    'overhead',
    'overheadLow',
    'overheadHigh',
  ] as const satisfies readonly (keyof Row)[];
  // RFC 4180: a field with a comma or a quote is quoted, its quotes doubled.
  const field = (value: string | number | null): string => {
    const text = value === null ? '' : String(value);
    return /[",\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  };
  const lines = rows.map((row) => columns.map((column) => field(row[column])).join(','));
  return `${[columns.join(','), ...lines].join('\n')}\n`;
}
