/** What `cordon replay` does: a file to the dashboard, to lines, or to JSON. */
import { createReplay } from '../lab/replay.ts';
import { readRecording, RecordingError, type Recording } from '../lab/recording-reader.ts';
import { canShowDashboard, startView } from '../tui/start.ts';
import { CommandError, EXIT } from './errors.ts';
import type { ReplayCommandOptions } from './replay-command.ts';
import { readInput } from './run-guest.ts';
import { exitCodeOf } from './signals.ts';

/** Returns the exit code. @throws CommandError */
export async function replay(file: string, options: ReplayCommandOptions): Promise<number> {
  const recording = open(file);
  const code = options.json === true ? printJson(recording) : await show(recording, options);
  const { brokenAt, durationMs } = recording;
  if (brokenAt !== null) {
    process.stderr.write(
      `cordon: '${file}' breaks off at byte ${brokenAt}, ${(durationMs / 1000).toFixed(1)} s into the run: ` +
        'its writer was stopped, or the file is damaged there\n',
    );
  }
  return code;
}

function open(file: string): Recording {
  try {
    return readRecording(readInput('replay', file, 'what --record wrote'), file);
  } catch (error) {
    if (error instanceof RecordingError) {
      throw new CommandError(`replay: ${error.message}`, EXIT.INPUT);
    }
    throw error;
  }
}

function printJson({ header, frames, brokenAt, durationMs }: Recording): number {
  const { frame: _, ...about } = header;
  const last = frames.at(-1);
  const report = {
    header: about,
    durationMs,
    brokenAt,
    totals: last?.frame === 'end' ? last.totals : null,
    events: frames.flatMap((frame) => (frame.frame === 'events' ? frame.events : [])),
  };
  process.stdout.write(`${JSON.stringify(report)}\n`);
  return EXIT.OK;
}

async function show(
  recording: Recording,
  { speed, plain, color }: ReplayCommandOptions,
): Promise<number> {
  const view = { ...(plain === undefined ? {} : { plain }), ...(color ? {} : { color: false }) };
  const { source, timer } = createReplay(recording, {
    speed,
    scalesIntervals: !canShowDashboard(view),
  });
  const reason = await startView(source, { ...view, timer }).done;
  if (reason === 'quit' || reason === 'finished' || reason === 'closed') return EXIT.OK;
  return exitCodeOf(reason === 'interrupt' ? 'SIGINT' : reason);
}
