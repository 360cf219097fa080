/** `--save` and `--restore`: a machine into a file, and out of it. */
import type { RunPoint } from '../lab/debug/debugger.ts';
import type { Session } from '../lab/session.ts';
import { readSnapshot, SnapshotError, type Snapshot } from '../lab/snapshot/format.ts';
import { CommandError, EXIT } from './errors.ts';

export interface SaveOptions {
  readonly save?: string;
  readonly saveAt?: RunPoint;
}

/** Asks a run that has `--save` to save now. */
const SAVE_SIGNAL = 'SIGUSR1';

/** Runs `body`, which starts the session and awaits its end; returns its exit code. @throws CommandError */
export async function saving(
  session: Session,
  { save: path, saveAt }: SaveOptions,
  body: () => Promise<number>,
): Promise<number> {
  if (path === undefined) {
    if (saveAt !== undefined)
      throw new CommandError('--save-at says when; add --save FILE or leave it out');
    return await body();
  }
  let isSaved = saveAt === undefined;
  const report = (saved: Promise<number | undefined>): Promise<void> =>
    saved.then(
      (sizeBytes) => {
        if (sizeBytes === undefined) return;
        isSaved = true;
        process.stderr.write(`cordon: saved '${path}', ${Math.ceil(sizeBytes / 1024)} KiB\n`);
      },
      (error: unknown) => {
        const { code } = error as NodeJS.ErrnoException;
        const why = code ?? (error instanceof Error ? error.message : String(error));
        process.stderr.write(`cordon: --save: '${path}' is not written: ${why}\n`);
        isSaved = true;
      },
    );
  const onSignal = (): void => {
    // Before its start there is nothing to save, and after its end either.
    if (session.isRunning) void report(session.save(path));
  };
  process.on(SAVE_SIGNAL, onSignal);
  const reported = saveAt === undefined ? undefined : report(session.saveAt(saveAt, path));
  try {
    const code = await body();
    await reported;
    if (!isSaved)
      process.stderr.write(`cordon: --save: the run ended before; '${path}' is not written\n`);
    return code;
  } finally {
    process.off(SAVE_SIGNAL, onSignal);
  }
}

/** @throws CommandError */
export function openSnapshot(path: string): Snapshot {
  try {
    return readSnapshot(path);
  } catch (error) {
    if (error instanceof SnapshotError)
      throw new CommandError(`--restore: ${error.message}`, EXIT.INPUT);
    const { code } = error as NodeJS.ErrnoException;
    if (code === undefined) throw error;
    const what = code === 'ENOENT' ? 'does not exist' : `cannot be read (${code})`;
    throw new CommandError(`--restore: '${path}' ${what}; give a file of --save`, EXIT.INPUT);
  }
}
