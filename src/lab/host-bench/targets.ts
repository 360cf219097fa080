/** What we want to reach, as ratios of Cordon's time to QEMU's, and whether a report does. */
import type { HostReport } from './report.ts';

export interface Target {
  readonly name: string;
  /** Above this it is a defect. */
  readonly most: number;
  readonly reach: number;
  readonly then: number;
  /** The report's number; null if it has none. */
  readonly of: (report: HostReport) => number | null;
}

const mean =
  (group: string, harts: number) =>
  ({ means }: HostReport): number | null =>
    means.find((each) => each.group === group && each.harts === harts)?.ratio ?? null;

const row =
  (name: string) =>
  ({ rows }: HostReport): number | null =>
    rows.find((each) => each.name === name && each.harts === 1)?.ratio ?? null;

export const TARGETS: readonly Target[] = [
  { name: 'integer rows, 1 hart', most: 1, reach: 0.75, then: 0.5, of: mean('integer', 1) },
  { name: 'integer rows, 2 harts', most: 1.2, reach: 0.85, then: 0.6, of: mean('integer', 2) },
  { name: 'Linux to its shell, 1 hart', most: 1.5, reach: 1, then: 0.7, of: row('linux-boot') },
  { name: 'trap from S to M and back', most: 1.5, reach: 1, then: 0.5, of: row('trap') },
];

/** How much two harts should do in the time of one. */
export const SCALING_TARGET = 1.8;

export function verdict({ most, reach, then, of }: Target, report: HostReport): string {
  const ratio = of(report);
  if (ratio === null) return 'not measured';
  if (ratio <= then) return 'more than reached';
  if (ratio <= reach) return 'reached';
  return ratio <= most ? 'not yet' : 'missed';
}
