/**
 * All commands. Every area registers its own from a file that imports nothing heavy: what a command needs
 * is loaded when it runs, so that help is there at once.
 */
import { Command } from 'commander';

import { registerPolicyCommands } from '../policy/commands.ts';
import { registerAttackCommand } from './attack-command.ts';
import { registerBenchCommand } from './bench-command.ts';
import { registerConformCommands } from './conform-command.ts';
import { registerReplayCommand } from './replay-command.ts';
import { registerRunCommands } from './run-command.ts';
import { registerStressCommand } from './stress-command.ts';
import { registerTourCommands } from './tour-command.ts';

/** Adds the commands of one area to the program. */
type RegisterCommands = (program: Command) => void;

const AREAS: readonly RegisterCommands[] = [
  registerTourCommands,
  registerRunCommands,
  registerReplayCommand,
  registerPolicyCommands,
  registerStressCommand,
  registerBenchCommand,
  registerAttackCommand,
  registerConformCommands,
];

export function createProgram(): Command {
  const program = new Command('cordon')
    .description('A laboratory for intra-kernel sandboxing.')
    .showHelpAfterError('Run cordon --help, or help COMMAND, for what there is.')
    .exitOverride();
  for (const register of AREAS) register(program);
  return program;
}
