/** `cordon attack`: what it takes. What it does is loaded when it is asked for. */
import { InvalidArgumentError, type Command } from 'commander';

import { MECHANISMS, type MechanismName } from '../policy/contexts.ts';

export type ProtectionName = Exclude<MechanismName, 'none'>;

export interface AttackOptions {
  readonly mechanism: readonly ProtectionName[];
  readonly seed: string;
  readonly json?: boolean;
}

const PROTECTIONS: readonly ProtectionName[] = MECHANISMS.filter((name) => name !== 'none');

function parseProtections(text: string): ProtectionName[] {
  return text
    .split(',')
    .filter((name) => name !== '')
    .map((name) => {
      const known = PROTECTIONS.find((protection) => protection === name);
      if (known === undefined)
        throw new InvalidArgumentError(`Choose from ${PROTECTIONS.join(', ')}.`);
      return known;
    });
}

export function registerAttackCommand(program: Command): void {
  program
    .command('attack')
    .description(
      'Attack the kernel: without separation, under each mechanism, and without the one invariant that stops it.',
    )
    .argument('[ids...]', 'attacks to make, such as A4 D1 (default: all)')
    .option('--mechanism <list>', PROTECTIONS.join(', '), parseProtections, [...PROTECTIONS])
    .option('--seed <text>', 'seed of the runs, which are deterministic', '0')
    .option('--json', 'print one JSON object on stdout')
    .addHelpText(
      'after',
      `
Examples:
  $ cordon attack
  $ cordon attack A4 D1 --mechanism asid
  $ cordon attack --json

Exit code: 0 if every verdict is as expected, 1 if one is not.`,
    )
    .action(async (ids: string[], options: AttackOptions) => {
      const { attack } = await import('./attack.ts');
      process.exitCode = await attack(ids, options);
    });
}
