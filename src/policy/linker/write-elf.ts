/**
 * Writes an executable ELF file; the same input gives the same bytes.
 *
 * Same references as `machine/elf.ts`. Segments lie page-aligned in the file, in the order of their
 * addresses, then the sections that are not loaded, then the section headers.
 */
import {
  EHDR_BYTES,
  EM_RISCV,
  ET_EXEC,
  PHDR_BYTES,
  PT_LOAD,
  SHDR_BYTES,
  SHN_ABS,
  SHT_NOBITS,
  SHT_PROGBITS,
  SHT_STRTAB,
  SHT_SYMTAB,
  STB_LOCAL,
  STT_FILE,
  SYM_BYTES,
} from '../../machine/elf.ts';
import { alignUp, PAGE_BYTES, type OutputSection, type Segment } from './layout.ts';

/** psABI e_flags: compressed instructions occur. The ABI bits stay 0: soft float, lp64. */
const EF_RISCV_RVC = 1;

export interface OutputSymbol {
  readonly name: string;
  readonly address: number;
  readonly sizeBytes: number;
  readonly binding: number;
  readonly type: number;
  /** The output section it lies in, or null for an absolute symbol (and for file names). */
  readonly section: OutputSection | null;
}

/** A section that is not loaded. */
export interface ExtraSection {
  readonly name: string;
  readonly bytes: Uint8Array;
}

export interface ElfImage {
  readonly entry: number;
  /** Physical = virtual + this. */
  readonly physOffset: number;
  readonly segments: readonly Segment[];
  readonly contents: (section: OutputSection) => Uint8Array;
  readonly extras: readonly ExtraSection[];
  /** Local symbols first. */
  readonly symbols: readonly OutputSymbol[];
}

/** The bytes of a segment as they stand in the file. */
export function segmentBytes(
  segment: Segment,
  contents: (section: OutputSection) => Uint8Array,
): Uint8Array {
  const bytes = new Uint8Array(segment.fileBytes);
  for (const section of segment.sections) {
    if (section.isInFile) bytes.set(contents(section), section.address - segment.address);
  }
  return bytes;
}

interface SectionHeader {
  readonly name: string;
  readonly type: number;
  readonly flags: number;
  readonly address: number;
  readonly offset: number;
  readonly sizeBytes: number;
  readonly link: number;
  readonly info: number;
  readonly alignBytes: number;
  readonly entryBytes: number;
}

export function writeElf(image: ElfImage): Uint8Array {
  const chunks: { offset: number; bytes: Uint8Array }[] = [];
  const headers: SectionHeader[] = [];
  const indexOf = new Map<OutputSection, number>();
  const segmentOffsets: number[] = [];

  let end = EHDR_BYTES + image.segments.length * PHDR_BYTES;
  for (const segment of image.segments) {
    const bytes = segmentBytes(segment, image.contents);
    // A segment without bytes is nowhere in the file; any page-aligned offset would do.
    const offset = bytes.length === 0 ? 0 : alignUp(end, PAGE_BYTES);
    segmentOffsets.push(offset);
    if (bytes.length > 0) {
      chunks.push({ offset, bytes });
      end = offset + bytes.length;
    }
    for (const section of segment.sections) {
      indexOf.set(section, headers.length + 1);
      headers.push(loadedHeader(section, offset + section.address - segment.address));
    }
  }

  const append = (bytes: Uint8Array, alignBytes: number): number => {
    const offset = alignUp(end, alignBytes);
    chunks.push({ offset, bytes });
    end = offset + bytes.length;
    return offset;
  };
  const plain = (
    name: string,
    type: number,
    bytes: Uint8Array,
    rest: Partial<SectionHeader> = {},
  ): void => {
    const alignBytes = rest.alignBytes ?? 1;
    const offset = append(bytes, alignBytes);
    const header = { flags: 0, address: 0, link: 0, info: 0, alignBytes, entryBytes: 0, ...rest };
    headers.push({ name, type, offset, sizeBytes: bytes.length, ...header });
  };
  for (const { name, bytes } of image.extras) plain(name, SHT_PROGBITS, bytes);

  const strings = new StringTable();
  const symbols = symbolTable(image.symbols, strings, indexOf);
  const strtabIndex = headers.length + 2;
  plain('.symtab', SHT_SYMTAB, symbols.bytes, {
    link: strtabIndex,
    info: symbols.firstGlobal,
    alignBytes: 8,
    entryBytes: SYM_BYTES,
  });
  plain('.strtab', SHT_STRTAB, strings.bytes());
  const names = new StringTable();
  for (const { name } of [...headers, { name: '.shstrtab' }]) names.add(name);
  plain('.shstrtab', SHT_STRTAB, names.bytes());

  const shoff = alignUp(end, 8);
  const out = new Uint8Array(shoff + (headers.length + 1) * SHDR_BYTES);
  for (const { offset, bytes } of chunks) out.set(bytes, offset);
  const view = new DataView(out.buffer);
  writeHeader(view, image, shoff, headers.length + 1);
  for (const [i, segment] of image.segments.entries()) {
    writeProgramHeader(
      view,
      EHDR_BYTES + i * PHDR_BYTES,
      segment,
      segmentOffsets[i] ?? 0,
      image.physOffset,
    );
  }
  for (const [i, header] of headers.entries()) {
    writeSectionHeader(view, shoff + (i + 1) * SHDR_BYTES, header, names.add(header.name));
  }
  return out;
}

const loadedHeader = (section: OutputSection, offset: number): SectionHeader => ({
  name: section.name,
  type: section.isInFile ? SHT_PROGBITS : SHT_NOBITS,
  flags: section.flags,
  address: section.address,
  offset,
  sizeBytes: section.sizeBytes,
  link: 0,
  info: 0,
  alignBytes: section.alignBytes,
  entryBytes: 0,
});

class StringTable {
  readonly #offsets = new Map<string, number>([['', 0]]);
  readonly #parts: string[] = ['\0'];
  #length = 1;

  add(text: string): number {
    const known = this.#offsets.get(text);
    if (known !== undefined) return known;
    const offset = this.#length;
    this.#offsets.set(text, offset);
    this.#parts.push(`${text}\0`);
    this.#length += text.length + 1;
    return offset;
  }

  bytes(): Uint8Array {
    return new Uint8Array(Buffer.from(this.#parts.join(''), 'latin1'));
  }
}

function symbolTable(
  symbols: readonly OutputSymbol[],
  strings: StringTable,
  indexOf: ReadonlyMap<OutputSection, number>,
): { bytes: Uint8Array; firstGlobal: number } {
  const bytes = new Uint8Array((symbols.length + 1) * SYM_BYTES);
  const view = new DataView(bytes.buffer);
  for (const [i, symbol] of symbols.entries()) {
    const at = (i + 1) * SYM_BYTES;
    view.setUint32(at, strings.add(symbol.name), true);
    view.setUint8(at + 4, (symbol.binding << 4) | symbol.type);
    const index = symbol.section === null ? SHN_ABS : (indexOf.get(symbol.section) ?? SHN_ABS);
    view.setUint16(at + 6, index, true);
    view.setBigInt64(at + 8, BigInt(symbol.address), true);
    view.setBigUint64(at + 16, BigInt(symbol.sizeBytes), true);
  }
  const locals = symbols.findIndex(({ binding }) => binding !== STB_LOCAL);
  return { bytes, firstGlobal: (locals < 0 ? symbols.length : locals) + 1 };
}

/** A symbol that names the object the following local symbols come from. */
export const fileSymbol = (name: string): OutputSymbol => ({
  name,
  address: 0,
  sizeBytes: 0,
  binding: STB_LOCAL,
  type: STT_FILE,
  section: null,
});

function writeHeader(view: DataView, image: ElfImage, shoff: number, shnum: number): void {
  view.setUint32(0, 0x7f454c46, false);
  view.setUint8(4, 2); // ELFCLASS64
  view.setUint8(5, 1); // ELFDATA2LSB
  view.setUint8(6, 1); // EV_CURRENT
  view.setUint16(16, ET_EXEC, true);
  view.setUint16(18, EM_RISCV, true);
  view.setUint32(20, 1, true);
  view.setBigInt64(24, BigInt(image.entry), true);
  view.setBigUint64(32, BigInt(EHDR_BYTES), true);
  view.setBigUint64(40, BigInt(shoff), true);
  view.setUint32(48, EF_RISCV_RVC, true);
  view.setUint16(52, EHDR_BYTES, true);
  view.setUint16(54, PHDR_BYTES, true);
  view.setUint16(56, image.segments.length, true);
  view.setUint16(58, SHDR_BYTES, true);
  view.setUint16(60, shnum, true);
  view.setUint16(62, shnum - 1, true);
}

function writeProgramHeader(
  view: DataView,
  at: number,
  segment: Segment,
  offset: number,
  physOffset: number,
): void {
  view.setUint32(at, PT_LOAD, true);
  view.setUint32(at + 4, segment.flags, true);
  view.setBigUint64(at + 8, BigInt(offset), true);
  view.setBigInt64(at + 16, BigInt(segment.address), true);
  view.setBigInt64(at + 24, BigInt(segment.address + physOffset), true);
  view.setBigUint64(at + 32, BigInt(segment.fileBytes), true);
  view.setBigUint64(at + 40, BigInt(segment.memBytes), true);
  view.setBigUint64(at + 48, BigInt(PAGE_BYTES), true);
}

function writeSectionHeader(view: DataView, at: number, header: SectionHeader, name: number): void {
  view.setUint32(at, name, true);
  view.setUint32(at + 4, header.type, true);
  view.setBigUint64(at + 8, BigInt(header.flags), true);
  view.setBigInt64(at + 16, BigInt(header.address), true);
  view.setBigUint64(at + 24, BigInt(header.offset), true);
  view.setBigUint64(at + 32, BigInt(header.sizeBytes), true);
  view.setUint32(at + 40, header.link, true);
  view.setUint32(at + 44, header.info, true);
  view.setBigUint64(at + 48, BigInt(header.alignBytes), true);
  view.setBigUint64(at + 56, BigInt(header.entryBytes), true);
}
