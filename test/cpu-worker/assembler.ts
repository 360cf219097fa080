/**
 * An assembler just large enough for test programs, from the ISA table's own encodings: one
 * instruction, `label:` or `.dword value` (aligned) a line, `#` begins a comment. Besides the table's
 * names: `li` (32-bit signed or a page-aligned address), `la`, `j`, `beqz`, `bnez`, `mv`, `nop`,
 * `csrr`, `csrw`.
 */
import { CSR } from '../../src/machine/csr-numbers.ts';
import { REGISTER_NAMES } from '../../src/machine/isa/disassembler.ts';
import { INSTRUCTIONS, type Field, type Instruction } from '../../src/machine/isa/table.ts';
import { RAM_BASE } from '../../src/machine/physical-map.ts';
import type { KernelImage } from '../../src/lab/session-image.ts';

const BY_NAME = new Map(INSTRUCTIONS.filter((i) => i.bytes === 4).map((i) => [i.name, i]));

interface Line {
  readonly at: number;
  readonly name: string;
  readonly operands: readonly string[];
}

/** Assembles a program for the start of RAM into an image that begins there. */
export function program(text: string, name = 'test'): KernelImage {
  const data = assemble(text, RAM_BASE);
  return {
    name,
    entry: RAM_BASE,
    segments: [{ physical: RAM_BASE, data, sizeBytes: data.length }],
  };
}

export function assemble(text: string, base: number): Uint8Array {
  const labels = new Map<string, number>();
  const lines: Line[] = [];
  let at = base;
  const source = text.split('\n').flatMap(expand);
  for (const [index, raw] of source.entries()) {
    // A doubleword is aligned, and so is the label before it.
    const isData = raw.startsWith('.dword') || source[index + 1]?.startsWith('.dword') === true;
    if (isData) at = Math.ceil(at / 8) * 8;
    const label = /^(\w+):$/.exec(raw);
    if (label !== null) {
      labels.set(label[1] as string, at);
      continue;
    }
    const [name = '', rest = ''] = raw.split(/\s+(.*)/);
    lines.push({ at, name, operands: rest.split(',').map((operand) => operand.trim()) });
    at += name === '.dword' ? 8 : 4;
  }
  const view = new DataView(new ArrayBuffer(at - base));
  for (const line of lines) {
    if (line.name === '.dword') {
      view.setBigInt64(line.at - base, BigInt(line.operands[0] as string), true);
    } else {
      view.setUint32(line.at - base, encode(line, labels), true);
    }
  }
  return new Uint8Array(view.buffer);
}

/** Pseudo-instructions to real ones; `%hi(label)` and `%lo(label)` are relative to the auipc. */
function expand(source: string): string[] {
  const line = source.replace(/#.*/, '').trim();
  if (line === '') return [];
  const [name = '', rest = ''] = line.split(/\s+(.*)/);
  const [a = '', b = ''] = rest.split(',').map((operand) => operand.trim());
  switch (name) {
    case 'li': {
      const value = Number(b);
      const low = (value << 20) >> 20;
      const high = (value - low) | 0;
      if (high === 0) return [`addi ${a}, zero, ${low}`];
      return [`lui ${a}, ${high}`, ...(low === 0 ? [] : [`addiw ${a}, ${a}, ${low}`])];
    }
    case 'la':
      return [`auipc ${a}, %hi(${b})`, `addi ${a}, ${a}, %lo(${b})`];
    case 'j':
      return [`jal zero, ${a}`];
    case 'beqz':
      return [`beq ${a}, zero, ${b}`];
    case 'bnez':
      return [`bne ${a}, zero, ${b}`];
    case 'mv':
      return [`addi ${a}, ${b}, 0`];
    case 'nop':
      return ['addi zero, zero, 0'];
    case 'csrr':
      return [`csrrs ${a}, ${b}, zero`];
    case 'csrw':
      return [`csrrw zero, ${a}, ${b}`];
    default:
      return [line];
  }
}

function encode({ at, name, operands }: Line, labels: ReadonlyMap<string, number>): number {
  const instruction = BY_NAME.get(name);
  if (instruction === undefined) throw new Error(`no instruction '${name}'`);
  const values = operandsOf(instruction, operands, (text) => valueOf(text, at, labels));
  let word = instruction.match;
  for (const [key, value] of Object.entries(values)) {
    const field = instruction.operands[key as keyof typeof values] as Field;
    for (const [from, width, to] of field.pieces) {
      const mask = width === 32 ? -1 : (1 << width) - 1;
      word |= ((value >> to) & mask) << from;
    }
  }
  return word >>> 0;
}

/** A number, a label (relative to the instruction), or one half of a label's distance. */
function valueOf(text: string, at: number, labels: ReadonlyMap<string, number>): number {
  const half = /^%(hi|lo)\((\w+)\)$/.exec(text);
  const label = labels.get(half?.[2] ?? text);
  if (label === undefined) {
    const value = Number(text);
    if (Number.isNaN(value)) throw new Error(`no label '${text}'`);
    return value;
  }
  if (half === null) return label - at;
  const distance = label - (half[1] === 'lo' ? at - 4 : at);
  const low = (distance << 20) >> 20;
  return half[1] === 'lo' ? low : distance - low;
}

const register = (text: string): number => {
  const number = REGISTER_NAMES.indexOf(text);
  if (number < 0) throw new Error(`no register '${text}'`);
  return number;
};

type Values = Partial<Record<'rd' | 'rs1' | 'rs2' | 'imm', number>>;

function operandsOf(
  { syntax }: Instruction,
  operands: readonly string[],
  value: (text: string) => number,
): Values {
  const [a = '', b = '', c = ''] = operands;
  const memory = /^(.*)\((\w+)\)$/.exec(b);
  const [, offset = '', pointer = ''] = memory ?? [];
  const csr = (text: string): number => CSR[text as keyof typeof CSR] ?? value(text);
  switch (syntax) {
    case 'none':
      return {};
    case 'rd,rs1,rs2':
      return { rd: register(a), rs1: register(b), rs2: register(c) };
    case 'rd,rs1,imm':
      return { rd: register(a), rs1: register(b), imm: value(c) };
    case 'rd,imm(rs1)':
      return { rd: register(a), imm: value(offset || '0'), rs1: register(pointer) };
    case 'rs2,imm(rs1)':
      return { rs2: register(a), imm: value(offset || '0'), rs1: register(pointer) };
    case 'rs1,rs2,target':
      return { rs1: register(a), rs2: register(b), imm: value(c) };
    case 'rd,target':
    case 'rd,upper':
      return { rd: register(a), imm: value(b) };
    case 'rd,(rs1)':
      return { rd: register(a), rs1: register(pointer) };
    case 'rd,rs2,(rs1)':
      return { rd: register(a), rs2: register(b), rs1: register(c.slice(1, -1)) };
    case 'rd,csr,rs1':
      return { rd: register(a), imm: csr(b), rs1: register(c) };
    case 'rd,csr,uimm':
      return { rd: register(a), imm: csr(b), rs1: value(c) };
    case 'rs1,rs2':
      return { rs1: register(a), rs2: register(b) };
    case 'fence':
      return { imm: 0xff };
    default: // The others are of compressed instructions.
      throw new Error(`no operands '${syntax}'`);
  }
}
