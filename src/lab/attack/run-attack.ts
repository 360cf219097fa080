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
  readonly instructions: number;
}

export interface AttackResult {
  readonly id: string;
  readonly title: string;
  readonly row: string;
  readonly invariant: string;
  readonly ablation: readonly Ablation[];
  readonly mechanism: Protection;
  readonly seed: string;
  readonly baseline: Attempt['outcome'];
  readonly protected: Attempt['outcome'];
  readonly ablated: Attempt['outcome'];
  readonly verdict: Verdict | 'NOT SHOWN';
  readonly expected: Verdict;
  /** All of it is as expected: succeeds, is stopped by the rule, succeeds. */
  readonly isAsExpected: boolean;
  readonly evidence: {
    readonly baseline: string;
    readonly protected: string;
    readonly ablated: string;
    /** The ledger's record of the rule that stopped it. */
    readonly record: DenialRecord | null;
    readonly escapes: { readonly protected: number; readonly ablated: number };
  };
}

export interface AttemptOptions {
  readonly bundled: Bundled;
  readonly attack: Attack;
  readonly mechanism: MechanismName;
  readonly ablate?: readonly Ablation[];
  readonly seed: string;
}

const RAM_BYTES = 32 << 20;
/** Of the machine's time; the longest attack needs a tenth. */
const SECONDS = 5;
const PROGRAMS = ['init', 'attack'];

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
  const { bundled, attack, mechanism, ablate = [], seed } = options;
  const { image, contexts } = bundled;
  const numbers = attack
    .numbers({ image, contexts, isSeparated: mechanism !== 'none' })
    .map((value) => BigInt.asIntN(64, value));
  const session = new Session({
    harts: 2,
    ramBytes: RAM_BYTES,
    image,
    mode: { kind: 'deterministic', seed },
    firmware: { mechanism, contexts, initrd: attackFiles(), ablate },
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
    instructions: result.harts.reduce((sum, hart) => sum + hart.instructions, 0),
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

/** The record of the rule that is expected to stop it; of a fault rather than of a refusal. */
const recordOf = (records: readonly DenialRecord[], { rule }: Expectation): DenialRecord | null =>
  records.findLast((record) => record.rule === rule) ?? null;

function verdictOf(attempt_: Attempt, { rule }: Expectation): AttackResult['verdict'] {
  if (attempt_.outcome === 'succeeded') return 'VULNERABLE';
  if (attempt_.outcome === 'failed') return 'NOT SHOWN';
  if (rule !== null && recordOf(attempt_.records, { verdict: 'BLOCKED', rule }) === null)
    return 'NOT SHOWN';
  const isFault = attempt_.records.some(
    (record) => record.kind === 'fault' && record.rule === rule,
  );
  return isFault ? 'CONTAINED' : 'BLOCKED';
}

export interface JudgeOptions {
  readonly bundled: Bundled;
  readonly attack: Attack;
  readonly mechanism: Protection;
  readonly seed: string;
  /** The attempt on the monolith with the same seed; it is the same for every mechanism. */
  readonly baseline: Attempt;
}

/** Whether the attack is stopped, and by what it says it is. */
export async function judge(options: JudgeOptions): Promise<AttackResult> {
  const { attack, mechanism, seed, baseline } = options;
  const { expected } = attack;
  const guarded = await attempt(options);
  const ablated = await attempt({ ...options, ablate: attack.ablate });
  const verdict = verdictOf(guarded, expected);
  return {
    id: attack.id,
    title: attack.title,
    row: attack.row,
    invariant: attack.invariant,
    ablation: attack.ablate,
    mechanism,
    seed,
    baseline: baseline.outcome,
    protected: guarded.outcome,
    ablated: ablated.outcome,
    verdict,
    expected: expected.verdict,
    isAsExpected:
      baseline.outcome === 'succeeded' &&
      verdict === expected.verdict &&
      guarded.escapes === 0 &&
      ablated.outcome === 'succeeded',
    evidence: {
      baseline: baseline.detail,
      protected: guarded.detail,
      ablated: ablated.detail,
      record: recordOf(guarded.records, expected),
      escapes: { protected: guarded.escapes, ablated: ablated.escapes },
    },
  };
}
