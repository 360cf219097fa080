/**
 * What the guest says on its console: a line for each row there is, and one for each hart and round that ran.
 *
 *     has integer sieve
 *     row integer sieve hart=0 round=1 ticks=1234 count=8 check=656200
 */
import { TIMEBASE_HZ } from '../../machine/physical-map.ts';
import { HostBenchError } from './error.ts';

export interface Round {
  readonly group: string;
  readonly name: string;
  /** Of the slowest hart. */
  readonly seconds: number;
  /** Operations of each hart. */
  readonly count: number;
  /** One of each hart; decimal, since they have 64 bits. */
  readonly checks: readonly string[];
}

export interface GuestRun {
  /** Names of all rows that the guest knows. */
  readonly known: readonly string[];
  /** By row, in the order in which they ran. */
  readonly rounds: ReadonlyMap<string, readonly Round[]>;
}

interface Line {
  readonly group: string;
  readonly name: string;
  readonly hart: number;
  readonly round: number;
  readonly seconds: number;
  readonly count: number;
  readonly check: string;
}

const ROW = /^row (\S+) (\S+) hart=(\d+) round=(\d+) ticks=(\d+) count=(\d+) check=(\d+)$/;

function readLine(text: string): Line | undefined {
  const [, group = '', name = '', hart, round, ticks, count, check = ''] = ROW.exec(text) ?? [];
  if (group === '') return undefined;
  return {
    group,
    name,
    hart: Number(hart),
    round: Number(round),
    seconds: Number(ticks) / TIMEBASE_HZ,
    count: Number(count),
    check,
  };
}

/** @throws HostBenchError if the guest stopped early, or a row lacks a hart or a round */
export function readGuestRun(
  text: string,
  { harts, rounds }: { readonly harts: number; readonly rounds: number },
): GuestRun {
  const lines = text.split(/\r?\n/);
  const trouble = lines.find((line) => line.startsWith('panic '));
  if (trouble !== undefined) throw new HostBenchError(`the guest failed: ${trouble}`);
  const known = lines.flatMap((line) => /^has \S+ (\S+)$/.exec(line)?.[1] ?? []);
  if (known.length === 0)
    throw new HostBenchError(`the guest said nothing of its rows; it said: ${text.slice(-200)}`);
  const byRow = Map.groupBy(
    lines.flatMap((line) => readLine(line) ?? []),
    ({ name }) => name,
  );
  return {
    known,
    rounds: new Map(
      [...byRow].map(([name, all]) => [
        name,
        Array.from({ length: rounds }, (_, round) => roundOf(all, name, round, harts)),
      ]),
    ),
  };
}

function roundOf(lines: readonly Line[], name: string, round: number, harts: number): Round {
  const mine = lines.filter((line) => line.round === round).toSorted((a, b) => a.hart - b.hart);
  const [first] = mine;
  if (first === undefined || mine.length !== harts)
    throw new HostBenchError(`row ${name}: round ${round} has ${mine.length} of ${harts} harts`);
  return {
    group: first.group,
    name,
    seconds: Math.max(...mine.map(({ seconds }) => seconds)),
    count: first.count,
    checks: mine.map(({ check }) => check),
  };
}
