/** `--trace`, `--trace-traps` and `--profile`: a run, and files about it when it is over. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';

import type { Look } from '../lab/look.ts';
import type { Session } from '../lab/session.ts';
import { renderProfile } from '../lab/profile/write-profile.ts';
import { OutputFile } from '../lab/trace/output-file.ts';
import { writeTraps } from '../lab/trace/trap-text.ts';
import { writeTrace } from '../lab/trace/write-trace.ts';
import { CommandError, EXIT } from './errors.ts';

/** The flags; each names a file, most take `-` for stdout. */
export interface LookOptions {
  readonly trace?: string;
  readonly traceTraps?: string;
  readonly profile?: string;
  readonly json?: boolean;
}

export interface Lookout {
  /** For the session's specification; empty if nobody wants to look. */
  readonly spec: { readonly look?: Omit<Look, 'isWatched'> };
  /** Runs `body`, which starts the session and awaits its end; then writes the files. */
  around(session: Session, title: string, body: () => Promise<number>): Promise<number>;
}

/** @throws CommandError for a file that cannot be made */
export function lookout(options: LookOptions): Lookout {
  const { trace, traceTraps, profile } = options;
  check(options);
  const first = trace ?? traceTraps ?? profile;
  if (first === undefined) return { spec: {}, around: (_, __, body) => body() };
  const folder =
    first === '-' ? makeFolder(tmpdir(), first) : makeFolder(dirname(resolve(first)), first);
  const remove = (): void => rmSync(folder, { recursive: true, force: true });
  // However the process ends, and if there never is a session.
  process.once('exit', remove);
  const look = {
    ...(trace === undefined && traceTraps === undefined ? {} : { trace: folder }),
    ...(profile === undefined ? {} : { profile: folder }),
  };
  return {
    spec: { look },
    around: async (session, title, body) => {
      try {
        return await body();
      } finally {
        writeAll(session, title, folder, options);
        process.off('exit', remove);
        remove();
      }
    },
  };
}

function check({ trace, traceTraps, profile, json }: LookOptions): void {
  const toStdout = traceTraps === '-' ? '--trace-traps -' : '--profile -';
  if (json === true && (traceTraps === '-' || profile === '-'))
    throw new CommandError(
      `--json and ${toStdout} both want stdout; give ${toStdout.slice(0, -2)} a file`,
    );
  if (trace === '-')
    throw new CommandError('--trace writes a file for a viewer; name one, such as run.pftrace');
  if (profile !== undefined && !/^-$|\.(svg|txt)$/.test(profile))
    throw new CommandError(
      `--profile: '${profile}' ends neither in .svg nor in .txt, and is not -`,
    );
}

/** Beside the output, which may become large, not where temporary files are kept. */
function makeFolder(where: string, file: string): string {
  try {
    return mkdtempSync(join(where, '.cordon-look-'));
  } catch (error) {
    const { code = String(error) } = error as NodeJS.ErrnoException;
    throw new CommandError(
      `'${file}' cannot be written (${code}); name a file in a folder that exists`,
      EXIT.INPUT,
    );
  }
}

function writeAll(session: Session, title: string, folder: string, options: LookOptions): void {
  const { trace, traceTraps, profile } = options;
  const { harts, firmware } = session.spec;
  const contexts = firmware?.contexts;
  if (trace !== undefined) {
    attempt('--trace', trace, () => {
      const { events, gates, lost, broken } = writeTrace(folder, trace, { title, harts, contexts });
      const sum = gates.reduce((all, count) => all + count, 0);
      say(
        `${trace}: ${events} events, ${sum} gates on ${harts === 1 ? '1 hart' : `${harts} harts`}`,
      );
      if (lost > 0)
        say(`${trace}: ${lost} entries of the ledger were overwritten before they were seen`);
      for (const hart of broken) say(`${trace}: the records of hart ${hart} are not whole`);
    });
  }
  if (traceTraps !== undefined) {
    attempt('--trace-traps', traceTraps, () => {
      const output = new OutputFile(traceTraps);
      const encoder = new TextEncoder();
      writeTraps(folder, harts, contexts, (line) => output.write(encoder.encode(line)));
      output.close();
    });
  }
  if (profile !== undefined) {
    attempt('--profile', profile, () => {
      const output = new OutputFile(profile);
      output.write(new TextEncoder().encode(renderProfile(session, folder, profile)));
      output.close();
    });
  }
}

const say = (text: string): void => void process.stderr.write(`cordon: ${text}\n`);

/** The run is what was asked for: a full disk costs the file, not the run. */
function attempt(flag: string, file: string, write: () => void): void {
  try {
    write();
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === undefined) throw error;
    say(`${flag}: '${file}' cannot be written (${code})`);
  }
}
