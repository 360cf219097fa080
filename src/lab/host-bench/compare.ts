/**
 * From rounds to ratios. A repetition is one boot of each machine; its first round is cold, the median of the others
 * is warm. Ratios are made within a repetition, where both machines saw about the same host, and then the median of
 * them is taken. Below 1, Cordon is faster.
 */
import { HostBenchError } from './error.ts';
import type { GuestRun, Round } from './guest-output.ts';

/** One boot of each machine, one right after the other. */
export interface Repetition {
  readonly cordon: GuestRun;
  readonly qemu?: GuestRun;
}

export interface HostRow {
  readonly group: string;
  readonly name: string;
  readonly harts: number;
  /** Operations of each hart and round. */
  readonly count: number;
  /** Warm: medians over the repetitions. Null where the machine lacks what the row needs. */
  readonly cordonSeconds: number | null;
  readonly qemuSeconds: number | null;
  /** Median over the repetitions of Cordon's warm time by QEMU's. */
  readonly ratio: number | null;
  /** The least warm time of Cordon by the least of QEMU: what neighbours disturb least. */
  readonly leastRatio: number | null;
  readonly cordonColdSeconds: number | null;
  readonly qemuColdSeconds: number | null;
  readonly coldRatio: number | null;
}

export interface GroupMean {
  readonly group: string;
  readonly harts: number;
  readonly rows: number;
  readonly ratio: number;
  readonly leastRatio: number;
  readonly coldRatio: number;
}

/** How much more work several harts do in the time of one; the same work for each hart. */
export interface Scaling {
  readonly name: string;
  readonly harts: number;
  readonly cordon: number | null;
  readonly qemu: number | null;
}

export function median(values: readonly number[]): number {
  if (values.length === 0) throw new RangeError('the median of nothing');
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  const upper = sorted[middle] as number;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] as number) + upper) / 2;
}

export function geometricMean(values: readonly number[]): number {
  return Math.exp(values.reduce((sum, value) => sum + Math.log(value), 0) / values.length);
}

/** A row's times on one machine, an entry for each repetition. */
interface Times {
  readonly warm: readonly number[];
  readonly cold: readonly number[];
  readonly least: number;
}

function timesOf(all: readonly (readonly Round[] | undefined)[]): Times | undefined {
  const ran = all.filter((rounds) => rounds !== undefined);
  if (ran.length === 0) return undefined;
  const warm = ran.map((rounds) =>
    (rounds.length > 1 ? rounds.slice(1) : rounds).map(({ seconds }) => seconds),
  );
  return {
    warm: warm.map(median),
    cold: ran.map((rounds) => (rounds[0] as Round).seconds),
    least: Math.min(...warm.flat()),
  };
}

/** The rows of one number of harts. @throws HostBenchError if two runs computed different things */
export function rowsOf(harts: number, repetitions: readonly Repetition[]): HostRow[] {
  const runs = repetitions.flatMap(({ cordon, qemu }) =>
    qemu === undefined ? [cordon] : [cordon, qemu],
  );
  const names = [...new Set(runs.flatMap(({ rounds }) => [...rounds.keys()]))];
  return names.map((name) => {
    const all = runs.flatMap(({ rounds }) => rounds.get(name) ?? []);
    const first = all[0] as Round;
    for (const { checks } of all) {
      if (checks.join() !== first.checks.join())
        throw new HostBenchError(
          `row ${name} on ${harts} harts: results ${checks.join()} and ${first.checks.join()} differ; ` +
            'one of the machines computes wrongly, so no time means anything',
        );
    }
    const cordon = timesOf(repetitions.map((repetition) => repetition.cordon.rounds.get(name)));
    const qemu = timesOf(repetitions.map((repetition) => repetition.qemu?.rounds.get(name)));
    return { group: first.group, name, harts, count: first.count, ...columnsOf(cordon, qemu) };
  });
}

function columnsOf(
  cordon: Times | undefined,
  qemu: Times | undefined,
): Omit<HostRow, 'group' | 'name' | 'harts' | 'count'> {
  const pairs = (ours: readonly number[], theirs: readonly number[]): number =>
    median(ours.map((seconds, index) => seconds / (theirs[index] as number)));
  const both = cordon !== undefined && qemu !== undefined ? { cordon, qemu } : undefined;
  const middle = (values: readonly number[] | undefined): number | null =>
    values === undefined ? null : median(values);
  return {
    cordonSeconds: middle(cordon?.warm),
    qemuSeconds: middle(qemu?.warm),
    ratio: both === undefined ? null : pairs(both.cordon.warm, both.qemu.warm),
    leastRatio: both === undefined ? null : both.cordon.least / both.qemu.least,
    cordonColdSeconds: middle(cordon?.cold),
    qemuColdSeconds: middle(qemu?.cold),
    coldRatio: both === undefined ? null : pairs(both.cordon.cold, both.qemu.cold),
  };
}

/** Geometric means by group and number of harts, of the rows that have a ratio. */
export function meansOf(rows: readonly HostRow[]): GroupMean[] {
  const groups = Map.groupBy(
    rows.filter(({ ratio }) => ratio !== null),
    ({ group, harts }) => `${group} ${harts}`,
  );
  return [...groups.values()].map((members) => {
    const { group, harts } = members[0] as HostRow;
    const mean = (of: 'ratio' | 'leastRatio' | 'coldRatio'): number =>
      geometricMean(members.map((row) => row[of] as number));
    return {
      group,
      harts,
      rows: members.length,
      ratio: mean('ratio'),
      leastRatio: mean('leastRatio'),
      coldRatio: mean('coldRatio'),
    };
  });
}

/** Of every integer row that ran on one hart and on more: in those each hart does the same work. */
export function scalingOf(rows: readonly HostRow[]): Scaling[] {
  return rows
    .filter(({ group, harts }) => group === 'integer' && harts > 1)
    .flatMap((many) => {
      const one = rows.find(({ name, harts }) => harts === 1 && name === many.name);
      if (one === undefined) return [];
      const speedUp = (of: 'cordonSeconds' | 'qemuSeconds'): number | null => {
        const [alone, together] = [one[of], many[of]];
        return alone === null || together === null ? null : (many.harts * alone) / together;
      };
      const { name, harts } = many;
      return [{ name, harts, cordon: speedUp('cordonSeconds'), qemu: speedUp('qemuSeconds') }];
    });
}
