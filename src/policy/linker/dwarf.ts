/**
 * What the readers of debug information share: bytes of a section with its relocations applied, and
 * a cursor over DWARF's encodings ("Data Representation", DWARF 5 §7).
 *
 * An object is not yet linked: each section gets an address of its own (its index times
 * `SECTION_SHIFT`), so an address means one section and one offset, and differences inside a section
 * stay right. Reading beyond the end throws a `RangeError`, as a `DataView` does.
 */
import type { ElfFile, ElfSection } from '../../machine/elf.ts';
import { PATCHES, R } from './riscv.ts';

export const SECTION_SHIFT: number = 2 ** 32;

/** The section's bytes with the relocations that matter applied, symbols at their own section's base. */
export function relocatedBytes(elf: ElfFile, section: ElfSection): Uint8Array {
  const bytes = section.data.slice();
  const view = new DataView(bytes.buffer);
  for (const { offset, type, symbol: index, addend } of elf.relocations.get(section.index) ?? []) {
    const symbol = elf.symbols[index];
    const patch = PATCHES.get(type);
    if (symbol === undefined || patch === undefined || offset + patch.sizeBytes > bytes.length)
      continue;
    const isDebug = elf.sections[symbol.section]?.name.startsWith('.debug_') ?? true;
    const base = isDebug ? 0 : symbol.section * SECTION_SHIFT;
    const value = base + Number(symbol.value) + Number(addend);
    if (type === R.ABS32 && (value < 0 || value >= 2 ** 32)) continue;
    patch.apply(view, offset, value, 0);
  }
  return bytes;
}

export interface StringSections {
  readonly debugStr: Uint8Array;
  readonly debugLineStr: Uint8Array;
}

export function stringSections(elf: ElfFile): StringSections {
  const bytes = (name: string): Uint8Array =>
    elf.sections.find((section) => section.name === name)?.data ?? new Uint8Array(0);
  return { debugStr: bytes('.debug_str'), debugLineStr: bytes('.debug_line_str') };
}

const latin1: TextDecoder = new TextDecoder('latin1');

export const stringAt = (bytes: Uint8Array, offset: number): string => {
  const end = bytes.indexOf(0, offset);
  return end < 0 ? '' : latin1.decode(bytes.subarray(offset, end));
};

export class Cursor {
  offset = 0;
  readonly bytes: Uint8Array;
  readonly length: number;
  readonly #view: DataView;

  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
    this.length = bytes.length;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  u8(): number {
    return this.#view.getUint8(this.offset++);
  }

  i8(): number {
    return this.#view.getInt8(this.offset++);
  }

  u16(): number {
    this.offset += 2;
    return this.#view.getUint16(this.offset - 2, true);
  }

  u32(): number {
    this.offset += 4;
    return this.#view.getUint32(this.offset - 4, true);
  }

  u64(): number {
    this.offset += 8;
    return Number(this.#view.getBigUint64(this.offset - 8, true));
  }

  uleb(): number {
    let result = 0;
    for (let scale = 1; ; scale *= 128) {
      const byte = this.u8();
      result += (byte & 0x7f) * scale;
      if (byte < 0x80) return result;
    }
  }

  sleb(): number {
    let result = 0;
    for (let scale = 1; ; scale *= 128) {
      const byte = this.u8();
      result += (byte & 0x7f) * scale;
      if (byte < 0x80) return (byte & 0x40) !== 0 ? result - scale * 128 : result;
    }
  }

  string(): string {
    const text = stringAt(this.bytes, this.offset);
    this.offset += text.length + 1;
    return text;
  }
}
