import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { decode, lookUp, type Decoded } from '../../../src/machine/isa/decoder.ts';
import { operationNumber } from '../../../src/machine/core/operations.ts';
import { INSTRUCTIONS, type Instruction } from '../../../src/machine/isa/table.ts';
import { encode, fieldOf, rangeOf, registerNumber, rowOf, ROWS, type Row } from './assembler.ts';

const hex = (raw: number): string => `0x${(raw >>> 0).toString(16)}`;

/** Whether every encoding that two patterns share is among the exceptions of one of them. */
function shared(a: Instruction, b: Instruction): number | undefined {
  if (a.bytes !== b.bytes || ((a.match ^ b.match) & a.mask & b.mask) !== 0) return undefined;
  const match = (a.match | b.match) >>> 0;
  const mask = (a.mask | b.mask) >>> 0;
  const isExcepted = [...a.except, ...b.except].some(
    (except) => (except.mask & ~mask) === 0 && ((except.match ^ match) & except.mask) === 0,
  );
  return isExcepted ? undefined : match;
}

describe('the ISA table', () => {
  it('gives no encoding two meanings', () => {
    const overlaps = INSTRUCTIONS.flatMap((a, index) =>
      INSTRUCTIONS.slice(index + 1).flatMap((b) => {
        const raw = shared(a, b);
        return raw === undefined ? [] : [`${a.name} and ${b.name}: ${hex(raw)}`];
      }),
    );
    expect(overlaps).toEqual([]);
  });

  it('gives none of the 2^16 compressed encodings two meanings, exceptions included', () => {
    const short = INSTRUCTIONS.filter(({ bytes }) => bytes === 2);
    const twice: string[] = [];
    for (let raw = 0; raw < 0x10000; raw++) {
      if ((raw & 3) === 3) continue;
      const owners = short.filter(
        ({ match, mask, except }) =>
          ((raw ^ match) & mask) === 0 && !except.some((e) => ((raw ^ e.match) & e.mask) === 0),
      );
      if (owners.length > 1) twice.push(`${hex(raw)}: ${owners.map(({ name }) => name).join()}`);
      if (owners[0] !== lookUp(raw)) twice.push(`${hex(raw)}: the decoder finds another`);
    }
    expect(twice).toEqual([]);
  });

  it('has an operation number of one byte for every full instruction, and some to spare', () => {
    expect(Math.max(...operationNumber.values())).toBeLessThan(250);
  });

  it('lists every instruction of the manual once, and no other', () => {
    expect(INSTRUCTIONS.map(({ name }) => name).toSorted()).toEqual([...ROWS.keys()].toSorted());
  });

  it('says which bits are fixed as the manual does', () => {
    for (const { name, match, mask } of INSTRUCTIONS) {
      const pieces = rowOf(name).pieces;
      const fixed = pieces.filter(({ operand }) => operand === undefined);
      // FENCE and FENCE.I ignore their reserved fields (vol. I §2.7, §5).
      const wanted = name.startsWith('fence')
        ? 0x707f
        : fixed.reduce((bits, { at, width }) => bits | ((2 ** width - 1) << at), 0);
      expect(`${name} ${hex(mask)}`).toBe(`${name} ${hex(wanted)}`);
      const ones = fixed.reduce((bits, { at, constant }) => bits | (constant << at), 0);
      expect(`${name} ${hex(match)}`).toBe(`${name} ${hex(ones & wanted)}`);
    }
  });
});

/** Random operands that an instruction can hold, by field name. */
function operandsOf(row: Row): fc.Arbitrary<Record<string, number>> {
  const fields = new Set(row.pieces.flatMap(({ operand }) => operand ?? []));
  return fc.record(
    Object.fromEntries(
      [...fields].map((field) => {
        if (/^(rd|rs[123])$/.test(field)) {
          const [min, max] = row.short.has(field) ? [8, 15] : [0, 31];
          const not = row.not.get(field);
          return [field, fc.integer({ min, max }).filter((register) => register !== not)];
        }
        // 5 and 6 are reserved.
        if (field === 'rm') return [field, fc.constantFrom(0, 1, 2, 3, 4, 7)];
        const { min, max, step } = rangeOf(row, field);
        const any = fc.oneof(
          fc.constantFrom(min, max, 0, -step, step).filter((v) => v >= min && v <= max),
          fc.integer({ min: min / step, max: max / step }).map((n) => n * step),
        );
        return [field, field.startsWith('nz') ? any.filter((value) => value !== 0) : any];
      }),
    ),
  );
}

const immediateOf = (operands: Record<string, number>): number | undefined =>
  operands['imm'] ?? operands['nzimm'] ?? operands['uimm'] ?? operands['nzuimm'];

interface Said {
  readonly name: string;
  readonly base: string | undefined;
  readonly rd: number;
  readonly rs1: number;
  readonly rs2: number;
  readonly imm: number;
}

const said = ({ instruction, rd, rs1, rs2, imm }: Decoded): Said => ({
  name: instruction.name,
  base: instruction.base,
  rd,
  rs1,
  rs2,
  imm: imm | 0,
});

/** What the manual says the decoder should: absent operands are 0, implied ones are filled in. */
function meant(row: Row, operands: Record<string, number>, raw: number): Said {
  const { rd = 0, rs1 = 0, rs2 = 0, uimm = 0 } = operands;
  const base = { name: row.name, base: undefined, rd, rs1, rs2 };
  if (RAW_IMMEDIATE.test(row.name) || row.name === 'c.ebreak') {
    // The register field of the CSR immediate forms is read as a register number.
    const immediate = /^csrr.i$/.test(row.name) ? { rs1: uimm } : {};
    return {
      ...base,
      ...immediate,
      imm: raw | 0,
      base: row.standsFor?.split(' ')[0],
    };
  }
  if (row.name === 'fence')
    return { ...base, imm: ((operands['pred'] as number) << 4) | (operands['succ'] as number) };
  const imm = immediateOf(operands) ?? 0;
  if (row.standsFor === undefined) return { ...base, imm };
  // The expansion names its operands after those of the compressed form.
  const [full = '', syntax = ''] = row.standsFor.split(/\s+/);
  const values = syntax.split(/[,()]/).filter((operand) => operand !== '');
  const filled: Record<string, number> = {};
  for (const [index, operand] of rowOf(full).operands.entries()) {
    const value = values[index] as string;
    const field = fieldOf(operand) === 'uimm' ? 'imm' : fieldOf(operand);
    if (/^-?\d+$/.test(value)) filled[field] = Number(value);
    else if (/^(imm|upper|target)$/.test(value)) filled[field] = imm;
    else filled[field] = operands[fieldOf(value)] ?? registerNumber(value);
  }
  return { name: row.name, base: full, rd: 0, rs1: 0, rs2: 0, imm: 0, ...filled };
}

/** Instructions that are finished outside of the core get their own bits as the immediate. */
const RAW_IMMEDIATE =
  /^(csrr\w+|ecall|ebreak|mret|sret|wfi|wrs\.\w+|cbo\.\w+|sfence\.\S+|sinval\.vma)$/;

describe.each([...ROWS.values()].map((row) => [row.name, row] as const))('%s', (name, row) => {
  it('decodes to the operands it was encoded with', () => {
    fc.assert(
      fc.property(operandsOf(row), fc.integer(), (operands, junk) => {
        const raw = encode(name, operands);
        // One FENCE is another instruction (vol. I §9), and some ORI to x0 are (Zicbop).
        fc.pre(name !== 'fence' || operands['pred'] !== 1 || operands['succ'] !== 0);
        const selects = (operands['imm'] as number) & 31;
        fc.pre(name !== 'ori' || operands['rd'] !== 0 || ![0, 1, 3].includes(selects));
        // Above a compressed instruction stands the next one.
        const d = decode(row.bytes === 2 ? raw | (junk << 16) : raw);
        expect(d === undefined ? undefined : said(d)).toEqual(meant(row, operands, raw));
      }),
      { seed: 1, numRuns: 60 },
    );
  });
});

describe('a reserved encoding', () => {
  it.each([
    ['all zeros', 0x0000],
    ['c.addi4spn with no immediate', 0x0004],
    ['c.addiw x0', 0x2001],
    ['c.lui with no immediate', 0x6081],
    ['c.addi16sp with no immediate', 0x6101],
    ['c.lwsp x0', 0x4002],
    ['c.ldsp x0', 0x6002],
    ['c.jr x0', 0x8002],
    ['fadd.d with rounding mode 5', 0x02c5d553],
    ['fcvt.d.w with rounding mode 6', 0xd2056553 | 0],
    ['fsqrt.s with rs2', 0x5810f053],
    ['fadd.h, of a format that is not there', 0x04c5f553],
    ['fmadd of that format', 0x1c20f043],
    ['the hole in the register operations', 0x9c79],
    ['all ones', 0xffffffff],
    ['slliw with bit 25', 0x0200109b | 0],
    ['lr.w with rs2', 0x101525af],
    ['sfence.vma with rd', 0x120000f3],
    ['ecall with rd', 0x000000f3],
    ['an AMO of one byte', 0x0000002f],
  ])('is in no table: %s', (_, raw) => {
    expect(decode(raw)).toBeUndefined();
  });
});
