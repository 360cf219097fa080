/** `cordon conform`: what it takes. What it does is loaded when it is asked for. */
import { InvalidArgumentError, Option, type Command } from 'commander';

import { jitOption, parseSeconds, type OnOff } from './option-values.ts';

export const RIVALS = ['qemu', 'exact', 'jit'] as const;
export type Rival = (typeof RIVALS)[number];

export interface RandomOptions {
  readonly seed?: number;
  readonly from: number;
  readonly count: number;
  readonly length: number;
  readonly modes: string;
  readonly against: Rival;
  readonly qemu: string;
  readonly json?: boolean;
}

export interface SuiteOptions {
  readonly only?: RegExp;
  readonly jit: OnOff;
  readonly seconds: number;
  readonly json?: boolean;
}

export interface LitmusOptions {
  readonly rounds: number;
  readonly jit: OnOff;
  readonly herd: string;
  readonly json?: boolean;
}

const wholeNumber =
  (least: number, most: number) =>
  (text: string): number => {
    const value = Number(text);
    if (!/^\d+$/.test(text) || value < least || value > most)
      throw new InvalidArgumentError(`Give a whole number from ${least} to ${most}.`);
    return value;
  };

function parseModes(text: string): string {
  if (!/^[MSU]+$/.test(text))
    throw new InvalidArgumentError('Give some of the letters M, S and U.');
  return text;
}

function parsePattern(text: string): RegExp {
  try {
    return new RegExp(text);
  } catch {
    throw new InvalidArgumentError('Give a regular expression.');
  }
}

export function registerConformCommands(program: Command): void {
  const conform = program
    .command('conform')
    .description('Compare the machine with others, and run the tests that others wrote.');
  conform
    .command('random')
    .description('Run random programs here and elsewhere, and shrink those that end differently.')
    .option('--seed <n>', 'seed of the campaign (default: a new one)', wholeNumber(0, 1e15))
    .option('--from <n>', 'number of the first program', wholeNumber(0, 1e9), 0)
    .option('--count <n>', 'how many programs', wholeNumber(1, 1e9), 1000)
    .option(
      '--length <n>',
      'items in each: an instruction, or a few that belong together',
      wholeNumber(1, 300),
      30,
    )
    .option('--modes <letters>', 'privileges that programs run in', parseModes, 'MSU')
    .addOption(
      new Option('--against <machine>', 'with what the fast interpreter is compared')
        .choices(RIVALS)
        .default('qemu'),
    )
    .option('--qemu <command>', "QEMU's command", 'qemu-system-riscv64')
    .option('--json', 'print one JSON object on stdout')
    .addHelpText(
      'after',
      `
Exit code: 0 if all programs ended alike, 1 if one did not. Each failure is shrunk, and printed with the
command that repeats it.`,
    )
    .action(async (options: RandomOptions) => {
      const { conformRandom } = await import('./conform.ts');
      process.exitCode = await conformRandom(options);
    });
  conform
    .command('suite')
    .description(
      'Run every test program of a directory that reports in tohost, such as riscv-tests.',
    )
    .argument('<directory>', 'where the built executables are')
    .option('--only <pattern>', 'those whose names match', parsePattern)
    .option('--seconds <t>', "the machine's time for one program", parseSeconds, 20)
    .addOption(jitOption())
    .option('--json', 'print one JSON object on stdout')
    .action(async (directory: string, options: SuiteOptions) => {
      const { conformSuite } = await import('./conform.ts');
      process.exitCode = await conformSuite(directory, options);
    });
  conform
    .command('litmus')
    .description(
      'Run litmus tests on harts with a thread each; what is seen must be allowed by RVWMO.',
    )
    .argument(
      '<directory>',
      'where the .litmus files are, with .allowed files or herd7 to judge them',
    )
    .option('--rounds <n>', 'how often each test runs', wholeNumber(1, 1e6), 100_000)
    .option('--herd <command>', "herd7's command", 'herd7')
    .addOption(jitOption())
    .option('--json', 'print one JSON object on stdout')
    .action(async (directory: string, options: LitmusOptions) => {
      const { conformLitmus } = await import('./conform.ts');
      process.exitCode = await conformLitmus(directory, options);
    });
}
