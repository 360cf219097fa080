/** Functions by address: of the kernel, and of the programs in its initrd. */
import {
  ElfError,
  readElf,
  STT_FUNC,
  STT_NOTYPE,
  PF_X,
  PT_LOAD,
  SHF_EXECINSTR,
  type ElfFile,
} from '../../machine/elf.ts';

/** A function's addresses, the end not among them. */
export interface FunctionRange {
  readonly start: bigint;
  readonly end: bigint;
  readonly name: string;
}

/** The functions of an executable, by address; of those with the same start the longest first. */
export function functionsOf(elf: ElfFile): FunctionRange[] {
  const text = elf.sections.filter(({ flags }) => (flags & SHF_EXECINSTR) !== 0);
  const starts = elf.symbols
    .filter(({ type, name, section }) => {
      const isCode = text.some(({ index }) => index === section);
      // Labels of assembler have no type; `$x` and `.L` are the assembler's own.
      return isCode && (type === STT_FUNC || (type === STT_NOTYPE && /^[a-zA-Z_]/.test(name)));
    })
    .toSorted((a, b) => Number(a.value - b.value) || Number(b.sizeBytes - a.sizeBytes));
  return starts.map(({ value, sizeBytes, name, section }, index) => {
    const holder = elf.sections[section];
    const limit = holder === undefined ? value : holder.address + BigInt(holder.sizeBytes);
    const next = starts.slice(index + 1).find((other) => other.value > value)?.value ?? limit;
    // A function without a size ends where the next one begins.
    const end = sizeBytes > 0 ? value + BigInt(sizeBytes) : next < limit ? next : limit;
    return { start: value, end, name };
  });
}

/** What of a session's specification names the kernel's functions. */
interface KernelSource {
  readonly image: { readonly elf?: ElfFile };
  readonly payload?: { readonly elf?: ElfFile };
  readonly functions?: readonly FunctionRange[];
}

/** The functions of the kernel that a session runs; undefined if nobody knows them. */
export function kernelFunctions(spec: KernelSource): readonly FunctionRange[] | undefined {
  const { elf } = spec.payload ?? spec.image;
  return spec.functions ?? (elf === undefined ? undefined : functionsOf(elf));
}

/** Finds functions by address. */
export class FunctionTable {
  readonly #ranges: readonly FunctionRange[];

  /** @param ranges as `functionsOf` has them */
  constructor(ranges: readonly FunctionRange[]) {
    this.#ranges = ranges;
  }

  /** The function that an address is in. */
  at(address: bigint): string | undefined {
    let low = 0;
    let high = this.#ranges.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.#ranges[middle] as FunctionRange).start <= address) low = middle + 1;
      else high = middle;
    }
    // Of functions with the same start the longest is first, so look back over them.
    for (let index = low - 1; index >= 0 && index >= low - 4; index--) {
      const range = this.#ranges[index] as FunctionRange;
      if (address < range.end) return range.name;
    }
    return undefined;
  }
}

/** A user program, to be recognised by its code. */
export interface Program {
  readonly name: string;
  readonly functions: FunctionTable;
  /** Whether the program has these words at an address. */
  has(address: bigint, words: readonly number[]): boolean;
}

function programOf(name: string, bytes: Uint8Array): Program | undefined {
  let elf: ElfFile;
  try {
    elf = readElf(bytes, name, 'executable');
  } catch (error) {
    if (error instanceof ElfError) return undefined;
    throw error;
  }
  const loads = elf.programHeaders.filter(
    ({ type, flags }) => type === PT_LOAD && (flags & PF_X) !== 0,
  );
  return {
    name,
    functions: new FunctionTable(functionsOf(elf)),
    has: (address, words) =>
      loads.some(({ virtAddr, data }) => {
        const at = Number(address - virtAddr);
        if (at < 0 || at + 4 * words.length > data.length) return false;
        const view = new DataView(data.buffer, data.byteOffset + at);
        return words.every((word, index) => view.getInt32(4 * index, true) === word);
      }),
  };
}

const CPIO_MAGIC = '070701';
const CPIO_HEADER_BYTES = 110;
const CPIO_TRAILER = 'TRAILER!!!';
const align4 = (value: number): number => (value + 3) & ~3;

/** Whether `programsOf` can look into it. */
export const isArchive = (initrd: Uint8Array): boolean =>
  new TextDecoder().decode(initrd.subarray(0, CPIO_MAGIC.length)) === CPIO_MAGIC;

/** The ELF executables of a cpio archive ("newc"); none of one that is compressed or no archive. */
export function programsOf(initrd: Uint8Array | undefined): Program[] {
  if (initrd === undefined) return [];
  const decoder = new TextDecoder();
  const programs: Program[] = [];
  for (let at = 0; at + CPIO_HEADER_BYTES <= initrd.length;) {
    const header = decoder.decode(initrd.subarray(at, at + CPIO_HEADER_BYTES));
    if (!header.startsWith(CPIO_MAGIC)) break;
    const field = (index: number): number =>
      Number.parseInt(header.slice(6 + 8 * index, 14 + 8 * index), 16);
    const [fileBytes, nameBytes] = [field(6), field(11)];
    if (Number.isNaN(fileBytes) || Number.isNaN(nameBytes)) break;
    const nameAt = at + CPIO_HEADER_BYTES;
    const dataAt = align4(nameAt + nameBytes);
    const name = decoder.decode(initrd.subarray(nameAt, nameAt + nameBytes - 1));
    if (name === CPIO_TRAILER) break;
    const program = programOf(
      name.split('/').at(-1) ?? name,
      initrd.subarray(dataAt, dataAt + fileBytes),
    );
    if (program !== undefined) programs.push(program);
    at = align4(dataAt + fileBytes);
  }
  return programs;
}
