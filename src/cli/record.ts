/** `--record FILE`: a run, and beside it the recorder. */
import { recordSession, type Recorder } from '../lab/recording.ts';
import type { Session } from '../lab/session.ts';
import { CommandError, EXIT } from './errors.ts';

export interface RecordOptions {
  /** Left out, nothing is recorded. */
  readonly file: string | undefined;
  readonly title?: string;
}

/** Runs `body`, which starts the session and awaits its end; returns its exit code. @throws CommandError */
export async function recorded(
  session: Session,
  { file, title }: RecordOptions,
  body: () => Promise<number>,
): Promise<number> {
  if (file === undefined) return await body();
  const recorder = openRecorder(session, file, title);
  try {
    return await body();
  } finally {
    recorder.stop();
    // The run is what was asked for: a full disk costs the recording, not the run.
    if (recorder.failure !== undefined) {
      process.stderr.write(
        `cordon: --record: '${file}' is not whole: ${codeOf(recorder.failure)}\n`,
      );
    }
  }
}

function openRecorder(session: Session, file: string, title: string | undefined): Recorder {
  try {
    return recordSession(session, file, title);
  } catch (error) {
    throw new CommandError(
      `--record: '${file}' cannot be written (${codeOf(error)}); name a file in a folder that exists`,
      EXIT.INPUT,
    );
  }
}

/** What the operating system said; a mistake of ours goes on as it is. */
function codeOf(error: unknown): string {
  const { code } = error as NodeJS.ErrnoException;
  if (code === undefined) throw error;
  return code;
}
