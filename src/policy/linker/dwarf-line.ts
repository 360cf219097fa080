/**
 * Line numbers of a relocatable object: which source line made the bytes at an offset of a section.
 *
 * "Line Number Information", DWARF 5 §6.2, and DWARF 4 §6.2 for its older header.
 *
 * Line information only serves messages. What cannot be understood is treated as absent.
 */
import type { ElfFile } from '../../machine/elf.ts';
import {
  Cursor,
  relocatedBytes,
  SECTION_SHIFT,
  stringAt,
  stringSections,
  type StringSections,
} from './dwarf.ts';

export interface SourceLine {
  readonly file: string;
  readonly line: number;
  /** 0 if unknown. */
  readonly column: number;
}

interface Row extends SourceLine {
  readonly address: number;
  readonly endsSequence: boolean;
}

export class LineTable {
  readonly #rows: readonly Row[];

  constructor(elf: ElfFile) {
    this.#rows = readRows(elf).toSorted(
      // Where one sequence ends another may begin; the end comes first.
      (a, b) => a.address - b.address || Number(b.endsSequence) - Number(a.endsSequence),
    );
  }

  find(sectionIndex: number, offset: number): SourceLine | undefined {
    const address = sectionIndex * SECTION_SHIFT + offset;
    let low = 0;
    let high = this.#rows.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#rows[middle] as Row).address <= address) low = middle + 1;
      else high = middle;
    }
    // Line 0 marks code that no line made; the line before it is the nearest there is.
    for (let i = low - 1; i >= 0; i--) {
      const row = this.#rows[i] as Row;
      if (row.endsSequence || row.address < sectionIndex * SECTION_SHIFT) return undefined;
      if (row.line > 0) return { file: row.file, line: row.line, column: row.column };
    }
    return undefined;
  }
}

function readRows(elf: ElfFile): Row[] {
  const section = elf.sections.find(({ name }) => name === '.debug_line');
  if (section === undefined) return [];
  const rows: Row[] = [];
  try {
    const cursor = new Cursor(relocatedBytes(elf, section));
    const strings = stringSections(elf);
    while (cursor.offset < cursor.length) readProgram(cursor, strings, rows);
  } catch (error) {
    // A truncated table: RangeError of the view. The rows so far are good.
    if (!(error instanceof RangeError)) throw error;
  }
  return rows;
}

interface LineHeader {
  readonly minInstruction: number;
  readonly lineBase: number;
  readonly lineRange: number;
  readonly opcodeBase: number;
  readonly operandCounts: readonly number[];
  /** File names by the numbers that the program uses. */
  readonly files: readonly string[];
}

function readProgram(c: Cursor, strings: StringSections, rows: Row[]): void {
  const length = c.u32();
  // 64-bit DWARF marks itself with all ones; no RISC-V compiler emits it by default.
  if (length >= 0xfffffff0) throw new RangeError('64-bit DWARF');
  const end = c.offset + length;
  const version = c.u16();
  if (version !== 4 && version !== 5) {
    c.offset = end;
    return;
  }
  const header = readHeader(c, version, strings);
  runProgram(c, end, header, rows);
  c.offset = end;
}

function readHeader(c: Cursor, version: number, strings: StringSections): LineHeader {
  if (version === 5) c.offset += 2; // address_size, segment_selector_size
  const headerLength = c.u32();
  const programStart = c.offset + headerLength;
  const minInstruction = c.u8();
  c.offset += 2; // maximum_operations_per_instruction, default_is_stmt
  const lineBase = c.i8();
  const lineRange = c.u8();
  const opcodeBase = c.u8();
  if (lineRange === 0 || opcodeBase === 0) throw new RangeError('impossible line program');
  const operandCounts = [0];
  for (let i = 1; i < opcodeBase; i++) operandCounts.push(c.u8());
  const files = version === 5 ? readFiles5(c, strings) : readFiles4(c);
  c.offset = programStart;
  return { minInstruction, lineBase, lineRange, opcodeBase, operandCounts, files };
}

/** DWARF 4 §6.2.4: names end in an empty one, and are numbered from 1. */
function readFiles4(c: Cursor): string[] {
  const directories = [''];
  for (let name = c.string(); name !== ''; name = c.string()) directories.push(name);
  const files = [''];
  for (let name = c.string(); name !== ''; name = c.string()) {
    files.push(join(directories[c.uleb()] ?? '', name));
    c.uleb(); // time
    c.uleb(); // length
  }
  return files;
}

const DW_LNCT_PATH = 1;
const DW_LNCT_DIRECTORY_INDEX = 2;

/** DWARF 5 §6.2.4.1: tables that describe their own columns, numbered from 0. */
function readFiles5(c: Cursor, strings: StringSections): string[] {
  const directories = readEntries(c, strings).map((entry) => entry.path);
  return readEntries(c, strings).map(({ path, directory }) => {
    // Directory 0 is where the compiler ran, and messages are relative to it.
    return directory === 0 ? path : join(directories[directory] ?? '', path);
  });
}

function readEntries(c: Cursor, strings: StringSections): { path: string; directory: number }[] {
  const format: (readonly [content: number, form: number])[] = [];
  for (let n = c.u8(); n > 0; n--) format.push([c.uleb(), c.uleb()]);
  const entries: { path: string; directory: number }[] = [];
  if (format.length === 0) return entries;
  for (let n = c.uleb(); n > 0; n--) {
    const entry = { path: '', directory: 0 };
    for (const [content, form] of format) {
      const value = readForm(c, form, strings);
      if (content === DW_LNCT_PATH) entry.path = String(value);
      else if (content === DW_LNCT_DIRECTORY_INDEX) entry.directory = Number(value);
    }
    entries.push(entry);
  }
  return entries;
}

/** The forms that §6.2.4.1 allows in these tables. */
function readForm(c: Cursor, form: number, strings: StringSections): string | number {
  switch (form) {
    case 0x08: // DW_FORM_string
      return c.string();
    case 0x0e: // DW_FORM_strp
      return stringAt(strings.debugStr, c.u32());
    case 0x1f: // DW_FORM_line_strp
      return stringAt(strings.debugLineStr, c.u32());
    case 0x0b: // DW_FORM_data1
      return c.u8();
    case 0x05: // DW_FORM_data2
      return c.u16();
    case 0x06: // DW_FORM_data4
      return c.u32();
    case 0x07: // DW_FORM_data8
      return c.u64();
    case 0x0f: // DW_FORM_udata
      return c.uleb();
    case 0x1e: // DW_FORM_data16: an MD5 sum
      c.offset += 16;
      return 0;
    case 0x09: // DW_FORM_block
      return skipBlock(c);
    default:
      throw new RangeError(`form 0x${form.toString(16)}`);
  }
}

function skipBlock(c: Cursor): 0 {
  const length = c.uleb();
  c.offset += length;
  return 0;
}

const join = (directory: string, name: string): string =>
  (directory === '' || directory === '.' || name.startsWith('/')
    ? name
    : `${directory}/${name}`
  ).replace(/^\.\//, '');

/** The state machine of §6.2.2; opcodes by §6.2.5. */
function runProgram(c: Cursor, end: number, header: LineHeader, rows: Row[]): void {
  const fresh = { address: 0, file: 1, line: 1, column: 0 };
  let state = { ...fresh };
  const emit = (endsSequence: boolean): void => {
    const { address, line, column } = state;
    rows.push({ address, line, column, file: header.files[state.file] ?? '?', endsSequence });
  };
  const advance = (operations: number): void => {
    state.address += operations * header.minInstruction;
  };
  const special = (opcode: number): void => {
    const adjusted = opcode - header.opcodeBase;
    advance(Math.floor(adjusted / header.lineRange));
    state.line += header.lineBase + (adjusted % header.lineRange);
  };
  const extended = (): void => {
    const length = c.uleb();
    const next = c.offset + length;
    const opcode = c.u8();
    if (opcode === 1) {
      emit(true);
      state = { ...fresh };
    } else if (opcode === 2) {
      state.address = c.u64();
    }
    c.offset = next;
  };
  const standard: readonly (() => void)[] = [
    extended,
    () => emit(false), // DW_LNS_copy
    () => advance(c.uleb()), // DW_LNS_advance_pc
    () => (state.line += c.sleb()), // DW_LNS_advance_line
    () => (state.file = c.uleb()), // DW_LNS_set_file
    () => (state.column = c.uleb()), // DW_LNS_set_column
    () => undefined, // DW_LNS_negate_stmt
    () => undefined, // DW_LNS_set_basic_block
    () => advance(Math.floor((255 - header.opcodeBase) / header.lineRange)), // DW_LNS_const_add_pc
    () => (state.address += c.u16()), // DW_LNS_fixed_advance_pc
  ];
  while (c.offset < end) {
    const opcode = c.u8();
    if (opcode >= header.opcodeBase) {
      special(opcode);
      emit(false);
      continue;
    }
    const run = standard[opcode];
    if (run !== undefined) run();
    else for (let n = header.operandCounts[opcode] ?? 0; n > 0; n--) c.uleb();
  }
}
