import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { parseHTML } from 'linkedom';
import { describe, expect, it, vi } from 'vitest';

// Each test starts a process or two.
vi.setConfig({ testTimeout: 30_000 });

const ROOT = join(import.meta.dirname, '../..');
const KERNEL = 'test/policy/fixtures/kernel';
const LAUNCH = `
import { Command } from 'commander';
import { registerPolicyCommands } from './src/policy/commands.ts';
const program = new Command('cordon');
program.exitOverride((error) => process.exit(error.exitCode === 0 ? 0 : 2));
registerPolicyCommands(program);
await program.parseAsync(['node', 'cordon', 'policy', ...process.argv.slice(1)]);
`;

const policy = (...args: string[]): { code: number | null; out: string; err: string } => {
  const child = spawnSync(process.execPath, ['--input-type=module', '-e', LAUNCH, ...args], {
    cwd: ROOT,
    encoding: 'utf8',
  });
  return { code: child.status, out: child.stdout, err: child.stderr };
};

describe('cordon policy', () => {
  it('check says what there is, and exits 0', () => {
    expect(policy('check', KERNEL)).toEqual({
      code: 0,
      out: '3 subsystems, 4 allowed calls, 1 shared object, 2 assertions: all in order\n',
      err: '',
    });
  });

  it('check of one policy sees its neighbours', () => {
    expect(policy('check', `${KERNEL}/vfs/vfs.policy`).code).toBe(0);
  });

  it('check exits 1 on mistakes, in JSON if asked', () => {
    const file = 'test/policy/fixtures/mistake.policy';
    const { code, out } = policy('check', file, '--json');
    expect(code).toBe(1);
    expect(JSON.parse(out)).toEqual({
      ok: false,
      diagnostics: [
        {
          severity: 'error',
          file,
          line: 2,
          column: 9,
          length: 2,
          message: 'a stack is made of whole pages of 4K, and 9K is not',
          fix: "write 'stack 12K'",
        },
      ],
    });
    expect(policy('check', file).err).toContain(`${file}:2:9: error: a stack is made of`);
  });

  it('exits 2 on wrong usage', () => {
    expect(policy('graph', '--format', 'png')).toMatchObject({
      code: 2,
      err: "error: option '--format <format>' argument 'png' is invalid. It is 'svg' or 'dot'.\n",
    });
    expect(policy('check', 'no/such.policy')).toMatchObject({
      code: 2,
      err: 'error: cannot read no/such.policy (ENOENT)\n',
    });
  });

  it('graph draws SVG by default', () => {
    const { code, out } = policy('graph', KERNEL);
    expect(code).toBe(0);
    const { document } = parseHTML(out);
    expect(document.querySelectorAll('rect[rx]')).toHaveLength(3);
  });

  it.each(['check', 'build', 'graph'])('%s --help shows examples', (command) => {
    expect(policy(command, '--help').out).toContain(`Examples:\n  cordon policy ${command}`);
  });
});
