import { PassThrough } from 'node:stream';
import { describe, expect, it } from 'vitest';
import { counterIndex } from '../../src/machine/probe.ts';
import { startPlain } from '../../src/tui/plain.ts';
import { canShowDashboard, startView } from '../../src/tui/start.ts';
import { FakeSource } from './fake-source.ts';
import { ManualTimer } from './headless.ts';

/** A run that goes through everything that could bring an escape code along. */
async function runOn(output: PassThrough, force = false): Promise<string> {
  const source = new FakeSource(3);
  source.domainList[1] = { name: 'v\x1b[31mfs', state: 'stopped', generation: 2, restarts: 1 };
  const timer = new ManualTimer();
  const env = { TERM: 'xterm-256color', LANG: 'C.UTF-8', ...(force ? { FORCE_COLOR: '1' } : {}) };
  const running = startView(source, { output, timer, env, ...(force ? { color: true } : {}) });
  let written = '';
  output.on('data', (data: Buffer) => (written += data.toString()));
  source.print('\x1b[32mbooting\x1b[m\nhalf a li');
  source.happen('denial', 'load \x1b[31mfrom\x1b]0;owned\x07 vfs\nsecond');
  source.run();
  timer.advance(1000);
  source.print('ne\n$ ');
  source.run();
  timer.advance(1000);
  source.finished = 'power off, code 0';
  timer.advance(1000);
  expect(await running.done).toBe('finished');
  expect(timer.pending).toBe(0);
  return written;
}

describe('plain lines', () => {
  it('give a line of figures a second, events and guest lines as they come, a table at the end', async () => {
    const text = await runOn(new PassThrough());
    expect(text).toMatch(/^guest \| booting$/m);
    expect(text).toMatch(/^guest \| half a line$/m);
    expect(text).toMatch(/^guest \| \$ $/m);
    expect(text).toMatch(/^event \| 0\.1s h0 denied keyring: load .* second$/m);
    expect(text).toMatch(
      /^1\.0s \| 3 harts 6\.0M ins\/s 3\.6k gate\/s 102k tlbm\/s 17ms wait\/s 1 denied 0 restarts$/m,
    );
    expect(text.match(/^\d\.0s \| /gm)).toHaveLength(3);
    expect(text).toMatch(/^all +12,000,000 +4\.0M +7,200 +204,000 +34ms$/m);
    expect(text).toMatch(/^core +net +60$/m);
    expect(text).toContain('kernel.elf, vbit, parallel: power off, code 0');
    expect(text.match(/booting/g)).toHaveLength(1);
  });

  it('say whose TLB misses they count', async () => {
    const source = new FakeSource(2);
    source.tlb = 'emulator';
    const output = new PassThrough();
    let text = '';
    output.on('data', (data: Buffer) => (text += data.toString()));
    const timer = new ManualTimer();
    const running = startPlain(source, { output, timer });
    for (const { counters } of source.samples) counters[counterIndex.softTlbMisses] = 500;
    source.run();
    timer.advance(1000);
    running.close();
    await running.done;
    expect(text).toMatch(/ 1\.0k soft\/s /);
    expect(text).toMatch(/ soft TLB misses /);
    expect(text).toMatch(/^all .* 1,000 +11ms$/m);
    expect(text).not.toMatch(/tlbm|34,000/);
  });

  it.each([false, true])('hold no control character, colours forced or not (%s)', async (force) => {
    const text = await runOn(new PassThrough(), force);
    expect(text.replaceAll('\n', '')).not.toMatch(/\p{Cc}/u);
  });

  it('end quietly when the reader closes the pipe', async () => {
    const output = new PassThrough();
    const timer = new ManualTimer();
    const running = startPlain(new FakeSource(1), { output, timer });
    output.destroy(Object.assign(new Error('write EPIPE'), { code: 'EPIPE' }));
    expect(await running.done).toBe('closed');
    expect(timer.pending).toBe(0);
  });

  it('end with the table when closed or signalled', async () => {
    for (const stop of ['close', 'SIGTERM'] as const) {
      const output = new PassThrough();
      const running = startPlain(new FakeSource(1), { output, timer: new ManualTimer() });
      if (stop === 'close') running.close();
      else process.emit(stop);
      expect(await running.done).toBe(stop === 'close' ? 'closed' : stop);
      expect(String(output.read())).toContain('0 denials');
    }
  });

  it('reject when the source fails', async () => {
    const source = new FakeSource(1);
    const timer = new ManualTimer();
    const running = startPlain(source, { output: new PassThrough(), timer });
    source.failure = new Error('no such hart');
    const failure = running.done.catch((error: unknown) => error);
    timer.advance(1000);
    expect(await failure).toBe(source.failure);
    expect(timer.pending).toBe(0);
  });
});

describe('the choice of the view', () => {
  const terminal = Object.assign(new PassThrough(), { isTTY: true });
  const both = { input: terminal, output: terminal };
  it.each([
    ['two terminals', both, true],
    ['an output that is a pipe', { ...both, output: new PassThrough() }, false],
    ['an input that is a pipe', { ...both, input: new PassThrough() }, false],
    ['a dumb terminal', { ...both, env: { TERM: 'dumb' } }, false],
    ['--plain', { ...both, plain: true }, false],
  ])('with %s', (_name, options, expected) => {
    expect(canShowDashboard({ env: { TERM: 'xterm' }, ...options })).toBe(expected);
  });
});
