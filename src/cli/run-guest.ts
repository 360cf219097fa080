/** Which guest a command line means: the image, and what stands below it in M-mode. */
import { readFileSync } from 'node:fs';

import type { SessionSpec } from '../lab/session.ts';
import {
  ImageError,
  readFirmware,
  readKernel,
  startsInMachineMode,
  type KernelImage,
} from '../lab/session-image.ts';
import { ElfError } from '../machine/elf.ts';
import type { BuildProgress } from '../policy/build.ts';
import { CONTEXTS_SECTION, type Contexts, type MechanismName } from '../policy/contexts.ts';
import { ContextsError, readContexts } from '../policy/verify.ts';
import { CommandError, EXIT } from './errors.ts';

/** What of a session a command line decides by naming files. */
export type Guest = Pick<SessionSpec, 'image' | 'firmware' | 'payload' | 'initrd'>;

/** Values of `--firmware` that are no files. */
export const FIRMWARE = { NONE: 'none', SBI: 'sbi' } as const;

export interface GuestOptions {
  readonly kernel?: string;
  /** One of FIRMWARE, or a file; the kernel itself shows it if left out. */
  readonly firmware?: string;
  readonly initrd?: string;
  readonly mechanism?: MechanismName;
  /** Says what is being built; nothing for a program that reads us. */
  readonly say: (text: string) => void;
}

/** The bundled kernel, built if need be, or the one that is named. @throws CommandError */
export async function chooseGuest(options: GuestOptions): Promise<Guest> {
  if (options.kernel === undefined && options.firmware !== undefined) {
    throw new CommandError(
      '--firmware starts a kernel of your own; name it with --kernel, or leave --firmware out',
    );
  }
  return options.kernel === undefined
    ? await bundledGuest(options)
    : namedGuest(options, options.kernel);
}

async function bundledGuest({ mechanism, initrd, say }: GuestOptions): Promise<Guest> {
  // The compiler of policies is large, and nobody who names a kernel needs it.
  const { bundledKernel } = await import('../lab/bundled.ts');
  const { BuildError } = await import('../policy/build.ts');
  const { formatDiagnostics } = await import('../policy/diagnostics.ts');
  const { NoToolchainError } = await import('../policy/toolchain.ts');
  try {
    const { image, contexts, ...own } = await bundledKernel((event) => sayProgress(say, event));
    return {
      image,
      firmware: { mechanism: mechanism ?? contexts.defaultMechanism, contexts },
      initrd: initrd === undefined ? own.initrd : readInput('--initrd', initrd, 'a cpio archive'),
    };
  } catch (error) {
    if (error instanceof NoToolchainError) {
      throw new CommandError(`the kernel cannot be built: ${error.message}`, EXIT.INPUT);
    }
    if (!(error instanceof BuildError)) throw error;
    const why = [...error.compilerOutput, formatDiagnostics(error.diagnostics, () => undefined)];
    throw new CommandError(`the kernel cannot be built:\n${why.join('\n').trim()}`, EXIT.INPUT);
  }
}

function sayProgress(say: (text: string) => void, event: BuildProgress): void {
  if (event.kind === 'compile') say(`compile ${event.source}`);
  if (event.kind === 'link') say(`link ${event.output}`);
}

function namedGuest({ mechanism, initrd, firmware }: GuestOptions, path: string): Guest {
  const bytes = readInput('--kernel', path, 'an ELF executable or a Linux Image');
  const kernel = parsed('--kernel', () => readKernel(bytes, path));
  const files =
    initrd === undefined ? {} : { initrd: readInput('--initrd', initrd, 'a cpio archive') };
  const contexts = contextsOf(kernel, path);
  const below = firmware ?? (startsInMachineMode(kernel) ? FIRMWARE.NONE : FIRMWARE.SBI);
  if (below === FIRMWARE.SBI) {
    if (contexts === undefined) refuse(mechanism, `'${path}' was not built by a policy`);
    return {
      image: kernel,
      firmware: {
        mechanism: mechanism ?? contexts?.defaultMechanism ?? 'none',
        ...(contexts === undefined ? {} : { contexts }),
      },
      ...files,
    };
  }
  refuse(mechanism, 'this run has M-mode software of its own');
  if (below === FIRMWARE.NONE) return { image: kernel, ...files };
  const image = parsed('--firmware', () =>
    readFirmware(readInput('--firmware', below, "'none', 'sbi', or a file of firmware"), below),
  );
  return { image, payload: kernel, ...files };
}

/** A kernel without contexts has nothing that could be kept apart. */
function refuse(mechanism: MechanismName | undefined, why: string): void {
  if (mechanism === undefined || mechanism === 'none') return;
  throw new CommandError(
    `--mechanism ${mechanism} needs a kernel that was cut by policies, but ${why}; ` +
      'use --mechanism none, or leave --kernel out',
  );
}

/** What a reader of files makes of one; its complaints get the flag's name. */
function parsed<Value>(flag: string, read: () => Value): Value {
  try {
    return read();
  } catch (error) {
    if (error instanceof ElfError || error instanceof ImageError) {
      throw new CommandError(`${flag}: ${error.message}`, EXIT.INPUT);
    }
    throw error;
  }
}

function contextsOf({ elf }: KernelImage, path: string): Contexts | undefined {
  if (elf?.sections.some(({ name }) => name === CONTEXTS_SECTION) !== true) return undefined;
  try {
    return readContexts(elf.bytes, path);
  } catch (error) {
    if (error instanceof ContextsError)
      throw new CommandError(`--kernel: ${error.message}`, EXIT.INPUT);
    throw error;
  }
}

/** Reads a file that a flag names. @throws CommandError */
export function readInput(flag: string, path: string, wanted: string): Uint8Array {
  try {
    return readFileSync(path);
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? String(error);
    const what = code === 'ENOENT' ? 'does not exist' : `cannot be read (${code})`;
    throw new CommandError(`${flag}: '${path}' ${what}; give ${wanted}`, EXIT.INPUT);
  }
}
