/** `cordon stress`: what it takes. What it does is loaded when it is asked for. */
import { InvalidArgumentError, Option, type Command } from 'commander';

import { MECHANISMS, type MechanismName } from '../policy/contexts.ts';
import {
  detectAbaOption,
  jitOption,
  parseHarts,
  parseSeconds,
  profileOption,
  reservationsOption,
  traceOption,
  type OnOff,
  type ReservationOptions,
} from './option-values.ts';

export interface StressOptions extends ReservationOptions {
  readonly harts: readonly number[];
  readonly mechanism: readonly MechanismName[];
  readonly seconds: number;
  readonly seed?: number;
  readonly runs: number;
  readonly only: readonly string[];
  readonly deterministic?: boolean;
  readonly jit: OnOff;
  readonly trace?: string;
  readonly profile?: string;
  readonly replay?: boolean;
  readonly json?: boolean;
}

const parseHartCounts = (text: string): number[] => text.split(',').map(parseHarts);
const parseNames = (text: string): string[] => text.split(',').filter((name) => name !== '');

function parseMechanisms(text: string): MechanismName[] {
  return parseNames(text).map((name) => {
    const known = MECHANISMS.find((mechanism) => mechanism === name);
    if (known === undefined)
      throw new InvalidArgumentError(`Choose from ${MECHANISMS.join(', ')}.`);
    return known;
  });
}

function parseSeed(text: string): number {
  if (!/^\d{1,15}$/.test(text)) throw new InvalidArgumentError('Give a whole number from 0 on.');
  return Number(text);
}

function parseRuns(text: string): number {
  if (!/^[1-9]\d{0,5}$/.test(text))
    throw new InvalidArgumentError('Give a number of runs from 1 on.');
  return Number(text);
}

export function registerStressCommand(program: Command): void {
  program
    .command('stress')
    .description('Let the kernel stress itself and check every invariant, from inside and outside.')
    .option('--harts <list>', 'numbers of harts to try, such as 1,2,4', parseHartCounts, [1, 2, 4])
    .option('--mechanism <list>', `${MECHANISMS.join(', ')}`, parseMechanisms, ['asid'])
    .option(
      '--seconds <t>',
      'how long each run works, rounded up to whole seconds',
      parseSeconds,
      5,
    )
    .option('--seed <n>', 'seed of the first run (default: a new one)', parseSeed)
    .option('--runs <n>', 'runs of each kind, each with the next seed', parseRuns, 1)
    .option('--only <names>', 'these stressors only, such as pipering,mmapstorm', parseNames, [])
    .option('--deterministic', 'all harts on one thread: the same seed, the same run')
    .addOption(jitOption())
    .addOption(reservationsOption())
    .addOption(detectAbaOption())
    .addOption(traceOption())
    .addOption(profileOption())
    .addOption(
      new Option('--replay', 'the runs that once failed, from stress/seeds').conflicts([
        'seed',
        'only',
        'deterministic',
      ]),
    )
    .option('--json', 'print one JSON object on stdout')
    .addHelpText(
      'after',
      `
Exit code: 0 if every run passed, 1 if one did not. A failure prints the command that repeats it; a
deterministic run then repeats exactly, a parallel one repeats the guest's choices. --trace and --profile look into
a single run, such as that one.`,
    )
    .action(async (options: StressOptions) => {
      const { stress } = await import('./stress.ts');
      process.exitCode = await stress(options);
    });
}
