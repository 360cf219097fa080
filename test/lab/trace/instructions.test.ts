import { describe, expect, it } from 'vitest';

import type { RunResult } from '../../../src/lab/run-result.ts';
import { Session, type SessionSpec } from '../../../src/lab/session.ts';
import { program } from '../../cpu-worker/assembler.ts';
import { countTogether, POWER_OFF } from '../../cpu-worker/programs.ts';

/** An ecall, a software interrupt that the hart sends itself, and the end. */
const TRAPS = `
  la   t0, handler
  csrw mtvec, t0
  ecall
  li   t1, 8
  csrw mie, t1
  csrrs zero, 0x300, t1
  li   t2, 0x2000000
  li   a1, 1
  sw   a1, 0(t2)
  li   a2, 7
  ${POWER_OFF}
handler:
  csrr t3, mcause
  blt  t3, zero, interrupt
  csrr t4, mepc
  addi t4, t4, 4
  csrw mepc, t4
  mret
interrupt:
  sw   zero, 0(t2)
  mret
`;

async function run(
  source: string,
  harts: number,
  limit: number | undefined,
  seed = '1',
): Promise<{ result: RunResult; lines: string[] }> {
  const lines: string[] = [];
  const spec: SessionSpec = {
    harts,
    ramBytes: 16 << 20,
    image: program(source),
    mode: { kind: 'deterministic', seed },
    ...(limit === undefined
      ? {}
      : { instructions: { limit, domains: [], write: (line) => void lines.push(line) } }),
  };
  return { result: await new Session(spec).start().done, lines };
}

/** Lines of instructions, as address and text. */
const instructions = (lines: readonly string[]): string[] =>
  lines.flatMap(
    (line) =>
      /^h\d M 0x0{8}([0-9a-f]{8}) [0-9a-f]{4,8} +(.*)\n$/.exec(line)?.slice(1).join(' ') ?? [],
  );

describe('a trace of instructions', () => {
  it('has every instruction once, with what it changed', async () => {
    const { result, lines } = await run(POWER_OFF, 1, 3);
    expect(result.exit.reason).toBe('power-off');
    expect(lines).toEqual([
      'h0 M 0x0000000080000000 001002b7  lui t0, 0x100                    t0=0x0000000000100000\n',
      expect.stringMatching(
        /^h0 M 0x0000000080000004 \w{8} {2}lui t1, 0x5 +t1=0x0000000000005000\n$/,
      ),
      expect.stringMatching(
        /^h0 M 0x0000000080000008 \w{8} {2}addiw? t1, t1, 1365 +t1=0x0000000000005555\n$/,
      ),
    ]);
  });

  it('has traps between them, and no instruction of a handler is left out', async () => {
    const { lines } = await run(TRAPS, 1, 1000);
    const texts = lines.map((line) =>
      line
        .replace(/^h0 M /, '')
        .replace(/^0x\w+ \w+ +/, '')
        .replace(/ {2,}.*=.*/, '')
        .trim(),
    );
    const ecall = texts.indexOf('ecall');
    expect(texts.slice(ecall, ecall + 8)).toEqual([
      'ecall',
      'ecall from M M->M, value 0x0000000000000000',
      expect.stringMatching(/^csrrs t3, 0x342, zero/),
      expect.stringMatching(/^blt t3, zero/),
      expect.stringMatching(/^csrrs t4, 0x341, zero/),
      expect.stringMatching(/^addi t4, t4, 4/),
      expect.stringMatching(/^csrrw zero, 0x341, t4/),
      'mret',
    ]);
    const interrupt = texts.indexOf('machine software interrupt M->M, value 0x0000000000000000');
    expect(texts[interrupt - 1]).toMatch(/^sw a1, 0\(t2\)/);
    expect(texts.slice(interrupt + 1, interrupt + 5)).toEqual([
      expect.stringMatching(/^csrrs t3, 0x342, zero/),
      expect.stringMatching(/^blt t3, zero/),
      expect.stringMatching(/^sw zero, 0\(t2\)/),
      'mret',
    ]);
    expect(texts[interrupt + 5]).toMatch(/^addi a2, zero, 7/);
  });

  it('has as many instructions as retired, on every hart', async () => {
    const { result, lines } = await run(countTogether(2), 2, Infinity);
    for (const { hart, instructions: retired } of result.harts)
      expect(lines.filter((line) => line.startsWith(`h${hart} `)).length).toBe(retired);
    expect(instructions(lines).length).toBe(lines.length);
  });

  it('changes nothing about the run, and goes no further than its limit', async () => {
    // It ends when every hart waits, so between two slices.
    const source = countTogether(3).replace(POWER_OFF, 'j rest');
    const alone = await run(source, 3, undefined, 'same');
    const all = await run(source, 3, Infinity, 'same');
    const some = await run(source, 3, 100, 'same');
    expect(alone.result.exit.reason).toBe('idle');
    expect(all.result.stateHash).toBe(alone.result.stateHash);
    expect(some.result.stateHash).toBe(alone.result.stateHash);
    expect(some.lines).toEqual(all.lines.slice(0, 100));
  });
});
