/**
 * Linux from the start of the machine to its shell's first prompt, where somebody has brought a kernel and an initial RAM
 * disk. Nothing of it is built or kept here; docs/foreign-kernels.md says where to get one.
 */
import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';

import { readKernel } from '../session-image.ts';
import { Session } from '../session.ts';
import { HostBenchError } from './error.ts';
import type { GuestRun } from './guest-output.ts';

export const LINUX_ROW = 'linux-boot';

export interface LinuxFiles {
  readonly kernel: string;
  readonly initrd: string;
}

/** What CORDON_LINUX and CORDON_INITRD name, if both are set. */
export function linuxFiles(env: NodeJS.ProcessEnv = process.env): LinuxFiles | undefined {
  const { CORDON_LINUX: kernel, CORDON_INITRD: initrd } = env;
  return kernel === undefined || initrd === undefined ? undefined : { kernel, initrd };
}

const RAM_MIB = 256;
const BOOTARGS = 'console=ttyS0';
const LIMIT_SECONDS = 300;
/** Busybox asks where the cursor is once it has prompted. */
// oxlint-disable-next-line no-control-regex
const PROMPT = /(?:^|\n)\S* ?[#$] (?:\x1b\[6n)?$/;
const KEPT = 4096;

/** Takes what a console prints, in pieces, and calls back once, when a prompt is the last of it. */
export function untilPrompt(onPrompt: () => void): (text: string) => void {
  let tail = '';
  let isThere = false;
  return (text) => {
    tail = (tail + text).slice(-KEPT);
    if (isThere || !PROMPT.test(tail)) return;
    isThere = true;
    onPrompt();
  };
}

const runOf = (seconds: number): GuestRun => ({
  known: [LINUX_ROW],
  rounds: new Map([
    [LINUX_ROW, [{ group: 'boot', name: LINUX_ROW, seconds, count: 1, checks: ['prompt'] }]],
  ]),
});

/** @throws HostBenchError if no prompt comes */
export async function bootLinuxOnCordon(
  { kernel, initrd }: LinuxFiles,
  { harts, jit }: { readonly harts: number; readonly jit: boolean },
): Promise<GuestRun> {
  const image = readKernel(readFileSync(kernel), 'Image');
  const disk = readFileSync(initrd);
  const start = performance.now();
  let seconds: number | undefined;
  const session = new Session({
    harts,
    ramBytes: RAM_MIB << 20,
    image,
    initrd: disk,
    firmware: { mechanism: 'none' },
    bootargs: BOOTARGS,
    mode: { kind: 'parallel', jit },
    seconds: LIMIT_SECONDS,
  });
  const decoder = new TextDecoder('latin1');
  const watch = untilPrompt(() => {
    seconds = (performance.now() - start) / 1000;
    session.stop();
  });
  session.onOutput((bytes) => watch(decoder.decode(bytes.slice())));
  const { exit } = await session.start().done;
  if (seconds === undefined)
    throw new HostBenchError(`${LINUX_ROW}: Cordon ended by ${exit.reason} without a prompt`);
  return runOf(seconds);
}

/** @throws HostBenchError if no prompt comes */
export function bootLinuxOnQemu(
  command: string,
  { kernel, initrd }: LinuxFiles,
  harts: number,
): Promise<GuestRun> {
  return new Promise((resolve, reject) => {
    const start = performance.now();
    let seconds: number | undefined;
    const child = spawn(
      command,
      [
        ...['-machine', 'virt', '-accel', 'tcg,thread=multi', '-smp', String(harts)],
        ...['-m', `${RAM_MIB}M`, '-display', 'none', '-monitor', 'none', '-serial', 'stdio'],
        ...['-kernel', kernel, '-initrd', initrd, '-append', BOOTARGS],
      ],
      // Its input stays open: a shell whose input ends powers the machine off.
      { stdio: ['pipe', 'pipe', 'ignore'] },
    );
    const kill = (): void => void child.kill('SIGKILL');
    const limit = setTimeout(kill, LIMIT_SECONDS * 1000);
    process.once('exit', kill);
    const watch = untilPrompt(() => {
      seconds = (performance.now() - start) / 1000;
      kill();
    });
    child.stdout.setEncoding('latin1').on('data', watch);
    child.on('error', (error) => reject(new HostBenchError(`${command}: ${error.message}`)));
    child.on('close', () => {
      clearTimeout(limit);
      process.off('exit', kill);
      if (seconds === undefined) reject(new HostBenchError(`${LINUX_ROW}: QEMU gave no prompt`));
      else resolve(runOf(seconds));
    });
  });
}
