import { describe, expect, it } from 'vitest';

import { Random } from '../../../src/cpu-worker/random.ts';
import {
  assemble,
  AssemblyError,
  encode,
  freeBits,
  type OperandValues,
} from '../../../src/machine/isa/assembler.ts';
import { decode } from '../../../src/machine/isa/decoder.ts';
import { disassemble } from '../../../src/machine/isa/disassembler.ts';
import { INSTRUCTIONS, type Field, type Instruction } from '../../../src/machine/isa/table.ts';
import { assemble as independent } from './assembler.ts';

const BASE = 0x8000_0000;

/** An encoding with random operands; undefined if that combination is reserved. */
function draw(instruction: Instruction, random: Random): number | undefined {
  let raw = instruction.match;
  for (const { pieces } of Object.values(instruction.operands) as Field[]) {
    for (const [from, width] of pieces)
      raw |= (random.next() & (width === 32 ? -1 : (1 << width) - 1)) << from;
  }
  // Reserved kinds of fences are fences (vol. I §2.7), and are printed as such.
  if (instruction.name === 'fence') raw &= 0x0ff0707f;
  return decode(raw)?.instruction === instruction ? raw >>> 0 : undefined;
}

const wordsOf = (source: string): number[] => {
  const { bytes } = assemble(source, BASE);
  const view = new DataView(bytes.buffer);
  return Array.from({ length: bytes.length / 4 }, (_, n) => view.getUint32(4 * n, true));
};

describe('the assembler', () => {
  it.each(INSTRUCTIONS.map((instruction) => [instruction.name, instruction] as const))(
    'takes back what the disassembler says of %s',
    (name, instruction) => {
      const random = new Random(name);
      const drawn = Array.from({ length: 40 }, () => draw(instruction, random));
      const encodings = drawn.filter((raw) => raw !== undefined);
      expect(encodings.length).toBeGreaterThan(0);
      for (const raw of encodings) {
        const text = disassemble(raw, BigInt(BASE));
        const { bytes } = assemble(text, BASE);
        const padded = new Uint8Array(4);
        padded.set(bytes);
        const again = new DataView(padded.buffer).getUint32(0, true);
        expect([text, again.toString(16)]).toEqual([text, raw.toString(16)]);
        expect(bytes.length).toBe(instruction.bytes);
      }
    },
  );

  it('makes the same of a program as the assembler of the tests, which shares no encoding with it', () => {
    const source = `
      start: li a0, 0x123456789abcdef0
        li t0, -1
        li t1, 0x80000000
        la a1, data
      loop: addi t0, t0, 1
        bnez t0, loop
        beq a0, a1, start
        jal ra, data
        amoadd.d.aqrl t2, t1, (a1)
        lr.w.aq t2, (a1)
        fence rw, w
        csrr t3, mcause
        csrw mepc, t3
        sfence.vma
        ret
      .align 8
      data: .dword 0xfedcba9876543210
        .word 0x12345678`;
    const mine = assemble(source, BASE);
    const theirs = independent(source, BigInt(BASE));
    expect([...mine.bytes]).toEqual([...theirs.bytes]);
    expect([...mine.labels].map(([name, at]) => [name, BigInt(at)])).toEqual([...theirs.labels]);
  });

  it('knows which bits of an encoding nobody has spoken for', () => {
    const amo = INSTRUCTIONS.find(({ name }) => name === 'amoadd.w') as Instruction;
    expect(freeBits(amo)).toBe(3 << 25);
    expect(disassemble(encode(amo, { rd: 5, rs1: 6, rs2: 7 }, 1 << 26), 0n)).toBe(
      'amoadd.w.aq t0, t2, (t1)',
    );
  });

  it.each<[string, RegExp]>([
    ['addi a0, a0, 2048', /imm cannot be 2048/],
    ['c.sub a0, t6', /rs2 cannot be/],
    ['c.addi16sp sp, 0', /c\.addi16sp takes rd,imm|reserved/],
    ['frobnicate a0', /no instruction 'frobnicate'/],
    ['add a0, a1', /add takes rd,rs1,rs2/],
    ['add a0, a1, y0', /no register 'y0'/],
    ['j nowhere', /no label 'nowhere'/],
  ])('refuses %s and says why', (line, why) => {
    expect(() => assemble(line, BASE)).toThrow(AssemblyError);
    expect(() => assemble(line, BASE)).toThrow(why);
  });

  it('leaves out what need not be said', () => {
    expect(wordsOf('lw a0, (a1)')).toEqual(wordsOf('lw a0, 0(a1)'));
    const values: OperandValues = { rd: 1, rs1: 2, rs2: 3, rm: 7 };
    const add = INSTRUCTIONS.find(({ name }) => name === 'fadd.d') as Instruction;
    expect(wordsOf('fadd.d f1, f2, f3')).toEqual([encode(add, values)]);
  });
});
