import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ElfError, readElf, type ElfKind } from '../../src/machine/elf.ts';
import type { OutputSection } from '../../src/policy/linker/layout.ts';
import { fileSymbol, writeElf } from '../../src/policy/linker/write-elf.ts';

const TEXT: OutputSection = {
  name: '.text',
  flags: 6,
  isInFile: true,
  address: 0x10000,
  sizeBytes: 8,
  alignBytes: 4,
  inputs: [],
};

/** A small executable: one segment, one symbol. */
const executable = (): Uint8Array =>
  writeElf({
    entry: 0x10004,
    physOffset: 0x1000,
    segments: [
      { name: 'text', flags: 5, address: 0x10000, memBytes: 4096, fileBytes: 8, sections: [TEXT] },
      { name: 'data', flags: 6, address: 0x11000, memBytes: 8192, fileBytes: 0, sections: [] },
    ],
    contents: () => Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8),
    extras: [{ name: '.note', bytes: Uint8Array.of(9) }],
    symbols: [
      fileSymbol('a.c'),
      { name: 'f', address: 0x10004, sizeBytes: 4, binding: 1, type: 2, section: TEXT },
    ],
  });

/** A relocatable made by hand: text, its relocation, a symbol table. */
function relocatable(): Uint8Array {
  const bytes = new Uint8Array(0x400);
  const view = new DataView(bytes.buffer);
  bytes.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1]);
  for (const [at, value] of [
    [16, 1],
    [18, 243],
    [52, 64],
    [58, 64],
    [60, 6],
    [62, 5],
  ] as const)
    view.setUint16(at, value, true);
  view.setUint32(20, 1, true);
  view.setBigUint64(40, 0x200n, true);
  const names = '\0.text\0.rela.text\0.symtab\0.strtab\0.shstrtab\0f\0';
  bytes.set(Buffer.from(names), 0x180);
  const section = (
    index: number,
    name: string,
    type: number,
    flags: number,
    offset: number,
    size: number,
    link = 0,
    info = 0,
    entry = 0,
  ): void => {
    const at = 0x200 + index * 64;
    view.setUint32(at, names.indexOf(`${name}\0`), true);
    view.setUint32(at + 4, type, true);
    for (const [field, value] of [
      [8, flags],
      [24, offset],
      [32, size],
      [48, 1],
      [56, entry],
    ] as const)
      view.setBigUint64(at + field, BigInt(value), true);
    view.setUint32(at + 40, link, true);
    view.setUint32(at + 44, info, true);
  };
  section(1, '.text', 1, 6, 0x40, 8);
  section(2, '.rela.text', 4, 0, 0x50, 24, 3, 1, 24);
  section(3, '.symtab', 2, 0, 0x100, 48, 4, 1, 24);
  section(4, '.strtab', 3, 0, 0x180, names.length);
  section(5, '.shstrtab', 3, 0, 0x380, 64);
  bytes.set(Buffer.from(names), 0x380);
  view.setBigUint64(0x50, 4n, true);
  view.setUint32(0x58, 18, true);
  view.setUint32(0x5c, 1, true);
  view.setBigInt64(0x60, -2n, true);
  view.setUint32(0x118, names.indexOf('f\0', 40), true);
  bytes[0x11c] = 0x12;
  view.setUint16(0x11e, 1, true);
  return bytes;
}

const poke = (
  bytes: Uint8Array,
  offset: number,
  value: number,
  size: 1 | 2 | 4 | 8,
): Uint8Array => {
  const copy = bytes.slice();
  const view = new DataView(copy.buffer);
  if (size === 1) view.setUint8(offset, value);
  else if (size === 2) view.setUint16(offset, value, true);
  else if (size === 4) view.setUint32(offset, value, true);
  else view.setBigUint64(offset, BigInt(value), true);
  return copy;
};

const messageOf = (bytes: Uint8Array, kind: ElfKind): string => {
  try {
    readElf(bytes, 'x.elf', kind);
  } catch (error) {
    if (error instanceof ElfError) return error.message;
    throw error;
  }
  return 'no error';
};

describe('an executable', () => {
  it('is read with its segments, sections and symbols', () => {
    const elf = readElf(executable(), 'x.elf', 'executable');
    expect(elf.entry).toBe(0x10004n);
    expect(elf.programHeaders).toMatchObject([
      { flags: 5, virtAddr: 0x10000n, physAddr: 0x11000n, fileBytes: 8, memBytes: 4096 },
      { flags: 6, virtAddr: 0x11000n, physAddr: 0x12000n, fileBytes: 0, memBytes: 8192 },
    ]);
    expect([...(elf.programHeaders[0]?.data ?? [])]).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
    expect(elf.symbols[2]).toMatchObject({ name: 'f', value: 0x10004n, sizeBytes: 4, section: 1 });
    expect(elf.sections.map(({ name }) => name)).toContain('.note');
  });

  it.each<[string, number, number, 1 | 2 | 4 | 8, string]>([
    ['another magic number', 0, 0, 1, 'at byte 0x0: not an ELF file (no magic number)'],
    ['32 bits', 4, 1, 1, 'at byte 0x4: not a 64-bit file (EI_CLASS is not ELFCLASS64)'],
    ['big-endian', 5, 2, 1, 'at byte 0x5: not little-endian (EI_DATA is not ELFDATA2LSB)'],
    ['another machine', 18, 62, 2, 'at byte 0x12: made for machine 62, not RISC-V (243)'],
    ['a shared object', 16, 3, 2, 'at byte 0x10: a shared object, where an executable is needed'],
    [
      'program headers beyond the end',
      32,
      0x7fff_ffff,
      8,
      'at byte 0x20: the program header table (0x7fffffff, 112 bytes) ends beyond',
    ],
    [
      'too many program headers',
      56,
      0xffff,
      2,
      'the program header table (0x40, 3669960 bytes) ends beyond',
    ],
    ['a program header of another size', 54, 32, 2, 'e_phentsize is 32, not 56'],
    [
      'a segment beyond the end',
      64 + 8,
      0xffff_ffff,
      8,
      'segment 0 (0xffffffff, 8 bytes) ends beyond',
    ],
    [
      'a segment longer in the file than in memory',
      64 + 40,
      4,
      8,
      'segment 0 has more bytes in the file than in memory',
    ],
    [
      'overlapping segments',
      64 + 56 + 16,
      0x10800,
      8,
      'segment 1 overlaps segment 0 in memory (virtAddr)',
    ],
    [
      'segments that overlap physically',
      64 + 56 + 24,
      0x11800,
      8,
      'segment 1 overlaps segment 0 in memory (physAddr)',
    ],
    ['an odd alignment', 64 + 48, 3, 8, 'the alignment of segment 0 is not a power of two'],
    [
      'section headers beyond the end',
      40,
      0x7fff_ffff,
      8,
      'at byte 0x28: the section header table',
    ],
    ['a section of names that is none', 62, 1, 2, 'e_shstrndx 1 is not a string table'],
    ['names in no section', 62, 99, 2, 'e_shstrndx 99 is not a section'],
    ['no sections, but a table of them', 60, 0, 2, 'extended section numbering is not supported'],
  ])('%s is refused', (_what, offset, value, size, message) => {
    expect(messageOf(poke(executable(), offset, value, size), 'executable')).toContain(message);
  });

  it('a segment that wraps around the address space is refused', () => {
    const bytes = executable();
    new DataView(bytes.buffer).setBigUint64(64 + 56 + 16, 0xffff_ffff_ffff_f000n, true);
    expect(messageOf(bytes, 'executable')).toContain('segment 1 wraps around the address space');
  });

  it('cut short anywhere ends in an ElfError or is still whole', () => {
    const bytes = executable();
    for (let length = 0; length < bytes.length; length += 7) {
      expect(messageOf(bytes.subarray(0, length), 'executable')).not.toBe('no error');
    }
  });
});

describe('a relocatable', () => {
  it('is read with its relocations', () => {
    const elf = readElf(relocatable(), 'x.o', 'relocatable');
    expect(elf.relocations.get(1)).toEqual([{ offset: 4, type: 18, symbol: 1, addend: -2n }]);
    expect(elf.symbols[1]).toMatchObject({ name: 'f', section: 1, binding: 1, type: 2 });
  });

  it('keeps its hands off relocations that are loaded with it', () => {
    const SHF_ALLOC = 2;
    const bytes = poke(relocatable(), 0x200 + 128 + 8, SHF_ALLOC, 8);
    expect(readElf(bytes, 'x.o', 'relocatable').relocations.size).toBe(0);
  });

  it.each<[string, number, number, 1 | 2 | 4 | 8, string]>([
    [
      'a relocation outside of its section',
      0x50,
      99,
      8,
      'relocation 0 lies outside of section .text',
    ],
    [
      'a relocation of a missing symbol',
      0x5c,
      7,
      4,
      'relocation 0 of .text names symbol 7, which does not exist',
    ],
    [
      'relocations of a missing section',
      0x200 + 128 + 44,
      99,
      4,
      'relocates section 99, which does not exist',
    ],
    [
      'a symbol in a missing section',
      0x11e,
      99,
      2,
      'symbol 1 is in section 99, which does not exist',
    ],
    [
      'a symbol name beyond its table',
      0x118,
      9999,
      4,
      'the name of symbol 1 starts beyond its string table',
    ],
    [
      'a symbol table with entries of another size',
      0x200 + 192 + 56,
      16,
      8,
      'does not hold entries of 24 bytes',
    ],
    [
      'a symbol table without names',
      0x200 + 192 + 40,
      1,
      4,
      "the symbol table's string table is section 1, which is none",
    ],
    [
      'a section beyond the end',
      0x200 + 64 + 32,
      0x10000,
      8,
      'section 1 (0x40, 65536 bytes) ends beyond',
    ],
    ['sections that overlap', 0x200 + 64 + 32, 0x20, 8, 'section 2 overlaps section 1 in the file'],
    [
      'relocations without addends',
      0x200 + 128 + 4,
      9,
      4,
      'relocations without addends are not RISC-V',
    ],
    ['an absurd size', 0x200 + 64 + 38, 0xffff, 2, 'sh_size of section 1'],
  ])('%s is refused', (_what, offset, value, size, message) => {
    expect(messageOf(poke(relocatable(), offset, value, size), 'relocatable')).toContain(message);
  });
});

describe('hostile bytes', () => {
  const mutation = fc.array(fc.tuple(fc.nat(0x3ff), fc.nat(255)), { minLength: 1, maxLength: 12 });
  const field = fc.tuple(
    fc.nat(127),
    fc.constantFrom(0, 1, 0x7f, 0x80, 0xff, 0x7fff, 0xffff_ffff, 2 ** 53),
  );

  it.each([
    ['executable', executable()],
    ['relocatable', relocatable()],
  ] as const)('in %s files never end in anything but an ElfError', (kind, original) => {
    const result = fc.check(
      fc.property(mutation, fc.array(field, { maxLength: 4 }), (changes, words) => {
        const bytes = original.slice();
        const view = new DataView(bytes.buffer);
        for (const [at, value] of changes) bytes[at % bytes.length] = value;
        for (const [word, value] of words)
          view.setBigUint64((word * 8) % (bytes.length - 8), BigInt(value), true);
        messageOf(bytes, kind);
      }),
      { numRuns: 3000 },
    );
    expect(result).toMatchObject({ failed: false, counterexample: null });
  });
});
