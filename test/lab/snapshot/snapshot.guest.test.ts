/** Snapshots of the kernel that is cut into domains, by the library and by the command line. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { bundledKernel, type Bundled } from '../../../src/lab/bundled.ts';
import { stacksOf } from '../../../src/lab/profile/write-profile.ts';
import type { RunResult } from '../../../src/lab/run-result.ts';
import { Session } from '../../../src/lab/session.ts';
import { readSnapshot } from '../../../src/lab/snapshot/format.ts';
import { restoredSpec } from '../../../src/lab/snapshot/restore.ts';
import type { MechanismName } from '../../../src/policy/contexts.ts';
import { cordon, file, start } from '../../cli/cli.ts';

let bundled: Bundled;
beforeAll(async () => {
  bundled = await bundledKernel();
});
const directory = mkdtempSync(join(tmpdir(), 'cordon-snapshot-'));
afterAll(() => rmSync(directory, { recursive: true }));

const boot = (harts: number, mechanism: MechanismName, command: string): Session =>
  new Session({
    harts,
    ramBytes: 128 << 20,
    image: bundled.image,
    mode: { kind: 'deterministic', seed: 'snapshot' },
    firmware: { mechanism, contexts: bundled.contexts },
    initrd: bundled.initrd,
    bootargs: `quiet init=/bin/init -- ${command}`,
  });

const run = (session: Session): Promise<RunResult> => session.start().done;
const retired = ({ harts }: RunResult): number =>
  harts.reduce((sum, { instructions }) => sum + instructions, 0);

describe('the bundled kernel from a snapshot', () => {
  it.each([
    [1, 'asid', '/bin/ls /bin', [0.5]],
    [3, 'asid', '/bin/stress -n 2 -s 1 forkstorm pipering gateping', [0.9]],
    [3, 'vbit', '/bin/echo hello', [0.98]],
    [2, 'pkey', '/bin/ls /bin', [0.95]],
  ] as const)(
    'on %i harts under %s, running %s, ends as if it had not stopped',
    async (harts, mechanism, command, parts) => {
      const alone = await run(boot(harts, mechanism, command));
      expect(alone.exit).toEqual({ reason: 'power-off', code: 0 });
      for (const part of parts) {
        const path = join(directory, `${mechanism}-${harts}.snap`);
        const session = boot(harts, mechanism, command);
        const saved = session.saveAt({ instructions: Math.floor(retired(alone) * part) }, path);
        expect((await run(session)).stateHash).toBe(alone.stateHash);
        await saved;
        const rest = await run(new Session(restoredSpec(readSnapshot(path))));
        expect(rest.stateHash).toBe(alone.stateHash);
        expect(rest.machineSeconds).toBe(alone.machineSeconds);
        expect(retired(rest)).toBe(retired(alone));
        expect(rest.denials).toEqual(alone.denials);
      }
    },
  );
});

it('a profile of what goes on from a snapshot names the functions of kernel and programs', async () => {
  const command = '/bin/stress -n 2 -s 1 filechurn';
  const alone = await run(boot(1, 'asid', command));
  const [first, second] = ['first.snap', 'second.snap'].map((name) => join(directory, name)) as [
    string,
    string,
  ];
  const session = boot(1, 'asid', command);
  const saved = session.saveAt({ instructions: Math.floor(retired(alone) / 2) }, first);
  await run(session);
  await saved;
  // Through a second one, too: a machine that was restored knows them from the first only.
  const again = new Session(restoredSpec(readSnapshot(first)));
  const savedAgain = again.saveAt({ instructions: 1 }, second);
  await run(again);
  await savedAgain;
  const look = { profile: directory };
  const rest = new Session({ ...restoredSpec(readSnapshot(second)), look });
  expect((await run(rest)).stateHash).toBe(alone.stateHash);
  const stacks = stacksOf(rest, directory);
  const domains = new Set(stacks.map(({ domain }) => domain));
  expect(domains).toContain('user stress');
  expect(domains).not.toContain('user a program');
  expect(stacks.filter((stack) => stack.function.startsWith('0x'))).toEqual([]);
});

describe('cordon run --save and --restore', () => {
  it('carries a parallel machine over, with its files and what its shell knows', async () => {
    const path = join(directory, 'parallel.snap');
    const first = start(['run', '--harts', '2', '--save', path, '--plain'], {
      input: 'echo kept > /tmp/kept\nwhere=here\necho "ready "now\n',
    });
    await first.printed('ready now');
    await first.printed('$ ');
    first.child.kill('SIGUSR1');
    await expect.poll(() => readable(path), { timeout: 30_000 }).toBe(true);
    first.child.stdin?.end('poweroff\n');
    const { code, stderr } = await first.finished;
    expect(stderr).toMatch(/^cordon: saved '.*parallel\.snap', \d+ KiB$/m);
    expect(code).toBe(0);
    const second = start(['run', '--restore', path, '--plain'], {
      input: 'echo $where\ncat /tmp/kept\nnproc\npoweroff\n',
    });
    const { code: end, stdout } = await second.finished;
    // What is typed echoes as it comes, before what the commands print or between.
    for (const line of ['here', 'kept', '2'])
      expect(stdout).toMatch(new RegExp(`^(\\$ )?${line}\r?$`, 'm'));
    expect(end).toBe(0);
  });

  it('says what cannot be meant', async () => {
    const refused = async (...args: string[]): Promise<string> => {
      const { code, stderr } = await cordon('run', ...args);
      expect(code).toBeGreaterThan(0);
      return stderr;
    };
    const other = file('hello');
    expect(await refused('--restore', other)).toMatch(/--restore: '.*' is not a snapshot/);
    expect(await refused('--restore', '/none')).toMatch(/--restore: '\/none' does not exist/);
    expect(await refused('--restore', other, '--harts', '2')).toMatch(/leave --harts out/);
    expect(await refused('--save-at', '5')).toMatch(/add --save FILE/);
    expect(await refused('--save', other, '--save-at', 'x')).toMatch(/seconds such as 2\.5s/);
  });
});

function readable(path: string): boolean {
  try {
    readSnapshot(path);
    return true;
  } catch {
    return false;
  }
}
