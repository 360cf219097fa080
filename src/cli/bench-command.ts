/** `cordon bench`: what it takes. What it does is loaded when it is asked for. */
import { InvalidArgumentError, type Command } from 'commander';

import { MECHANISMS, type MechanismName } from '../policy/contexts.ts';
import { parseHarts } from './option-values.ts';

export interface BenchOptions {
  readonly mechanism: readonly MechanismName[];
  readonly harts: readonly number[];
  readonly preset: string;
  readonly seed: string;
  readonly only?: string;
  readonly json?: boolean;
  readonly csv?: string;
  readonly svg?: string;
}

/** `a,b,c` without repetitions. */
const listOf =
  <Value>(parseOne: (text: string) => Value) =>
  (text: string): Value[] => [...new Set(text.split(',').map((each) => parseOne(each.trim())))];

function parseMechanism(text: string): MechanismName {
  const known = MECHANISMS.find((name) => name === text);
  if (known === undefined)
    throw new InvalidArgumentError(`'${text}' is none of ${MECHANISMS.join(', ')}.`);
  return known;
}

export function registerBenchCommand(program: Command): void {
  program
    .command('bench')
    .description('Measure what separation costs, in cycles of a model.')
    .argument('[script]', 'TOML file that names programs, arguments, repetitions', undefined)
    .option('--mechanism <list>', 'separation mechanisms, with commas', listOf(parseMechanism), [
      ...MECHANISMS,
    ])
    .option('--harts <list>', 'numbers of harts, with commas', listOf(parseHarts), [1])
    .option(
      '--preset <name|file>',
      'prices: in-order, out-of-order, x86-like, or a file',
      'in-order',
    )
    .option('--only <text>', 'only the runs whose name contains it')
    .option('--seed <text>', 'of the deterministic schedule', '0')
    .option('--json', 'print one JSON object on stdout')
    .option('--csv <file>', 'write the rows as a table with commas; - for stdout')
    .option('--svg <file>', 'write a chart')
    .addHelpText(
      'after',
      `
Without a script: the standard one, bench/standard.toml. The same kernel, script, seed and preset give the
same numbers, on any computer; docs/benchmarks.md says how they come about.

Examples:
  cordon bench
  cordon bench --mechanism none,pkey --only gate --preset x86-like
  cordon bench --harts 1,2,4 --svg overheads.svg --json > rows.json

Exit code: 0; 1 for a file that cannot be used or a guest program that failed, 2 for a wrong command line,
130 after Ctrl-C, 70 if cordon failed.`,
    )
    .action(async (script: string | undefined, options: BenchOptions) => {
      const { bench } = await import('./bench.ts');
      process.exitCode = await bench(script, options);
    });
}
