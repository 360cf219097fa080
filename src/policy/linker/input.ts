/**
 * Relocatable objects as the linker sees them: each belongs to one subsystem, and each of its
 * sections has a kind that decides where it goes and who may do what with it.
 */
import {
  readElf,
  SHF_ALLOC,
  SHF_EXECINSTR,
  SHF_TLS,
  SHF_WRITE,
  SHN_COMMON,
  SHT_NOBITS,
  STB_LOCAL,
  type ElfFile,
  type ElfSection,
} from '../../machine/elf.ts';
import type { Refusals } from './refusals.ts';

export type SectionKind = 'text' | 'rodata' | 'data' | 'bss' | 'debug';

export interface InputSection {
  readonly object: InputObject;
  readonly section: ElfSection;
  readonly kind: SectionKind;
}

export interface InputObject {
  /** As shown in messages, and what orders the output. */
  readonly file: string;
  /** The subsystem whose code it is. */
  readonly owner: string;
  readonly isLibrary: boolean;
  readonly elf: ElfFile;
  /** Sections that are linked, by section index. */
  readonly sections: ReadonlyMap<number, InputSection>;
}

/** A compiled file before it is given to a subsystem. */
export interface ObjectFile {
  readonly file: string;
  readonly bytes: Uint8Array;
}

export const readObject = ({ file, bytes }: ObjectFile): ElfFile =>
  readElf(bytes, file, 'relocatable');

/** psABI, "File Header": e_flags bits 1-2 give the floating-point ABI; the kernel has none. */
const EF_RISCV_FLOAT_ABI = 0x6;

export function inputObject(
  elf: ElfFile,
  owner: string,
  isLibrary: boolean,
  refusals: Refusals,
): InputObject {
  const sections = new Map<number, InputSection>();
  const object: InputObject = { file: elf.file, owner, isLibrary, elf, sections };
  if ((elf.flags & EF_RISCV_FLOAT_ABI) !== 0) {
    refusals.object(object, 'is compiled for a floating-point ABI', 'compile with -mabi=lp64');
  }
  for (const section of elf.sections) {
    const kind = kindOf(object, section, refusals);
    if (kind !== null) sections.set(section.index, { object, section, kind });
  }
  for (const { section } of sections.values()) checkSize(object, section, refusals);
  for (const symbol of elf.symbols) {
    const input = sections.get(symbol.section);
    if (input === undefined || symbol.value <= BigInt(input.section.sizeBytes)) continue;
    refusals.object(
      object,
      `'${symbol.name}' lies outside of its section ${input.section.name}`,
      'the object is damaged; compile it again',
    );
  }
  const common = elf.symbols.find(({ section }) => section === SHN_COMMON);
  if (common !== undefined) {
    refusals.object(object, `'${common.name}' is a common symbol`, 'compile with -fno-common');
  }
  return object;
}

const MAX_SECTION_BYTES = 2 ** 30;
const MAX_ALIGN_BYTES = 2 ** 16;

function checkSize(object: InputObject, section: ElfSection, refusals: Refusals): void {
  const { name, sizeBytes, alignBytes } = section;
  if (sizeBytes > MAX_SECTION_BYTES) {
    refusals.object(
      object,
      `section ${name} of ${sizeBytes} bytes is larger than memory`,
      'make it smaller',
    );
  }
  if (alignBytes > MAX_ALIGN_BYTES) {
    refusals.object(
      object,
      `section ${name} asks for an alignment of ${alignBytes} bytes`,
      `ask for ${MAX_ALIGN_BYTES} at most`,
    );
  }
}

const ARRAYS = /^\.(init_array|fini_array|preinit_array|ctors|dtors)(\.|$)/;
/** Allocated, but for unwinders and loaders that a kernel does not have. */
const DROPPED = /^\.(eh_frame|note)(\.|$)/;

function kindOf(object: InputObject, section: ElfSection, refusals: Refusals): SectionKind | null {
  const { name, flags, type } = section;
  if ((flags & SHF_ALLOC) === 0) return name.startsWith('.debug_') ? 'debug' : null;
  if (DROPPED.test(name)) return null;
  const isWritable = (flags & SHF_WRITE) !== 0;
  const isExecutable = (flags & SHF_EXECINSTR) !== 0;
  if ((flags & SHF_TLS) !== 0) {
    refusals.object(
      object,
      `section ${name} holds thread-local variables, and the kernel has none`,
      "remove '_Thread_local'; keep per-hart data in an array",
    );
    return null;
  }
  if (ARRAYS.test(name)) {
    refusals.object(
      object,
      `section ${name} holds constructors, which nobody would run`,
      'call the function from the subsystem’s initialisation',
    );
    return null;
  }
  if (isWritable && isExecutable) {
    refusals.object(
      object,
      `section ${name} is writable and executable`,
      'split code and data into sections of their own',
    );
    return null;
  }
  if (isExecutable) return 'text';
  if (type === SHT_NOBITS) return 'bss';
  return isWritable ? 'data' : 'rodata';
}

/** The function or object around a place in a section, for messages. */
export function symbolAt(
  object: InputObject,
  sectionIndex: number,
  offset: number,
): string | undefined {
  let best: { name: string; value: number } | undefined;
  for (const symbol of object.elf.symbols) {
    if (symbol.section !== sectionIndex || symbol.name === '' || symbol.type > 2) continue;
    if (symbol.name.startsWith('.') || symbol.name.startsWith('$')) continue;
    const value = Number(symbol.value);
    if (value > offset || (symbol.type === 0 && symbol.binding === STB_LOCAL)) continue;
    if (best === undefined || value >= best.value) best = { name: symbol.name, value };
  }
  return best?.name;
}
