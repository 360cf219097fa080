/** Programs in assembly text as images that a machine can start. */
import type { KernelImage } from '../../src/lab/session-image.ts';
import { assemble } from '../../src/machine/isa/assembler.ts';
import { RAM_BASE } from '../../src/machine/physical-map.ts';

/** Assembles a program for the start of RAM into an image that begins there. */
export function program(text: string, name = 'test'): KernelImage {
  const { bytes } = assemble(text, RAM_BASE);
  return {
    name,
    entry: RAM_BASE,
    segments: [{ physical: RAM_BASE, data: bytes, sizeBytes: bytes.length }],
  };
}
