import blessed from 'blessed';
import { describe, expect, it } from 'vitest';
import { toSgr, wantsColor, wantsUnicode } from '../../src/tui/colors.ts';
import { ASCII, UNICODE } from '../../src/tui/glyphs.ts';
import { bar, clockTime, count, duration, level, sparkline } from '../../src/tui/scale.ts';
import {
  cells,
  clip,
  cut,
  fit,
  isWide,
  safeText,
  span,
  wrap,
  plainText,
} from '../../src/tui/text.ts';

describe('text in cells', () => {
  it('has for every character that may be shown the width that blessed reckons with', () => {
    const { unicode } = blessed as unknown as {
      unicode: { charWidth(text: string, at: number): number };
    };
    const wrong: string[] = [];
    for (let code = 0x20; code <= 0xffff; code++) {
      if (code >= 0xd800 && code <= 0xdfff) continue;
      const text = String.fromCharCode(code);
      if (safeText(text) !== text) continue;
      if (unicode.charWidth(text, 0) !== (isWide(code) ? 2 : 1)) wrong.push(code.toString(16));
    }
    expect(wrong).toEqual([]);
  });

  it('replaces what terminals disagree on and drops what has no width', () => {
    expect(safeText('a🙂b')).toBe('a\ufffdb');
    expect(safeText('e\u0301\u200b\x07\x1b[31m\x9b')).toBe('e[31m');
    expect(safeText('é日本 ░')).toBe('é日本 ░');
  });

  it('never cuts a wide character in two', () => {
    expect(cut('日本', 3)).toBe('日');
    expect(fit('日本', 3)).toBe('日 ');
    expect(cells(fit('日本', 3))).toBe(3);
    expect(fit('12', 5, 'right')).toBe('   12');
  });

  it('clips and wraps a line and keeps the looks of its parts', () => {
    const line = [span('abc', 'bad'), span('日本語')];
    expect(clip(line, 6)).toEqual([span('abc', 'bad'), span('日')]);
    expect(wrap(line, 5).map(plainText)).toEqual(['abc日', '本語']);
    expect(wrap([], 5)).toEqual([[]]);
  });
});

describe('colours', () => {
  const tty = { isTTY: true };
  it('follow the command line before the environment', () => {
    expect(wantsColor({ flag: false, env: { FORCE_COLOR: '1' }, ...tty })).toBe(false);
    expect(wantsColor({ flag: true, env: { NO_COLOR: '1' }, isTTY: false })).toBe(true);
  });
  it('follow FORCE_COLOR, then NO_COLOR, then the terminal', () => {
    expect(wantsColor({ env: { FORCE_COLOR: '1', NO_COLOR: '1' }, isTTY: false })).toBe(true);
    expect(wantsColor({ env: { FORCE_COLOR: '0' }, ...tty })).toBe(false);
    expect(wantsColor({ env: { NO_COLOR: '1' }, ...tty })).toBe(false);
    expect(wantsColor({ env: { NO_COLOR: '' }, ...tty })).toBe(true);
    expect(wantsColor({ env: { TERM: 'dumb' }, ...tty })).toBe(false);
    expect(wantsColor({ env: {}, isTTY: false })).toBe(false);
  });
  it('leave bold and reverse video when they are off', () => {
    const line = [
      span('a', 'bad'),
      span('b', 'mark'),
      span('c', 'good'),
      { text: 'd', foreground: 9 },
    ];
    expect(toSgr(line, false)).toBe('\x1b[1ma\x1b[m\x1b[7mb\x1b[mcd');
    expect(toSgr(line, true)).toContain('\x1b[1;31ma\x1b[m');
    expect(toSgr(line, true)).toContain('\x1b[91md\x1b[m');
  });
});

describe('signs', () => {
  it('are Unicode only where the locale says so', () => {
    expect(wantsUnicode({ LANG: 'de_DE.UTF-8' })).toBe(true);
    expect(wantsUnicode({ LC_ALL: 'C', LANG: 'en_US.UTF-8' })).toBe(false);
    expect(wantsUnicode({})).toBe(false);
  });
  it.each([UNICODE, ASCII])(
    'differ within each set, so that states are told apart by shape',
    (set) => {
      const harts = [set.running, set.parked, set.stopped];
      for (const signs of [harts, Object.values(set.domain), Object.values(set.event)]) {
        expect(new Set(signs).size).toBe(signs.length);
      }
      expect(safeText(JSON.stringify(set))).toBe(JSON.stringify(set));
    },
  );
});

describe('numbers', () => {
  it.each([
    [0, '0'],
    [0.44, '0.4'],
    [9.97, '10'],
    [12, '12'],
    [999.4, '999'],
    [999.6, '1.0k'],
    [1234, '1.2k'],
    [999_600, '1.0M'],
    [34e6, '34M'],
    [5.6e9, '5.6G'],
    [Number.NaN, '0'],
  ])('%d is written %s', (value, text) => {
    expect(count(value)).toBe(text);
  });
  it('take at most five cells whatever they are', () => {
    const values = Array.from({ length: 600 }, (_, power) => 0.01 * 1.07 ** power);
    expect(values.filter((value) => count(value).length > 5)).toEqual([]);
    const times = values.filter((value) => value < 1e12);
    expect(times.filter((value) => duration(value).length > 5)).toEqual([]);
  });
  it('name their unit when they are times', () => {
    expect(duration(0)).toBe('0');
    expect(duration(340)).toBe('340ns');
    expect(duration(5.6e6)).toBe('5.6ms');
    expect(clockTime(59_990)).toBe('59.9s');
    expect(clockTime(61_000)).toBe('1m01s');
  });
  it('keep the lowest sign of a scale for nothing', () => {
    expect(level(0, 10, ' abc')).toBe(' ');
    expect(level(0.001, 10, ' abc')).toBe('a');
    expect(level(10, 10, ' abc')).toBe('c');
    expect(level(5, 0, ' abc')).toBe(' ');
  });
  it('fill bars and lines of history to their width', () => {
    expect(bar(5, 10, 4, ASCII)).toBe('##..');
    expect(sparkline([1, 10], 10, 4, ASCII)).toBe('  .#');
    expect(sparkline([1, 2, 3, 10], 10, 2, ASCII)).toHaveLength(2);
  });
});
