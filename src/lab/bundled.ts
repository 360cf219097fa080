/**
 * The bundled kernel and its user programs: built when their sources changed, and ready to boot.
 */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { buildKernel, buildUser, type BuildProgress } from '../policy/build.ts';
import type { Contexts } from '../policy/contexts.ts';
import { readContexts } from '../policy/verify.ts';
import { kernelFromElf, type KernelImage } from './session-image.ts';

/** The repository: sources are found and outputs are put relative to it. */
export const ROOT: string = fileURLToPath(new URL('../..', import.meta.url));

export interface Bundled {
  readonly image: KernelImage;
  readonly contexts: Contexts;
  readonly initrd: Uint8Array;
}

/** Builds what is out of date. @throws BuildError, ContextsError */
export async function bundledKernel(onProgress?: (event: BuildProgress) => void): Promise<Bundled> {
  const options = { root: ROOT, ...(onProgress === undefined ? {} : { onProgress }) };
  const kernel = await buildKernel(options);
  const user = await buildUser(options);
  const bytes = readFileSync(kernel.kernelPath);
  return {
    image: kernelFromElf(bytes, 'kernel.elf'),
    contexts: readContexts(bytes, 'kernel.elf'),
    initrd: readFileSync(user.initrdPath),
  };
}
