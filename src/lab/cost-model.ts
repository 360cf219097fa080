/**
 * Model cycles: a linear function of what was counted.
 *
 * The counters of a hart are facts, the same under every preset with the same TLB; a preset gives each
 * thing counted a price with a low, a default and a high value and says where they come from. Because the
 * function is linear, the ranges of costs, of ratios and of differences over all prices at once are
 * computed exactly: no sampling.
 *
 * Waiting in WFI is not charged: it is no work. Work of several harts adds up.
 */
import { readFileSync } from 'node:fs';
import { parse, TomlError } from 'smol-toml';
import * as v from 'valibot';
import { COUNTERS, type Counter } from '../machine/core/hart-block.ts';
import { MODEL_L1_MAX, MODEL_L2_MAX } from '../machine/core/tlb-model.ts';

/** What was counted, summed over harts; differences between two marks. */
export type Counts = Readonly<Record<Counter, number>>;

interface Term {
  /** What one unit is, for a reader of the report. */
  readonly unit: string;
  /** How many units these counts hold. */
  readonly units: (counts: Counts) => number;
}

/**
 * Every price, and what it is paid for. Each event is paid once: a trap into the monitor is a
 * `monitorCall`, any other a `trap`; the instructions of handlers in the guest are under `cpi`.
 */
export const TERMS = {
  cpi: { unit: 'instruction', units: (c) => c.instructions },
  trap: {
    unit: 'trap into the kernel and xRET',
    units: (c) => c.traps + c.interrupts - c.monitorCalls,
  },
  monitorCall: {
    unit: 'trap into the monitor: registers saved and restored, dispatch, MRET',
    // A fence that another hart asks for interrupts this one into its monitor.
    units: (c) => c.monitorCalls + c.shootdownsServed,
  },
  monitorOp: { unit: "micro-operation of the monitor's checks", units: (c) => c.monitorOps },
  satpWrite: { unit: 'write of satp', units: (c) => c.satpWrites },
  keyWrite: { unit: 'write of the key register', units: (c) => c.keyWrites },
  fencePage: { unit: 'sfence.vma of a page', units: (c) => c.fencesPage },
  fenceAll: { unit: 'sfence.vma of an ASID or of all', units: (c) => c.fencesAll },
  tlbL2Hit: { unit: 'miss of the first TLB that the second has', units: (c) => c.tlbL2Hits },
  walkLevel: { unit: 'page-table entry read by a walk', units: (c) => c.walkLevels },
  pteRead: { unit: 'page-table entry read by the monitor', units: (c) => c.pteReads },
  pteWrite: { unit: 'page-table entry written by the monitor', units: (c) => c.pteWrites },
  copyWord: { unit: '8 bytes copied by the monitor', units: (c) => c.bytesCopied / 8 },
  clearWord: { unit: '8 bytes cleared by the monitor', units: (c) => c.bytesCleared / 8 },
  ipi: {
    unit: 'interrupt to another hart, or shootdown that waits for one',
    units: (c) => c.ipisSent + c.shootdownRounds,
  },
  shootdownTarget: { unit: 'hart asked in a shootdown', units: (c) => c.shootdownTargets },
} as const satisfies Record<string, Term>;

export type ParameterName = keyof typeof TERMS;
export const PARAMETERS = Object.keys(TERMS) as readonly ParameterName[];

/** A: primary measurement. B: secondary source. C: derived. D: set by us, unverified. */
export type Grade = 'A' | 'B' | 'C' | 'D';

export interface Parameter {
  readonly low: number;
  readonly default: number;
  readonly high: number;
  readonly grade: Grade;
  readonly source: string;
}

export interface Preset {
  readonly name: string;
  readonly describes: string;
  readonly tlb: {
    readonly l1Entries: number;
    readonly l2Entries: number;
    readonly grade: Grade;
    readonly source: string;
  };
  readonly parameters: Readonly<Record<ParameterName, Parameter>>;
}

/** A preset that cannot be used; the message names the entry and the fix. */
export class PresetError extends Error {}

// --- files ---

const grade = v.picklist(['A', 'B', 'C', 'D'], 'give a grade: A, B, C or D');
const price = v.pipe(v.number('give a number'), v.finite(), v.minValue(0, 'give 0 or more'));
const parameter = v.pipe(
  v.strictObject({ low: price, default: price, high: price, grade, source: v.string() }),
  v.check(
    (p) => p.low <= p.default && p.default <= p.high,
    'order the values: low, default, high, from small to large',
  ),
);
const isPowerOfTwo = (n: number): boolean => n === 0 || (n & (n - 1)) === 0;
const presetSchema = v.strictObject({
  name: v.string(),
  describes: v.string(),
  tlb: v.strictObject({
    l1Entries: v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(MODEL_L1_MAX)),
    l2Entries: v.pipe(
      v.number(),
      v.integer(),
      v.minValue(0),
      v.maxValue(MODEL_L2_MAX),
      v.check(isPowerOfTwo, 'give a power of two, or 0 for none'),
    ),
    grade,
    source: v.string(),
  }),
  parameters: v.strictObject(
    Object.fromEntries(PARAMETERS.map((name) => [name, parameter])) as Record<
      ParameterName,
      typeof parameter
    >,
  ),
});

/** @throws PresetError */
export function parsePreset(text: string, file: string): Preset {
  let raw: unknown;
  try {
    raw = parse(text);
  } catch (error) {
    if (error instanceof TomlError) throw new PresetError(`${file}: ${error.message.trim()}`);
    throw error;
  }
  const result = v.safeParse(presetSchema, raw);
  if (result.success) return result.output;
  throw new PresetError(result.issues.map((issue) => `${file}: ${explain(issue)}`).join('\n'));
}

/** A valibot issue as `place: what to do`. */
export function explain(issue: v.BaseIssue<unknown>): string {
  const place = v.getDotPath(issue);
  return place === null ? issue.message : `${place}: ${issue.message}`;
}

/** @throws PresetError; the system's error if the file cannot be read */
export const readPreset = (file: string): Preset => parsePreset(readFileSync(file, 'utf8'), file);

// --- counts ---

/** What happened between two looks at the counters. */
export function difference(after: Counts, before: Counts): Counts {
  return Object.fromEntries(
    COUNTERS.map((name) => [name, after[name] - before[name]]),
  ) as unknown as Counts;
}

// --- prices ---

export interface Range {
  readonly low: number;
  readonly default: number;
  readonly high: number;
}

export type Prices = Readonly<Record<ParameterName, number>>;

/** One value for every price. */
export const pricesOf = (preset: Preset, which: keyof Range): Prices =>
  Object.fromEntries(
    PARAMETERS.map((name) => [name, preset.parameters[name][which]]),
  ) as unknown as Prices;

/** Units of every price, in the order of `PARAMETERS`. */
export const unitsOf = (counts: Counts): number[] =>
  PARAMETERS.map((name) => TERMS[name].units(counts));

export const cyclesAt = (counts: Counts, prices: Prices): number =>
  PARAMETERS.reduce((sum, name) => sum + TERMS[name].units(counts) * prices[name], 0);

/** Cycles with all prices low, at their defaults, and high. */
export function cycles(counts: Counts, preset: Preset): Range {
  const at = (which: keyof Range): number => cyclesAt(counts, pricesOf(preset, which));
  return { low: at('low'), default: at('default'), high: at('high') };
}

/**
 * What cycles are spent on. `refills` is the indirect cost of a boundary, `guest` the work itself (with
 * what the monitor does in the guest's place taken out, or added); the rest is direct.
 */
export const PARTS = {
  guest: ['cpi'],
  traps: ['trap'],
  monitor: ['monitorCall', 'monitorOp'],
  view: ['satpWrite', 'keyWrite'],
  tables: ['pteRead', 'pteWrite'],
  fences: ['fencePage', 'fenceAll'],
  refills: ['tlbL2Hit', 'walkLevel'],
  copies: ['copyWord', 'clearWord'],
  harts: ['ipi', 'shootdownTarget'],
} as const satisfies Record<string, readonly ParameterName[]>;
export type PartName = keyof typeof PARTS;

/** Cycles at the default prices, by part; their sum is that of `cycles`. */
export function parts(counts: Counts, preset: Preset): Record<PartName, number> {
  const prices = pricesOf(preset, 'default');
  return Object.fromEntries(
    Object.entries(PARTS).map(([part, names]) => [
      part,
      names.reduce((sum, name) => sum + TERMS[name].units(counts) * prices[name], 0),
    ]),
  ) as Record<PartName, number>;
}

/** Extremes of the cycles of `a` less `factor` times those of `b`, over all prices in their ranges. */
function differenceAt(
  a: Counts,
  b: Counts,
  factor: number,
  preset: Preset,
  end: 'least' | 'most',
): { readonly value: number; readonly prices: Prices } {
  const prices: Partial<Record<ParameterName, number>> = {};
  let value = 0;
  for (const name of PARAMETERS) {
    const weight = TERMS[name].units(a) - factor * TERMS[name].units(b);
    const { low, high } = preset.parameters[name];
    const price = weight > 0 === (end === 'most') ? high : low;
    prices[name] = price;
    value += weight * price;
  }
  return { value, prices: prices as Prices };
}

/** Whether `a` costs more than `b` at every choice of prices within their ranges. */
export const alwaysCostsMore = (a: Counts, b: Counts, preset: Preset): boolean =>
  differenceAt(a, b, 1, preset, 'least').value > 0;

/**
 * Cycles of `a` over cycles of `b`, and the extremes of that ratio over all prices in their ranges. Both
 * are paid at the same prices. The ratio of two linear functions is searched by Dinkelbach's method,
 * which ends after a few steps because a box has finitely many corners.
 */
export function ratio(a: Counts, b: Counts, preset: Preset): Range {
  const extreme = (end: 'least' | 'most'): number => {
    let best = cyclesAt(a, pricesOf(preset, 'default')) / cyclesAt(b, pricesOf(preset, 'default'));
    for (;;) {
      const { prices } = differenceAt(a, b, best, preset, end);
      const next = cyclesAt(a, prices) / cyclesAt(b, prices);
      const improved = end === 'most' ? next > best * (1 + 1e-12) : next < best * (1 - 1e-12);
      if (!improved) return best;
      best = next;
    }
  };
  const prices = pricesOf(preset, 'default');
  return {
    low: extreme('least'),
    default: cyclesAt(a, prices) / cyclesAt(b, prices),
    high: extreme('most'),
  };
}

/** The price at which `a` and `b` cost the same, all others at their defaults; none if never (or below 0). */
export function crossover(
  a: Counts,
  b: Counts,
  name: ParameterName,
  preset: Preset,
): number | undefined {
  const prices = { ...pricesOf(preset, 'default'), [name]: 0 };
  const slope = TERMS[name].units(a) - TERMS[name].units(b);
  if (slope === 0) return undefined;
  const at = (cyclesAt(b, prices) - cyclesAt(a, prices)) / slope;
  return at >= 0 ? at : undefined;
}
