/**
 * Kernels and firmware from their files: ELF executables, Linux `Image`s, and either of them compressed.
 */
import { gunzipSync } from 'node:zlib';

import { ET_DYN, PT_LOAD, readElf, type ElfFile, type ProgramHeader } from '../machine/elf.ts';
import type { HtifCells } from '../machine/devices/htif.ts';
import { ImageError, type LoadImage } from '../machine/loader.ts';
import { KERNEL_BASE, RAM_BASE } from '../machine/physical-map.ts';

export { ImageError };

export interface KernelImage extends LoadImage {
  /** The file it came from, for those who read more of it than segments. */
  readonly elf?: ElfFile;
  /** Where the program talks to the host, if it has the symbols for it. */
  readonly htif?: HtifCells;
}

/** Reads a kernel: an ELF executable or a Linux `Image`, perhaps compressed. @throws ElfError, ImageError */
export function readKernel(file: Uint8Array, name: string): KernelImage {
  const bytes = decompressed(file, name);
  return isLinuxImage(bytes) ? kernelFromLinuxImage(bytes, name) : kernelFromElf(bytes, name);
}

/**
 * Reads M-mode firmware: an ELF executable, or the bare bytes of one, which begin at the start of RAM.
 * @throws ElfError, ImageError
 */
export function readFirmware(file: Uint8Array, name: string): KernelImage {
  const bytes = decompressed(file, name);
  if (isElf(bytes)) {
    // Firmware prints by its own drivers; the cells it may have are for a host that says it reads them.
    const { htif: _, ...image } = kernelFromElf(bytes, name, RAM_BASE);
    return image;
  }
  if (bytes.length === 0) throw new ImageError(`firmware '${name}' is empty`);
  return {
    name,
    entry: RAM_BASE,
    segments: [{ physical: RAM_BASE, data: bytes, sizeBytes: bytes.length }],
  };
}

const startsWith = (bytes: Uint8Array, text: string, at = 0): boolean =>
  bytes.length >= at + text.length &&
  [...text].every((character, n) => bytes[at + n] === character.charCodeAt(0));

const isElf = (bytes: Uint8Array): boolean => startsWith(bytes, '\x7fELF');

// --- compressed files ---

/** No kernel is larger than the largest RAM. */
const MOST_BYTES = 2 ** 30;

/** The content of a gzip file (RFC 1952); other files as they are. */
function decompressed(bytes: Uint8Array, name: string): Uint8Array {
  if (!startsWith(bytes, '\x1f\x8b\x08')) return bytes;
  try {
    return gunzipSync(bytes, { maxOutputLength: MOST_BYTES });
  } catch (error) {
    throw new ImageError(
      `'${name}' cannot be decompressed: ${(error as Error).message}; is the file whole?`,
    );
  }
}

// --- Linux ---

/** Offsets in the header ("Boot image header in RISC-V Linux", Documentation/arch/riscv/boot-image-header.rst). */
const HEADER = { TEXT_OFFSET: 8, IMAGE_SIZE: 16, FLAGS: 24, MAGIC2: 0x38, BYTES: 0x40 } as const;
const BIG_ENDIAN = 1n;
const TWO_MEGABYTES = 0x20_0000;

const isLinuxImage = (bytes: Uint8Array): boolean =>
  startsWith(bytes, 'RSC\x05', HEADER.MAGIC2) && bytes.length >= HEADER.BYTES;

/** Its place counts from the start of RAM, and it needs more room than its file has. @throws ImageError */
function kernelFromLinuxImage(bytes: Uint8Array, name: string): KernelImage {
  const header = new DataView(bytes.buffer, bytes.byteOffset, HEADER.BYTES);
  const offset = header.getBigUint64(HEADER.TEXT_OFFSET, true);
  const size = header.getBigUint64(HEADER.IMAGE_SIZE, true);
  if ((header.getBigUint64(HEADER.FLAGS, true) & BIG_ENDIAN) !== 0n)
    throw new ImageError(`kernel '${name}' is big-endian; build it for a little-endian machine`);
  if (offset % BigInt(TWO_MEGABYTES) !== 0n || offset >= MOST_BYTES || size > MOST_BYTES) {
    throw new ImageError(
      `kernel '${name}' wants 0x${size.toString(16)} bytes at offset 0x${offset.toString(16)} of RAM; ` +
        'its header is not that of a 64-bit Linux Image',
    );
  }
  const physical = RAM_BASE + Number(offset);
  const sizeBytes = Math.max(Number(size), bytes.length);
  return { name, entry: physical, segments: [{ physical, data: bytes, sizeBytes }] };
}

// --- ELF ---

/**
 * Reads an executable; one that is linked for no address in particular is put at `base`.
 * @throws ElfError, ImageError
 */
export function kernelFromElf(
  bytes: Uint8Array,
  name: string,
  base: number = KERNEL_BASE,
): KernelImage {
  const elf = readElf(bytes, name, 'loadable');
  const loads = elf.programHeaders.filter(({ type, memBytes }) => type === PT_LOAD && memBytes > 0);
  const bias = elf.type === ET_DYN && loads.every(({ physAddr }) => physAddr < RAM_BASE) ? base : 0;
  const entry = physicalAddress(elf.entry, loads);
  if (entry === undefined) {
    throw new ImageError(
      `kernel '${name}' begins at 0x${elf.entry.toString(16)}, which is in none of its segments; link it with an entry`,
    );
  }
  const htif = htifOf(elf, loads, bias);
  return {
    name,
    entry: entry + bias,
    segments: loads.map(({ physAddr, data, memBytes }) => ({
      physical: Number(physAddr) + bias,
      data,
      sizeBytes: memBytes,
    })),
    elf,
    ...(htif === undefined ? {} : { htif }),
  };
}

/**
 * Before paging is on, the hart needs physical addresses. The file's may be virtual, as the ELF
 * specification has it, or physical already, as many kernels' linker scripts do.
 */
function physicalAddress(address: bigint, loads: readonly ProgramHeader[]): number | undefined {
  for (const { physAddr, virtAddr, memBytes } of loads) {
    if (address >= virtAddr && address < virtAddr + BigInt(memBytes))
      return Number(physAddr + (address - virtAddr));
  }
  return loads.some(
    ({ physAddr, memBytes }) => address >= physAddr && address < physAddr + BigInt(memBytes),
  )
    ? Number(address)
    : undefined;
}

/** The cells by which test programs talk to their host, from their symbols. */
function htifOf(
  { symbols }: ElfFile,
  loads: readonly ProgramHeader[],
  bias: number,
): HtifCells | undefined {
  const cell = (wanted: string): number | undefined => {
    const symbol = symbols.find(({ name }) => name === wanted);
    const address = symbol === undefined ? undefined : physicalAddress(symbol.value, loads);
    return address === undefined ? undefined : address + bias;
  };
  const tohost = cell('tohost');
  const fromhost = cell('fromhost');
  if (tohost === undefined) return undefined;
  return { tohost, ...(fromhost === undefined ? {} : { fromhost }) };
}

/**
 * Whether a kernel begins in M-mode: it is linked for the start of RAM, where M-mode software begins on
 * this board, or it talks to a host, as test programs without firmware do.
 */
export const startsInMachineMode = (image: KernelImage): boolean =>
  image.entry === RAM_BASE || image.htif !== undefined;
