/** What `cordon run` does: files to a session, the session to the terminal, its result to an exit code. */
import { readFileSync } from 'node:fs';

import { abaLines, describeExit, type RunExit, type RunResult } from '../lab/run-result.ts';
import { promptTypist, type Typist } from '../lab/session-console.ts';
import { ImageError } from '../lab/session-image.ts';
import { Session, type SessionSpec } from '../lab/session.ts';
import { SnapshotError, type Snapshot } from '../lab/snapshot/format.ts';
import { restoredSpec, type RestoreOptions } from '../lab/snapshot/restore.ts';
import {
  closeDrive,
  DriveError,
  memoryDrive,
  openDrive,
  type DriveHandle,
} from '../machine/devices/drive.ts';
import type { Peripherals } from '../machine/devices/board.ts';
import { BootError } from '../nested-kernel/boot.ts';
import { CommandError, EXIT } from './errors.ts';
import { debugged } from './gdb.ts';
import type { RunOptions } from './run-command.ts';
import { domainsOf, lookout } from './look.ts';
import { reservationSpec } from './option-values.ts';
import { recorded } from './record.ts';
import { networked } from './run-network.ts';
import { chooseGuest, readInput } from './run-guest.ts';
import { exitCodeOf, onEndSignals, type EndSignal } from './signals.ts';
import { openSnapshot, saving } from './snapshot.ts';
import { attachTerminal, ESCAPE_HELP } from './terminal.ts';

/** Returns the exit code. @throws CommandError */
export async function run(options: RunOptions): Promise<number> {
  checkOptions(options);
  const typist =
    options.script === undefined ? undefined : readScript(options.script, options.prompt);
  const drive = options.drive === undefined ? undefined : readDrive(options.drive, options);
  try {
    const given = drive === undefined ? {} : { drive };
    const base =
      options.restore === undefined
        ? { ...(await bootSpec(options)), ...given }
        : restoreSpec(openSnapshot(options.restore), { ...given, jit: options.jit === 'on' });
    const look = lookout(options, domainsOf(base));
    const session = makeSession({
      ...base,
      ...(options.seconds === undefined ? {} : { seconds: options.seconds }),
      ...(typist === undefined ? {} : { typist }),
      ...look.spec,
    });
    const { forward: forwards = [], expose: exposures = [] } = options;
    const body = (): Promise<number> =>
      debugged(session, options, () =>
        saving(session, options, () =>
          networked(session, { forwards, exposures }, () =>
            recorded(session, { file: options.record }, () =>
              options.tui === true ? show(session) : converse(session, options),
            ),
          ),
        ),
      );
    return await look.around(session, session.spec.image.name, body);
  } finally {
    if (drive !== undefined) closeDrive(drive);
  }
}

/** A machine that boots. */
async function bootSpec(options: RunOptions): Promise<SessionSpec> {
  const guest = await chooseGuest({
    ...options,
    say: (text) => {
      if (options.json !== true) process.stderr.write(`${text}\n`);
    },
  });
  return {
    harts: options.harts,
    ramBytes: options.memory,
    ...guest,
    mode:
      options.deterministic === true
        ? { kind: 'deterministic', seed: options.seed ?? '0' }
        : { kind: 'parallel', jit: options.jit === 'on' },
    reservations: reservationSpec(options),
    ...peripheralsFor(options),
    ...bootargsOf(options),
  };
}

/** A machine that goes on. @throws CommandError */
function restoreSpec(snapshot: Snapshot, options: RestoreOptions): SessionSpec {
  try {
    return restoredSpec(snapshot, options);
  } catch (error) {
    if (error instanceof SnapshotError)
      throw new CommandError(`--restore: ${error.message}`, EXIT.INPUT);
    throw error;
  }
}

/** Our own kernel with nobody to type at it: a few seconds of everything, then it powers off. */
const CHECK = 'quiet init=/bin/init -- /bin/sh /etc/check.sh';

function bootargsOf({ append, kernel, script, json, deterministic }: RunOptions): {
  bootargs?: string;
} {
  if (append !== undefined) return { bootargs: append };
  const nobodyTypes = script === undefined && (json === true || deterministic === true);
  return kernel === undefined && nobodyTypes ? { bootargs: CHECK } : {};
}

/** Our own kernel has drivers for none of these; whoever brings a kernel gets random numbers at least. */
function peripheralsFor(options: RunOptions): Peripherals {
  const { kernel, net, forward, expose, console, deterministic, seed = '0' } = options;
  return {
    hasNetwork: net === true || forward !== undefined || expose !== undefined,
    hasVirtioConsole: console === 'virtio',
    ...(kernel === undefined
      ? {}
      : { entropy: deterministic === true ? { kind: 'seeded', seed } : { kind: 'host' } }),
  };
}

const deviceFlags = ({ net, forward, expose, console }: RunOptions): string[] => [
  ...(net === true ? ['--net'] : []),
  ...(forward === undefined ? [] : ['--forward']),
  ...(expose === undefined ? [] : ['--expose']),
  ...(console === 'virtio' ? ['--console virtio'] : []),
];

function checkOptions(options: RunOptions): void {
  const { deterministic, seed, tui, json, plain, forward, expose, kernel } = options;
  if (deterministic === true && (forward ?? expose) !== undefined) {
    throw new CommandError(
      `--${forward === undefined ? 'expose' : 'forward'} brings in what no seed repeats; ` +
        'leave it or --deterministic out (--net alone may stay)',
    );
  }
  const undriven =
    kernel === undefined && options.restore === undefined ? deviceFlags(options).at(0) : undefined;
  if (undriven !== undefined) {
    throw new CommandError(
      `${undriven} is a device that our own kernel has no driver for; name a kernel with --kernel`,
    );
  }
  if (tui === true && (json === true || plain === true)) {
    throw new CommandError(`--tui shows the run; leave --${json === true ? 'json' : 'plain'} out`);
  }
  if (seed !== undefined && deterministic !== true) {
    throw new CommandError('--seed is of a deterministic run; add --deterministic or leave it out');
  }
}

function makeSession(spec: SessionSpec): Session {
  try {
    return new Session(spec);
  } catch (error) {
    if (error instanceof ImageError || error instanceof BootError)
      throw new CommandError(`--kernel: ${error.message}`, EXIT.INPUT);
    if (error instanceof SnapshotError)
      throw new CommandError(`--restore: ${error.message}`, EXIT.INPUT);
    throw error;
  }
}

// --- files ---

function readScript(path: string, prompt: string): Typist {
  const text = new TextDecoder().decode(readInput('--script', path, 'a text file'));
  const lines = text.split('\n');
  if (lines.at(-1) === '') lines.pop();
  return promptTypist(lines, prompt);
}

/** A deterministic run must find the same drive every time, so it works on a copy of its own. */
function readDrive(path: string, { deterministic }: RunOptions): DriveHandle {
  try {
    if (deterministic !== true) return openDrive(path, { readOnly: false });
    closeDrive(openDrive(path, { readOnly: true })); // says what is wrong with it, if anything
    const bytes = readFileSync(path);
    const buffer = new SharedArrayBuffer(bytes.length);
    new Uint8Array(buffer).set(bytes);
    return memoryDrive(buffer);
  } catch (error) {
    if (error instanceof DriveError)
      throw new CommandError(`--drive: ${error.message}`, EXIT.INPUT);
    throw error;
  }
}

// --- the conversation ---

async function converse(session: Session, options: RunOptions): Promise<number> {
  const isJson = options.json === true;
  const output = isJson ? process.stderr : process.stdout;
  let signalled: EndSignal | undefined;
  let hasQuit = false;
  session.onOutput((bytes) => output.write(bytes));
  const stop = (): void => session.stop('interrupted');
  // A reader that went away (`cordon run | head`) ends the run like its user would.
  output.on('error', stop);
  const release = onEndSignals((signal) => {
    signalled = signal;
    stop();
  });
  const detach = attachInput(session, options, () => {
    hasQuit = true;
    stop();
  });
  try {
    const result = await session.start().done;
    if (isJson) process.stdout.write(`${JSON.stringify(result)}\n`);
    else if (!hasQuit) report(result);
    return hasQuit ? EXIT.OK : exitCode(result.exit, signalled);
  } finally {
    detach();
    release();
  }
}

async function show(session: Session): Promise<number> {
  const { showDashboard } = await import('./run-dashboard.ts');
  const { result, code } = await showDashboard(session);
  return code ?? exitCode(result.exit, undefined);
}

const END_OF_INPUT = Uint8Array.of(0x04);

/** Connects whoever types; returns what disconnects them. */
function attachInput(session: Session, options: RunOptions, quit: () => void): () => void {
  const { stdin } = process;
  // A deterministic run hears its script only: what else is typed has no time that could be repeated.
  const { typist, mode } = session.spec;
  if (typist !== undefined || mode.kind === 'deterministic') return () => {};
  if (stdin.isTTY && process.stdout.isTTY && options.plain !== true && options.json !== true) {
    return attachTerminal(stdin, {
      write: (bytes) => session.write(bytes),
      quit,
      help: () => process.stderr.write(`\r\n${ESCAPE_HELP}\r\n`),
    });
  }
  if (options.json === true) return () => {};
  const type = (bytes: Uint8Array): void => session.write(bytes);
  stdin.on('data', type);
  // The end of the input is what ^D says at a keyboard: a shell that reads it ends.
  stdin.on('end', () => session.write(END_OF_INPUT));
  stdin.on('error', () => {});
  return () => {
    stdin.off('data', type);
    // Else a pipe that stays open keeps the process.
    stdin.destroy();
  };
}

function report(result: RunResult): void {
  for (const line of abaLines(result.aba)) process.stderr.write(`${line}\n`);
  if (result.exit.reason === 'power-off') return;
  if (result.exit.reason === 'tohost' && result.exit.code === 0) return;
  const repeat = result.seed === null ? '' : ` (seed ${result.seed})`;
  process.stderr.write(`cordon: ${describeExit(result)}${repeat}\n`);
}

function exitCode({ reason, code }: RunExit, signalled: EndSignal | undefined): number {
  switch (reason) {
    case 'power-off':
    case 'tohost':
      // A guest's code has 16 bits, a process's 8; a failure must not become success on the way.
      return code !== 0 && (code & 0xff) === 0 ? 1 : code & 0xff;
    case 'reset':
      return EXIT.RESET;
    case 'time-limit':
    case 'idle':
      return EXIT.TIME_LIMIT;
    case 'interrupted':
      return signalled === undefined ? EXIT.INTERRUPTED : exitCodeOf(signalled);
    case 'failure':
      return EXIT.FAILURE;
  }
}
