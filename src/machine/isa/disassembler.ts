/**
 * Prints an instruction as the assembler would take it. Generated from the ISA table's operand fields
 * and syntaxes; compressed instructions keep their own names.
 */
import { ROUND, ROUND_DYNAMIC } from '../fp/format.ts';
import { decode, extract, type Decoded } from './decoder.ts';

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

/** ABI names of f0..f31 (ibid., "Floating-point Register Convention"). */
export const FLOAT_REGISTER_NAMES: readonly string[] = [
  ...['ft0', 'ft1', 'ft2', 'ft3', 'ft4', 'ft5', 'ft6', 'ft7', 'fs0', 'fs1'],
  ...['fa0', 'fa1', 'fa2', 'fa3', 'fa4', 'fa5', 'fa6', 'fa7', 'fs2', 'fs3', 'fs4'],
  ...['fs5', 'fs6', 'fs7', 'fs8', 'fs9', 'fs10', 'fs11', 'ft8', 'ft9', 'ft10', 'ft11'],
];

const ROUNDING_NAMES: readonly string[] = Object.keys(ROUND).map((mode) => mode.toLowerCase());

const floatName = (register: number): string => FLOAT_REGISTER_NAMES[register] ?? `f${register}`;
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
  const { operands, syntax } = d.instruction;
  const imm = extract(operands.imm, raw);
  const rm = extract(operands.rm, raw);
  const csr = `0x${((raw >>> 20) & 0xfff).toString(16)}`;
  const text: Record<string, () => string> = {
    none: () => '',
    rd: () => name(d.rd),
    rs1: () => name(d.rs1),
    rs2: () => name(d.rs2),
    fd: () => floatName(d.rd),
    fs1: () => floatName(d.rs1),
    fs2: () => floatName(d.rs2),
    fs3: () => floatName(extract(operands.rs3, raw)),
    rm: () => (rm === ROUND_DYNAMIC ? '' : ROUNDING_NAMES[rm]) as string,
    exact: () => (rm === 0 ? '' : rm === ROUND_DYNAMIC ? 'dyn' : ROUNDING_NAMES[rm]) as string,
    imm: () => `${imm}`,
    uimm: () => `${d.rs1}`,
    csr: () => csr,
    upper: () => `0x${((imm >>> 12) & 0xfffff).toString(16)}`,
    target: () => `0x${BigInt.asUintN(64, pc + BigInt(imm)).toString(16)}`,
    fence: () => `${orderingSet(imm >> 4)},${orderingSet(imm)}`,
  };
  if (d.instruction.name === 'fence' && (imm & 0xfff) === FENCE_TSO) return 'fence.tso';
  const printed = syntax
    .replaceAll(/\w+/g, (part) => (text[part] as () => string)())
    .replace(/,$/, '')
    .replaceAll(',', ', ');
  return `${d.instruction.name}${ordering(d, raw)} ${printed}`.trimEnd();
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
