/**
 * Runs one attempt and judges a whole attack: on the monolith, under protection, and without the one
 * invariant that stops it.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { writeCpio } from '../../policy/cpio.ts';
import type { MechanismName } from '../../policy/contexts.ts';
import type { Ablation } from '../../nested-kernel/config.ts';
import { ROOT, type Bundled } from '../bundled.ts';
import type { Escape } from '../../oracle/oracle.ts';
import type { DenialRecord } from '../run-result.ts';
import { Session } from '../session.ts';
import type { Attack, Expectation, Verdict } from './attacks.ts';

export type Protection = Exclude<MechanismName, 'none'>;

/** How one attempt ended. */
export interface Attempt {
  readonly outcome: 'succeeded' | 'stopped' | 'failed';
  /** In the words of the guest's program. */
  readonly detail: string;
  /** What the monitor wrote down that speaks of the attacker. */
  readonly records: readonly DenialRecord[];
  /** What the oracle saw reach what it must not. */
  readonly escapes: number;
  /** The first of them. */
  readonly seen: readonly Escape[];
}

/** What became of the same attempt over several runs. */
export interface Series {
  /** `succeeded` if any did, `stopped` if all were, else `failed`. */
  readonly outcome: Attempt['outcome'];
  readonly runs: number;
  readonly succeeded: number;
  /** In the guest's words, of the run that decides. */
  readonly detail: string;
  /** In all runs. */
  readonly escapes: number;
  /** What the oracle saw first in the run that decides. */
  readonly escape: Escape | null;
}

export interface AttackResult {
  readonly id: string;
  readonly title: string;
  readonly row: string;
  readonly attacker: Attack['attacker'];
  readonly invariant: string;
  readonly ablation: readonly Ablation[];
  readonly mechanism: Protection;
  readonly seed: string;
  readonly baseline: Attempt['outcome'];
  readonly protected: Attempt['outcome'];
  /** Null if nothing stops the attack, so that there is nothing to be switched off. */
  readonly ablated: Attempt['outcome'] | null;
  readonly verdict: Verdict | 'NOT SHOWN';
  readonly expected: Verdict;
  /** All of it is as expected: succeeds, is stopped by the rule and without an escape, succeeds. */
  readonly isAsExpected: boolean;
  readonly evidence: {
    readonly baseline: Series;
    readonly protected: Series;
    readonly ablated: Series | null;
    /** The ledger's record of the rule that stopped it. */
    readonly record: DenialRecord | null;
  };
}

export interface AttemptOptions {
  readonly bundled: Bundled;
  readonly attack: Attack;
  readonly mechanism: MechanismName;
  readonly ablate?: readonly Ablation[];
  readonly seed: string;
  /** Longest turn of a hart, in instructions. */
  readonly sliceMax?: number;
}

const RAM_BYTES = 32 << 20;
/** Of the machine's time; the longest attack needs a tenth. */
const SECONDS = 5;
const PROGRAMS = ['init', 'attack'];
/** Longest turns of a race: about a thousand, a hundred, and ten instructions on average. */
const RACE_SLICES = [4096, 512, 64];

/** A file system with two programs: boots in a tenth of the time of the whole one. */
export function attackFiles(): Uint8Array {
  return writeCpio(
    PROGRAMS.map((name) => ({
      path: `bin/${name}`,
      isExecutable: true,
      bytes: readFileSync(join(ROOT, 'build/user', name)),
    })),
  );
}

/** One run of the machine with one attempt on it. */
export async function attempt(options: AttemptOptions): Promise<Attempt> {
  const { bundled, attack, mechanism, ablate = [], seed, sliceMax } = options;
  const { image, contexts } = bundled;
  const numbers = attack
    .numbers({ image, contexts, isSeparated: mechanism !== 'none' })
    .map((value) => BigInt.asIntN(64, value));
  const session = new Session({
    harts: 2,
    ramBytes: RAM_BYTES,
    image,
    mode: { kind: 'deterministic', seed, ...(sliceMax === undefined ? {} : { sliceMax }) },
    firmware: { mechanism, contexts, ablate },
    initrd: attackFiles(),
    bootargs: `attack quiet init=/bin/init -- /bin/attack ${attack.id} ${numbers.join(' ')}`,
    seconds: SECONDS,
  });
  const decoder = new TextDecoder();
  let printed = '';
  session.onOutput((bytes) => {
    printed += decoder.decode(bytes, { stream: true });
  });
  const result = await session.start().done;
  return {
    ...readVerdict(attack.id, printed, result.exit.reason),
    records: result.denials,
    escapes: result.escapes,
    seen: session.escapes(),
  };
}

/** The line of the guest's program, wherever it stands in what was printed. */
function readVerdict(
  id: string,
  printed: string,
  end: string,
): Pick<Attempt, 'outcome' | 'detail'> {
  const [, outcome, detail = ''] =
    new RegExp(`attack ${id}: (succeeded|stopped|failed) \\((.*)\\)`).exec(printed) ?? [];
  if (outcome === undefined) {
    const last = printed.trim().split('\n').at(-1) ?? '';
    return { outcome: 'failed', detail: `no word from the guest (${end}): ${last}` };
  }
  return { outcome: outcome as Attempt['outcome'], detail };
}

/** One run; of a race, one for each length of turns. */
async function attempts(options: AttemptOptions): Promise<Attempt[]> {
  if (!options.attack.isRace) return [await attempt(options)];
  const all: Attempt[] = [];
  for (const sliceMax of RACE_SLICES) all.push(await attempt({ ...options, sliceMax }));
  return all;
}

function summarize(all: readonly Attempt[]): Series {
  const succeeded = all.filter(({ outcome }) => outcome === 'succeeded');
  const deciding =
    succeeded[0] ?? all.find(({ outcome }) => outcome === 'failed') ?? (all[0] as Attempt);
  return {
    outcome: deciding.outcome,
    runs: all.length,
    succeeded: succeeded.length,
    detail: deciding.detail,
    escapes: all.reduce((sum, { escapes }) => sum + escapes, 0),
    escape: deciding.seen[0] ?? null,
  };
}

/** The attempt on the monolith: it is the same for every mechanism. */
export const baselineOf = async (options: Omit<AttemptOptions, 'mechanism'>): Promise<Series> =>
  summarize(await attempts({ ...options, mechanism: 'none' }));

/** The last record of a rule in a run. */
const recordOf = ({ records }: Attempt, rule: string | null): DenialRecord | null =>
  records.findLast((record) => record.rule === rule) ?? null;

function verdictOf(all: readonly Attempt[], { rule }: Expectation): AttackResult['verdict'] {
  const { outcome } = summarize(all);
  if (outcome === 'succeeded') return 'VULNERABLE';
  if (outcome === 'failed') return 'NOT SHOWN';
  // Stopped, but by what? The ledger must say so, if there was anything to refuse.
  if (rule !== null && all.some((each) => recordOf(each, rule) === null)) return 'NOT SHOWN';
  return all.every((each) => recordOf(each, rule)?.kind === 'fault') ? 'CONTAINED' : 'BLOCKED';
}

export interface JudgeOptions {
  readonly bundled: Bundled;
  readonly attack: Attack;
  readonly mechanism: Protection;
  readonly seed: string;
  readonly baseline: Series;
}

/** Whether the attack is stopped, and by what it says it is. */
export async function judge(options: JudgeOptions): Promise<AttackResult> {
  const { attack, mechanism, seed, baseline } = options;
  const { expected, ablate } = attack;
  const guarded = await attempts(options);
  const ablated = ablate.length === 0 ? null : summarize(await attempts({ ...options, ablate }));
  const series = summarize(guarded);
  const verdict = verdictOf(guarded, expected);
  return {
    id: attack.id,
    title: attack.title,
    row: attack.row,
    attacker: attack.attacker,
    invariant: attack.invariant,
    ablation: ablate,
    mechanism,
    seed,
    baseline: baseline.outcome,
    protected: series.outcome,
    ablated: ablated?.outcome ?? null,
    verdict,
    expected: expected.verdict,
    isAsExpected:
      baseline.outcome === 'succeeded' &&
      verdict === expected.verdict &&
      series.escapes === 0 &&
      (ablated === null || ablated.outcome === 'succeeded'),
    evidence: {
      baseline,
      protected: series,
      ablated,
      record: recordOf(guarded.at(-1) as Attempt, expected.rule),
    },
  };
}
