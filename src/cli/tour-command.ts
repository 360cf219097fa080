/** `cordon tour`: the guided run that `npm start` is. */
import { Option, type Command } from 'commander';

import { MECHANISMS, type MechanismName } from '../policy/contexts.ts';
import { parseHarts, profileOption, traceOption } from './option-values.ts';

export interface TourOptions {
  readonly harts: number;
  readonly mechanism?: MechanismName;
  readonly plain?: boolean;
  readonly color: boolean;
  readonly json?: boolean;
  readonly record?: string;
  readonly trace?: string;
  readonly profile?: string;
}

export function registerTourCommands(program: Command): void {
  program
    .command('tour')
    .description(
      'Boot the kernel and walk through it: shell, files, keys, every hart, a flaw stopped.',
    )
    .option('--harts <n>', 'number of harts, 1 to 64', parseHarts, 4)
    .addOption(
      new Option(
        '--mechanism <name>',
        "how subsystems are kept apart (default: the image's own choice)",
      ).choices(MECHANISMS),
    )
    .option('--plain', 'lines instead of the dashboard, even on a terminal')
    .option('--no-color', 'no colours; NO_COLOR does the same')
    .option('--record <file>', 'write what the dashboard sees to a file, for cordon replay')
    .addOption(traceOption())
    .addOption(profileOption())
    .option('--json', 'print one JSON object on stdout and nothing else')
    .addHelpText(
      'after',
      `
Examples:
  $ cordon tour                      the dashboard, in a terminal
  $ cordon tour --plain --harts 2    the same as lines
  $ cordon tour --mechanism pkey     separated by protection keys
  $ cordon tour --trace tour.pftrace   every gate of it, for ui.perfetto.dev

It ends by itself, with exit code 0 if everything was as it should be.`,
    )
    .action(async (options: TourOptions) => {
      const { tour } = await import('./tour.ts');
      process.exitCode = await tour(options);
    });
}
