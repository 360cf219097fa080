import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { decodeTrace } from '../lab/trace/decode.ts';
import { POWER_OFF } from '../cpu-worker/programs.ts';
import { cordon, kernel } from './cli.ts';

/** A thousand traps from M to M. */
const TRAPS = kernel(`
  la   t0, handler
  csrw mtvec, t0
  li   a1, 1000
again:
  ecall
  addi a1, a1, -1
  bnez a1, again
  ${POWER_OFF}
handler:
  csrr t4, mepc
  addi t4, t4, 4
  csrw mepc, t4
  mret
`);

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'cordon-look-test-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

describe('cordon run', () => {
  it.each([
    ['in parallel', []],
    ['deterministically', ['--deterministic']],
  ])('writes a trace, the traps and a profile, %s, and leaves nothing else', async (_, mode) => {
    const [trace, traps, profile] = ['a.pftrace', 'a.txt', 'p.txt'].map((name) =>
      join(folder, name),
    ) as [string, string, string];
    const files = ['--trace', trace, '--trace-traps', traps, '--profile', profile];
    const { code, stderr } = await cordon('run', '--kernel', TRAPS, ...mode, ...files);
    expect(code).toBe(0);
    expect(stderr).toMatch(/a\.pftrace: \d+ events, 0 gates on 1 hart\n/);
    const { tracks, events } = decodeTrace(readFileSync(trace));
    expect([...tracks.values()]).toContain('hart 0');
    expect(events.filter(({ name }) => name === 'ecall from M')).toHaveLength(1000);
    const lines = readFileSync(traps, 'utf8').trimEnd().split('\n');
    expect(lines).toHaveLength(1000);
    expect(lines[0]).toMatch(
      /^ +\d+\.\d us {2}hart 0 M->M ecall from M, pc 0x00000000800000\w\w, value 0x0{16}$/,
    );
    expect(readFileSync(profile, 'utf8')).toMatch(/samples/);
    expect(readdirSync(folder).toSorted()).toEqual(['a.pftrace', 'a.txt', 'p.txt']);
  });

  it('prints instructions and a profile on stdout', async () => {
    const { stdout } = await cordon(
      ...['run', '--kernel', TRAPS, '--deterministic', '--profile', '-'],
      ...['--trace-instructions', '-', '--trace-limit', '4'],
    );
    expect(stdout.split('\n').filter((line) => line.startsWith('h0 M 0x'))).toHaveLength(4);
    expect(stdout).toMatch(/[Ss]amples/);
  });

  it.each([
    [['--trace', '-'], 2, /--trace writes a file for a viewer/],
    [['--profile', 'a.png'], 2, /'a\.png' ends neither in \.svg nor in \.txt/],
    [['--trace-instructions', 'a.txt'], 2, /add --deterministic/],
    [['--trace-limit', '5'], 2, /--trace-limit is of --trace-instructions/],
    [['--json', '--profile', '-'], 2, /--json and --profile - both want stdout/],
    [
      ['--trace', '/nowhere/at/all.pftrace'],
      1,
      /'\/nowhere\/at\/all\.pftrace' cannot be written \(ENOENT\)/,
    ],
  ])('says what is wrong with %j', async (flags, wanted, message) => {
    const { code, stderr } = await cordon('run', '--kernel', TRAPS, ...flags);
    expect(stderr).toMatch(message);
    expect(code).toBe(wanted);
  });
});

it('cordon stress looks into a single run only', async () => {
  const file = join(folder, 'stress.pftrace');
  const { code, stderr } = await cordon('stress', '--harts', '1,2', '--trace', file);
  expect(stderr).toMatch(/look into one run, these are 2: name one number of harts/);
  expect(code).toBe(2);
});
