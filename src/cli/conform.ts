/** What `cordon conform` does: a campaign or a suite, and its report. */
import { randomInt } from 'node:crypto';
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';

import { runCampaign, type CampaignResult } from '../lab/conformance/random/campaign.ts';
import { cordon, findQemu, RunAborted, type Engine } from '../lab/conformance/random/engines.ts';
import { KNOWN } from '../lab/conformance/random/compare.ts';
import { MODES } from '../lab/conformance/random/generate.ts';
import { LitmusError } from '../lab/conformance/litmus/parse.ts';
import { LitmusRunner, type LitmusOutcome } from '../lab/conformance/litmus/run.ts';
import { runSuite, type TestOutcome } from '../lab/conformance/elf-suite.ts';
import { AssemblyError } from '../machine/isa/assembler.ts';
import { INSTRUCTIONS } from '../machine/isa/table.ts';
import type { LitmusOptions, RandomOptions, SuiteOptions } from './conform-command.ts';
import { CommandError, EXIT } from './errors.ts';

/** Seeds are drawn from what is easily typed again. */
const NEW_SEEDS = 1_000_000;
const MOST_SHRUNK = 5;

/** Returns the exit code. @throws CommandError */
export async function conformRandom(options: RandomOptions): Promise<number> {
  const rival = await rivalOf(options);
  const { seed = randomInt(NEW_SEEDS), from, count, length, modes } = options;
  const say = (text: string): void => {
    if (options.json !== true) process.stdout.write(`${text}\n`);
  };
  say(`seed ${seed}: ${count} programs, the fast interpreter and ${rival.name}`);
  const repeat = (number: number): string =>
    `cordon conform random --seed ${seed} --from ${number} --count 1 --length ${length} ` +
    `--modes ${modes} --against ${options.against}`;
  let result: CampaignResult;
  try {
    result = await runCampaign({
      ...rival,
      seed,
      from,
      count,
      items: length,
      modes: MODES.filter((mode) => modes.includes(mode)),
      mine: cordon('fast'),
      most: MOST_SHRUNK,
    });
  } catch (error) {
    if (!(error instanceof RunAborted)) throw error;
    process.stderr.write(`${error.message}\n`);
    return EXIT.INPUT;
  }
  const ok = result.failed === 0;
  if (options.json === true) {
    process.stdout.write(`${JSON.stringify({ ok, seed, against: rival.name, ...result })}\n`);
    return ok ? EXIT.OK : EXIT.INPUT;
  }
  for (const { number, text } of result.disagreements)
    say(`\nprogram ${number} ends differently:\n${text}\n  ${repeat(number)}`);
  for (const { name, reason } of KNOWN) {
    const times = result.known[name];
    if (times !== undefined) say(`known difference in ${times} programs: ${name}: ${reason}`);
  }
  say(
    `${result.programs - result.failed} of ${result.programs} programs ended alike; ` +
      `${result.instructions.length} of the table's ${INSTRUCTIONS.length} instructions stood in them`,
  );
  return ok ? EXIT.OK : EXIT.INPUT;
}

async function rivalOf({ against, qemu: command }: RandomOptions): Promise<{
  name: string;
  theirs: Engine;
  has?: (feature: string) => boolean;
}> {
  if (against !== 'qemu') return { name: `the ${against} core`, theirs: cordon(against) };
  const qemu = await findQemu(command);
  if (qemu === undefined)
    throw new CommandError(
      `there is no '${command}'; install Debian's qemu-system-misc, or name another with --qemu`,
      EXIT.INPUT,
    );
  return { name: `QEMU ${qemu.version}`, theirs: qemu.run, has: qemu.has };
}

/** Returns the exit code. @throws CommandError */
export async function conformSuite(directory: string, options: SuiteOptions): Promise<number> {
  if (!existsSync(directory))
    throw new CommandError(`there is no directory '${directory}'`, EXIT.INPUT);
  const { only, seconds } = options;
  const outcomes = await runSuite({
    directory,
    jit: options.jit === 'on',
    seconds,
    ...(only === undefined ? {} : { only }),
  });
  const failed = outcomes.filter(({ passed }) => !passed);
  if (options.json === true) {
    const groups = Object.fromEntries(groupsOf(outcomes));
    process.stdout.write(
      `${JSON.stringify({ ok: failed.length === 0, passed: outcomes.length - failed.length, of: outcomes.length, groups, failed })}\n`,
    );
  } else {
    for (const [group, { passed, of }] of groupsOf(outcomes))
      process.stdout.write(`${group.padEnd(20)} ${String(passed).padStart(4)} of ${of}\n`);
    for (const { name, why } of failed) process.stdout.write(`failed: ${name}: ${why}\n`);
    process.stdout.write(`${outcomes.length - failed.length} of ${outcomes.length} passed\n`);
  }
  return failed.length === 0 ? EXIT.OK : EXIT.INPUT;
}

/** By what the name begins with: `rv64ui-p-add` is one of `rv64ui-p`, `M-div-01` one of `M`. */
function groupsOf(outcomes: readonly TestOutcome[]): Map<string, { passed: number; of: number }> {
  const groups = new Map<string, { passed: number; of: number }>();
  for (const { name, passed } of outcomes) {
    const group = /^[^-]+(-[pv])?(?=-)/.exec(name)?.[0] ?? name;
    const counts = groups.get(group) ?? { passed: 0, of: 0 };
    groups.set(group, { passed: counts.passed + (passed ? 1 : 0), of: counts.of + 1 });
  }
  return groups;
}

/** Returns the exit code. @throws CommandError */
export async function conformLitmus(directory: string, options: LitmusOptions): Promise<number> {
  if (!existsSync(directory))
    throw new CommandError(`there is no directory '${directory}'`, EXIT.INPUT);
  const { rounds, herd, json } = options;
  const runner = new LitmusRunner({ rounds, herd, jit: options.jit === 'on' });
  const outcomes: LitmusOutcome[] = [];
  try {
    for (const file of readdirSync(directory).toSorted()) {
      if (!file.endsWith('.litmus')) continue;
      const outcome = await runner.run(join(directory, file));
      outcomes.push(outcome);
      if (json !== true) process.stdout.write(describeLitmus(outcome));
    }
  } catch (error) {
    if (error instanceof LitmusError || error instanceof AssemblyError)
      throw new CommandError(error.message, EXIT.INPUT);
    throw error;
  } finally {
    await runner.close();
  }
  const broken = outcomes.filter(({ forbidden }) => forbidden.length > 0).length;
  if (json === true)
    process.stdout.write(`${JSON.stringify({ ok: broken === 0, rounds, outcomes })}\n`);
  else
    process.stdout.write(
      `${outcomes.length - broken} of ${outcomes.length} tests saw only what is allowed\n`,
    );
  return broken === 0 ? EXIT.OK : EXIT.INPUT;
}

function describeLitmus({ name, seen, allowed, forbidden }: LitmusOutcome): string {
  const line = `${name}: saw ${Object.keys(seen).length} of ${allowed} outcomes\n`;
  return forbidden.reduce((text, one) => `${text}  FORBIDDEN, ${seen[one]} times: ${one}\n`, line);
}
