/** Kernels that were not written for Cordon: their files, where they lie, and what stands below them. */
import { gzipSync } from 'node:zlib';

import { describe, expect, it } from 'vitest';

import type { RunResult } from '../../src/lab/run-result.ts';
import { Session, type SessionSpec } from '../../src/lab/session.ts';
import { timedTypist } from '../../src/lab/session-console.ts';
import {
  ImageError,
  kernelFromElf,
  readFirmware,
  readKernel,
  startsInMachineMode,
} from '../../src/lab/session-image.ts';
import {
  readCells,
  readText,
  readTree,
  type TreeNode,
} from '../../src/machine/devices/flattened-tree.ts';
import { assemble } from '../../src/machine/isa/assembler.ts';
import { KERNEL_BASE, RAM_BASE } from '../../src/machine/physical-map.ts';
import { writeElf } from '../cli/elf-writer.ts';
import { program } from '../cpu-worker/assembler.ts';

const MIB = 2 ** 20;
const HEADER_BYTES = 64;

/** A Linux `Image` whose code is the given program. */
function linuxImage(
  text: string,
  {
    offset = 0x20_0000n,
    size = 0x10_0000n,
    flags = 0n,
  }: Partial<Record<'offset' | 'size' | 'flags', bigint>> = {},
): Uint8Array {
  const code = assemble(text, KERNEL_BASE + HEADER_BYTES).bytes;
  const image = new Uint8Array(HEADER_BYTES + code.length);
  image.set(assemble(`j ${KERNEL_BASE + HEADER_BYTES}`, KERNEL_BASE).bytes);
  const view = new DataView(image.buffer);
  view.setBigUint64(8, offset, true);
  view.setBigUint64(16, size, true);
  view.setBigUint64(24, flags, true);
  image.set(new TextEncoder().encode('RISCV\0\0\0RSC\x05'), 0x30);
  image.set(code, HEADER_BYTES);
  return image;
}

const spec = (options: Partial<SessionSpec> & Pick<SessionSpec, 'image'>): SessionSpec => ({
  harts: 1,
  ramBytes: 16 * MIB,
  mode: { kind: 'deterministic', seed: '1' },
  seconds: 2,
  ...options,
});

async function run(
  options: Partial<SessionSpec> & Pick<SessionSpec, 'image'>,
): Promise<RunResult & { printed: string }> {
  const session = new Session(spec(options));
  let printed = '';
  session.onOutput((bytes) => (printed += new TextDecoder().decode(bytes)));
  return { ...(await session.start().done), printed };
}

const SBI = { mechanism: 'none' } as const;
const linux = (text: string): SessionSpec['image'] => readKernel(linuxImage(text), 'Image');

/** An SBI call: extension and function. */
const sbi = (extension: number, func: number): string =>
  `li a7, ${extension}\nli a6, ${func}\necall`;
const POWER_OFF = `li a0, 0\nli a1, 0\n${sbi(0x53525354, 0)}`;
/** Ends with code 1, as a kernel that fails. */
const FAIL = `li a0, 0\nli a1, 1\n${sbi(0x53525354, 0)}`;

/** A kernel of one test: it ends with POWER_OFF if all went well and jumps to `wrong` if not. */
const checked = (text: string): SessionSpec['image'] => linux(`${text}\nwrong:\n${FAIL}`);

describe('a Linux Image', () => {
  it('is put at its offset in RAM and needs the room that its header says', () => {
    const { entry, segments } = linux('nop');
    expect(entry).toBe(KERNEL_BASE);
    expect(segments).toMatchObject([{ physical: KERNEL_BASE, sizeBytes: 0x10_0000 }]);
    expect(startsInMachineMode(linux('nop'))).toBe(false);
  });

  it('may be compressed', () => {
    const image = linuxImage('nop');
    expect(readKernel(gzipSync(image), 'Image.gz').segments).toEqual([
      { physical: KERNEL_BASE, data: Buffer.from(image), sizeBytes: 0x10_0000 },
    ]);
  });

  it.each([
    ['big-endian', linuxImage('nop', { flags: 1n }), /big-endian/],
    [
      'of a machine without 2 MiB pages',
      linuxImage('nop', { offset: 0x40_0000n - 4096n }),
      /offset 0x3ff000/,
    ],
    ['larger than any RAM', linuxImage('nop', { size: 1n << 40n }), /0x10000000000 bytes/],
    [
      'cut short while compressed',
      gzipSync(linuxImage('nop')).subarray(0, 40),
      /is the file whole\?/,
    ],
    ['something else', new TextEncoder().encode('#!/bin/sh\n'.repeat(10)), /not an ELF file/],
    ['nothing', new Uint8Array(0), /not an ELF file/],
  ])('is refused if it is %s', (_, bytes, message) => {
    expect(() => readKernel(bytes, 'x')).toThrow(message);
  });

  it('is refused where RAM ends before it', () => {
    const image = readKernel(linuxImage('nop', { size: 32n << 20n }), 'big');
    expect(() => new Session(spec({ image, firmware: SBI }))).toThrow(
      /'big' needs 0x80200000 to 0x82200000.*--memory/,
    );
  });

  it('begins in S-mode with the hart in a0 and the devicetree in a1, without translation', async () => {
    const { exit } = await run({
      firmware: SBI,
      image: checked(`
        bnez a0, wrong
        csrr t3, satp
        bnez t3, wrong
        li   t4, ${0xedfe0dd0 | 0}
        lw   t0, 0(a1)
        bne  t0, t4, wrong
        csrw sscratch, a1
        ${POWER_OFF}
      `),
    });
    expect(exit).toEqual({ reason: 'power-off', code: 0 });
  });
});

describe('an executable', () => {
  const pie = (): Uint8Array => {
    const bytes = writeElf({
      entry: 4,
      segments: [{ physical: 0, data: new Uint8Array(8), sizeBytes: 16 }],
    });
    new DataView(bytes.buffer).setUint16(16, 3, true); // ET_DYN
    return bytes;
  };

  it('linked for no address is put where kernels go, and firmware where firmware goes', () => {
    expect(kernelFromElf(pie(), 'pie')).toMatchObject({
      entry: KERNEL_BASE + 4,
      segments: [{ physical: KERNEL_BASE, sizeBytes: 16 }],
    });
    expect(readFirmware(pie(), 'pie')).toMatchObject({
      entry: RAM_BASE + 4,
      segments: [{ physical: RAM_BASE, sizeBytes: 16 }],
    });
  });

  it('that is firmware may be bare bytes, but not none', () => {
    const data = Uint8Array.of(1, 2, 3);
    expect(readFirmware(data, 'fw.bin')).toEqual({
      name: 'fw.bin',
      entry: RAM_BASE,
      segments: [{ physical: RAM_BASE, data, sizeBytes: 3 }],
    });
    expect(() => readFirmware(new Uint8Array(0), 'fw.bin')).toThrow(ImageError);
  });
});

describe('what the loader puts at the end of RAM', () => {
  const initrd = new Uint8Array(5000).fill(0xab);

  function placed(options: Partial<SessionSpec>): {
    tree: TreeNode;
    treeAt: number;
    session: Session;
  } {
    const session = new Session(
      spec({ image: program('nop'), initrd, bootargs: 'quiet', ...options }),
    );
    const treeAt = session.machine.hart(0).x(11);
    const at = session.machine.parts.plan.ram + treeAt - RAM_BASE;
    const bytes = session.machine.bytes.slice(at);
    return {
      tree: readTree(bytes.subarray(0, new DataView(bytes.buffer).getUint32(4))).root,
      treeAt,
      session,
    };
  }

  it('is the initial RAM disk, which the devicetree names, and below it the devicetree', () => {
    const { tree, treeAt, session } = placed({});
    const chosen = tree.children.find(({ name }) => name === 'chosen')?.properties ?? {};
    const address = (property: string): number =>
      readCells(chosen[property] as Uint8Array)[1] as number;
    const [start, end] = [address('linux,initrd-start'), address('linux,initrd-end')];
    expect(end - start).toBe(initrd.length);
    expect(end).toBeLessThanOrEqual(RAM_BASE + 16 * MIB);
    expect(treeAt).toBeLessThan(start);
    const { bytes, parts } = session.machine;
    expect(bytes.slice(parts.plan.ram + start - RAM_BASE, parts.plan.ram + end - RAM_BASE)).toEqual(
      initrd,
    );
    expect(readText(chosen['bootargs'] as Uint8Array)).toEqual(['quiet']);
  });

  it('gives every parallel run other random numbers to start from, and a deterministic one the same', () => {
    const seedOf = (mode: SessionSpec['mode']): string => {
      const chosen = placed({ mode }).tree.children.find(({ name }) => name === 'chosen');
      return Buffer.from(chosen?.properties['rng-seed'] as Uint8Array).toString('hex');
    };
    expect(seedOf({ kind: 'parallel' })).not.toBe(seedOf({ kind: 'parallel' }));
    expect(seedOf({ kind: 'deterministic', seed: 'x' })).toBe(
      seedOf({ kind: 'deterministic', seed: 'x' }),
    );
  });

  it('is refused if it would lie in the kernel', () => {
    expect(() => placed({ initrd: new Uint8Array(16 * MIB) })).toThrow(
      /no room for an initial RAM disk of 16777216 bytes/,
    );
  });
});

describe('firmware of the guest’s own', () => {
  it('begins in M-mode on every hart and finds the kernel by a2 (fw_dynamic)', async () => {
    const firmware = `
      csrr t0, mhartid
      bne  t0, a0, wrong
      bnez a0, rest
      ld   t0, 0(a2)
      li   t1, 0x4942534f
      bne  t0, t1, wrong
      ld   t0, 8(a2)
      li   t1, 2
      bne  t0, t1, wrong
      ld   t0, 24(a2)
      li   t1, 1
      bne  t0, t1, wrong
      li   t0, -1
      csrw pmpaddr0, t0
      li   t0, 0x1f
      csrw pmpcfg0, t0
      li   t0, 0x800
      csrw mstatus, t0
      ld   t0, 16(a2)
      csrw mepc, t0
      mret
    rest:
      wfi
      j    rest
    wrong:
      li   t0, 0x100000
      li   t1, 0x13333
      sw   t1, 0(t0)
    `;
    const kernel = `
      li   t0, 0x100000
      li   t1, ${(42 << 16) | 0x3333}
      sw   t1, 0(t0)
    `;
    const { exit } = await run({ harts: 2, image: program(firmware), payload: linux(kernel) });
    expect(exit).toEqual({ reason: 'power-off', code: 42 });
  });
});

describe('our SBI below a kernel that looks after itself', () => {
  it('knows its extensions, and others not', async () => {
    const probe = (extension: number, answer: number): string =>
      `li a0, ${extension}\n${sbi(0x10, 3)}\nbnez a0, wrong\nli t0, ${answer}\nbne a1, t0, wrong`;
    const { exit } = await run({
      firmware: SBI,
      image: checked(`
        ${probe(0x54494d45, 1)}
        ${probe(0x48534d, 1)}
        ${probe(0x4442434e, 1)}
        ${probe(0x53555350, 0)}
        ${POWER_OFF}
      `),
    });
    expect(exit).toEqual({ reason: 'power-off', code: 0 });
  });

  it('prints what lies in memory, also while a driver has the divisor latch open', async () => {
    const { printed, exit } = await run({
      firmware: SBI,
      image: linux(`
        li   t0, 0x10000000
        li   t1, 0x83
        sb   t1, 3(t0)
        li   a0, 5
        la   a1, text
        li   a2, 0
        ${sbi(0x4442434e, 0)}
        bnez a0, wrong
        addi t0, a1, -5
        bnez t0, wrong
        ${POWER_OFF}
      wrong:
        ${FAIL}
        .align 8
      text:
        .dword ${BigInt('0x216f6c6c6548')}
      `),
    });
    expect({ printed, exit }).toEqual({ printed: 'Hello', exit: { reason: 'power-off', code: 0 } });
  });

  it('reads what is typed', async () => {
    const { printed, exit } = await run({
      firmware: SBI,
      typist: timedTypist([{ atTick: 100, text: 'abc' }]),
      image: linux(`
        la   s0, text
        li   s1, 3
      more:
        li   a0, 8
        mv   a1, s0
        li   a2, 0
        ${sbi(0x4442434e, 1)}
        bnez a0, wrong
        add  s0, s0, a1
        sub  s1, s1, a1
        bnez s1, more
        li   a0, 3
        la   a1, text
        li   a2, 0
        ${sbi(0x4442434e, 0)}
        ${POWER_OFF}
      wrong:
        ${FAIL}
        .align 8
      text:
        .dword 0
        .dword 0
      `),
    });
    expect({ printed, exit }).toEqual({ printed: 'abc', exit: { reason: 'power-off', code: 0 } });
  });

  it('interrupts at the time asked for', async () => {
    const { exit, machineSeconds } = await run({
      firmware: SBI,
      image: checked(`
        la   t0, handler
        csrw stvec, t0
        li   t0, 32
        csrw sie, t0
        csrr a0, time
        li   t0, 100000
        add  a0, a0, t0
        ${sbi(0x54494d45, 0)}
        csrrsi zero, sstatus, 2
      wait:
        wfi
        j    wait
        nop
      handler:
        csrr t0, scause
        li   t1, 5
        slli t0, t0, 1
        srli t0, t0, 1
        bne  t0, t1, wrong
        ${POWER_OFF}
      `),
    });
    expect(exit).toEqual({ reason: 'power-off', code: 0 });
    expect(machineSeconds).toBeGreaterThanOrEqual(0.01);
    expect(machineSeconds).toBeLessThan(0.1);
  });

  it('starts another hart, which interrupts the first', async () => {
    const { exit } = await run({
      harts: 2,
      firmware: SBI,
      image: checked(`
        la   t0, handler
        csrw stvec, t0
        li   t0, 2
        csrw sie, t0
        li   a0, 1
        la   a1, second
        li   a2, 77
        ${sbi(0x48534d, 0)}
        bnez a0, wrong
        csrrsi zero, sstatus, 2
      wait:
        wfi
        j    wait
      second:
        li   t0, 1
        bne  a0, t0, wrong
        li   t0, 77
        bne  a1, t0, wrong
        li   a0, 1
        li   a1, 0
        ${sbi(0x735049, 0)}
        bnez a0, wrong
        ${sbi(0x48534d, 1)}
        nop
        nop
      handler:
        csrr t0, scause
        slli t0, t0, 1
        srli t0, t0, 1
        li   t1, 1
        bne  t0, t1, wrong
        ${POWER_OFF}
      `),
    });
    expect(exit).toEqual({ reason: 'power-off', code: 0 });
  });

  it('lets users read the counters, as Linux expects of firmware', async () => {
    const { exit } = await run({
      firmware: SBI,
      image: checked(`
        la   t0, handler
        csrw stvec, t0
        la   t0, user
        csrw sepc, t0
        sret
      user:
        csrr t0, cycle
        csrr t0, time
        csrr t0, instret
        ecall
      handler:
        csrr t0, scause
        li   t1, 8
        bne  t0, t1, wrong
        ${POWER_OFF}
      `),
    });
    expect(exit).toEqual({ reason: 'power-off', code: 0 });
  });

  it('shows a hart that is suspended, until an interrupt wakes it', async () => {
    const { exit } = await run({
      harts: 2,
      firmware: SBI,
      image: checked(`
        li   a0, 1
        la   a1, second
        ${sbi(0x48534d, 0)}
      asleep:
        li   a0, 1
        ${sbi(0x48534d, 2)}
        li   t0, 4
        bne  a1, t0, asleep
        li   a0, 2
        li   a1, 0
        ${sbi(0x735049, 0)}
      awake:
        li   a0, 1
        ${sbi(0x48534d, 2)}
        bnez a1, awake
      wait:
        wfi
        j    wait
      second:
        li   t0, 2
        csrw sie, t0
        li   a0, 0
        ${sbi(0x48534d, 3)}
        bnez a0, wrong
        csrr t0, sip
        li   t1, 2
        bne  t0, t1, wrong
        li   t2, 100
      linger:
        addi t2, t2, -1
        bnez t2, linger
        ${POWER_OFF}
      `),
    });
    expect(exit).toEqual({ reason: 'power-off', code: 0 });
  });

  it('leaves the kernel its own page tables and its illegal instructions', async () => {
    const { exit } = await run({
      firmware: SBI,
      image: linux(`
        la   t0, handler
        csrw stvec, t0
        sfence.vma zero, zero
        csrr t0, satp
        csrw satp, t0
        csrr t0, mstatus
      wrong:
        ${FAIL}
        nop
      handler:
        csrr t0, scause
        li   t1, 2
        bne  t0, t1, wrong
        ${POWER_OFF}
      `),
    });
    expect(exit).toEqual({ reason: 'power-off', code: 0 });
  });
});

describe('code that was overwritten', () => {
  // f gives 1; its first instruction becomes that of g, which gives 2.
  const overwritten = (fence: string): string => `
    jal  ra, f
    mv   s1, a0
    la   t0, f
    la   t1, g
    lw   t2, 0(t1)
    sw   t2, 0(t0)
    ${fence}
    jal  ra, f
    slli a0, a0, 1
    add  a0, a0, s1
    slli a0, a0, 16
    li   t1, 0x3333
    add  t1, t1, a0
    li   t0, 0x100000
    sw   t1, 0(t0)
  rest:
    j    rest
  f:
    addi a0, zero, 1
    jalr zero, 0(ra)
  g:
    addi a0, zero, 2
    jalr zero, 0(ra)
  `;

  it.each([
    ['fence.i', 5],
    ['sfence.vma zero, zero', 5],
    ['nop', 3],
  ])('is seen after %s as it was or is', async (fence, code) => {
    const { exit } = await run({ image: program(overwritten(fence)) });
    expect(exit.code).toBe(code);
  });
});

describe('a program that talks through tohost', () => {
  const talking = (text: string): SessionSpec['image'] => ({
    ...program(text),
    htif: { tohost: RAM_BASE + 0x1000, fromhost: RAM_BASE + 0x1040 },
  });
  const TOHOST = 'li t0, 0x80001000';

  it.each([
    [1, 0],
    [(7 << 1) | 1, 7],
  ])('ends the run by storing %i', async (value, code) => {
    const { exit } = await run({
      // As riscv-tests do: a word, then the word above it.
      image: talking(`${TOHOST}\nli t1, ${value}\nagain:\nsw t1, 0(t0)\nsw zero, 4(t0)\nj again`),
    });
    expect(exit).toEqual({ reason: 'tohost', code });
  });

  it('reads its page as fast as any, and is heard at every store to it', async () => {
    const print = [...'abc']
      .map(
        (c) =>
          `li t1, 0x101\nslli t1, t1, 48\naddi t1, t1, ${c.charCodeAt(0)}\nsd t1, 0(t0)\nld t2, 0(t0)\nbnez t2, bad`,
      )
      .join('\n');
    const { printed, exit } = await run({
      image: talking(
        `${TOHOST}\nsd t0, 8(t0)\nld t1, 8(t0)\nbne t1, t0, bad\n${print}\nli t1, 1\nsd t1, 0(t0)\nrest:\nj rest\nbad:\nli t1, 5\nsd t1, 0(t0)\nj bad`,
      ),
    });
    expect({ printed, exit }).toEqual({ printed: 'abc', exit: { reason: 'tohost', code: 0 } });
  });

  it('is refused cells that are not aligned', () => {
    const image = { ...program('nop'), htif: { tohost: RAM_BASE + 4 } };
    expect(() => new Session(spec({ image }))).toThrow(ImageError);
  });
});
