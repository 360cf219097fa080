/** `cordon replay`: what it takes. What it does is loaded when it is asked for. */
import type { Command } from 'commander';

import { parseSpeed } from './option-values.ts';

export interface ReplayCommandOptions {
  readonly speed: number;
  readonly plain?: boolean;
  readonly color: boolean;
  readonly json?: boolean;
}

export function registerReplayCommand(program: Command): void {
  program
    .command('replay')
    .description('Show a recorded run again.')
    .argument('<file>', 'what run --record or tour --record wrote')
    .option('--speed <n>', 'so many times as fast as it was', parseSpeed, 1)
    .option('--plain', 'lines instead of the dashboard, even on a terminal')
    .option('--no-color', 'no colours; NO_COLOR does the same')
    .option('--json', 'print header, totals and events as one JSON object, at once')
    .addHelpText(
      'after',
      `
Examples:
  $ cordon run --harts 4 --record night.rec    record a run
  $ cordon replay night.rec --speed 10         the dashboard, ten times as fast
  $ cordon replay night.rec --json             what happened, for a program

A recording whose writer was killed is shown as far as it goes, with a note on stderr and exit code 0;
a file that is no recording, or is of another version, is refused with exit code 1.`,
    )
    .action(async (file: string, options: ReplayCommandOptions) => {
      const { replay } = await import('./replay.ts');
      process.exitCode = await replay(file, options);
    });
}
