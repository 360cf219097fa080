/**
 * What C says about the functions and variables of an object: parameters and where variables stand.
 *
 * "Debugging Information Entries", DWARF 5 §2 and §7.5, and DWARF 4 §7.5 for its older unit header.
 * Only names, types and places are read. As with line numbers, what cannot be understood is absent.
 */
import type { ElfFile } from '../../machine/elf.ts';
import { Cursor, relocatedBytes, stringAt, stringSections, type StringSections } from './dwarf.ts';

/** How a value travels: in a register as a number or an address, or as a structure. */
export type CKind = 'number' | 'pointer' | 'structure';

export interface CFunction {
  readonly name: string;
  readonly line: number;
  readonly parameters: readonly { readonly name: string; readonly kind: CKind }[];
  /** Null for `void`. */
  readonly returns: CKind | null;
  readonly isVariadic: boolean;
}

export interface CVariable {
  readonly name: string;
  readonly line: number;
}

export interface ObjectInfo {
  readonly functions: ReadonlyMap<string, CFunction>;
  /** Global and static variables of the file. */
  readonly variables: ReadonlyMap<string, CVariable>;
}

const TAG = {
  arrayType: 0x01,
  enumerationType: 0x04,
  formalParameter: 0x05,
  pointerType: 0x0f,
  structureType: 0x13,
  unionType: 0x17,
  unspecifiedParameters: 0x18,
  baseType: 0x24,
  subprogram: 0x2e,
  variable: 0x34,
} as const;

const AT = {
  name: 0x03,
  declaration: 0x3c,
  declLine: 0x3b,
  type: 0x49,
  abstractOrigin: 0x31,
  specification: 0x47,
  strOffsetsBase: 0x72,
} as const;

interface Entry {
  readonly offset: number;
  readonly depth: number;
  readonly tag: number;
  readonly values: ReadonlyMap<number, number | string>;
}

type Abbreviation = {
  readonly tag: number;
  readonly hasChildren: boolean;
  readonly attributes: readonly {
    readonly name: number;
    readonly form: number;
    readonly constant: number;
  }[];
};

export function readObjectInfo(elf: ElfFile): ObjectInfo {
  const functions = new Map<string, CFunction>();
  const variables = new Map<string, CVariable>();
  const section = elf.sections.find(({ name }) => name === '.debug_info');
  const abbreviations = elf.sections.find(({ name }) => name === '.debug_abbrev');
  if (section === undefined || abbreviations === undefined) return { functions, variables };
  try {
    const cursor = new Cursor(relocatedBytes(elf, section));
    const strings = new UnitStrings(elf);
    while (cursor.offset < cursor.length) {
      const entries = readUnit(cursor, abbreviations.data, strings);
      collect(entries, functions, variables);
    }
  } catch (error) {
    // A damaged or unknown table: what was read so far is good.
    if (!(error instanceof RangeError)) throw error;
  }
  return { functions, variables };
}

/** Strings by the forms that units use; the base of `strx` is a property of each unit. */
class UnitStrings {
  readonly plain: StringSections;
  base = 8;
  readonly #offsets: Cursor;

  constructor(elf: ElfFile) {
    this.plain = stringSections(elf);
    const section = elf.sections.find(({ name }) => name === '.debug_str_offsets');
    this.#offsets = new Cursor(
      section === undefined ? new Uint8Array(0) : relocatedBytes(elf, section),
    );
  }

  byIndex(index: number): string {
    this.#offsets.offset = this.base + 4 * index;
    return stringAt(this.plain.debugStr, this.#offsets.u32());
  }
}

function readUnit(c: Cursor, abbreviationBytes: Uint8Array, strings: UnitStrings): Entry[] {
  const start = c.offset;
  const length = c.u32();
  if (length >= 0xfffffff0) throw new RangeError('64-bit DWARF');
  const end = c.offset + length;
  const version = c.u16();
  if (version !== 4 && version !== 5) {
    c.offset = end;
    return [];
  }
  let unitType = 1;
  if (version === 5) {
    unitType = c.u8();
    c.offset += 1; // address_size
  }
  const abbreviations = readAbbreviations(abbreviationBytes, c.u32());
  if (version === 4) c.offset += 1; // address_size
  // Type units and skeletons have longer headers; a C compiler emits compile units.
  if (unitType !== 1) {
    c.offset = end;
    return [];
  }
  strings.base = 8;
  const entries = readEntries(c, start, end, abbreviations, strings);
  c.offset = end;
  return entries;
}

function readAbbreviations(bytes: Uint8Array, offset: number): Map<number, Abbreviation> {
  const c = new Cursor(bytes);
  c.offset = offset;
  const result = new Map<number, Abbreviation>();
  for (let code = c.uleb(); code !== 0; code = c.uleb()) {
    const tag = c.uleb();
    const hasChildren = c.u8() === 1;
    const attributes: Abbreviation['attributes'][number][] = [];
    for (;;) {
      const name = c.uleb();
      const form = c.uleb();
      const constant = form === 0x21 ? c.sleb() : 0;
      if (name === 0 && form === 0) break;
      attributes.push({ name, form, constant });
    }
    result.set(code, { tag, hasChildren, attributes });
  }
  return result;
}

function readEntries(
  c: Cursor,
  unitStart: number,
  end: number,
  abbreviations: ReadonlyMap<number, Abbreviation>,
  strings: UnitStrings,
): Entry[] {
  const entries: Entry[] = [];
  let depth = 0;
  while (c.offset < end) {
    const offset = c.offset;
    const code = c.uleb();
    if (code === 0) {
      depth--;
      if (depth <= 0) break;
      continue;
    }
    const abbreviation = abbreviations.get(code);
    if (abbreviation === undefined) throw new RangeError(`abbreviation ${code}`);
    const values = new Map<number, number | string>();
    for (const { name, form, constant } of abbreviation.attributes) {
      values.set(name, readValue(c, form, constant, unitStart, strings));
    }
    const base = values.get(AT.strOffsetsBase);
    if (typeof base === 'number') strings.base = base;
    entries.push({ offset, depth, tag: abbreviation.tag, values: withNames(values, strings) });
    if (abbreviation.hasChildren) depth++;
  }
  return entries;
}

/** `strx` values are read before the base of their unit is known; the name is resolved after. */
function withNames(
  values: Map<number, number | string>,
  strings: UnitStrings,
): ReadonlyMap<number, number | string> {
  const name = values.get(AT.name);
  if (typeof name === 'number') values.set(AT.name, strings.byIndex(name));
  return values;
}

const FIXED_SIZES: ReadonlyMap<number, number> = new Map([
  ...([0x0b, 0x0c, 0x25, 0x29] as const).map((form) => [form, 1] as const),
  ...([0x05, 0x26, 0x2a] as const).map((form) => [form, 2] as const),
  ...([0x06, 0x17, 0x1c, 0x28, 0x2c, 0x10, 0x1d] as const).map((form) => [form, 4] as const),
  ...([0x01, 0x07, 0x20, 0x24] as const).map((form) => [form, 8] as const),
]);
const LEB_FORMS: ReadonlySet<number> = new Set([0x0f, 0x1a, 0x1b, 0x22, 0x23]);

/** The value of an attribute; references become offsets in the section (§7.5.5, §7.5.6). */
function readValue(
  c: Cursor,
  form: number,
  constant: number,
  unitStart: number,
  strings: UnitStrings,
): number | string {
  const size = FIXED_SIZES.get(form);
  if (size === 1) return c.u8();
  if (size === 2) return c.u16();
  if (size === 4) return c.u32();
  if (size === 8) return c.u64();
  if (LEB_FORMS.has(form)) return c.uleb();
  const skip = (length: number): number => {
    c.offset += length;
    return 0;
  };
  switch (form) {
    case 0x08: // DW_FORM_string
      return c.string();
    case 0x0e: // DW_FORM_strp
      return stringAt(strings.plain.debugStr, c.u32());
    case 0x1f: // DW_FORM_line_strp
      return stringAt(strings.plain.debugLineStr, c.u32());
    case 0x11: // DW_FORM_ref1
      return unitStart + c.u8();
    case 0x12: // DW_FORM_ref2
      return unitStart + c.u16();
    case 0x13: // DW_FORM_ref4
      return unitStart + c.u32();
    case 0x14: // DW_FORM_ref8
      return unitStart + c.u64();
    case 0x15: // DW_FORM_ref_udata
      return unitStart + c.uleb();
    case 0x0d: // DW_FORM_sdata
      return c.sleb();
    case 0x19: // DW_FORM_flag_present
      return 1;
    case 0x21: // DW_FORM_implicit_const
      return constant;
    case 0x27: // DW_FORM_strx3
    case 0x2b: // DW_FORM_addrx3
      return c.u8() + 256 * c.u16();
    case 0x1e: // DW_FORM_data16
      return skip(16);
    case 0x0a: // DW_FORM_block1
      return skip(c.u8());
    case 0x03: // DW_FORM_block2
      return skip(c.u16());
    case 0x04: // DW_FORM_block4
      return skip(c.u32());
    case 0x09: // DW_FORM_block
    case 0x18: // DW_FORM_exprloc
      return skip(c.uleb());
    default:
      throw new RangeError(`form 0x${form.toString(16)}`);
  }
}

function collect(
  entries: readonly Entry[],
  functions: Map<string, CFunction>,
  variables: Map<string, CVariable>,
): void {
  const byOffset = new Map(entries.map((entry) => [entry.offset, entry]));
  for (const [i, entry] of entries.entries()) {
    if (entry.values.has(AT.declaration)) continue;
    const name = property(entry, AT.name, byOffset);
    const line = Number(property(entry, AT.declLine, byOffset) ?? 0);
    if (typeof name !== 'string') continue;
    if (entry.tag === TAG.variable && entry.depth === 1) variables.set(name, { name, line });
    if (entry.tag === TAG.subprogram)
      functions.set(name, functionAt(entries, i, name, line, byOffset));
  }
}

/** An attribute of an entry or of the one it completes. */
function property(
  entry: Entry,
  attribute: number,
  byOffset: ReadonlyMap<number, Entry>,
): number | string | undefined {
  const own = entry.values.get(attribute);
  if (own !== undefined) return own;
  const origin = entry.values.get(AT.abstractOrigin) ?? entry.values.get(AT.specification);
  return typeof origin === 'number' ? byOffset.get(origin)?.values.get(attribute) : undefined;
}

function functionAt(
  entries: readonly Entry[],
  index: number,
  name: string,
  line: number,
  byOffset: ReadonlyMap<number, Entry>,
): CFunction {
  const self = entries[index] as Entry;
  const parameters: CFunction['parameters'][number][] = [];
  let isVariadic = false;
  for (let i = index + 1; i < entries.length; i++) {
    const child = entries[i] as Entry;
    if (child.depth <= self.depth) break;
    if (child.depth !== self.depth + 1) continue;
    if (child.tag === TAG.unspecifiedParameters) isVariadic = true;
    if (child.tag !== TAG.formalParameter) continue;
    const kind = kindOf(property(child, AT.type, byOffset), byOffset) ?? 'number';
    parameters.push({ name: String(property(child, AT.name, byOffset) ?? '?'), kind });
  }
  const returns = kindOf(property(self, AT.type, byOffset), byOffset);
  return { name, line, parameters, returns, isVariadic };
}

/** Follows typedefs and qualifiers to what the value is; null for `void`. */
function kindOf(
  type: number | string | undefined,
  byOffset: ReadonlyMap<number, Entry>,
): CKind | null {
  let at = type;
  for (let steps = 0; steps < 64 && typeof at === 'number'; steps++) {
    const entry = byOffset.get(at);
    if (entry === undefined) return 'number';
    if (entry.tag === TAG.pointerType || entry.tag === TAG.arrayType) return 'pointer';
    if (entry.tag === TAG.structureType || entry.tag === TAG.unionType) return 'structure';
    if (entry.tag === TAG.baseType || entry.tag === TAG.enumerationType) return 'number';
    at = entry.values.get(AT.type);
  }
  return null;
}
