/**
 * Boots a Linux that somebody else built. docs/foreign-kernels.md says where to get the files; the tests run
 * where CORDON_LINUX names a kernel and CORDON_INITRD an initial RAM disk whose /init opens a shell on the
 * serial port.
 */
import { readFileSync } from 'node:fs';

import { describe, expect, it } from 'vitest';

import { Session } from '../../src/lab/session.ts';
import { readKernel } from '../../src/lab/session-image.ts';

const { CORDON_LINUX, CORDON_INITRD } = process.env;
const hasFiles = CORDON_LINUX !== undefined && CORDON_INITRD !== undefined;
if (!hasFiles) console.log('skipped: Linux is not booted without CORDON_LINUX and CORDON_INITRD');

/** Busybox asks where the cursor is once it has prompted. */
// oxlint-disable-next-line no-control-regex
const PROMPT = /[#$] (?:\x1b\[6n)?$/;
const MIB = 2 ** 20;

/** Types a line whenever the shell asks for one. */
async function shell(
  harts: number,
  lines: readonly string[],
): Promise<{ readonly printed: string; readonly exit: unknown }> {
  const session = new Session({
    harts,
    ramBytes: 256 * MIB,
    image: readKernel(readFileSync(CORDON_LINUX as string), 'Image'),
    initrd: readFileSync(CORDON_INITRD as string),
    firmware: { mechanism: 'none' },
    bootargs: 'console=ttyS0',
    mode: { kind: 'parallel' },
    seconds: 280,
  });
  const waiting = [...lines];
  let printed = '';
  let seen = 0;
  session.onOutput((bytes) => {
    printed += new TextDecoder('latin1').decode(bytes);
    const prompt = printed.search(PROMPT);
    if (prompt < seen) return;
    seen = printed.length;
    const line = waiting.shift();
    if (line !== undefined) session.write(new TextEncoder().encode(`${line}\n`));
  });
  const { exit } = await session.start().done;
  return { printed, exit };
}

describe.skipIf(!hasFiles)('Linux', () => {
  it.each([1, 2, 4])(
    'boots to a shell on %i harts, sees them all, and powers off',
    async (harts) => {
      const { printed, exit } = await shell(harts, [
        'echo online $(cat /sys/devices/system/cpu/online)',
        'cat /sys/class/rtc/rtc0/name',
        'poweroff -f',
      ]);
      expect(printed).toContain(`online ${harts === 1 ? '0' : `0-${harts - 1}`}\r`);
      expect(printed).toMatch(/goldfish_rtc/);
      expect(printed).not.toMatch(/Kernel panic|BUG:|WARNING:|rcu: INFO/);
      expect(exit).toEqual({ reason: 'power-off', code: 0 });
    },
    300_000,
  );
});
