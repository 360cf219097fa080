/**
 * Prints an instruction as the assembler would take it. Generated from the ISA table's operand fields
 * and syntaxes; compressed instructions keep their own names.
 */
import { decode, extract, type Decoded } from './decoder.ts';
import type { Syntax } from './table.ts';

/** ABI names of x0..x31 (RISC-V psABI, "Integer Register Convention"). */
export const REGISTER_NAMES: readonly string[] = [
  'zero',
  'ra',
  'sp',
  'gp',
  'tp',
  't0',
  't1',
  't2',
  's0',
  's1',
  'a0',
  'a1',
  'a2',
  'a3',
  'a4',
  'a5',
  'a6',
  'a7',
  's2',
  's3',
  's4',
  's5',
  's6',
  's7',
  's8',
  's9',
  's10',
  's11',
  't3',
  't4',
  't5',
  't6',
];

const name = (register: number): string => REGISTER_NAMES[register] ?? `x${register}`;

/**
 * One instruction as text; `.half`/`.word` for an encoding that is in no table.
 * @param raw the encoding; only the low 16 bits count if it is compressed
 * @param pc its address, for branch targets
 */
export function disassemble(raw: number, pc: bigint): string {
  const d = decode(raw);
  if (d === undefined) {
    return (raw & 3) === 3
      ? `.word 0x${(raw >>> 0).toString(16)}`
      : `.half 0x${(raw & 0xffff).toString(16)}`;
  }
  const imm = extract(d.instruction.operands.imm, raw);
  const target = `0x${BigInt.asUintN(64, pc + BigInt(imm)).toString(16)}`;
  const text: Record<Syntax, () => string> = {
    none: () => '',
    'rd,rs1,rs2': () => `${name(d.rd)}, ${name(d.rs1)}, ${name(d.rs2)}`,
    'rd,rs1': () => `${name(d.rd)}, ${name(d.rs1)}`,
    'rd,rs1,imm': () => `${name(d.rd)}, ${name(d.rs1)}, ${imm}`,
    'rd,imm(rs1)': () => `${name(d.rd)}, ${imm}(${name(d.rs1)})`,
    'imm(rs1)': () => `${imm}(${name(d.rs1)})`,
    'rs2,imm(rs1)': () => `${name(d.rs2)}, ${imm}(${name(d.rs1)})`,
    'rs1,rs2,target': () => `${name(d.rs1)}, ${name(d.rs2)}, ${target}`,
    'rd,target': () => `${name(d.rd)}, ${target}`,
    'rd,upper': () => `${name(d.rd)}, 0x${((imm >>> 12) & 0xfffff).toString(16)}`,
    'rd,(rs1)': () => `${name(d.rd)}, (${name(d.rs1)})`,
    'rd,rs2,(rs1)': () => `${name(d.rd)}, ${name(d.rs2)}, (${name(d.rs1)})`,
    'rd,csr,rs1': () => `${name(d.rd)}, 0x${((raw >>> 20) & 0xfff).toString(16)}, ${name(d.rs1)}`,
    'rd,csr,uimm': () => `${name(d.rd)}, 0x${((raw >>> 20) & 0xfff).toString(16)}, ${d.rs1}`,
    'rs1,rs2': () => `${name(d.rs1)}, ${name(d.rs2)}`,
    fence: () => `${orderingSet(imm >> 4)}, ${orderingSet(imm)}`,
    'rd,rs2': () => `${name(d.rd)}, ${name(d.rs2)}`,
    'rd,imm': () => `${name(d.rd)}, ${imm}`,
    rd: () => name(d.rd),
    rs1: () => name(d.rs1),
    'rs1,target': () => `${name(d.rs1)}, ${target}`,
    target: () => target,
  };
  if (d.instruction.name === 'fence' && (imm & 0xfff) === FENCE_TSO) return 'fence.tso';
  return `${d.instruction.name}${ordering(d, raw)} ${text[d.instruction.syntax]()}`.trimEnd();
}

/** fm = 1000, predecessors and successors RW (vol. I §2.7). */
const FENCE_TSO = 0x833;

/** What the bits aq and rl add to the name of an atomic instruction. */
function ordering({ instruction: { meaning } }: Decoded, raw: number): string {
  const { kind } = meaning;
  if (kind !== 'lr' && kind !== 'sc' && kind !== 'amo' && kind !== 'amoLoop') return '';
  return ['', '.rl', '.aq', '.aqrl'][(raw >>> 25) & 3] as string;
}

/** I/O and memory, reads and writes, as a FENCE names them. */
const orderingSet = (bits: number): string =>
  ['i', 'o', 'r', 'w'].filter((_, at) => (bits & (8 >> at)) !== 0).join('') || '0';
