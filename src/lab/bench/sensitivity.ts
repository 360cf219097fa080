/**
 * Does the conclusion survive the prices? Two answers: for each pair of neighbours in a row's order, whether
 * it holds at every choice of prices within their ranges, and if not, at which single price it turns; and
 * for each mechanism, how far every single price moves its overhead.
 */
import type { MechanismName } from '../../policy/contexts.ts';
import {
  alwaysCostsMore,
  crossover,
  cyclesAt,
  PARAMETERS,
  pricesOf,
  type Counts,
  type ParameterName,
  type Preset,
  type Prices,
} from '../cost-model.ts';
import { byName, hartCountsOf, mechanismsOf, type Row } from './rows.ts';

/** A pair of neighbours in the order of a row. */
export interface Pair {
  readonly dearer: MechanismName;
  readonly cheaper: MechanismName;
  /** By all prices within their ranges. */
  readonly isCertain: boolean;
  /** Not a tie at the default prices. */
  readonly differs: boolean;
  /** Single prices at which the two cost the same, all others at their defaults, within their ranges. */
  readonly turns: readonly { readonly parameter: ParameterName; readonly at: number }[];
}

export interface Order {
  readonly name: string;
  readonly harts: number;
  /** From the one that costs most. */
  readonly pairs: readonly Pair[];
}

/** Costs that differ by less than this share are called equal. */
const TIE = 0.005;

export function ordersOf(rows: readonly Row[], preset: Preset): Order[] {
  const orders: Order[] = [];
  for (const harts of hartCountsOf(rows)) {
    for (const [name, group] of byName(rows.filter((row) => row.harts === harts))) {
      const sorted = group.toSorted((a, b) => b.cycles - a.cycles);
      const pairs = sorted.slice(1).map((cheaper, n) => pairOf(sorted[n] as Row, cheaper, preset));
      orders.push({ name, harts, pairs });
    }
  }
  return orders;
}

function pairOf(dearer: Row, cheaper: Row, preset: Preset): Pair {
  const [a, b] = [perRepetition(dearer), perRepetition(cheaper)];
  const isCertain = alwaysCostsMore(a, b, preset);
  return {
    dearer: dearer.mechanism,
    cheaper: cheaper.mechanism,
    isCertain,
    differs: dearer.cycles > cheaper.cycles * (1 + TIE),
    turns: isCertain
      ? []
      : PARAMETERS.flatMap((parameter) => {
          const at = crossover(a, b, parameter, preset);
          const { low, high } = preset.parameters[parameter];
          return at !== undefined && at >= low && at <= high ? [{ parameter, at }] : [];
        }),
  };
}

function perRepetition(row: Row): Counts {
  return Object.fromEntries(
    Object.entries(row.counts).map(([name, count]) => [name, count / row.repetitions]),
  ) as unknown as Counts;
}

/** What one price does to the mean overhead of a mechanism. */
export interface Swing {
  readonly parameter: ParameterName;
  /** Geometric mean of the overheads with this price alone at its low and its high end. */
  readonly atLow: number;
  readonly atHigh: number;
}

export interface Tornado {
  readonly mechanism: MechanismName;
  readonly harts: number;
  readonly mean: number;
  /** Widest first; prices that move nothing are left out. */
  readonly swings: readonly Swing[];
}

/** Empty if `none` was not measured. */
export function tornadosOf(rows: readonly Row[], preset: Preset): Tornado[] {
  const defaults = pricesOf(preset, 'default');
  const tornados: Tornado[] = [];
  for (const harts of hartCountsOf(rows)) {
    for (const mechanism of mechanismsOf(rows)) {
      const pairs = pairsWithNone(rows, mechanism, harts);
      if (mechanism === 'none' || pairs.length === 0) continue;
      const mean = (prices: Prices): number =>
        Math.exp(
          pairs.reduce(
            (sum, [a, b]) => sum + Math.log(cyclesAt(a, prices) / cyclesAt(b, prices)),
            0,
          ) / pairs.length,
        );
      const swings = PARAMETERS.map((parameter) => ({
        parameter,
        atLow: mean({ ...defaults, [parameter]: preset.parameters[parameter].low }),
        atHigh: mean({ ...defaults, [parameter]: preset.parameters[parameter].high }),
      }))
        .filter((swing) => width(swing) > 1e-4)
        .toSorted((a, b) => width(b) - width(a));
      tornados.push({ mechanism, harts, mean: mean(defaults), swings });
    }
  }
  return tornados;
}

const width = ({ atLow, atHigh }: Swing): number => Math.abs(atHigh - atLow);

function pairsWithNone(
  rows: readonly Row[],
  mechanism: MechanismName,
  harts: number,
): [Counts, Counts][] {
  const ofHarts = rows.filter((row) => row.harts === harts);
  return ofHarts.flatMap((row): [Counts, Counts][] => {
    const base = ofHarts.find(({ name, mechanism: m }) => name === row.name && m === 'none');
    return row.mechanism !== mechanism || base === undefined
      ? []
      : [[perRepetition(row), perRepetition(base)]];
  });
}
