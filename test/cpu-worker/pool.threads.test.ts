import { readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

import { describe, expect, it } from 'vitest';

import { HartPool } from '../../src/cpu-worker/pool.ts';
import type { RunResult } from '../../src/lab/run-result.ts';
import { Session, type SessionSpec } from '../../src/lab/session.ts';
import { promptTypist } from '../../src/lab/session-console.ts';
import { program } from './assembler.ts';
import { countTogether, ECHO, exitWith, passToken, sleepOnTimer, waitForWord } from './programs.ts';

// As the launcher does: 64 workers that strip types of 30 modules each are slow.
process.env['NODE_COMPILE_CACHE'] ??= fileURLToPath(
  new URL('../../build/compile-cache', import.meta.url),
);

const session = (text: string, options: Partial<SessionSpec> = {}): Session =>
  new Session({
    harts: 2,
    ramBytes: 16 << 20,
    image: program(text),
    mode: { kind: 'parallel' },
    seconds: 20,
    ...options,
  });

const run = (text: string, options: Partial<SessionSpec> = {}): Promise<RunResult> =>
  session(text, options).start().done;

const SPIN = 'spin:\nj spin';
const REST = 'rest:\nwfi\nj rest';

describe('harts on worker threads', () => {
  it('end with the code the guest gives', async () => {
    expect((await run(exitWith(42), { harts: 1 })).exit).toEqual({ reason: 'power-off', code: 42 });
  });

  it('lose no atomic addition', async () => {
    const { exit, harts } = await run(countTogether(4), { harts: 4 });
    expect(exit).toEqual({ reason: 'power-off', code: 0 });
    expect(harts.map(({ instructions }) => instructions > 3000)).toEqual([true, true, true, true]);
  });

  it('wake each other from WFI', async () => {
    const { exit, harts } = await run(passToken(3, 50), { harts: 3 });
    expect(exit).toEqual({ reason: 'power-off', code: 0 });
    expect(harts.every(({ instructions }) => instructions > 250)).toBe(true);
  });

  it('sleep on a reservation until another hart writes it', async () => {
    const busy = 100_000_000;
    const { exit, harts } = await run(waitForWord(busy));
    expect(exit).toEqual({ reason: 'power-off', code: 0 });
    // A hart that spun instead would have retired about as many.
    expect(harts[1]?.instructions).toBeLessThan(busy / 100);
  });

  it('wake up when their timer fires, and not before', async () => {
    const { exit, machineSeconds } = await run(sleepOnTimer(1_000_000));
    expect(exit).toEqual({ reason: 'power-off', code: 1 });
    expect(machineSeconds).toBeGreaterThanOrEqual(0.1);
  });

  it('talk to the console', async () => {
    const echo = session(ECHO, { typist: promptTypist(['abcq'], '> ') });
    let printed = '';
    echo.onOutput((bytes) => (printed += new TextDecoder().decode(bytes)));
    expect((await echo.start().done).exit).toEqual({ reason: 'power-off', code: 0 });
    expect(printed).toBe('> abcq');
  });

  it('stop at the time limit while they spin, and while they sleep', async () => {
    for (const text of [SPIN, REST]) {
      const { exit } = await run(text, { seconds: 0.2 });
      expect(exit).toEqual({ reason: 'time-limit', code: 0 });
    }
  });

  it('stop when the host says so, and keep the first reason', async () => {
    const spinning = session(SPIN).start();
    spinning.stop();
    spinning.stop('time-limit');
    expect((await spinning.done).exit.reason).toBe('interrupted');
  });

  it('boot and stop when there are 64 of them, and work although most of them wait', async () => {
    await using pool = new HartPool(64);
    const options = { harts: 64, pool, seconds: 100 };
    // Most of the first run is the start of 64 threads.
    const first = await run(passToken(64, 1), options);
    expect(first.exit).toEqual({ reason: 'power-off', code: 0 });
    expect(first.harts.filter(({ instructions }) => instructions > 10)).toHaveLength(64);
    const second = await run(passToken(64, 1), options);
    expect(second.exit).toEqual({ reason: 'power-off', code: 0 });
    expect(second.hostSeconds).toBeLessThan(first.hostSeconds);
  }, 120_000);

  it('carry machine after machine on the same threads', async () => {
    await using pool = new HartPool(2);
    for (const code of [1, 2, 3]) {
      expect((await run(exitWith(code), { pool })).exit).toEqual({ reason: 'power-off', code });
    }
    expect(pool.isFree).toBe(true);
  });

  it.skipIf(process.platform !== 'linux')('leave no thread behind', async () => {
    const threads = (): number => readdirSync('/proc/self/task').length;
    await run(exitWith(0)); // whatever the host starts once and keeps
    const before = threads();
    for (let n = 0; n < 3; n++) await run(SPIN, { harts: 3, seconds: 0.05 });
    expect(threads()).toBeLessThanOrEqual(before);
  });

  it('are refused a machine of another size', async () => {
    await using pool = new HartPool(2);
    const { exit } = await run(exitWith(0), { harts: 3, pool });
    expect(exit.reason).toBe('failure');
    expect(exit.message).toContain('a pool for 2 harts');
  });
});

describe('a worker that', () => {
  const faulty = (fault: string): HartPool => {
    process.env['PLANTED_FAULT'] = fault;
    try {
      return new HartPool(3, {
        taskUrl: new URL('faulty-task.ts', import.meta.url).href,
        heapMiB: 32,
        stopTimeoutMs: 300,
      });
    } finally {
      delete process.env['PLANTED_FAULT'];
    }
  };

  it.each([
    ['throws', 'throw', /hart 1 failed: planted/],
    ['exits', 'exit', /hart 1 failed: worker exited with code: 3/],
    ['runs out of memory', 'memory', /hart 1 failed: .*memory/],
  ])('%s ends the run and is named', async (_, fault, message) => {
    const pool = faulty(fault);
    const { exit } = await run(SPIN, { harts: 3, pool });
    expect(exit).toMatchObject({ reason: 'failure', hart: 1 });
    expect(exit.message).toMatch(message);
    expect(pool.isFree).toBe(false);
  });

  it('does not stop is terminated and named', async () => {
    const running = session(SPIN, { harts: 3, pool: faulty('hang') }).start();
    // The others have to be there, or they will not have stopped in time either.
    for (const hart of [0, 2])
      await expect
        .poll(() => running.counters(hart)('instructions'), { timeout: 20_000 })
        .toBeGreaterThan(0);
    running.stop();
    const { exit } = await running.done;
    expect(exit).toMatchObject({ reason: 'failure', hart: 1 });
    expect(exit.message).toMatch(/hart 1 did not stop within 300 ms/);
  });

  it('cannot be loaded is reported', async () => {
    const pool = new HartPool(1, { taskUrl: new URL('no-such-task.ts', import.meta.url).href });
    const { exit } = await run(SPIN, { harts: 1, pool });
    expect(exit).toMatchObject({ reason: 'failure', hart: 0 });
    expect(exit.message).toContain('no-such-task');
  });
});
