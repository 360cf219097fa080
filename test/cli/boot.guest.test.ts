import { describe, expect, it } from 'vitest';

import type { RunResult } from '../../src/lab/run-result.ts';
import { cordon, file } from './cli.ts';

const SCRIPT = file('nproc\npoweroff\n');

const boot = async (
  ...args: string[]
): Promise<{ code: number | null; console: string; result: RunResult }> => {
  const all = ['--harts', '2', '--seconds', '60', '--script', SCRIPT, '--json', ...args];
  const { code, stdout, stderr } = await cordon('run', ...all);
  return { code, console: stderr, result: JSON.parse(stdout) as RunResult };
};

describe('the bundled kernel', () => {
  it.each(['none', 'vbit', 'asid', 'pkey'])('boots to its shell under %s', async (mechanism) => {
    const { code, console, result } = await boot('--mechanism', mechanism);
    expect(console).toMatch(/\$ nproc\r?\n2\r?\n/);
    expect(code).toBe(0);
    expect(result).toMatchObject({ mechanism, exit: { reason: 'power-off', code: 0 } });
    const gates = result.harts.reduce((sum, hart) => sum + hart.gates, 0);
    expect(gates > 0).toBe(mechanism !== 'none');
  });

  it('runs the same way twice with one seed, script and all', async () => {
    const [first, second] = [await boot('--deterministic'), await boot('--deterministic')];
    expect(first.code).toBe(0);
    expect(second.console).toBe(first.console);
    expect(second.result.stateHash).toBe(first.result.stateHash);
    expect(second.result.harts).toEqual(first.result.harts);
  });
});
