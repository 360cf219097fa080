/** `--trace`, `--trace-traps` and `--profile`: a run, and files about it when it is over. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';

import type { Session, SessionSpec } from '../lab/session.ts';
import { renderProfile } from '../lab/profile/write-profile.ts';
import type { InstructionTraceOptions } from '../lab/trace/instruction-tracer.ts';
import { OutputFile } from '../lab/trace/output-file.ts';
import { writeTraps } from '../lab/trace/trap-text.ts';
import { writeTrace } from '../lab/trace/write-trace.ts';
import { CommandError, EXIT } from './errors.ts';

/** The flags; each names a file, most take `-` for stdout. */
export interface LookOptions {
  readonly trace?: string;
  readonly traceTraps?: string;
  readonly profile?: string;
  readonly traceInstructions?: string;
  readonly traceLimit?: number;
  readonly deterministic?: boolean;
  readonly json?: boolean;
}

export interface Lookout {
  /** For the session's specification; empty if nobody wants to look. */
  readonly spec: Pick<SessionSpec, 'look' | 'instructions'>;
  /** Runs `body`, which starts the session and awaits its end; then writes the files. */
  around<Result>(session: Session, title: string, body: () => Promise<Result>): Promise<Result>;
}

/**
 * @param domains names of the kernel's domains, by number
 * @throws CommandError for a file that cannot be made
 */
export function lookout(options: LookOptions, domains: readonly string[]): Lookout {
  check(options);
  const instructions = openInstructions(options, domains);
  const folder = makeFolder(options);
  const { trace, traceTraps, profile } = options;
  const look = {
    ...(folder === undefined || (trace ?? traceTraps) === undefined ? {} : { trace: folder }),
    ...(folder === undefined || profile === undefined ? {} : { profile: folder }),
  };
  return {
    spec: {
      ...(folder === undefined ? {} : { look }),
      ...(instructions === undefined ? {} : { instructions: instructions.options }),
    },
    around: async (session, title, body) => {
      try {
        return await body();
      } finally {
        instructions?.close();
        if (folder !== undefined) {
          writeAll(session, title, folder, options);
          rmSync(folder, { recursive: true, force: true });
        }
      }
    },
  };
}

/** Names of a guest's domains, by number. */
export const domainsOf = ({ firmware }: Pick<SessionSpec, 'firmware'>): readonly string[] =>
  firmware?.contexts?.domains.map(({ name }) => name) ?? [];

/** Instructions are written as they come: the run may never end. */
function openInstructions(
  { traceInstructions: file, traceLimit: limit = Infinity }: LookOptions,
  domains: readonly string[],
): { readonly options: InstructionTraceOptions; close(): void } | undefined {
  if (file === undefined) return undefined;
  let output: OutputFile;
  try {
    output = new OutputFile(file);
  } catch (error) {
    throw cannotWrite(file, error);
  }
  const encoder = new TextEncoder();
  const options = { limit, domains, write: (line: string) => output.write(encoder.encode(line)) };
  return { options, close: () => attempt('--trace-instructions', file, () => output.close()) };
}

function check(options: LookOptions): void {
  const { trace, traceTraps, profile, traceInstructions, traceLimit, deterministic, json } =
    options;
  if (trace === '-')
    throw new CommandError('--trace writes a file for a viewer; name one, such as run.pftrace');
  if (profile !== undefined && !/^-$|\.(svg|txt)$/.test(profile))
    throw new CommandError(
      `--profile: '${profile}' ends neither in .svg nor in .txt, and is not -`,
    );
  if (traceInstructions !== undefined && deterministic !== true)
    throw new CommandError('--trace-instructions steps a deterministic run; add --deterministic');
  if (traceLimit !== undefined && traceInstructions === undefined)
    throw new CommandError('--trace-limit is of --trace-instructions; add it or leave this out');
  const wanting = Object.entries({
    '--trace-traps': traceTraps,
    '--profile': profile,
    '--trace-instructions': traceInstructions,
  });
  const toStdout = wanting.find(([, file]) => file === '-');
  if (json === true && toStdout !== undefined)
    throw new CommandError(
      `--json and ${toStdout[0]} - both want stdout; give ${toStdout[0]} a file`,
    );
}

/** For what the harts leave behind: beside the output, which may become large. Undefined if nobody wants any. */
function makeFolder({ trace, traceTraps, profile }: LookOptions): string | undefined {
  const file = trace ?? traceTraps ?? profile;
  if (file === undefined) return undefined;
  let folder: string;
  try {
    folder = mkdtempSync(join(file === '-' ? tmpdir() : dirname(resolve(file)), '.cordon-look-'));
  } catch (error) {
    throw cannotWrite(file, error);
  }
  // However the process ends, and if there never is a session.
  process.once('exit', () => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

function cannotWrite(file: string, error: unknown): CommandError {
  const { code = String(error) } = error as NodeJS.ErrnoException;
  return new CommandError(
    `'${file}' cannot be written (${code}); name a file in a folder that exists`,
    EXIT.INPUT,
  );
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
