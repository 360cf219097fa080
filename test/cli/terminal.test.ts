import { describe, expect, it } from 'vitest';

import { parseMemory } from '../../src/cli/option-values.ts';
import { EscapeFilter } from '../../src/cli/terminal.ts';

const typed = (...chunks: string[]): string[] => {
  const seen: string[] = [];
  const filter = new EscapeFilter({
    write: (bytes) => seen.push(JSON.stringify(new TextDecoder().decode(bytes))),
    quit: () => seen.push('quit'),
    help: () => seen.push('help'),
  });
  for (const chunk of chunks) filter.type(new TextEncoder().encode(chunk));
  return seen;
};

describe('the terminal', () => {
  it('passes every key to the guest, Ctrl-C included', () => {
    expect(typed('ls\r', '\x03')).toEqual(['"ls\\r"', '"\\u0003"']);
  });

  it('quits at Ctrl-A X, in one piece or two', () => {
    expect(typed('\x01x')).toEqual(['quit']);
    expect(typed('\x01', 'X')).toEqual(['quit']);
  });

  it('sends Ctrl-A for two of them, and helps at H', () => {
    expect(typed('a\x01\x01b')).toEqual(['"a\\u0001b"']);
    expect(typed('\x01h')).toEqual(['help']);
  });

  it('swallows a mistyped command, and nothing after it', () => {
    expect(typed('\x01qx')).toEqual(['"x"']);
  });
});

describe('a size', () => {
  it.each([
    ['16M', 16 * 2 ** 20],
    ['1G', 2 ** 30],
    ['128MiB', 128 * 2 ** 20],
    ['134217728', 128 * 2 ** 20],
  ])('%s is understood', (text, bytes) => expect(parseMemory(text)).toBe(bytes));

  it.each(['', 'M', '15M', '2G', '16777217', '-64M', '64T', '64M '])('"%s" is refused', (text) => {
    expect(() => parseMemory(text)).toThrow(/16M to 1G/);
  });
});
