import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { GuestText } from '../../src/tui/guest-text.ts';
import { plainText } from '../../src/tui/text.ts';

const lines = (text: GuestText): string[] => text.lines.map(plainText);
const after = (...chunks: string[]): GuestText => {
  const text = new GuestText();
  for (const chunk of chunks) text.write(chunk);
  return text;
};

describe("the guest's console", () => {
  it('understands carriage return, backspace and tabs as a terminal does', () => {
    expect(lines(after('10%\r20%\nab\b\x08c\na\tb'))).toEqual(['20%', 'cb', 'a       b']);
    expect(lines(after('abcdef\r\x1b[Kxy\x1b[1Dz'))).toEqual(['xz']);
  });

  it('keeps the 16 colours, bold and reverse video', () => {
    const [line] = after('\x1b[1;31mred\x1b[0m \x1b[92;44mgreen\x1b[m').lines;
    expect(line).toEqual([
      { text: 'red', role: 'strong', foreground: 1 },
      { text: ' ', role: 'plain' },
      { text: 'green', role: 'plain', foreground: 10, background: 4 },
    ]);
  });

  it('skips colours it cannot show together with their arguments', () => {
    expect(after('\x1b[38;5;1;1mx').lines[0]).toEqual([{ text: 'x', role: 'strong' }]);
    expect(after('\x1b[48;2;7;7;7mx').lines[0]).toEqual([{ text: 'x', role: 'plain' }]);
  });

  it.each([
    ['an OSC that sets the title', '\x1b]0;owned\x07'],
    ['an OSC that writes the clipboard', '\x1b]52;c;aGk=\x1b\\'],
    ['a DCS', '\x1bPq#0\x1b\\'],
    ['a change of the screen buffer', '\x1b[?1049h'],
    ['a report request', '\x1b[6n'],
    ['a reset', '\x1bc'],
    ['a character set', '\x1b(0'],
    ['an 8-bit CSI', '\x9b2J'],
    ['bells and shifts', '\x07\x0e\x0f\0'],
  ])('swallows %s, whole or in pieces', (_name, sequence) => {
    expect(lines(after(`a${sequence}b`))).toEqual(['ab']);
    expect(lines(after('a', ...sequence, 'b'))).toEqual(['ab']);
  });

  it('gives up a sequence that never ends', () => {
    const text = after(`\x1b]0;${'x'.repeat(10_000)}\nlater`);
    expect(lines(text).at(-1)).toBe('later');
  });

  it('lets no control character through, whatever comes', () => {
    fc.assert(
      fc.property(
        fc.array(
          fc.oneof(
            fc.string({ unit: 'binary' }),
            fc.constantFrom(
              '\x1b',
              '\x1b[',
              '\x1b]',
              '\x9b',
              ';',
              '31',
              'm',
              '\n',
              '\r',
              '\b',
              'K',
            ),
          ),
        ),
        (chunks) => {
          const text = after(...chunks);
          for (const line of lines(text)) expect(line).not.toMatch(/\p{Cc}/u);
        },
      ),
    );
  });

  it('keeps a bounded number of lines of bounded length, and counts the others', () => {
    const text = new GuestText(10);
    for (let i = 0; i < 25; i++) text.write(`${i}\n`);
    expect(lines(text)).toEqual([...Array.from({ length: 10 }, (_, i) => String(i + 15)), '']);
    expect(text.dropped).toBe(15);
    expect(text.written).toBe(25);
    text.write('x'.repeat(100_000));
    expect(Math.max(...lines(text).map((line) => line.length))).toBeLessThanOrEqual(1000);
  });
});
