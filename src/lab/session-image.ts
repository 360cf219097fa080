/**
 * What a session puts into RAM before it starts: the kernel, and the devicetree near the end.
 */
import { readElf, PT_LOAD, type ElfFile, type ProgramHeader } from '../machine/elf.ts';
import { createDeviceTree } from '../machine/device-tree.ts';
import { slotsOf } from '../machine/devices/board.ts';
import { ISA_STRING, type Machine } from '../machine/machine.ts';
import { RAM_BASE } from '../machine/physical-map.ts';

export interface Segment {
  readonly physical: number;
  readonly data: Uint8Array;
  /** The bytes beyond `data` are zero. */
  readonly sizeBytes: number;
}

export interface KernelImage {
  readonly name: string;
  readonly segments: readonly Segment[];
  /** Physical address of the first instruction. */
  readonly entry: number;
  /** The file it came from, for those who read more of it than segments. */
  readonly elf?: ElfFile;
}

/** A kernel that cannot run on this machine; the message says what to change. */
export class ImageError extends Error {}

/** Reads an executable. @throws ElfError, ImageError */
export function kernelFromElf(bytes: Uint8Array, name: string): KernelImage {
  const elf = readElf(bytes, name, 'executable');
  const loads = elf.programHeaders.filter(({ type, memBytes }) => type === PT_LOAD && memBytes > 0);
  const entry = physicalEntry(elf.entry, loads);
  if (entry === undefined) {
    throw new ImageError(
      `kernel '${name}' begins at 0x${elf.entry.toString(16)}, which is in none of its segments; link it with an entry`,
    );
  }
  return {
    name,
    entry: Number(entry),
    segments: loads.map(({ physAddr, data, memBytes }) => ({
      physical: Number(physAddr),
      data,
      sizeBytes: memBytes,
    })),
    elf,
  };
}

/**
 * Before paging is on, the hart needs the physical address. The file's may be virtual, as the ELF
 * specification has it, or physical already, as many kernels' linker scripts do.
 */
function physicalEntry(entry: bigint, loads: readonly ProgramHeader[]): bigint | undefined {
  for (const { physAddr, virtAddr, memBytes } of loads) {
    if (entry >= virtAddr && entry < virtAddr + BigInt(memBytes))
      return physAddr + (entry - virtAddr);
  }
  return loads.some(
    ({ physAddr, memBytes }) => entry >= physAddr && entry < physAddr + BigInt(memBytes),
  )
    ? entry
    : undefined;
}

/** Whether the kernel is linked for the start of RAM, where M-mode software begins on this board. */
export const startsInMachineMode = (image: KernelImage): boolean => image.entry === RAM_BASE;

export interface BootOptions {
  readonly bootargs?: string;
  readonly seed: string;
}

const TREE_ALIGN = 1 << 21;

/** Loads kernel and devicetree; returns the tree's physical address. @throws ImageError */
export function loadImage(machine: Machine, image: KernelImage, boot: BootOptions): number {
  const { spec } = machine.parts;
  const tree = createDeviceTree({
    harts: spec.harts,
    ramBytes: spec.ramBytes,
    isa: ISA_STRING,
    virtioSlots: slotsOf(spec),
    seed: boot.seed,
    ...(boot.bootargs === undefined ? {} : { bootargs: boot.bootargs }),
  });
  const end = RAM_BASE + spec.ramBytes;
  const treeAt = Math.floor((end - tree.length) / TREE_ALIGN) * TREE_ALIGN;
  for (const { physical, data, sizeBytes } of image.segments) {
    if (physical < RAM_BASE || physical + sizeBytes > treeAt) {
      throw new ImageError(
        `kernel '${image.name}' needs 0x${physical.toString(16)} to ` +
          `0x${(physical + sizeBytes).toString(16)}, RAM is free from 0x${RAM_BASE.toString(16)} to ` +
          `0x${treeAt.toString(16)}; link it for this board or give it more with --memory`,
      );
    }
    machine.load(physical, data);
  }
  machine.load(treeAt, tree);
  return treeAt;
}
