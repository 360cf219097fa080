/**
 * Assembles text, from the encodings and syntaxes of the ISA table: the disassembler's inverse.
 *
 * One instruction, `label:` or directive (`.dword`, `.word`, `.half`, `.zero n`, `.align n` in bytes) a line; `#` begins
 * a comment. Operands are written as the disassembler prints them; a branch target is a label, or a
 * number that is its address. The pseudoinstructions are those of the "RISC-V Assembly Programmer's
 * Handbook" (vol. I, appendix A of the unprivileged manual) that programs of ours use.
 */
import { CSR } from '../csr-numbers.ts';
import { extract } from './decoder.ts';
import { ROUND, ROUND_DYNAMIC } from '../fp/format.ts';
import { FLOAT_REGISTER_NAMES, REGISTER_NAMES } from './disassembler.ts';
import { INSTRUCTIONS, type Field, type Instruction, type Operands } from './table.ts';

/** A line that cannot be assembled; the message names it. */
export class AssemblyError extends Error {}

export interface Assembled {
  readonly base: number;
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly labels: ReadonlyMap<string, number>;
}

const BY_NAME: ReadonlyMap<string, Instruction> = new Map(
  INSTRUCTIONS.map((instruction) => [instruction.name, instruction]),
);

/** The table entry of a mnemonic. @throws AssemblyError */
export function instructionNamed(name: string): Instruction {
  const instruction = BY_NAME.get(name);
  if (instruction === undefined) throw new AssemblyError(`no instruction '${name}'`);
  return instruction;
}

export type OperandValues = Partial<Record<keyof Operands, number>>;

/** Bits of an encoding that neither the match nor an operand decides, such as aq and rl. */
export function freeBits({ mask, bytes, operands }: Instruction): number {
  let taken = mask;
  for (const field of Object.values(operands) as Field[]) {
    for (const [from, width] of field.pieces) taken |= ones(width) << from;
  }
  return (~taken & (bytes === 4 ? -1 : 0xffff)) >>> 0;
}

const ones = (width: number): number => (width === 32 ? -1 : (1 << width) - 1);

/**
 * Puts operands into an encoding; `rest` sets bits that are nobody's operand.
 * @throws AssemblyError for a value that the field cannot hold, or an encoding that is reserved
 */
export function encode(instruction: Instruction, values: OperandValues, rest = 0): number {
  let raw = instruction.match | rest;
  const operands = Object.entries(instruction.operands) as [keyof Operands, Field][];
  for (const [role, field] of operands) {
    // What compressed instructions write they read as well: two roles, one field.
    const twin = operands.find(([other, same]) => same === field && values[other] !== undefined);
    const given = values[role] ?? (twin === undefined ? field.fixed : values[twin[0]]);
    const value = (given ?? 0) - field.add;
    for (const [from, width, to] of field.pieces) raw |= ((value >> to) & ones(width)) << from;
    if (extract(field, raw) !== value + field.add)
      throw new AssemblyError(`${instruction.name}: ${role} cannot be ${value + field.add}`);
  }
  if (instruction.except.some(({ match, mask }) => ((raw ^ match) & mask) === 0))
    throw new AssemblyError(`${instruction.name}: these operands are reserved`);
  return raw >>> 0;
}

interface Item {
  readonly at: number;
  readonly text: string;
  readonly bytes: number;
}

const DATA_BYTES: Readonly<Record<string, number>> = { '.dword': 8, '.word': 4, '.half': 2 };

/** Assembles a program that will lie at `base`. @throws AssemblyError */
export function assemble(source: string, base: number): Assembled {
  const labels = new Map<string, number>();
  const items: Item[] = [];
  let at = base;
  for (const whole of source.split('\n')) {
    let line = whole.replace(/#.*/, '').trim();
    for (let label; (label = /^([\w.$]+):\s*/.exec(line)) !== null;) {
      labels.set(label[1] as string, at);
      line = line.slice(label[0].length);
    }
    if (line === '') continue;
    const [name, rest] = splitName(line);
    if (name === '.align') at = Math.ceil(at / Number(rest)) * Number(rest);
    else if (name === '.zero') at += Number(rest);
    else {
      for (const text of DATA_BYTES[name] === undefined ? expand(line) : [line]) {
        const bytes = DATA_BYTES[name] ?? instructionNamed(plainName(splitName(text)[0])).bytes;
        items.push({ at, text, bytes });
        at += bytes;
      }
    }
  }
  const view = new DataView(new ArrayBuffer(at - base));
  for (const item of items) {
    try {
      place(view, item, base, labels);
    } catch (error) {
      throw new AssemblyError(`'${item.text}': ${(error as Error).message}`);
    }
  }
  return { base, bytes: new Uint8Array(view.buffer), labels };
}

function place(
  view: DataView,
  { at, text, bytes }: Item,
  base: number,
  labels: ReadonlyMap<string, number>,
): void {
  const [name, rest] = splitName(text);
  if (bytes === 8) view.setBigUint64(at - base, BigInt.asUintN(64, wide(rest, labels)), true);
  else {
    const raw = name.startsWith('.') ? Number(rest) : assembleLine(name, rest, at, labels);
    if (bytes === 4) view.setUint32(at - base, raw, true);
    else view.setUint16(at - base, raw, true);
  }
}

const splitName = (line: string): [string, string] => {
  const [name = '', rest = ''] = line.split(/\s+(.*)/);
  return [name, rest.trim()];
};

const ORDERED = /^((?:lr|sc|amo\w+)\.[wd])\.(aqrl|aq|rl)$/;
const plainName = (name: string): string =>
  name === 'fence.tso' ? 'fence' : (ORDERED.exec(name)?.[1] ?? name);
const ORDERING: Readonly<Record<string, number>> = { aq: 2 << 25, rl: 1 << 25, aqrl: 3 << 25 };
/** fm = 1000, predecessors and successors RW (vol. I §2.7). */
const FENCE_TSO = 0x833;

/** What the names in a table syntax stand for: the operand's role and how text becomes its value. */
function assembleLine(
  name: string,
  rest: string,
  at: number,
  labels: ReadonlyMap<string, number>,
): number {
  const instruction = instructionNamed(plainName(name));
  if (name === 'fence.tso') return encode(instruction, { imm: FENCE_TSO });
  const values: OperandValues = {};
  const given = rest.split(/[,()]/).map((text) => text.trim());
  const texts = given.filter((text) => text !== '');
  const wanted = operandNames(instruction);
  // What need not be said: the offset of `(a0)`, and the rounding mode.
  const optional = wanted.findIndex((kind) => kind in UNSAID);
  if (texts.length === wanted.length - 1 && optional >= 0)
    texts.splice(optional, 0, UNSAID[wanted[optional] as string] as string);
  if (texts.length !== wanted.length)
    throw new AssemblyError(`${plainName(name)} takes ${instruction.syntax || 'no operands'}`);
  for (const [index, kind] of wanted.entries()) {
    const text = texts[index] as string;
    const { role, value } = operandOf(kind, text, at, labels);
    values[role] = (values[role] ?? 0) | value;
  }
  return encode(instruction, values, ORDERING[ORDERED.exec(name)?.[2] ?? ''] ?? 0);
}

const UNSAID: Readonly<Record<string, string>> = { imm: '0', rm: 'dyn', exact: 'rne' };

function operandNames({ syntax }: Instruction): string[] {
  if (syntax === 'none') return [];
  if (syntax === 'fence') return ['pred', 'succ'];
  return syntax.split(/[,()]/).filter((name) => name !== '');
}

function operandOf(
  kind: string,
  text: string,
  at: number,
  labels: ReadonlyMap<string, number>,
): { role: keyof Operands; value: number } {
  switch (kind) {
    case 'target':
      return { role: 'imm', value: Number(wide(text, labels) - BigInt(at)) };
    case 'upper':
      return { role: 'imm', value: half(text, at, labels) ?? Number(text) << 12 };
    case 'imm':
      return { role: 'imm', value: half(text, at - 4, labels) ?? Number(text) };
    case 'csr':
      return { role: 'imm', value: CSR[text as keyof typeof CSR] ?? Number(text) };
    case 'uimm':
      return { role: 'rs1', value: Number(text) };
    case 'pred':
      return { role: 'imm', value: orderingSet(text) << 4 };
    case 'succ':
      return { role: 'imm', value: orderingSet(text) };
    case 'rm':
    case 'exact':
      return { role: 'rm', value: roundingMode(text) };
    case 'fd':
      return { role: 'rd', value: floatRegister(text) };
    case 'fs1':
    case 'fs2':
    case 'fs3':
      return { role: `r${kind.slice(1)}` as keyof Operands, value: floatRegister(text) };
    default:
      return { role: kind as keyof Operands, value: registerNumber(text) };
  }
}

function roundingMode(text: string): number {
  const mode = text === 'dyn' ? ROUND_DYNAMIC : ROUND[text.toUpperCase() as keyof typeof ROUND];
  if (mode === undefined) throw new AssemblyError(`no rounding mode '${text}'`);
  return mode;
}

const orderingSet = (text: string): number =>
  [...text.replace('0', '')].reduce((bits, letter) => bits | (8 >> 'iorw'.indexOf(letter)), 0);

const REGISTERS: ReadonlyMap<string, number> = new Map([
  ...REGISTER_NAMES.map((name, n): [string, number] => [name, n]),
  ...REGISTER_NAMES.map((_, n): [string, number] => [`x${n}`, n]),
  ['fp', 8],
]);

const FLOAT_REGISTERS: ReadonlyMap<string, number> = new Map(
  FLOAT_REGISTER_NAMES.flatMap((name, n): [string, number][] => [
    [name, n],
    [`f${n}`, n],
  ]),
);

function floatRegister(text: string): number {
  const number = FLOAT_REGISTERS.get(text);
  if (number === undefined) throw new AssemblyError(`no floating-point register '${text}'`);
  return number;
}

function registerNumber(text: string): number {
  const number = REGISTERS.get(text);
  if (number === undefined) throw new AssemblyError(`no register '${text}'`);
  return number;
}

/** A label's address or a number. */
function wide(text: string, labels: ReadonlyMap<string, number>): bigint {
  const label = labels.get(text);
  if (label !== undefined) return BigInt(label);
  if (!/^-?(0x)?[0-9a-f]+$/i.test(text)) throw new AssemblyError(`no label '${text}'`);
  return text.startsWith('-') ? -BigInt(text.slice(1)) : BigInt(text);
}

/** `%hi(label)` and `%lo(label)`, both relative to the auipc at `auipc`. */
function half(
  text: string,
  auipc: number,
  labels: ReadonlyMap<string, number>,
): number | undefined {
  const match = /^%(hi|lo)\[(.*)\]$/.exec(text);
  if (match === null) return undefined;
  const distance = Number(wide(match[2] as string, labels)) - auipc;
  const low = (distance << 20) >> 20;
  return match[1] === 'lo' ? low : distance - low;
}

/** The instructions that put a 64-bit constant into a register. */
function loadConstant(rd: string, value: bigint): string[] {
  const whole = BigInt.asIntN(64, value);
  const low = BigInt.asIntN(12, whole);
  if (whole === low) return [`addi ${rd}, zero, ${low}`];
  if (whole === BigInt.asIntN(32, whole)) {
    const upper = BigInt.asUintN(20, (whole - low) >> 12n);
    return [`lui ${rd}, ${upper}`, ...(low === 0n ? [] : [`addiw ${rd}, ${rd}, ${low}`])];
  }
  return [
    ...loadConstant(rd, BigInt.asIntN(52, (whole - low) >> 12n)),
    `slli ${rd}, ${rd}, 12`,
    ...(low === 0n ? [] : [`addi ${rd}, ${rd}, ${low}`]),
  ];
}

type Pseudo = (a: string, b: string, c: string) => string[];
const PSEUDO: Readonly<Record<string, Pseudo>> = {
  li: (rd, value) => loadConstant(rd, wide(value, new Map())),
  la: (rd, label) => [`auipc ${rd}, %hi[${label}]`, `addi ${rd}, ${rd}, %lo[${label}]`],
  nop: () => ['addi zero, zero, 0'],
  mv: (rd, rs) => [`addi ${rd}, ${rs}, 0`],
  not: (rd, rs) => [`xori ${rd}, ${rs}, -1`],
  neg: (rd, rs) => [`sub ${rd}, zero, ${rs}`],
  'sext.w': (rd, rs) => [`addiw ${rd}, ${rs}, 0`],
  seqz: (rd, rs) => [`sltiu ${rd}, ${rs}, 1`],
  snez: (rd, rs) => [`sltu ${rd}, zero, ${rs}`],
  j: (target) => [`jal zero, ${target}`],
  jr: (rs) => [`jalr zero, 0(${rs})`],
  ret: () => ['jalr zero, 0(ra)'],
  beqz: (rs, target) => [`beq ${rs}, zero, ${target}`],
  bnez: (rs, target) => [`bne ${rs}, zero, ${target}`],
  csrr: (rd, csr) => [`csrrs ${rd}, ${csr}, zero`],
  csrw: (csr, rs) => [`csrrw zero, ${csr}, ${rs}`],
  csrs: (csr, rs) => [`csrrs zero, ${csr}, ${rs}`],
  csrc: (csr, rs) => [`csrrc zero, ${csr}, ${rs}`],
  csrwi: (csr, value) => [`csrrwi zero, ${csr}, ${value}`],
  csrsi: (csr, value) => [`csrrsi zero, ${csr}, ${value}`],
  csrci: (csr, value) => [`csrrci zero, ${csr}, ${value}`],
};

/** Pseudoinstructions to real ones, and those whose operands may be left out. */
function expand(line: string): string[] {
  const [name, rest] = splitName(line);
  if (rest === '' && name === 'fence') return ['fence iorw, iorw'];
  if (rest === '' && name === 'sfence.vma') return ['sfence.vma zero, zero'];
  const pseudo = PSEUDO[name];
  if (pseudo === undefined) return [line];
  const [a = '', b = '', c = ''] = rest.split(',').map((operand) => operand.trim());
  return pseudo(a, b, c);
}
