/** Once on a terminal that exists: the demo in tmux, from the first frame to the shell's prompt. */
import { execFileSync, spawnSync } from 'node:child_process';
import { resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

const hasTmux = spawnSync('tmux', ['-V']).status === 0;
if (!hasTmux) console.warn('tmux is not installed: the dashboard is not tried on a real terminal');

const SOCKET = `cordon-test-${process.pid}`;
const DEMO = resolve(import.meta.dirname, 'demo.ts');

const tmux = (...args: readonly string[]): string =>
  execFileSync('tmux', ['-L', SOCKET, '-f', '/dev/null', ...args], { encoding: 'utf8' });
const screen = (): string => tmux('capture-pane', '-p');
const query = (format: string): string => tmux('display-message', '-p', format).trim();

/** Polls until the terminal shows it; a real terminal has no other way to say that it has drawn. */
async function shows(wanted: string | RegExp): Promise<void> {
  await expect.poll(screen, { timeout: 8000, interval: 50 }).toMatch(wanted);
}

/** Types the command of the demo into the shell. */
async function startDemo(harts: number): Promise<void> {
  tmux('send-keys', `clear; '${process.execPath}' '${DEMO}' ${harts}; echo "status $?"`, 'Enter');
  await shows(/1 harts/);
}

describe.skipIf(!hasTmux)('the dashboard in tmux', () => {
  beforeAll(() => {
    const session = ['new-session', '-d', '-x', '100', '-y', '30'];
    tmux(...session, '-e', 'LC_ALL=C.UTF-8', '-e', 'TERM=screen-256color', 'sh');
  });
  afterAll(() => {
    spawnSync('tmux', ['-L', SOCKET, 'kill-server']);
  });

  it('draws, follows a resize, and gives the terminal back', async () => {
    await startDemo(8);
    expect(screen()).toMatch(/┌─ 1 harts .* of 8 run ─+┐/);
    await shows(/h7 +[▸·] (run|idle)/);
    expect(screen()).not.toMatch(/Error|terminfo/);
    expect(query('#{alternate_on} #{cursor_flag} #{mouse_sgr_flag}')).toBe('1 0 1');
    tmux('send-keys', 'Tab', 'Space');
    await shows('PAUSED');
    tmux('resize-window', '-x', '60', '-y', '20');
    await shows('pane 2 of 4');
    tmux('resize-window', '-x', '100', '-y', '30');
    await shows('1 harts');
    tmux('send-keys', 'q');
    await shows('ended: quit\nstatus 0');
    expect(screen()).toMatch(/\d+ denials, /);
    expect(query('#{alternate_on} #{cursor_flag} #{mouse_any_flag}')).toBe('0 1 0');
  });

  it.each(['SIGTERM', 'SIGHUP', 'SIGINT'] as const)(
    'gives it back on %s as well',
    async (signal) => {
      await startDemo(2);
      const children = execFileSync('pgrep', ['-P', query('#{pane_pid}')], { encoding: 'utf8' });
      process.kill(Number(children.trim()), signal);
      await shows(`ended: ${signal}\nstatus 1`);
      expect(query('#{alternate_on} #{cursor_flag} #{mouse_any_flag}')).toBe('0 1 0');
    },
  );
});
