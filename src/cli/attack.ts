/** What `cordon attack` does: one attack after the other, each judged as it ends; then the matrix. */
import { ATTACKS, type Attack } from '../lab/attack/attacks.ts';
import { baselineOf, judge, type AttackResult, type Series } from '../lab/attack/run-attack.ts';
import { bundledKernel, type Bundled } from '../lab/bundled.ts';
import { BuildError } from '../policy/build.ts';
import { formatDiagnostics } from '../policy/diagnostics.ts';
import { NoToolchainError } from '../policy/toolchain.ts';
import type { AttackOptions } from './attack-command.ts';
import { CommandError, EXIT } from './errors.ts';

const TITLE_WIDTH = 44;
const CELL_WIDTH = 12;

/** Returns the exit code. @throws CommandError */
export async function attack(ids: readonly string[], options: AttackOptions): Promise<number> {
  const chosen = choose(ids);
  const bundled = await kernel();
  const { mechanism: mechanisms, seed } = options;
  const results: AttackResult[] = [];
  const print =
    options.json === true ? (): void => {} : (text: string) => process.stdout.write(text);
  print(row('', 'attack', 'none', [...mechanisms]));
  for (const each of chosen) {
    const baseline = await baselineOf({ bundled, attack: each, seed });
    const cells: AttackResult[] = [];
    for (const mechanism of mechanisms)
      cells.push(await judge({ bundled, attack: each, mechanism, seed, baseline }));
    results.push(...cells);
    print(row(each.id, each.title, outcomeText(baseline), cells.map(cellText)));
  }
  const wrong = results.filter(({ isAsExpected }) => !isAsExpected);
  if (options.json === true)
    process.stdout.write(`${JSON.stringify({ ok: wrong.length === 0, seed, results })}\n`);
  for (const each of chosen)
    print(
      explain(
        each,
        results.filter(({ id }) => id === each.id),
      ),
    );
  print(
    wrong.length === 0
      ? `\nEvery one of ${results.length} verdicts is as expected.\n`
      : `\n${wrong.length} of ${results.length} verdicts are not as expected (marked !).\n`,
  );
  return wrong.length === 0 ? EXIT.OK : EXIT.INPUT;
}

function choose(ids: readonly string[]): readonly Attack[] {
  if (ids.length === 0) return ATTACKS;
  return ids.map((id) => {
    const found = ATTACKS.find((each) => each.id.toLowerCase() === id.toLowerCase());
    if (found !== undefined) return found;
    throw new CommandError(
      `there is no attack '${id}'; choose from ${ATTACKS.map((each) => each.id).join(', ')}`,
    );
  });
}

async function kernel(): Promise<Bundled> {
  try {
    return await bundledKernel();
  } catch (error) {
    if (error instanceof NoToolchainError)
      throw new CommandError(`the kernel cannot be built: ${error.message}`, EXIT.INPUT);
    if (!(error instanceof BuildError)) throw error;
    const why = [...error.compilerOutput, formatDiagnostics(error.diagnostics, () => undefined)];
    throw new CommandError(`the kernel cannot be built:\n${why.join('\n').trim()}`, EXIT.INPUT);
  }
}

const row = (id: string, title: string, baseline: string, cells: readonly string[]): string =>
  `${[id.padEnd(6), title.padEnd(TITLE_WIDTH), ...[baseline, ...cells].map((cell) => cell.padEnd(CELL_WIDTH))].join('').trimEnd()}\n`;

const outcomeText = ({ outcome }: Series): string =>
  outcome === 'succeeded' ? 'succeeds' : outcome === 'stopped' ? 'stopped !' : 'failed !';

/** A cell that is as expected stands as it is, a vulnerable one, too. */
const cellText = ({ verdict, isAsExpected }: AttackResult): string =>
  isAsExpected ? verdict : `${verdict} !`;

function explain(each: Attack, cells: readonly AttackResult[]): string {
  const lines = [`\n${each.id}: ${each.tried}.`, `    ${each.stoppedBy}.`];
  for (const { mechanism, evidence, isAsExpected, ablation } of cells) {
    const { record, ablated } = evidence;
    const rule =
      record === null
        ? ''
        : `; ledger: ${record.kind}, ${record.rule}, ${record.domain} at ${record.pc}`;
    const again =
      ablated === null
        ? ''
        : `; without ${ablation.join(' and ')}: ${ablated.outcome}${times(ablated)}, ${ablated.escapes} escapes`;
    lines.push(
      `    ${isAsExpected ? ' ' : '!'} ${mechanism.padEnd(5)} ${evidence.protected.detail}${rule}${again}`,
    );
  }
  return `${lines.join('\n')}\n`;
}

const times = ({ runs, succeeded }: Series): string =>
  runs === 1 ? '' : ` in ${succeeded} of ${runs} runs`;
