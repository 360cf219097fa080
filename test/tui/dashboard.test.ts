import { afterEach, describe, expect, it } from 'vitest';
import { HART_STATE } from '../../src/machine/probe.ts';
import type { DashboardOptions } from '../../src/tui/dashboard.ts';
import { FakeSource } from './fake-source.ts';
import { Headless } from './headless.ts';

const CYAN = 6;
const GREEN = 2;
const RED = 1;

let screen: Headless | undefined;
afterEach(async () => {
  screen?.close();
  await screen?.done.catch(() => {});
  screen = undefined;
});

type Options = Omit<DashboardOptions, 'input' | 'output' | 'timer'>;

async function open(
  harts = 4,
  columns = 80,
  rows = 24,
  options: Options = {},
  prepare: (source: FakeSource) => void = () => {},
): Promise<Headless> {
  const source = new FakeSource(harts);
  prepare(source);
  screen = new Headless(source, columns, rows, options);
  await screen.runSecond();
  return screen;
}

describe('the hart pane', () => {
  it('shows of each of 8 harts state, mode, domain, view, rates, waits and history', async () => {
    const h = await open(8, 100, 30, {}, ({ samples }) => {
      Object.assign(samples[2] as object, { mode: 0, state: HART_STATE.PARKED });
      Object.assign(samples[3] as object, { mode: 3, state: HART_STATE.STOPPED });
    });
    expect(h.text()).toContain('1 harts  6 of 8 run');
    const rows = h.rows();
    expect(rows[3]).toMatch(/h0 +▸ run +S core +10 █░+ +1\.0M +1\.2k +34k +5\.6ms +[▁▂]/);
    expect(rows[5]).toMatch(/h2 +· idle +U keyring +12 /);
    expect(rows[6]).toMatch(/h3 +× off +M net +13 /);
    expect(rows[10]).toMatch(/h7 .* 8\.0M .*█│$/);
  });

  it('tells states apart by words, and colours them as well', async () => {
    const h = await open(2, 80, 24, {}, ({ samples }) => {
      Object.assign(samples[1] as object, { state: HART_STATE.STOPPED });
    });
    expect(h.at('▸ run').foreground).toBe(GREEN);
    expect(h.at('× off').foreground).toBe(3);
  });

  it('puts 32 harts in four columns on 80x24, and spells the selected one out', async () => {
    const h = await open(32);
    expect(h.rows()[2]).toMatch(/h0 .*h1 .*h2 .*h3 /);
    expect(h.text()).toContain('h31 ▸S   32M');
    await h.press('\x1b[B', 'l');
    expect(h.rows()[10]).toMatch(
      /h5 ▸ run S vfs +view 15 ins\/s 6\.0M gate\/s 1\.2k tlbm\/s 34k +wait\/s 5\.6ms/,
    );
  });

  it('maps 64 harts to a cell each: shade and mode, or the sign of a hart that does not run', async () => {
    const h = await open(64, 80, 24, {}, ({ samples }) => {
      Object.assign(samples[17] as object, { state: HART_STATE.PARKED, mode: 0 });
    });
    const rows = h.rows();
    expect(rows[3]).toMatch(/h0 +░S ░S/);
    expect(rows[4]).toMatch(/h16 +▒S ·U ▒S/);
    expect(rows[6]).toMatch(/h48 +█S/);
    expect(h.at('░S').foreground).toBe(-1); // selected: reverse video, not a colour
    expect(h.at('░S').isInverse).toBe(true);
    expect(h.at('█S').foreground).toBe(RED);
    await h.press('j', 'l');
    expect(h.text()).toMatch(/h17 · idle U vfs +view 27 thread 17/);
    await h.press('\x1b[F');
    expect(h.text()).toMatch(/h63 ▸ run S net/);
    await h.press('\r');
    expect(h.text()).toMatch(/h63 +▸ run +S net .* 64M/); // expanded: rows that scroll
  });

  it('selects the hart that is clicked', async () => {
    const h = await open(64);
    const { x, y } = h.find('h32 ');
    await h.click(x + 4 + 3 * 5, y);
    expect(h.text()).toMatch(/h37 ▸ run S vfs/);
    expect(h.cell(x + 4 + 3 * 5, y).isInverse).toBe(true);
  });
});

describe('the gate pane', () => {
  it('shows crossings a second from caller to callee, and totals on t', async () => {
    const h = await open();
    await h.press('2');
    const row = (name: string): string =>
      h.rows().find((line) => line.startsWith(`│${name}`)) ?? '';
    expect(row('keyring')).toMatch(/keyring +▸ +80 +90 +100 +110/);
    expect(h.text()).toContain('crossings/s');
    await h.runSecond();
    await h.press('t');
    expect(h.text()).toContain('crossings in all');
    expect(row('keyring')).toMatch(/keyring +▸ +160 +180 +200 +220/);
  });

  it('shows a stopped domain by sign, word and colour', async () => {
    const h = await open(4, 140, 40);
    h.source.domainList[2] = { name: 'keyring', state: 'stopped', generation: 3, restarts: 2 };
    await h.pass(200);
    expect(h.text()).toMatch(/keyring +× stop +g3/);
    expect(h.at('× stop').foreground).toBe(RED);
  });

  it('moves over a matrix that is larger than the pane', async () => {
    const names = Array.from({ length: 16 }, (_, i) => `d${i}`);
    screen = new Headless(new FakeSource(2, names), 80, 24);
    await screen.runSecond();
    expect(screen.text()).toContain('1:1 of 16');
    expect(screen.text()).not.toMatch(/ d15/);
    await screen.press('2', '\x1b[F');
    expect(screen.text()).toMatch(/ d14 +d15/);
    expect(screen.text()).toMatch(/│d15 /);
    await screen.press('k', 'h');
    expect(screen.text()).not.toMatch(/│d15 .*▸ .*d15/);
  });

  it('says so when nothing separates the run', async () => {
    screen = new Headless(new FakeSource(2, []), 80, 24);
    await screen.settle();
    expect(screen.text()).toContain('No domains');
  });
});

describe('the event pane', () => {
  it('shows denials and restarts as they happen', async () => {
    const h = await open(2, 140, 30);
    expect(h.text()).toContain('Nothing was denied so far.');
    h.source.happen('denial', 'load from vfs.private', 'keyring', 1);
    h.source.happen('restart', 'generation 2', 'keyring', 0);
    await h.pass(200);
    expect(h.text()).toMatch(/0\.1s × denied +h1 keyring: load from vfs\.private/);
    expect(h.text()).toMatch(/0\.2s ↑ restart +h0 keyring: generation 2/);
    expect(h.text()).toContain('1 denied, 1 restarts');
    expect(h.at('× denied').foreground).toBe(RED);
    expect(h.at('↑ restart').foreground).toBe(GREEN);
  });

  it('filters by what is typed after /, and Esc takes the filter away', async () => {
    const h = await open(2, 140, 30, {}, (source) => {
      source.happen('denial', 'load from vfs', 'keyring');
      source.happen('denial', 'store to core', 'net');
    });
    await h.press('3', '/', 'N', 'e', 'x', '\x7f', 't', ':');
    expect(h.text()).toContain('filter: Net:');
    expect(h.text()).not.toContain('load from vfs');
    await h.press('\r');
    expect(h.text()).toContain('/Net:');
    expect(h.text()).toContain('store to core');
    await h.press('\x1b');
    expect(h.text()).toContain('load from vfs');
  });

  it('types q and ? into the filter instead of quitting or helping', async () => {
    const h = await open();
    await h.press('3', '/', 'q', '?', ' ');
    expect(h.text()).toContain('filter: q? ');
    expect(h.text()).toContain('No event matches.');
  });

  it('stays where it is scrolled to while events come in', async () => {
    const h = await open(2, 140, 30, {}, (source) => {
      for (let i = 1; i <= 50; i++) source.happen('denial', `number ${i}.`);
    });
    expect(h.text()).toContain('number 50.');
    await h.press('3', '\x1b[5~');
    expect(h.text()).not.toContain('number 50.');
    const shown = (): string[] => h.text().match(/number \d+\./g) ?? [];
    const before = shown();
    h.source.happen('denial', 'number 51.');
    await h.pass(200);
    expect(shown()).toEqual(before);
    await h.press('\x1b[F');
    expect(h.text()).toContain('number 51.');
    await h.press('\x1b[H');
    expect(h.text()).toContain('number 1.');
  });

  it('cannot be made to write escape codes by the text of an event', async () => {
    const h = await open(2, 140, 30, { color: false });
    h.source.happen('note', 'a\x1b]0;owned\x07\x1b[31mb\nc', 'x\x1b[2J');
    await h.pass(200);
    expect(h.sent).not.toContain('owned\x07');
    expect(h.sent).not.toContain('\x1b[31m');
    expect(h.text()).toContain('[31mb c');
  });
});

describe('the console pane', () => {
  it("shows the guest's text with its colours and without its tricks", async () => {
    const h = await open(2);
    h.source.print('boot \x1b[32mok\x1b[m 日本\x1b]0;owned\x07\x1b[2J\n$ ');
    await h.pass(200);
    expect(h.text()).toContain('boot ok 日本');
    expect(h.at('ok 日').foreground).toBe(GREEN);
    expect(h.sent).not.toContain('owned');
  });

  it('keeps the rows of its neighbours in place whatever characters the guest prints', async () => {
    const h = await open(2);
    h.source.print(`${'日本語'.repeat(20)}\n🙂é\u0301\u200b⌚✅ end\n`);
    await h.pass(200);
    for (const row of h.rows().slice(1, -1)) expect(row).toMatch(/[│┐┘]$/);
    expect(h.text()).toContain('end');
  });

  it('sends what is typed to the guest from i to Esc, keys of the dashboard included', async () => {
    const h = await open(2);
    await h.press('4', 'i');
    expect(h.text()).toContain('TYPING');
    await h.press('ls', '\r', 'q', '?', ' ', '\x1b[A', '\x03', 'é');
    const { x, y } = h.find('4 console');
    await h.wheel('up', x, y);
    expect(h.source.typed.join('')).toBe('ls\rq? \x1b[A\x03é');
    await h.press('\x1b');
    expect(h.text()).not.toContain('TYPING');
    expect(h.text()).toContain('4 console');
    await h.press('k');
    expect(h.source.typed.join('')).not.toContain('k');
  });

  it('goes on typing what came in one piece with the i', async () => {
    const h = await open(2);
    await h.press('4', 'ipwd\r');
    expect(h.source.typed.join('')).toBe('pwd\r');
  });

  it('ends the typing when another pane is clicked', async () => {
    const h = await open(2);
    await h.press('4', 'i');
    const { x, y } = h.find('2 gates');
    await h.click(x, y);
    await h.press('t');
    expect(h.source.typed).toEqual([]);
    expect(h.text()).toContain('crossings in all');
  });

  it('scrolls back with the wheel, and End follows again', async () => {
    const h = await open(2);
    h.source.print(Array.from({ length: 100 }, (_, i) => `line ${i}.`).join('\n'));
    await h.pass(200);
    expect(h.text()).toContain('line 99.');
    const { x, y } = h.find('line 99.');
    await h.wheel('up', x, y);
    expect(h.text()).not.toContain('line 99.');
    expect(h.text()).toContain('3 below');
    await h.press('\x1b[F');
    expect(h.text()).toContain('line 99.');
  });
});

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
  it('below 80x24 is one pane at a time, with a note and all keys', async () => {
    const h = await open(8, 79, 24);
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

  it.each<[string, Options]>([
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
