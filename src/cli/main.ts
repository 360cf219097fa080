/**
 * The command line. Every area registers its commands from a file that imports nothing heavy: what a
 * command needs is loaded when it runs, so that help is there at once.
 */
import { Command, CommanderError } from 'commander';

import { registerPolicyCommands } from '../policy/commands.ts';
import { registerBenchCommand } from './bench-command.ts';
import { CommandError, EXIT } from './errors.ts';
import { registerRunCommands } from './run-command.ts';
import { registerStressCommand } from './stress-command.ts';
import { registerTourCommands } from './tour-command.ts';

/** Adds the commands of one area to the program. */
export type RegisterCommands = (program: Command) => void;

const AREAS: readonly RegisterCommands[] = [
  registerTourCommands,
  registerRunCommands,
  registerPolicyCommands,
  registerStressCommand,
  registerBenchCommand,
];

export function createProgram(): Command {
  const program = new Command('cordon')
    .description('A laboratory for intra-kernel sandboxing.')
    .showHelpAfterError('Run cordon --help, or help COMMAND, for what there is.')
    .exitOverride();
  for (const register of AREAS) register(program);
  return program;
}

/** Runs a command line; what goes wrong becomes a sentence and an exit code. */
export async function main(argv: readonly string[]): Promise<void> {
  try {
    await createProgram().parseAsync(argv);
  } catch (error) {
    process.exitCode = explain(error);
  }
}

function explain(error: unknown): number {
  // Commander has already printed what it had to say.
  if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.OK : EXIT.USAGE;
  if (error instanceof CommandError) {
    process.stderr.write(`cordon: ${error.message}\n`);
    return error.exitCode;
  }
  const what = error instanceof Error ? (error.stack ?? error.message) : String(error);
  process.stderr.write(`cordon: a bug of ours; please report it with this:\n${what}\n`);
  return EXIT.FAILURE;
}

await main(process.argv);
