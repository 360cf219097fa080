import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';

import type { RunResult } from '../../src/lab/run-result.ts';
import { POWER_OFF, print } from '../cpu-worker/programs.ts';
import { cordon, file, kernel, start } from './cli.ts';

/** Long enough for several samples, and says so at the end. */
const COUNT = kernel(
  `${print('hello\n')}\nli s0, 30000000\nloop:\naddi s0, s0, -1\nbnez s0, loop\n${POWER_OFF}`,
);
const SPIN = kernel(`${print('spinning\n')}\nspin:\nj spin`);

const replayJson = async (path: string): Promise<{ code: number | null; report: Report }> => {
  const { code, stdout } = await cordon('replay', path, '--json');
  return { code, report: JSON.parse(stdout) as Report };
};

interface Report {
  readonly header: object;
  readonly durationMs: number;
  readonly brokenAt: number | null;
  readonly totals: Pick<RunResult, 'harts' | 'exit'> | null;
  readonly events: readonly object[];
}

describe('cordon run --record', () => {
  it.each(['parallel', 'deterministic'])('of a %s run is what replay shows', async (mode) => {
    const path = file('');
    const flags = mode === 'deterministic' ? ['--deterministic'] : [];
    const run = await cordon('run', '--kernel', COUNT, '--record', path, '--json', ...flags);
    expect(run.code).toBe(0);
    const { harts, exit } = JSON.parse(run.stdout) as RunResult;
    const retired = harts.reduce((sum, { instructions }) => sum + instructions, 0);
    const { code, report } = await replayJson(path);
    expect(code).toBe(0);
    expect(report).toMatchObject({
      header: { harts: 1, mode, seed: mode === 'parallel' ? null : '0', version: 1 },
      brokenAt: null,
      totals: { harts, exit },
      events: [],
    });
    const { stdout, stderr } = await cordon('replay', path, '--plain', '--speed', '100');
    expect(stderr).toBe('');
    expect(stdout).toMatch(/^guest \| hello$/m);
    expect(stdout).toMatch(/\(replay\), no firmware, .*: powered off$/m);
    expect(stdout).toContain(retired.toLocaleString('en'));
    expect(stdout).toContain(mode === 'parallel' ? 'soft TLB misses' : '  TLB misses');
  });

  it('leaves a file that plays as far as it goes when its writer is killed', async () => {
    const path = file('');
    const run = start(['run', '--kernel', SPIN, '--record', path]);
    await run.printed('spinning');
    const isRecorded = (): boolean => readFileSync(path).includes('spinning');
    await expect.poll(isRecorded, { timeout: 10_000 }).toBe(true);
    run.child.kill('SIGKILL');
    await run.finished;
    const { code, stdout, stderr } = await cordon('replay', path, '--plain', '--speed', '50');
    expect(code).toBe(0);
    expect(stdout).toMatch(/^guest \| spinning$/m);
    expect(stdout).toMatch(/: the recording breaks off$/m);
    expect(stderr).toMatch(/^cordon: '.*' breaks off at byte \d+, \d+\.\d s into the run: .*\n$/);
  });

  it('refuses a file that cannot be made before the run begins', async () => {
    const { code, stdout, stderr } = await cordon(
      ...['run', '--kernel', SPIN, '--record', '/no/such/folder/a.rec'],
    );
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
    expect(stderr).toMatch(/^cordon: --record: .*ENOENT.*\n$/);
  });
});

describe('cordon replay', () => {
  it('refuses in one sentence what is no recording', async () => {
    for (const path of [COUNT, file(''), '/no/such/file']) {
      const { code, stdout, stderr } = await cordon('replay', path);
      expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
      expect(stderr).toMatch(/^cordon: replay: .*(not a recording|does not exist).*\n$/);
    }
  });

  it('refuses a speed that cannot be meant', async () => {
    const { code, stderr } = await cordon('replay', COUNT, '--speed', '0');
    expect(code).toBe(2);
    expect(stderr).toMatch(/--speed.*0\.01 to 1000/s);
  });
});
