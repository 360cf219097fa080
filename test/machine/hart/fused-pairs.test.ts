/**
 * Every pair of instructions that the fast core executes at one go, against the exact core, which executes
 * one at a time: random operands and registers, so that the first writes what the second reads, or x0, and
 * either faults, crosses a page, branches or jumps; and once more entered at the second.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { FIRST_ISA_OPERATION, FUSIONS } from '../../../src/machine/core/operations.ts';
import { decode, isFourBytes } from '../../../src/machine/isa/decoder.ts';
import { disassemble } from '../../../src/machine/isa/disassembler.ts';
import {
  INSTRUCTIONS,
  OPERATIONS,
  type Field,
  type Instruction,
} from '../../../src/machine/isa/table.ts';
import { Bench, RAM } from './bench.ts';

const NOWHERE = 0x4000_0000n;
const DATA = RAM + 0x10_0000n;
const DATA_BYTES = 0x2000;
/** A field of `wfi`, behind the data; the pair lies in its middle, so that a branch does not leave it. */
const FIELD = DATA + BigInt(DATA_BYTES);
const FIELD_BYTES = 0x4000;
const CODE = FIELD + 0x2000n;
const WFI = 0x10500073;
/** Few, so that operands meet: zero, ra, sp, and four that compressed instructions can name. */
const REGISTERS = [0, 1, 2, 8, 9, 10, 11];

const fast = new Bench({ deterministic: false });
const exact = new Bench({ deterministic: true });
const field = new Uint8Array(new Uint32Array(FIELD_BYTES / 4).fill(WFI).buffer);

/** The instructions with the meaning and the length of a dispatch number. */
function formsOf(dispatch: number): Instruction[] {
  const { name } = OPERATIONS[(dispatch >>> 1) - FIRST_ISA_OPERATION] as Instruction;
  const bytes = (dispatch & 1) === 0 ? 4 : 2;
  return INSTRUCTIONS.filter((form) => (form.base ?? form.name) === name && form.bytes === bytes);
}

/** An encoding: its registers are of those above, its immediate is any, zero in many. */
const encodings = (forms: readonly Instruction[]): fc.Arbitrary<number> =>
  fc
    .record({
      form: fc.constantFrom(...forms),
      bits: fc.oneof(
        { weight: 1, arbitrary: fc.constant(0) },
        { weight: 5, arbitrary: fc.integer() },
      ),
      registers: fc.array(fc.constantFrom(...REGISTERS), { minLength: 3, maxLength: 3 }),
    })
    .map(({ form, bits, registers }) => {
      let raw = form.match | (bits & ~form.mask);
      const roles = Object.entries(form.operands) as [string, Field][];
      for (const [index, [role, { pieces }]] of roles.entries()) {
        if (!/^r(d|s[12])$/.test(role)) continue;
        for (const [from, width] of pieces) {
          const ones = (1 << width) - 1;
          raw = (raw & ~(ones << from)) | (((registers[index] as number) & ones) << from);
        }
      }
      raw = form.bytes === 4 ? raw >>> 0 : raw & 0xffff;
      return { form, raw };
    })
    .filter(({ form, raw }) => decode(raw)?.instruction === form)
    .map(({ raw }) => raw);

const near = (place: bigint, most: number): fc.Arbitrary<bigint> =>
  fc.integer({ min: -most, max: most }).map((distance) => place + BigInt(distance));
const values: fc.Arbitrary<bigint> = fc.oneof(
  near(DATA + BigInt(DATA_BYTES / 2), 16),
  near(CODE, 64),
  near(0n, 64),
  fc.constantFrom(NOWHERE, 2n ** 31n, 2n ** 63n, 2n ** 63n - 1n),
  fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
);
const machines = fc.record({
  registers: fc.array(values, { minLength: REGISTERS.length, maxLength: REGISTERS.length }),
  data: fc.uint8Array({ minLength: 64, maxLength: 64 }),
});

/** What a program can see of its end besides memory; undefined if it runs in circles, which nobody cuts at the same place. */
function run(
  bench: Bench,
  code: Uint8Array | undefined,
  at: bigint,
  { registers, data }: { readonly registers: readonly bigint[]; readonly data: Uint8Array },
): object | undefined {
  const { hart, machine } = bench;
  machine.load(Number(DATA), Buffer.alloc(DATA_BYTES, data));
  if (code !== undefined) {
    machine.load(Number(FIELD), field);
    machine.load(Number(CODE), code);
    hart.fences.code();
  }
  for (let n = 1; n < 32; n++) hart.setX(n, 0, 0);
  for (const [index, value] of registers.entries())
    hart.setX(
      REGISTERS[index] as number,
      Number(BigInt.asIntN(32, value)),
      Number(value >> 32n) | 0,
    );
  for (const csr of ['mcause', 'mepc', 'mtval']) bench.setCsr(csr, 0n);
  bench.pc = at;
  const before = hart.instret;
  if (bench.run(200) !== 'waiting') return undefined;
  return {
    pc: bench.pc,
    retired: hart.instret - before,
    trap: bench.trap(),
    x: Array.from({ length: 32 }, (_, n) => [hart.xLow(n), hart.xHigh(n)]),
  };
}

describe('a fused pair does what its two instructions do', () => {
  it.each(
    FUSIONS.map(({ first, second }) => ({ first: formsOf(first), second: formsOf(second) })).map(
      (pair) => ({ ...pair, name: [pair.first, pair.second].map(describeForms).join(' and ') }),
    ),
  )('$name', ({ first, second }) => {
    let compared = 0;
    fc.assert(
      fc.property(encodings(first), encodings(second), machines, (one, two, machine) => {
        const words = [one, two, WFI];
        const text = [disassemble(one, CODE), disassemble(two, CODE + lengthOf(one))];
        const code = Buffer.concat(words.map(bytesOf));
        for (const at of [CODE, CODE + lengthOf(one)]) {
          // What is decoded for the pair serves those who enter it in the middle.
          const program = at === CODE ? code : undefined;
          const wanted = run(exact, program, at, machine);
          const got = run(fast, program, at, machine);
          compared += wanted === undefined ? 0 : 1;
          const isSame = wanted === undefined || written(fast).equals(written(exact));
          expect({ text, at, isSame, ...got }).toEqual({ text, at, isSame: true, ...wanted });
        }
      }),
      { seed: 11, numRuns: 60 },
    );
    expect(compared).toBeGreaterThan(70);
  });
});

/** All memory that a pair can name. */
function written({ machine: { memory, parts } }: Bench): Buffer {
  return Buffer.from(memory, parts.plan.ram + Number(DATA - RAM), DATA_BYTES + FIELD_BYTES);
}

/** An encoding as it lies in memory. */
function bytesOf(raw: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(raw);
  return bytes.subarray(0, isFourBytes(raw) ? 4 : 2);
}

const lengthOf = (raw: number): bigint => BigInt(bytesOf(raw).length);

function describeForms(forms: readonly Instruction[]): string {
  return forms.map(({ name }) => name).join('/');
}
