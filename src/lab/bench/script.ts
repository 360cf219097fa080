/**
 * A benchmark script: which programs, with which arguments, how often. TOML, one `[[run]]` per row.
 */
import { readFileSync } from 'node:fs';
import { parse, TomlError } from 'smol-toml';
import * as v from 'valibot';
import { explain } from '../cost-model.ts';

/** Stands for the repetitions among the arguments. */
const REPETITIONS = '$N';
const MIB = 2 ** 20;

export interface BenchRun {
  /** Of the row; unique in its script. */
  readonly name: string;
  readonly program: string;
  readonly arguments: readonly string[];
  readonly repetitions: number;
}

export interface BenchScript {
  readonly title: string;
  readonly ramBytes: number;
  readonly runs: readonly BenchRun[];
}

/** A script that cannot be used; the message names the entry and the fix. */
export class ScriptError extends Error {}

/** A word of the guest's shell that it takes as it is. */
const word = v.pipe(
  v.string('give a text'),
  v.regex(/^[^'\n]+$/, "give a word without ' and line ends"),
);
const run = v.strictObject({
  name: v.pipe(v.string(), v.minLength(1, 'give a name')),
  program: word,
  arguments: v.optional(v.array(word), []),
  repetitions: v.pipe(
    v.number('give a number'),
    v.integer('give a whole number'),
    v.minValue(1, 'give 1 or more'),
  ),
});
const schema = v.strictObject({
  title: v.string(),
  memory: v.optional(
    v.pipe(v.string(), v.regex(/^\d+M$/, 'give a size in MiB, such as "128M"')),
    '128M',
  ),
  run: v.pipe(
    v.array(run, 'give at least one [[run]]'),
    v.minLength(1, 'give at least one [[run]]'),
    v.check(
      (runs) => new Set(runs.map(({ name }) => name)).size === runs.length,
      'give every run a name of its own',
    ),
  ),
});

/** @throws ScriptError */
export function parseScript(text: string, file: string): BenchScript {
  let raw: unknown;
  try {
    raw = parse(text);
  } catch (error) {
    if (error instanceof TomlError) throw new ScriptError(`${file}: ${error.message.trim()}`);
    throw error;
  }
  const result = v.safeParse(schema, raw);
  if (!result.success) {
    throw new ScriptError(result.issues.map((issue) => `${file}: ${explain(issue)}`).join('\n'));
  }
  const { title, memory, run: runs } = result.output;
  const ramBytes = Number.parseInt(memory, 10) * MIB;
  if (ramBytes < 16 * MIB || ramBytes > 1024 * MIB)
    throw new ScriptError(`${file}: memory: give a size from "16M" to "1024M"`);
  return { title, ramBytes, runs };
}

/** @throws ScriptError; the system's error if the file cannot be read */
export const readScript = (file: string): BenchScript =>
  parseScript(readFileSync(file, 'utf8'), file);

/** What the guest's shell is told; a run that fails ends the script with the number of its row. */
export function shellScript(runs: readonly BenchRun[]): string {
  const lines = runs.map(
    (each, index) => `${commandOf(each).map(quoted).join(' ')} || exit ${failureCode(index)}`,
  );
  return ['# Made by cordon bench.', ...lines, ''].join('\n');
}

/** Exit code of the guest when the row of that index failed. */
const FIRST_FAILURE = 100;
export const failureCode = (index: number): number => FIRST_FAILURE + index;
export const failedRow = (code: number): number | undefined =>
  code >= FIRST_FAILURE ? code - FIRST_FAILURE : undefined;

function commandOf({ program, arguments: given, repetitions }: BenchRun): string[] {
  const command = [program, ...given];
  if (!command.includes(REPETITIONS)) return ['marked', String(repetitions), ...command];
  return command.map((each) => (each === REPETITIONS ? String(repetitions) : each));
}

const quoted = (text: string): string => (/^[\w./-]+$/.test(text) ? text : `'${text}'`);
