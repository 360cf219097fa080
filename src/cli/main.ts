/** The command line: what goes wrong becomes a sentence and an exit code. */
import { CommanderError } from 'commander';

import { CommandError, EXIT } from './errors.ts';
import { createProgram } from './program.ts';

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

// A reader that went away (`cordon bench --help | head`) ends a command as its user would, unless the command
// has its own way to hear of it.
for (const stream of [process.stdout, process.stderr]) {
  stream.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error;
    if (stream.listenerCount('error') === 1) process.kill(process.pid, 'SIGTERM');
  });
}
await main(process.argv);
