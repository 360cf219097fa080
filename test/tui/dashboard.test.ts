/** How the dashboard behaves, on a headless terminal: keys, mouse, sizes, colours, its end. */
import { describe, expect, it } from 'vitest';
import { open, type Headless, type HeadlessOptions } from './headless.ts';

const CYAN = 6;

describe('focus', () => {
  const focused = (h: Headless): string =>
    ['1 harts', '2 gates', '3 events', '4 console'].filter((name) => h.at(name).isInverse).join();

  it('goes round with Tab and Shift-Tab, and straight with numbers and clicks', async () => {
    const h = await open();
    expect(focused(h)).toBe('1 harts');
    await h.press('\t');
    expect(focused(h)).toBe('2 gates');
    await h.press('\x1b[Z', '\x1b[Z');
    expect(focused(h)).toBe('4 console');
    await h.press('3');
    expect(focused(h)).toBe('3 events');
    const { x, y } = h.find('2 gates');
    await h.click(x, y);
    expect(focused(h)).toBe('2 gates');
  });

  it('is shown by reverse video and a border in bold, with colours in cyan too', async () => {
    const h = await open();
    expect(h.cell(0, 1)).toMatchObject({ text: '┌', foreground: CYAN, isBold: true });
    await h.press('2');
    expect(h.cell(0, 1)).toMatchObject({ text: '┌', foreground: -1, isBold: false });
  });

  it('has the keys of its pane in the footer', async () => {
    const h = await open();
    const footer = (): string => h.rows()[23] ?? '';
    expect(footer()).toContain('select a hart');
    await h.press('2');
    expect(footer()).toContain('t rates/totals');
    await h.press('3');
    expect(footer()).toContain('/ filter');
    await h.press('4');
    expect(footer()).toContain('i type to the guest');
    expect(footer()).toContain('q quit');
  });

  it('expands with Enter and comes back with Esc', async () => {
    const h = await open();
    await h.press('3', '\r');
    expect(h.text()).toContain('3 events');
    expect(h.text()).not.toContain('1 harts');
    expect(h.rows()[22]).toMatch(/^└─{78}┘$/);
    await h.press('\x1b');
    expect(h.text()).toContain('1 harts');
  });
});

describe('pause, pace and help', () => {
  it('freezes the figures on space and says so in reverse video; nothing is lost', async () => {
    const h = await open(2);
    await h.press(' ');
    expect(h.at('PAUSED').isInverse).toBe(true);
    const { reads } = h.source;
    h.source.happen('denial', 'while paused');
    h.source.print('printed meanwhile');
    await h.runSecond();
    expect(h.source.reads).toBe(reads);
    expect(h.source.console(), 'taken from the guest, so that it need not wait').toBe('');
    expect(h.text()).not.toContain('while paused');
    await h.press(' ');
    expect(h.text()).not.toContain('PAUSED');
    await h.pass(200);
    expect(h.text()).toContain('while paused');
    expect(h.text()).toContain('printed meanwhile');
  });

  it('draws 5 frames a second, and more or fewer after + and -', async () => {
    const h = await open();
    const readsIn = async (ms: number): Promise<number> => {
      const { reads } = h.source;
      await h.pass(ms);
      return h.source.reads - reads;
    };
    expect(await readsIn(1000)).toBe(5);
    await h.press('+');
    expect(h.text()).toContain('6 fps');
    expect(await readsIn(1000)).toBe(6);
    await h.press('-', '-', '-', '-', '-', '-', '-', '-');
    expect(h.text()).toContain('1 fps');
    expect(await readsIn(3000)).toBe(3);
    await h.press(...'+'.repeat(30));
    expect(h.text()).toContain('20 fps');
  });

  it('does not pile frames up on a terminal that does not take them', async () => {
    const h = await open();
    h.output.pause();
    Object.defineProperty(h.output, 'writableNeedDrain', { value: true });
    const before = h.output.readableLength;
    await h.pass(10_000);
    expect(h.output.readableLength).toBe(before);
    h.output.resume();
  });

  it('shows all keys on ? and F1, and any key puts them away', async () => {
    const h = await open();
    await h.press('?');
    for (const word of ['PgUp PgDn', 'filter', 'rates/totals', 'frames a second', 'mouse']) {
      expect(h.text()).toContain(word);
    }
    await h.press('x');
    expect(h.text()).not.toContain('frames a second');
    await h.press('\x1bOP');
    expect(h.text()).toContain('frames a second');
    await h.press('\x1b');
    expect(h.text()).not.toContain('frames a second');
  });

  it('lets help be scrolled where it does not fit', async () => {
    const h = await open(2, 40, 10);
    await h.press('?');
    expect(h.text()).toContain('arrows for more');
    expect(h.text()).not.toContain('one pane at a time');
    for (let i = 0; i < 12; i++) await h.press('\x1b[6~');
    expect(h.text()).toContain('one pane at a time');
  });
});

describe('size', () => {
  it.each([
    [79, 24],
    [80, 23],
  ])('below 80x24 is one pane at a time, with a note: %dx%d', async (columns, rows) => {
    const h = await open(8, columns, rows);
    expect(h.text()).toContain('1 harts');
    expect(h.text()).not.toContain('2 gates');
    expect(h.text()).toContain('pane 1 of 4, Tab');
    await h.press('\t');
    expect(h.text()).toContain('2 gates');
    expect(h.text()).not.toContain('1 harts');
  });

  it('follows the terminal down to 40x10 and up again', async () => {
    const h = await open(8, 120, 40);
    await h.resize(40, 10);
    expect(h.rows()).toHaveLength(10);
    expect(h.rows()[1]).toMatch(/^┌.*┐$/);
    expect(h.rows()[8]).toMatch(/^└─{38}┘$/);
    expect(h.text()).toContain('pane 1 of 4');
    expect(h.rows()[3]).toMatch(/h0 +▸ run .*1\.0M/);
    await h.resize(200, 60);
    expect(h.text()).toContain('2 gates');
    expect(h.rows()[58]).toMatch(/^└─{198}┘$/);
    expect(h.rows()[1]).toMatch(/^┌.*┐$/);
  });

  it('survives sizes at which nothing can be drawn', async () => {
    const h = await open(64);
    for (const [columns, rows] of [
      [1, 1],
      [5, 2],
      [10, 4],
      [300, 3],
      [80, 24],
    ] as const) {
      await h.resize(columns, rows);
      await h.pass(200);
    }
    expect(h.text()).toContain('1 harts');
  });

  it.each([1, 8, 9, 16, 32, 33, 64])(
    'draws whole frames with %d harts at every size',
    async (harts) => {
      const h = await open(harts);
      for (const [columns, rows] of [
        [40, 10],
        [80, 24],
        [81, 25],
        [132, 43],
        [200, 60],
      ] as const) {
        await h.resize(columns, rows);
        for (const row of h.rows().slice(1, -1)) {
          expect(row, `${columns}x${rows}`).toMatch(/^[│┌└].*[│┐┘]$/);
          expect(row.length).toBe(columns);
        }
      }
    },
  );
});

describe('without colours', () => {
  // SGR parameters that set a colour: 30-38, 40-48, 90-97, 100-107.
  const colorCode = /\x1b\[(?:\d+;)*(?:3[0-8]|4[0-8]|9[0-7]|10[0-7])(?:;\d+)*m/; // oxlint-disable-line no-control-regex

  it.each<[string, HeadlessOptions]>([
    ['--no-color', { color: false }],
    ['NO_COLOR', { env: { TERM: 'xterm', LANG: 'C.UTF-8', NO_COLOR: '1' } }],
  ])('%s: no SGR colour is ever sent, whatever is shown', async (_name, options) => {
    const h = await open(8, 100, 40, options, (source) => {
      for (const kind of ['denial', 'fault', 'restart', 'quarantine'] as const) {
        source.happen(kind, 'x');
      }
      source.print('\x1b[31;42mred\x1b[m\n');
    });
    await h.press('?', '?', '\t', '\r', '\x1b', '3', '/', 'x', '\r', '4', 'i', '\x1b', ' ');
    expect(h.text()).toContain('red');
    expect(h.sent).not.toMatch(colorCode);
    expect(h.at('PAUSED').isInverse).toBe(true);
  });

  it('would be noticed: with colours there are some', async () => {
    const h = await open(8, 100, 40, { color: true });
    expect(h.sent).toMatch(colorCode);
  });

  it('draws in ASCII where the locale is not UTF-8', async () => {
    const h = await open(8, 100, 30, { env: { TERM: 'xterm', LANG: 'C' } });
    expect(h.text()).toMatch(/h0 +> run +S core/);
    expect(h.text().replaceAll(/[\x20-\x7e\n]/g, '')).toBe('');
  });
});

describe('the end', () => {
  it.each([
    ['q', 'quit'],
    ['\x03', 'interrupt'],
  ])('on %j restores the terminal, leaves the table and gives the reason', async (key, reason) => {
    const h = await open(2);
    expect(h.isAlternate).toBe(true);
    expect(h.input.isRaw).toBe(true);
    await h.press(key);
    expect(await h.done).toBe(reason);
    await h.settle();
    expect(h.isAlternate).toBe(false);
    expect(h.input.isRaw).toBe(false);
    expect(h.timer.pending).toBe(0);
    for (const off of ['\x1b[?1002l', '\x1b[?1006l', '\x1b[?25h']) expect(h.sent).toContain(off);
    expect(h.history()).toMatch(/h1 +2,000,000 /);
    expect(h.history()).toMatch(/core +vfs +10\n/);
  });

  it.each(['SIGINT', 'SIGTERM', 'SIGHUP'] as const)('on %s does the same', async (signal) => {
    const listeners = process.listenerCount(signal);
    const h = await open(2);
    process.emit(signal);
    expect(await h.done).toBe(signal);
    await h.settle();
    expect(h.isAlternate).toBe(false);
    expect(process.listenerCount(signal)).toBe(listeners);
  });

  it('of the run is announced, and the dashboard waits for q', async () => {
    const h = await open(2);
    h.source.finished = 'power off, code 0';
    await h.pass(1000);
    expect(h.at('FINISHED, press q').isInverse).toBe(true);
    expect(h.isAlternate).toBe(true);
    await h.press('\t', 'q');
    expect(await h.done).toBe('quit');
    await h.settle();
    expect(h.history()).toContain('power off, code 0');
  });

  it('of the run closes it with exitWhenDone, with the last figures', async () => {
    const h = await open(1, 80, 24, { exitWhenDone: true });
    h.source.samples[0]!.instructions = 123_456_789;
    h.source.finished = 'power off, code 0';
    await h.press(' '); // even while paused
    await h.pass(200);
    expect(await h.done).toBe('finished');
    await h.settle();
    expect(h.history()).toContain('123,456,789');
  });

  it('by an error of the source restores the terminal and rejects', async () => {
    const h = await open(2);
    h.source.failure = new Error('no such hart');
    const failure = h.done.catch((error: unknown) => error);
    await h.pass(200);
    expect(await failure).toBe(h.source.failure);
    await h.settle();
    expect(h.isAlternate).toBe(false);
  });

  it('can be followed by another dashboard', async () => {
    const first = await open(2);
    await first.press('q');
    await first.done;
    const second = await open(2);
    expect(second.text()).toContain('1 harts');
    await second.press('q');
    expect(await second.done).toBe('quit');
  });

  it('leaves the environment as it was', async () => {
    const before = { ...process.env };
    await open(2);
    expect({ ...process.env }).toEqual(before);
  });
});

describe('the mouse', () => {
  it('is asked for in SGR mode only, which every terminal of today has', async () => {
    const h = await open(2);
    expect(h.sent).toContain('\x1b[?1006h');
    expect(h.sent).not.toContain('\x1b[?1005h');
  });
});
