/** Which guest a command line means: the image, and what stands below it in M-mode. */
import { readFileSync } from 'node:fs';

import type { Firmware } from '../lab/session.ts';
import {
  ImageError,
  kernelFromElf,
  startsInMachineMode,
  type KernelImage,
} from '../lab/session-image.ts';
import { ElfError } from '../machine/elf.ts';
import type { BuildProgress } from '../policy/build.ts';
import { CONTEXTS_SECTION, type Contexts, type MechanismName } from '../policy/contexts.ts';
import { ContextsError, readContexts } from '../policy/verify.ts';
import { CommandError, EXIT } from './errors.ts';

export interface Guest {
  readonly image: KernelImage;
  /** Left out for a kernel that brings its own M-mode. */
  readonly firmware?: Firmware;
}

export interface GuestOptions {
  readonly kernel?: string;
  readonly initrd?: string;
  readonly mechanism?: MechanismName;
  /** Says what is being built; nothing for a program that reads us. */
  readonly say: (text: string) => void;
}

/** The bundled kernel, built if need be, or the one that is named. @throws CommandError */
export async function chooseGuest(options: GuestOptions): Promise<Guest> {
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
      firmware: {
        mechanism: mechanism ?? contexts.defaultMechanism,
        contexts,
        initrd: initrd === undefined ? own.initrd : readInput('--initrd', initrd, 'a cpio archive'),
      },
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

function namedGuest({ mechanism, initrd }: GuestOptions, path: string): Guest {
  const bytes = readInput('--kernel', path, 'an ELF executable');
  const image = readImage(bytes, path);
  if (startsInMachineMode(image)) {
    refuse(mechanism, path, 'brings M-mode software of its own');
    if (initrd !== undefined) {
      throw new CommandError(
        `--initrd: '${path}' runs without firmware that could hand it over; leave it out`,
      );
    }
    return { image };
  }
  const contexts = contextsOf(image, bytes, path);
  if (contexts === undefined) refuse(mechanism, path, 'was not built by a policy');
  return {
    image,
    firmware: {
      mechanism: mechanism ?? contexts?.defaultMechanism ?? 'none',
      ...(contexts === undefined ? {} : { contexts }),
      ...(initrd === undefined ? {} : { initrd: readInput('--initrd', initrd, 'a cpio archive') }),
    },
  };
}

/** A kernel without contexts has nothing that could be kept apart. */
function refuse(mechanism: MechanismName | undefined, path: string, why: string): void {
  if (mechanism === undefined || mechanism === 'none') return;
  throw new CommandError(
    `--mechanism ${mechanism} needs a kernel that was cut by policies, but '${path}' ${why}; ` +
      'use --mechanism none, or leave --kernel out',
  );
}

function readImage(bytes: Uint8Array, path: string): KernelImage {
  try {
    return kernelFromElf(bytes, path);
  } catch (error) {
    if (error instanceof ElfError || error instanceof ImageError) {
      throw new CommandError(`--kernel: ${error.message}`, EXIT.INPUT);
    }
    throw error;
  }
}

function contextsOf(image: KernelImage, bytes: Uint8Array, path: string): Contexts | undefined {
  if (image.elf?.sections.some(({ name }) => name === CONTEXTS_SECTION) !== true) return undefined;
  try {
    return readContexts(bytes, path);
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
