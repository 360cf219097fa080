/**
 * The registers as GDB knows them: the standard features of "RISC-V Features" (GDB manual app. G.5.14) as
 * one table, from which the target description is written too. A register's number is its place.
 */
import { PRIVILEGE } from '../../machine/core/hart-block.ts';
import { CSR } from '../../machine/csr-numbers.ts';
import { REGISTER_NAMES } from '../../machine/isa/disassembler.ts';
import { PMP_ENTRIES } from '../../machine/pmp.ts';
import type { HaltedMachine } from './halted-machine.ts';

export type Value = readonly [low: number, high: number];

interface Register {
  readonly name: string;
  readonly feature: 'cpu' | 'fpu' | 'csr' | 'virtual';
  readonly type: string;
  /** Of a group, gdb shows in `info registers`. */
  readonly group?: string;
  /** Undefined: it has no value now. */
  read(machine: HaltedMachine, hart: number): Value | undefined;
  write(machine: HaltedMachine, hart: number, value: Value): boolean;
}

const general = (name: string, index: number): Register => ({
  name,
  feature: 'cpu',
  type: name === 'sp' || name === 'gp' || name === 'tp' ? 'data_ptr' : 'int',
  read: (machine, hart) => machine.cell(hart, 'x', index),
  write: (machine, hart, value) => {
    if (index !== 0) machine.setCell(hart, 'x', index, value);
    return true;
  },
});

const PC: Register = {
  name: 'pc',
  feature: 'cpu',
  type: 'code_ptr',
  read: (machine, hart) => machine.cell(hart, 'pc'),
  write: (machine, hart, [low, high]) => {
    machine.setCell(hart, 'pc', 0, [low & ~1, high]);
    return true;
  },
};

/** As it lies in the hart, whatever mstatus.FS has to say to software. */
const float = (index: number): Register => ({
  name: `f${index}`,
  feature: 'fpu',
  type: 'riscv_double',
  read: (machine, hart) => machine.cell(hart, 'f', index),
  write: (machine, hart, value) => {
    machine.setCell(hart, 'f', index, value);
    return true;
  },
});

const FLAG_BITS = 5;
const ROUNDING_BITS = 3;

/** A field of fcsr, or all of it. */
const floatStatus = (name: 'fflags' | 'frm' | 'fcsr'): Register => ({
  name,
  feature: 'fpu',
  type: 'int',
  group: 'float',
  read: (machine, hart) => {
    const flags = machine.word(hart, 'fflags');
    const rounding = machine.word(hart, 'frm');
    const both = flags | (rounding << FLAG_BITS);
    return [name === 'fflags' ? flags : name === 'frm' ? rounding : both, 0];
  },
  write: (machine, hart, [low]) => {
    const flags = low & ((1 << FLAG_BITS) - 1);
    const rounding = (name === 'frm' ? low : low >> FLAG_BITS) & ((1 << ROUNDING_BITS) - 1);
    if (name !== 'frm') machine.setWord(hart, 'fflags', flags);
    if (name !== 'fflags') machine.setWord(hart, 'frm', rounding);
    return true;
  },
});

const control = ([name, number]: readonly [string, number]): Register => ({
  name,
  feature: 'csr',
  type: 'int',
  group: 'csr',
  read: (machine, hart) => machine.ask(hart)('csr', { number }) ?? undefined,
  write: (machine, hart, value) => machine.ask(hart)('setCsr', { number, value }) === true,
});

/** The mode that the hart is in, as `priv`. */
const PRIV: Register = {
  name: 'priv',
  feature: 'virtual',
  type: 'int',
  read: (machine, hart) => [machine.word(hart, 'mode'), 0],
  write: (machine, hart, [low, high]) => {
    const isMode = high === 0 && Object.values<number>(PRIVILEGE).includes(low);
    if (isMode) machine.setWord(hart, 'mode', low);
    return isMode;
  },
};

/** Configurations of eight entries a register; the odd ones are RV32's (vol. II §3.7.1). */
const pmpRegisters = (): (readonly [string, number])[] => [
  ...Array.from(
    { length: PMP_ENTRIES / 8 },
    (_, n) => [`pmpcfg${2 * n}`, CSR.pmpcfg0 + 2 * n] as const,
  ),
  ...Array.from({ length: PMP_ENTRIES }, (_, n) => [`pmpaddr${n}`, CSR.pmpaddr0 + n] as const),
];

const CONTROL: readonly (readonly [string, number])[] = [
  ...Object.entries(CSR).filter(([name]) => !/^(?:pmp(?:cfg|addr)|fflags|frm|fcsr)/.test(name)),
  ...pmpRegisters(),
].toSorted(([, a], [, b]) => a - b);

export const REGISTERS: readonly Register[] = [
  ...REGISTER_NAMES.map(general),
  PC,
  ...Array.from({ length: 32 }, (_, index) => float(index)),
  ...(['fflags', 'frm', 'fcsr'] as const).map(floatStatus),
  ...CONTROL.map(control),
  PRIV,
];

/** What a 'g' packet holds; the others are asked for one by one. */
export const GENERAL_REGISTERS = 33;
export const PC_NUMBER = 32;
export const SP_NUMBER = 2;
export const FP_NUMBER = 8;

/** A double, and a float in its lower half. */
const RISCV_DOUBLE =
  '    <union id="riscv_double"><field name="float" type="ieee_single"/>' +
  '<field name="double" type="ieee_double"/></union>';

/** The target description (GDB manual app. G.2). */
export function targetXml(): string {
  const features = ['cpu', 'fpu', 'csr', 'virtual'] as const;
  const lines = features.flatMap((feature) => [
    `  <feature name="org.gnu.gdb.riscv.${feature}">`,
    ...(feature === 'fpu' ? [RISCV_DOUBLE] : []),
    ...REGISTERS.flatMap(({ name, type, group, feature: its }, number) =>
      its === feature
        ? `    <reg name="${name}" bitsize="64" regnum="${number}" type="${type}"` +
          `${group === undefined ? '' : ` group="${group}"`}/>`
        : [],
    ),
    '  </feature>',
  ]);
  return [
    '<?xml version="1.0"?>',
    '<!DOCTYPE target SYSTEM "gdb-target.dtd">',
    '<target version="1.0">',
    '  <architecture>riscv:rv64</architecture>',
    // For Linux, which it takes where it is told nothing, gdb never sends a step: it lets the hart run to a
    // breakpoint at the next instruction while the others stay, and an interrupt on the way may want a lock
    // that one of these holds.
    '  <osabi>none</osabi>',
    ...lines,
    '</target>',
    '',
  ].join('\n');
}
