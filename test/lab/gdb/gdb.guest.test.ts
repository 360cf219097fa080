/** A debugger at the kernel that is cut into domains: by the protocol, and by gdb itself where there is one. */
import { execFile, spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { bundledKernel, ROOT, type Bundled } from '../../../src/lab/bundled.ts';
import { serveGdb } from '../../../src/lab/gdb/server.ts';
import { Session } from '../../../src/lab/session.ts';
import { assemble } from '../../../src/machine/isa/assembler.ts';
import { ACLINT, RAM_BASE } from '../../../src/machine/physical-map.ts';
import { file, start } from '../../cli/cli.ts';
import { POWER_OFF } from '../../cpu-worker/programs.ts';
import { RspClient } from './client.ts';

let bundled: Bundled;
beforeAll(async () => {
  bundled = await bundledKernel();
});

const addressOf = (name: string): bigint => {
  const symbol = bundled.image.elf?.symbols.find((each) => each.name === name);
  if (symbol === undefined) throw new Error(`the kernel has no '${name}'`);
  return symbol.value;
};

describe('the remote protocol at the bundled kernel', () => {
  let session: Session;
  let gdb: RspClient;
  let stop: string;

  beforeAll(async () => {
    session = new Session({
      harts: 2,
      ramBytes: 128 << 20,
      image: bundled.image,
      mode: { kind: 'deterministic', seed: 'gdb' },
      firmware: { mechanism: 'asid', contexts: bundled.contexts },
      initrd: bundled.initrd,
      bootargs: 'quiet init=/bin/init -- /bin/true',
    });
    const server = await serveGdb(session, 0);
    void session.debugger.halt();
    session.start();
    gdb = await RspClient.connect(server.port);
    await gdb.ask(`Z0,${addressOf('ramfs_read').toString(16)},4`);
    stop = await gdb.ask('vCont;c');
  });
  afterAll(async () => {
    session.stop();
    await session.done;
  });

  it('stops in a subsystem, and the thread is named for its domain', async () => {
    expect(stop).toContain('swbreak:;');
    const hart = Number(/thread:(\d)/.exec(stop)?.[1]) - 1;
    const threads = await gdb.ask('qXfer:threads:read::0,ffff');
    expect(threads).toContain(`name="hart ${hart} (ramfs)"`);
    expect(threads).toContain(`name="hart ${1 - hart} (`);
  });

  it('tells the calls through gates that led there', async () => {
    const text = await gdb.monitor('domain');
    expect(text).toMatch(/is in domain \d+ \(ramfs\), running, generation 1/);
    expect(text).toMatch(/#1 vfs at 0x[0-9a-f]{16} called ramfs_read in ramfs\n/);
    expect(text).toMatch(/#0 core at 0x[0-9a-f]{16} called vfs_\w+ in vfs\n/);
    expect(text).toMatch(/^hart 0 is in [^]*^hart 1 is in /m);
    expect(await gdb.monitor('domain 1')).toMatch(/^hart 1 is in /);
  });

  it('shows the present view, and nothing of memory that is not in it', async () => {
    const view = await gdb.monitor('view');
    expect(view).toMatch(/mechanism asid; regions in the view of ramfs/);
    expect(view).toMatch(/r-x +text +ramfs text/);
    expect(view).not.toMatch(/vfs text|keyring/);
    const inside = addressOf('ramfs_read').toString(16);
    const outside = addressOf('vfs_read').toString(16);
    expect(await gdb.ask(`m${inside},4`)).toMatch(/^[0-9a-f]{8}$/);
    expect(await gdb.ask(`m${outside},4`)).toBe('E0e');
    expect(await gdb.monitor(`walk 0x${inside}`)).toMatch(
      /Sv39\n( +level \d .*\n){3}0x\w+ is physical 0x\w+, in a page of 4K/,
    );
    expect(await gdb.monitor(`walk 0x${outside}`)).toMatch(/no translation: V = 0/);
  });

  it('lists harts, domains, protection and what the hart remembers', async () => {
    expect(await gdb.monitor('harts')).toMatch(/\* \d +ready +S +ramfs/);
    expect(await gdb.monitor('domains')).toMatch(/keyring +running +1 .*keyring\.policy:\d+/);
    expect(await gdb.monitor('pmp')).toMatch(/TOR +r--/);
    expect(await gdb.monitor('tlb')).toMatch(/0xffff\w+ +0x8\w+ +--x/);
    expect(await gdb.monitor('events')).toMatch(/nothing was denied/);
  });
});

const GDB = ['gdb-multiarch', 'riscv64-unknown-elf-gdb'].find(
  (name) => spawnSync(name, ['--version']).status === 0,
);
if (GDB === undefined) console.log('gdb-multiarch is not installed: its tests are skipped');

/** What gdb prints while it does what it is told, beginning with the connection. */
const runGdb = (port: string | number, commands: readonly string[], symbols: readonly string[]) =>
  promisify(execFile)(
    GDB as string,
    [
      '-nx',
      '-batch',
      '-x',
      file(
        [
          'set pagination off',
          'set confirm off',
          // Threads take their time to start on a computer that is busy.
          'set remotetimeout 60',
          `target remote 127.0.0.1:${port}`,
          ...commands,
        ].join('\n'),
      ),
      ...symbols,
    ],
    { timeout: 60_000 },
  );

/**
 * Hart 1 holds a lock until hart 0's interrupt handler says that it wants it. Hart 0 is stopped where it is
 * about to let that interrupt in.
 */
const LOCKED = `
  la   s0, lock
  la   s1, wanted
  li   s2, ${ACLINT.base}
  li   s3, 1
  bnez a0, holder
  la   t0, handler
  csrw mtvec, t0
  csrsi mie, 8
masked:
  csrr t0, mip
  andi t0, t0, 8
  beqz t0, masked
  csrsi mstatus, 8
rest:
  j    rest
  .align 4
handler:
  sd   s3, 0(s1)
take:
  ld   t0, 0(s0)
  bnez t0, take
  ${POWER_OFF}
holder:
  sd   s3, 0(s0)
  sw   s3, 0(s2)
holds:
  ld   t0, 0(s1)
  beqz t0, holds
  sd   zero, 0(s0)
  j    off
  .align 8
lock:
  .dword 0
wanted:
  .dword 0
`;

describe.skipIf(GDB === undefined)('gdb itself', { timeout: 120_000 }, () => {
  // With GDB's rules for Linux a step is a breakpoint that the hart runs to, and the interrupt comes first.
  it('steps one hart without the interrupt whose handler waits for a hart that stays', async () => {
    const { bytes, labels } = assemble(LOCKED, RAM_BASE);
    const session = new Session({
      harts: 2,
      ramBytes: 16 << 20,
      image: {
        name: 'locked',
        entry: RAM_BASE,
        segments: [{ physical: RAM_BASE, data: bytes, sizeBytes: bytes.length }],
      },
      mode: { kind: 'parallel' },
    });
    const server = await serveGdb(session, 0);
    void session.debugger.halt();
    session.start();
    const { rest, handler } = Object.fromEntries(labels) as Record<'rest' | 'handler', number>;
    const { stdout, stderr } = await runGdb(
      server.port,
      [
        'show osabi',
        `hbreak *${rest - 4}`,
        'continue',
        'stepi',
        'printf "stepped to %lx\\n", $pc',
        'delete',
        'continue',
      ],
      [],
    ).finally(() => void server.close());
    expect(stderr).not.toMatch(/error|timeout|timed out|Cannot|unexpectedly/i);
    expect(stdout).toContain('currently "none"');
    const stepped = parseInt(/stepped to (\w+)/.exec(stdout)?.[1] ?? '', 16);
    expect([rest, handler]).toContain(stepped);
    expect(stdout).toContain('exited normally');
    expect((await session.done).exit).toEqual({ reason: 'power-off', code: 0 });
  });

  it('attaches to four harts, breaks in a subsystem, shows where, and lets go', async () => {
    const run = start(['run', '--harts', '4', '--gdb', '0', '--wait', '--plain'], {
      input: 'cat /etc/rc\n',
    });
    const port = await new Promise<string>((resolve, reject) => {
      let text = '';
      run.child.stderr?.on('data', (chunk) => {
        text += chunk;
        const found = /127\.0\.0\.1:(\d+)/.exec(text)?.[1];
        if (found !== undefined) resolve(found);
      });
      run.child.on('close', () => reject(new Error(text)));
    });
    const { stdout, stderr } = await runGdb(
      port,
      [
        'break ramfs_read',
        'continue',
        'info threads',
        'backtrace',
        'monitor domain',
        'stepi',
        'watch -location lock.held',
        'continue',
        'info registers pc priv',
        'delete',
        'detach',
      ],
      [join(ROOT, 'build/kernel.elf')],
    );
    // What gdb complains of tells more than what then is missing.
    expect(stderr).not.toMatch(/error|timeout|timed out|Cannot|unexpectedly/i);
    expect(stdout).toMatch(/hit Breakpoint 1, ramfs_read \(handle=/);
    expect(stdout).toMatch(/"hart \d \(ramfs\)"/);
    expect(stdout).toMatch(/#0 +ramfs_read .* at src\/subsystems\/ramfs\/ramfs\.c:\d+/);
    expect(stderr).toMatch(/called ramfs_read in ramfs/);
    expect(stdout).toMatch(/Old value = 0\s+New value = 1/);
    expect(stdout).toMatch(/priv +0x1/);
    expect(stdout).toContain('detached');
    // It goes on without a debugger, and hears what is typed.
    await run.printed('$ ');
    run.child.stdin?.end('poweroff\n');
    expect((await run.finished).code).toBe(0);
  });
});
