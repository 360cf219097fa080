/** What each pane shows, on a headless terminal. */
import { describe, expect, it } from 'vitest';
import { HART_STATE } from '../../src/machine/probe.ts';
import { FakeSource } from './fake-source.ts';
import { open, show } from './headless.ts';

const GREEN = 2;
const RED = 1;

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
    expect(rows[6]).toMatch(/h3 +× off +- - +- /);
    expect(rows[10]).toMatch(/h7 .* 8\.0M .*█│$/);
  });

  it('heads the column of TLB misses with whose they are', async () => {
    expect((await open(2)).text()).toMatch(/ tlbm\/s /);
    const parallel = await open(2, 80, 24, {}, (source) => void (source.tlb = 'emulator'));
    expect(parallel.text()).toMatch(/ soft\/s /);
    expect(parallel.text()).not.toContain('tlbm');
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
    const screen = show(new FakeSource(2, names), 80, 24);
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
    const screen = show(new FakeSource(2, []), 80, 24);
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

  it('sends a character whole that arrives in pieces', async () => {
    const h = await open(2);
    await h.press('4', 'i');
    for (const byte of Buffer.from('日')) {
      h.input.write(Buffer.of(byte));
      await h.settle();
    }
    expect(h.source.typed).toEqual(['日']);
  });

  it('shows its oldest lines when those it was scrolled to are gone', async () => {
    const h = await open(2);
    h.source.print('old\n'.repeat(50));
    await h.pass(200);
    await h.press('4', '\x1b[H');
    h.source.print(Array.from({ length: 5000 }, (_, i) => `line ${i}.\n`).join(''));
    await h.pass(200);
    expect(h.text()).toContain('line 3000.');
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
