import { describe, expect, it } from 'vitest';

import { linuxFiles, untilPrompt } from '../../../src/lab/host-bench/linux.ts';

/** After how many pieces the prompt is seen; 0 if it is not. */
function seenAfter(...pieces: readonly string[]): number {
  let count = 0;
  let seen = 0;
  const watch = untilPrompt(() => {
    expect(seen).toBe(0);
    seen = count;
  });
  for (const piece of pieces) {
    count += 1;
    watch(piece);
  }
  return seen;
}

describe("a shell's prompt", () => {
  it('is the last thing on the console, whole or in pieces', () => {
    expect(seenAfter('[    0.1] Linux version\r\n', '~ # ')).toBe(2);
    expect(seenAfter('welcome\r\n~ #', ' \u001b[6n')).toBe(2);
    expect(seenAfter('\r\n$ ', 'ls\r\n', '$ ')).toBe(1);
  });

  it('is not a line that has such a character in it', () => {
    expect(seenAfter('[    0.2] costs 5 $ or so\r\n', '# a comment\r\n', 'cpu #1\r\n')).toBe(0);
  });
});

it('Linux is booted only where both files are named', () => {
  expect(linuxFiles({ CORDON_LINUX: 'a' })).toBeUndefined();
  expect(linuxFiles({ CORDON_INITRD: 'b' })).toBeUndefined();
  expect(linuxFiles({ CORDON_LINUX: 'a', CORDON_INITRD: 'b' })).toEqual({
    kernel: 'a',
    initrd: 'b',
  });
});
