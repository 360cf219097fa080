/** What `cordon stress` does: one run after the other, each reported as it ends. */
import { randomInt } from 'node:crypto';

import { bundledKernel, type Bundled } from '../lab/bundled.ts';
import { runStress, type StressRun, type StressSpec } from '../lab/stress/campaign.ts';
import { abaLines } from '../lab/run-result.ts';
import { savedSeeds } from '../lab/stress/seeds.ts';
import { BuildError } from '../policy/build.ts';
import { formatDiagnostics } from '../policy/diagnostics.ts';
import { NoToolchainError } from '../policy/toolchain.ts';
import { CommandError, EXIT } from './errors.ts';
import { lookout, type Lookout } from './look.ts';
import { reservationSpec } from './option-values.ts';
import type { StressOptions } from './stress-command.ts';

/** Seeds are drawn from what is easily typed again. */
const NEW_SEEDS = 1_000_000;

/** Returns the exit code. @throws CommandError */
export async function stress(options: StressOptions): Promise<number> {
  const specs = options.replay === true ? savedSeeds() : planned(options);
  const look = lookOf(options, specs.length);
  const bundled = await kernel();
  const runs: StressRun[] = [];
  for (const spec of specs) {
    const run = await runStress(bundled, spec, look);
    runs.push(run);
    if (options.json !== true) process.stdout.write(describe(run));
    else if (!run.ok) process.stderr.write(describe(run));
  }
  const failed = runs.filter(({ ok }) => !ok).length;
  if (options.json === true)
    process.stdout.write(`${JSON.stringify({ ok: failed === 0, runs })}\n`);
  else process.stdout.write(`${runs.length - failed} of ${runs.length} runs passed\n`);
  return failed === 0 ? EXIT.OK : EXIT.INPUT;
}

/** For files about a run, if somebody wants any. @throws CommandError */
function lookOf(options: StressOptions, runs: number): Lookout | undefined {
  if (options.trace === undefined && options.profile === undefined) return undefined;
  if (runs !== 1)
    throw new CommandError(
      `--trace and --profile look into one run, these are ${runs}: ` +
        'name one number of harts and one mechanism, and no --runs',
    );
  return lookout(options, []);
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

function planned(options: StressOptions): StressSpec[] {
  const first = options.seed ?? randomInt(NEW_SEEDS);
  const specs: StressSpec[] = [];
  for (const mechanism of options.mechanism) {
    for (const harts of options.harts) {
      for (let run = 0; run < options.runs; run++) {
        specs.push({
          harts,
          mechanism,
          seed: first + run,
          seconds: Math.ceil(options.seconds),
          deterministic: options.deterministic === true,
          jit: options.jit === 'on',
          reservations: reservationSpec(options),
          only: options.only,
        });
      }
    }
  }
  return specs;
}

function describe(run: StressRun): string {
  const { rates } = run;
  const head = [
    `${run.ok ? 'ok    ' : 'FAILED'} ${String(run.harts).padStart(2)} harts, ${run.mechanism}, seed ${run.seed}`,
    `${rates.gates} gates/s, ${rates.shootdowns} shootdowns/s, ${rates.migrations} migrations/s, ${rates.grants} grants/s`,
    `${run.restarts} restarts, ${run.escapes} escapes, ${run.audits} audits, ${run.hostSeconds.toFixed(1)} s`,
  ];
  const rounds = run.stressors.map(({ name, ok, rounds: n }) => `${name} ${ok ? n : 'FAILED'}`);
  const lines = [head.join('; '), `       rounds: ${rounds.join(', ')}`];
  for (const line of abaLines(run.aba)) lines.push(`       ${line}`);
  for (const failure of run.failures) lines.push(`       ${failure}`);
  if (!run.ok) lines.push(`       repeat: ${run.command}`);
  return `${lines.join('\n')}\n`;
}
