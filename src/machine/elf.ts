/**
 * ELF64 little-endian reader for RISC-V: executables for the loader, relocatables for the linker.
 *
 * "Object Files", System V ABI (gABI 4.1 with the 64-bit data format), and "RISC-V ELF Specification"
 * in the RISC-V psABI (v1.0). Only what static RISC-V code needs: no dynamic section, no extended
 * section numbering, no other class or byte order.
 *
 * Every offset, count and index of the file is checked before use, so a hostile file ends in an
 * `ElfError` and nothing else. Returned data are views into the file's bytes: whoever patches copies.
 */

export const EM_RISCV = 243;
export const ET_REL = 1;
export const ET_EXEC = 2;
export const ET_DYN = 3;
export const PT_LOAD = 1;
export const PF_X = 1;
export const PF_W = 2;
export const PF_R = 4;

export const SHT_PROGBITS = 1;
export const SHT_SYMTAB = 2;
export const SHT_STRTAB = 3;
export const SHT_RELA = 4;
export const SHT_NOBITS = 8;
const SHT_REL = 9;

export const SHF_WRITE = 0x1;
export const SHF_ALLOC = 0x2;
export const SHF_EXECINSTR = 0x4;
export const SHF_TLS = 0x400;

export const SHN_UNDEF = 0;
export const SHN_ABS = 0xfff1;
export const SHN_COMMON = 0xfff2;
const SHN_LORESERVE = 0xff00;

export const STB_LOCAL = 0;
export const STB_GLOBAL = 1;
export const STB_WEAK = 2;

export const STT_NOTYPE = 0;
export const STT_OBJECT = 1;
export const STT_FUNC = 2;
export const STT_FILE = 4;

export const EHDR_BYTES = 64;
export const PHDR_BYTES = 56;
export const SHDR_BYTES = 64;
export const SYM_BYTES = 24;
export const RELA_BYTES = 24;

/** A file that is not what it says: which file, where in it, what is wrong. */
export class ElfError extends Error {
  readonly file: string;
  /** Byte offset of the field at fault. */
  readonly offset: number;

  constructor(file: string, offset: number, what: string) {
    super(`${file}: at byte 0x${offset.toString(16)}: ${what}`);
    this.name = 'ElfError';
    this.file = file;
    this.offset = offset;
  }
}

export interface ProgramHeader {
  readonly type: number;
  /** An or of `PF_R`, `PF_W`, `PF_X`. */
  readonly flags: number;
  readonly offset: number;
  readonly virtAddr: bigint;
  readonly physAddr: bigint;
  readonly fileBytes: number;
  readonly memBytes: number;
  readonly alignBytes: number;
  /** The bytes in the file; the remaining `memBytes - fileBytes` are zero. */
  readonly data: Uint8Array;
}

export interface ElfSection {
  readonly index: number;
  readonly name: string;
  readonly type: number;
  readonly flags: number;
  readonly address: bigint;
  readonly offset: number;
  readonly sizeBytes: number;
  readonly link: number;
  readonly info: number;
  readonly alignBytes: number;
  readonly entryBytes: number;
  /** Empty for `SHT_NOBITS`. */
  readonly data: Uint8Array;
}

export interface ElfSymbol {
  readonly index: number;
  readonly name: string;
  readonly binding: number;
  readonly type: number;
  /** Section index, or one of `SHN_UNDEF`, `SHN_ABS`, `SHN_COMMON`. */
  readonly section: number;
  readonly value: bigint;
  readonly sizeBytes: number;
}

export interface ElfRelocation {
  readonly offset: number;
  readonly type: number;
  /** Index in `symbols`. */
  readonly symbol: number;
  readonly addend: bigint;
}

export interface ElfFile {
  readonly file: string;
  readonly bytes: Uint8Array;
  readonly type: number;
  readonly entry: bigint;
  readonly flags: number;
  readonly programHeaders: readonly ProgramHeader[];
  readonly sections: readonly ElfSection[];
  /** All symbols, the null symbol first; empty without a symbol table. */
  readonly symbols: readonly ElfSymbol[];
  /** Relocations by the index of the section they patch. */
  readonly relocations: ReadonlyMap<number, readonly ElfRelocation[]>;
}

/** What the caller can use; anything else in the file is refused. */
export type ElfKind = 'executable' | 'relocatable' | 'loadable';

/** An executable may also be linked for no address in particular. */
const ELF_TYPES: Readonly<Record<ElfKind, readonly [number, ...number[]]>> = {
  executable: [ET_EXEC],
  relocatable: [ET_REL],
  loadable: [ET_EXEC, ET_DYN],
};
const TYPE_NAME: Readonly<Record<number, string>> = {
  1: 'a relocatable',
  2: 'an executable',
  [ET_DYN]: 'a shared object',
  4: 'a core file',
};

/** Reads and checks a whole file. `file` is only for messages. */
export function readElf(bytes: Uint8Array, file: string, kind: ElfKind): ElfFile {
  const reader = new Reader(bytes, file);
  const header = readHeader(reader, kind);
  const programHeaders = readProgramHeaders(reader, header);
  const sections = readSections(reader, header);
  const symbols = readSymbols(reader, sections);
  const relocations = readRelocations(reader, sections, symbols.length);
  return {
    file,
    bytes,
    type: header.type,
    entry: header.entry,
    flags: header.flags,
    programHeaders,
    sections,
    symbols,
    relocations,
  };
}

/** Bounds-checked little-endian access; the only place that touches the bytes. */
class Reader {
  readonly bytes: Uint8Array;
  readonly file: string;
  readonly #view: DataView;

  constructor(bytes: Uint8Array, file: string) {
    this.bytes = bytes;
    this.file = file;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  fail(offset: number, what: string): never {
    throw new ElfError(this.file, offset, what);
  }

  need(offset: number, sizeBytes: number, what: string, at: number = offset): void {
    if (offset + sizeBytes > this.bytes.length) {
      this.fail(
        at,
        `${what} (0x${offset.toString(16)}, ${sizeBytes} bytes) ends beyond the file's ${this.bytes.length} bytes`,
      );
    }
  }

  u8(offset: number): number {
    return this.#view.getUint8(offset);
  }

  u16(offset: number): number {
    return this.#view.getUint16(offset, true);
  }

  u32(offset: number): number {
    return this.#view.getUint32(offset, true);
  }

  u64(offset: number): bigint {
    return this.#view.getBigUint64(offset, true);
  }

  i64(offset: number): bigint {
    return this.#view.getBigInt64(offset, true);
  }

  /** A 64-bit offset, size or alignment; anything a file or a memory can hold fits 2^48. */
  size(offset: number, what: string): number {
    const value = this.u64(offset);
    if (value >= 1n << 48n) this.fail(offset, `${what} 0x${value.toString(16)} is absurd`);
    return Number(value);
  }

  /** The NUL-terminated string at an offset of a string table. */
  string(table: ElfSection | undefined, index: number, at: number, what: string): string {
    if (table === undefined) return index === 0 ? '' : this.fail(at, `${what} has no string table`);
    if (index >= table.data.length) {
      if (index === 0) return '';
      this.fail(at, `${what} starts beyond its string table of ${table.data.length} bytes`);
    }
    const end = table.data.indexOf(0, index);
    if (end < 0) this.fail(at, `${what} has no terminating NUL`);
    return latin1.decode(table.data.subarray(index, end));
  }
}

const latin1: TextDecoder = new TextDecoder('latin1');

interface Header {
  readonly type: number;
  readonly entry: bigint;
  readonly flags: number;
  readonly phoff: number;
  readonly phnum: number;
  readonly shoff: number;
  readonly shnum: number;
  readonly shstrndx: number;
}

function readHeader(r: Reader, kind: ElfKind): Header {
  if (r.bytes.length < 4 || r.u32(0) !== 0x464c457f) r.fail(0, 'not an ELF file (no magic number)');
  r.need(0, EHDR_BYTES, 'the ELF header');
  if (r.u8(4) !== 2) r.fail(4, 'not a 64-bit file (EI_CLASS is not ELFCLASS64)');
  if (r.u8(5) !== 1) r.fail(5, 'not little-endian (EI_DATA is not ELFDATA2LSB)');
  if (r.u8(6) !== 1 || r.u32(20) !== 1) r.fail(6, 'unknown ELF version');
  const type = r.u16(16);
  if (!ELF_TYPES[kind].includes(type)) {
    const found = TYPE_NAME[type] ?? `a file of type ${type}`;
    r.fail(16, `${found}, where ${TYPE_NAME[ELF_TYPES[kind][0]]} is needed`);
  }
  const machine = r.u16(18);
  if (machine !== EM_RISCV) r.fail(18, `made for machine ${machine}, not RISC-V (${EM_RISCV})`);
  if (r.u16(52) !== EHDR_BYTES) r.fail(52, `e_ehsize is ${r.u16(52)}, not ${EHDR_BYTES}`);

  const phnum = r.u16(56);
  const shnum = r.u16(60);
  const phoff = r.size(32, 'e_phoff');
  const shoff = r.size(40, 'e_shoff');
  if (phnum > 0) {
    if (r.u16(54) !== PHDR_BYTES) r.fail(54, `e_phentsize is ${r.u16(54)}, not ${PHDR_BYTES}`);
    r.need(phoff, phnum * PHDR_BYTES, 'the program header table', 32);
  }
  if (shnum > 0) {
    if (r.u16(58) !== SHDR_BYTES) r.fail(58, `e_shentsize is ${r.u16(58)}, not ${SHDR_BYTES}`);
    r.need(shoff, shnum * SHDR_BYTES, 'the section header table', 40);
  } else if (shoff !== 0) {
    r.fail(60, 'extended section numbering is not supported');
  }
  const shstrndx = r.u16(62);
  if (shstrndx !== 0 && shstrndx >= shnum) r.fail(62, `e_shstrndx ${shstrndx} is not a section`);
  return { type, entry: r.u64(24), flags: r.u32(48), phoff, phnum, shoff, shnum, shstrndx };
}

const isPowerOfTwo = (value: number): boolean => value > 0 && Number.isInteger(Math.log2(value));

function readProgramHeaders(r: Reader, header: Header): ProgramHeader[] {
  const result: ProgramHeader[] = [];
  for (let i = 0; i < header.phnum; i++) {
    const at = header.phoff + i * PHDR_BYTES;
    const segment = `segment ${i}`;
    const offset = r.size(at + 8, `p_offset of ${segment}`);
    const fileBytes = r.size(at + 32, `p_filesz of ${segment}`);
    const memBytes = r.size(at + 40, `p_memsz of ${segment}`);
    const type = r.u32(at);
    r.need(offset, fileBytes, segment, at + 8);
    if (type === PT_LOAD && fileBytes > memBytes) {
      r.fail(at + 40, `${segment} has more bytes in the file than in memory`);
    }
    const alignBytes = r.size(at + 48, `p_align of ${segment}`);
    if (alignBytes > 1 && !isPowerOfTwo(alignBytes)) {
      r.fail(at + 48, `the alignment of ${segment} is not a power of two`);
    }
    result.push({
      type,
      flags: r.u32(at + 4),
      offset,
      virtAddr: r.u64(at + 16),
      physAddr: r.u64(at + 24),
      fileBytes,
      memBytes,
      alignBytes,
      data: r.bytes.subarray(offset, offset + fileBytes),
    });
  }
  checkDisjoint(r, header, result, 'virtAddr');
  checkDisjoint(r, header, result, 'physAddr');
  return result;
}

/** No two loaded segments share an address, and none wraps around the end of the address space. */
function checkDisjoint(
  r: Reader,
  header: Header,
  segments: readonly ProgramHeader[],
  address: 'virtAddr' | 'physAddr',
): void {
  const offsetOfField = address === 'virtAddr' ? 16 : 24;
  const ranges = segments
    .map((segment, index) => ({ segment, index, start: segment[address] }))
    .filter(({ segment }) => segment.type === PT_LOAD && segment.memBytes > 0)
    .toSorted((a, b) => (a.start < b.start ? -1 : a.start > b.start ? 1 : a.index - b.index));
  let end = 0n;
  let previous = -1;
  for (const { segment, index, start } of ranges) {
    const at = header.phoff + index * PHDR_BYTES + offsetOfField;
    if (start < end)
      r.fail(at, `segment ${index} overlaps segment ${previous} in memory (${address})`);
    end = start + BigInt(segment.memBytes);
    if (end > 1n << 64n) r.fail(at, `segment ${index} wraps around the address space (${address})`);
    previous = index;
  }
}

function readSections(r: Reader, header: Header): ElfSection[] {
  const unnamed: (ElfSection & { readonly nameIndex: number })[] = [];
  for (let i = 0; i < header.shnum; i++) {
    const at = header.shoff + i * SHDR_BYTES;
    const section = `section ${i}`;
    const type = r.u32(at + 4);
    const offset = r.size(at + 24, `sh_offset of ${section}`);
    const sizeBytes = r.size(at + 32, `sh_size of ${section}`);
    const alignBytes = r.size(at + 48, `sh_addralign of ${section}`);
    const isInFile = type !== SHT_NOBITS && type !== 0;
    if (isInFile) r.need(offset, sizeBytes, section, at + 24);
    if (alignBytes > 1 && !isPowerOfTwo(alignBytes)) {
      r.fail(at + 48, `the alignment of ${section} is not a power of two`);
    }
    unnamed.push({
      index: i,
      name: '',
      nameIndex: r.u32(at),
      type,
      flags: r.size(at + 8, `sh_flags of ${section}`),
      address: r.u64(at + 16),
      offset,
      sizeBytes,
      link: r.u32(at + 40),
      info: r.u32(at + 44),
      alignBytes: Math.max(1, alignBytes),
      entryBytes: r.size(at + 56, `sh_entsize of ${section}`),
      data: isInFile ? r.bytes.subarray(offset, offset + sizeBytes) : new Uint8Array(0),
    });
  }
  checkSectionsDisjoint(r, header, unnamed);
  const names = header.shstrndx === 0 ? undefined : unnamed[header.shstrndx];
  if (names !== undefined && names.type !== SHT_STRTAB) {
    r.fail(62, `e_shstrndx ${header.shstrndx} is not a string table`);
  }
  return unnamed.map(({ nameIndex, ...section }) => ({
    ...section,
    name: r.string(
      names,
      nameIndex,
      header.shoff + section.index * SHDR_BYTES,
      `the name of section ${section.index}`,
    ),
  }));
}

function checkSectionsDisjoint(r: Reader, header: Header, sections: readonly ElfSection[]): void {
  const inFile = sections
    .filter(({ data }) => data.length > 0)
    .toSorted((a, b) => a.offset - b.offset || a.index - b.index);
  for (const [i, section] of inFile.entries()) {
    const previous = inFile[i - 1];
    if (previous !== undefined && section.offset < previous.offset + previous.sizeBytes) {
      const at = header.shoff + section.index * SHDR_BYTES + 24;
      r.fail(at, `section ${section.index} overlaps section ${previous.index} in the file`);
    }
  }
}

/** The number of whole entries of a table section. */
function entryCount(r: Reader, section: ElfSection, entryBytes: number): number {
  if (section.entryBytes !== entryBytes || section.sizeBytes % entryBytes !== 0) {
    r.fail(section.offset, `section ${section.name} does not hold entries of ${entryBytes} bytes`);
  }
  return section.sizeBytes / entryBytes;
}

function readSymbols(r: Reader, sections: readonly ElfSection[]): ElfSymbol[] {
  const tables = sections.filter(({ type }) => type === SHT_SYMTAB);
  const table = tables[0];
  if (table === undefined) return [];
  if (tables[1] !== undefined) r.fail(tables[1].offset, 'more than one symbol table');
  const names = sections[table.link];
  if (names?.type !== SHT_STRTAB) {
    r.fail(table.offset, `the symbol table's string table is section ${table.link}, which is none`);
  }
  const count = entryCount(r, table, SYM_BYTES);
  const result: ElfSymbol[] = [];
  for (let i = 0; i < count; i++) {
    const at = table.offset + i * SYM_BYTES;
    const info = r.u8(at + 4);
    const section = r.u16(at + 6);
    const isSpecial = section === SHN_ABS || section === SHN_COMMON;
    if (section >= SHN_LORESERVE ? !isSpecial : section >= sections.length) {
      r.fail(at + 6, `symbol ${i} is in section ${section}, which does not exist`);
    }
    result.push({
      index: i,
      name: r.string(names, r.u32(at), at, `the name of symbol ${i}`),
      binding: info >> 4,
      type: info & 15,
      section,
      value: r.u64(at + 8),
      sizeBytes: r.size(at + 16, `the size of symbol ${i}`),
    });
  }
  return result;
}

function readRelocations(
  r: Reader,
  sections: readonly ElfSection[],
  symbolCount: number,
): Map<number, ElfRelocation[]> {
  const result = new Map<number, ElfRelocation[]>();
  for (const table of sections) {
    if (table.type === SHT_REL) r.fail(table.offset, 'relocations without addends are not RISC-V');
    if (table.type !== SHT_RELA) continue;
    // One that is loaded is the program's own business (`.rela.dyn` of firmware that moves itself).
    if ((table.flags & SHF_ALLOC) !== 0) continue;
    const target = sections[table.info];
    if (target === undefined || table.info === 0) {
      r.fail(
        table.offset,
        `section ${table.name} relocates section ${table.info}, which does not exist`,
      );
    }
    if (result.has(target.index)) r.fail(table.offset, `section ${target.name} is relocated twice`);
    result.set(target.index, readRelocationTable(r, table, target, symbolCount));
  }
  return result;
}

function readRelocationTable(
  r: Reader,
  table: ElfSection,
  target: ElfSection,
  symbolCount: number,
): ElfRelocation[] {
  const count = entryCount(r, table, RELA_BYTES);
  const result: ElfRelocation[] = [];
  for (let i = 0; i < count; i++) {
    const at = table.offset + i * RELA_BYTES;
    const offset = r.size(at, `r_offset of relocation ${i} of ${target.name}`);
    const symbol = r.u32(at + 12);
    if (offset > target.data.length) {
      r.fail(at, `relocation ${i} lies outside of section ${target.name}`);
    }
    if (symbol >= symbolCount && symbol !== 0) {
      r.fail(
        at + 12,
        `relocation ${i} of ${target.name} names symbol ${symbol}, which does not exist`,
      );
    }
    result.push({ offset, type: r.u32(at + 8), symbol, addend: r.i64(at + 16) });
  }
  return result;
}
