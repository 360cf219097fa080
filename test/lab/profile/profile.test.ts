import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseHTML } from 'linkedom';
import { describe, expect, it } from 'vitest';

import { buildGuest } from '../../../src/lab/host-bench/guest.ts';
import { flameGraph } from '../../../src/lab/profile/flame-graph.ts';
import { profileText } from '../../../src/lab/profile/profile-text.ts';
import { readSamples, SampleWriter, type Sample } from '../../../src/lab/profile/samples.ts';
import { namedStack, treeOf, type NamedStack } from '../../../src/lab/profile/stacks.ts';
import { FunctionTable, functionsOf, programsOf } from '../../../src/lab/profile/symbols.ts';
import { readElf } from '../../../src/machine/elf.ts';
import { writeCpio } from '../../../src/policy/cpio.ts';

const SAMPLE: Sample = {
  periods: 1,
  mode: 1,
  domain: 0,
  pcLow: 0x1000,
  pcHigh: 0,
  gates: [],
  code: [0, 0, 0, 0],
};
const stack = (periods: number, domain: string, ...frames: string[]): NamedStack => ({
  periods,
  frames,
  domain,
  function: frames.at(-1) as string,
});
const STACKS = [
  stack(6, 'core', 'core', 'memset'),
  stack(3, 'vfs', 'core', 'vfs: open', 'lookup'),
  stack(1, 'user sh', 'user', 'sh', 'main<&>'),
];

/** Any RISC-V executable will do: the benchmark's guest is one with symbols of all kinds. */
const guest = new Uint8Array(readFileSync(await buildGuest()));
const elf = readElf(guest, 'guest.elf', 'executable');
const addressOf = (name: string): bigint =>
  elf.symbols.find((symbol) => symbol.name === name)?.value as bigint;

describe('functions by address', () => {
  const table = new FunctionTable(functionsOf(elf));

  it('are found at their first byte and inside, not before', () => {
    const start = addressOf('run_sieve');
    const { sizeBytes = 0 } = elf.symbols.find(({ name }) => name === 'run_sieve') ?? {};
    expect(table.at(start)).toBe('run_sieve');
    expect(table.at(start + BigInt(sizeBytes) - 1n)).toBe('run_sieve');
    expect(table.at(start - 1n)).not.toBe('run_sieve');
    expect(table.at(0x10n)).toBeUndefined();
  });

  it('of assembler, which have no size, reach to the next one', () => {
    expect(table.at(addressOf('supervisor_trap') + 8n)).toBe('supervisor_trap');
  });
});

describe('programs of an initrd', () => {
  const initrd = writeCpio([
    { path: 'etc/motd', bytes: new TextEncoder().encode('hello'), isExecutable: false },
    { path: 'bin/bench', bytes: guest, isExecutable: true },
  ]);

  it('are its executables, known by their code', () => {
    const [program, ...more] = programsOf(initrd);
    expect([program?.name, more.length]).toEqual(['bench', 0]);
    const start = addressOf('run_sieve') & ~15n;
    const [first] = elf.programHeaders;
    const at = Number(start - (first?.virtAddr ?? 0n));
    const words = [...new Int32Array(first?.data.slice(at, at + 16).buffer ?? [])];
    expect(program?.has(start, words)).toBe(true);
    expect(program?.has(start + 16n, words)).toBe(false);
    expect(program?.has(0x10n, words)).toBe(false);
  });

  it('are none in what is no cpio archive, or is cut short', () => {
    expect(programsOf(undefined)).toEqual([]);
    expect(programsOf(Uint8Array.of(0x1f, 0x8b, 8, 0))).toEqual([]);
    expect(programsOf(initrd.subarray(0, 300))).toEqual([]);
  });
});

describe('samples', () => {
  it('of the same place are one line, and come back', () => {
    const folder = mkdtempSync(join(tmpdir(), 'cordon-samples-'));
    try {
      const path = join(folder, 'samples');
      const writer = new SampleWriter(path);
      writer.put(SAMPLE);
      writer.put({ ...SAMPLE, periods: 4 });
      writer.put({ ...SAMPLE, gates: [3] });
      writer.close();
      expect(readSamples(path)).toEqual([
        { ...SAMPLE, periods: 5 },
        { ...SAMPLE, gates: [3] },
      ]);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  it('without names have addresses', () => {
    const naming = { kernel: undefined, programs: [], contexts: undefined };
    expect(namedStack({ ...SAMPLE, domain: -1 }, naming)).toMatchObject({
      domain: 'S-mode',
      frames: ['S-mode', '0x0000000000001000'],
    });
    expect(namedStack({ ...SAMPLE, mode: 0 }, naming)).toMatchObject({
      domain: 'user a program',
      frames: ['user', 'a program', '0x0000000000001000'],
    });
  });
});

describe('a profile', () => {
  it('as tables: domains, functions, paths, largest first', () => {
    const text = profileText(STACKS, '1 ms');
    expect(text).toMatch(/^10 samples, 1 ms of running each/);
    expect(text).toMatch(/ 60\.0 % +6 {2}core\n 30\.0 % +3 {2}vfs\n 10\.0 % +1 {2}user sh\n/);
    expect(text).toMatch(/ 60\.0 % +6 {2}memset +core\n/);
    expect(text).toMatch(/ 30\.0 % +3 {2}core > vfs: open > lookup\n/);
    expect(profileText([], '1 ms')).toMatch(/No samples/);
  });

  it('as a flame graph: every frame as wide as its share, above its caller', () => {
    const { document } = parseHTML(flameGraph(treeOf(STACKS), 'kernel <1>'));
    const frames = [...document.querySelectorAll('g')].map((frame) => ({
      title: frame.querySelector('title')?.textContent ?? '',
      width: Number(frame.querySelector('rect')?.getAttribute('width')),
      x: Number(frame.querySelector('rect')?.getAttribute('x')),
      y: Number(frame.querySelector('rect')?.getAttribute('y')),
    }));
    const find = (name: string): (typeof frames)[number] =>
      frames.find(({ title }) => title.startsWith(`${name}: `)) as (typeof frames)[number];
    expect(frames).toHaveLength(8);
    expect(find('core').width / find('all').width).toBeCloseTo(0.9, 3);
    expect(find('core').title).toBe('core: 9 samples, 90.0 %');
    expect(find('memset').y).toBeLessThan(find('core').y);
    expect(find('lookup').x).toBeGreaterThanOrEqual(find('vfs: open').x);
    expect(find('main<&>').title).toBe('main<&>: 1 samples, 10.0 %');
    expect(document.querySelector('text')?.textContent).toBe('kernel <1>');
  });
});
