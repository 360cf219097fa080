import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { lookUp } from '../../../src/machine/isa/decoder.ts';
import { disassemble } from '../../../src/machine/isa/disassembler.ts';
import { assemble, ROWS } from './assembler.ts';

const PC = 0x8000_0000n;

/** Encodings near to real ones: an opcode of the table, random fields, now and then a flipped bit. */
const encodings: fc.Arbitrary<number> = fc
  .tuple(
    fc.constantFrom(...ROWS.values()),
    fc.integer(),
    fc.oneof({ weight: 9, arbitrary: fc.constant(0) }, { arbitrary: fc.nat(31), weight: 1 }),
  )
  .map(([row, random, flip]) => {
    let raw = random;
    for (const { at, width, operand, constant } of row.pieces)
      if (operand === undefined) raw = (raw & ~((2 ** width - 1) << at)) | (constant << at);
    if (flip > 1) raw ^= 1 << flip;
    return row.bytes === 2 ? raw & 0xffff : raw >>> 0;
  });

/** What the assembler would not write: fields that FENCE ignores. */
const isCanonical = (raw: number): boolean =>
  (raw & 0x707f) === 0x0f ? (raw & 0xf00fff80) === 0 : (raw & 0x707f) !== 0x100f || raw === 0x100f;

describe('the disassembler', () => {
  it('prints what assembles to the same bits', () => {
    fc.assert(
      fc.property(encodings.filter(isCanonical), (raw) => {
        const text = disassemble(raw, PC);
        const { bytes } = assemble(text, PC);
        const back = bytes.reduce((value, byte, n) => value + byte * 2 ** (8 * n), 0);
        expect(`${text}: ${back.toString(16)}`).toBe(`${text}: ${raw.toString(16)}`);
      }),
      { seed: 2, numRuns: 3000 },
    );
  });

  it('looks only at the low half of a compressed instruction', () => {
    expect(disassemble(0xdead8082, 0n)).toBe('c.jr ra');
  });

  it.each([
    [0x00a00513, 'addi a0, zero, 10'],
    [0xfe0518e3, 'bne a0, zero, 0x7ffffff0'],
    [0x12345537, 'lui a0, 0x12345'],
    [0x06b6252f, 'amoadd.w.aqrl a0, a1, (a2)'],
    [0x0330000f, 'fence rw, rw'],
    [0x8330000f, 'fence.tso'],
    [0x0100000f, 'pause'],
    [0x30029573, 'csrrw a0, 0x300, t0'],
    [0x7139, 'c.addi16sp sp, -64'],
    [0x852e, 'c.mv a0, a1'],
    [0x0000, '.half 0x0'],
    [0xffffffff, '.word 0xffffffff'],
  ])('prints %# as an assembler would', (raw, text) => {
    expect(disassemble(raw, PC)).toBe(text);
  });
});

const TOOL = 'riscv64-unknown-elf-';
const OBJDUMP = `${TOOL}objdump`;
const hasObjdump = spawnSync(OBJDUMP, ['--version']).status === 0;

/** What objdump takes for instructions depends on an attribute of the file. */
const ARCHITECTURE =
  'rv64gc_zicsr_zifencei_zihintpause_zba_zbb_zbc_zbs_zawrs_zicbom_zicbop_zicboz_svinval';
/** Instructions that only later versions than 2.40 know. */
const isNews = (text: string): boolean =>
  /^(czero\.|c\.(lbu|lhu|lh|sb|sh|mul|not|[sz]ext\.[bhw]) )/.test(text);

/** A rounding mode where there is nothing to round: encodings that it leaves to later extensions. */
const hasIdleMode = (text: string): boolean => /^fcvt\.d\.(w|wu|s) .*,.*,/.test(text);

/** The listing of some code, as a file of that architecture. */
function listingOf(bytes: Uint8Array): string {
  const folder = mkdtempSync(join(tmpdir(), 'cordon-objdump-'));
  const run = (tool: string, ...options: string[]): string => {
    const done = spawnSync(TOOL + tool, options, {
      cwd: folder,
      encoding: 'utf8',
      maxBuffer: 1 << 26,
    });
    if (done.status !== 0) throw new Error(`${tool}: ${done.stderr}`);
    return done.stdout;
  };
  try {
    writeFileSync(join(folder, 'code.bin'), bytes);
    writeFileSync(join(folder, 'code.s'), 'ebreak\n');
    run('as', `-march=${ARCHITECTURE}`, '-o', 'code.o', 'code.s');
    run('objcopy', '--update-section', '.text=code.bin', 'code.o');
    return run('objdump', '-D', '-j', '.text', '-M', 'no-aliases,priv-spec=1.12', 'code.o');
  } finally {
    rmSync(folder, { recursive: true });
  }
}

describe.skipIf(!hasObjdump)(`against ${OBJDUMP} (skipped where it is not installed)`, () => {
  it('agrees on the text of every encoding, and on which are ours', () => {
    const words = [
      ...fc.sample(encodings.filter(isCanonical), { seed: 3, numRuns: 6000 }),
      ...fc.sample(fc.integer({ min: 0, max: 0xffffffff }), { seed: 4, numRuns: 2000 }),
    ]
      .map((raw) => ((raw & 3) === 3 ? raw : raw & 0xffff))
      // Longer instructions than ours would swallow what follows them.
      .filter((raw) => isCanonical(raw) && (raw & 0x1f) !== 0x1f);
    const bytes = new Uint8Array(words.length * 4);
    const view = new DataView(bytes.buffer);
    // A c.nop after a short one keeps every encoding at a multiple of four.
    words.forEach((raw, n) =>
      view.setUint32(4 * n, (raw & 3) === 3 ? raw : (raw | 0x00010000) >>> 0, true),
    );
    const theirs = new Map<number, string>();
    for (const line of listingOf(bytes).split('\n')) {
      const [, at, text] = /^\s*([0-9a-f]+):\s+[0-9a-f]+\s+(.*)$/.exec(line) ?? [];
      if (at !== undefined && text !== undefined)
        theirs.set(
          Number.parseInt(at, 16),
          text.replace(/\s*#.*/, '').replace(/([0-9a-f]+) <.*>$/, '0x$1'),
        );
    }
    const differences: string[] = [];
    let ours = 0;
    words.forEach((raw, n) => {
      const expected = theirs.get(4 * n);
      if (expected === undefined) throw new Error(`objdump printed nothing at ${4 * n}`);
      const mnemonic = (expected.split(/\s/)[0] as string).replace(/\.(aq|rl|aqrl)$/, '');
      if (lookUp(raw) === undefined) {
        if (expected.startsWith('c.addi16sp') && raw === 0x6101) return; // reserved, and printed all the same
        // A reserved rounding mode.
        if (expected.endsWith(',unknown')) return;
        if (ROWS.has(mnemonic)) differences.push(`${raw.toString(16)}: not ours, ${expected}`);
        return;
      }
      ours++;
      const text = disassemble(raw, BigInt(4 * n));
      if (/^\.[24]byte/.test(expected) && (isNews(text) || hasIdleMode(text))) return;
      if (comparable(text) !== comparable(expected))
        differences.push(`${raw.toString(16)}: '${text}', objdump '${expected}'`);
    });
    expect(differences).toEqual([]);
    expect(ours).toBeGreaterThan(4000);
  });
});

/** Spacing, the base of numbers and the names of CSRs and of empty sets are matters of taste. */
function comparable(text: string): string {
  const [mnemonic = '', rest = ''] = text.trim().split(/\s+(.*)/);
  const operands = rest
    .replaceAll(/unknown/g, '0')
    .split(',')
    .map((operand) =>
      operand
        .trim()
        .replaceAll(/-?0x[0-9a-f]+|-?\b\d+\b/g, (number) =>
          BigInt.asUintN(32, BigInt(Number(number))).toString(),
        ),
    );
  // Without aliases it is a FENCE.
  if (mnemonic === 'fence' && operands.join() === 'w,0') return 'pause ';
  if (mnemonic.startsWith('csrr')) operands[1] = 'csr';
  // A hint; on RV128 it would shift by 64.
  if (/^c\.s\w+64$/.test(mnemonic)) return `${mnemonic.slice(0, -2)} ${operands.join(',')},0`;
  return `${mnemonic} ${operands.join(',')}`;
}
