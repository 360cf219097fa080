/** The two machines that run the guest: Cordon in this process, QEMU in one of its own. */
import { execFileSync, spawn } from 'node:child_process';

import { findInPath } from '../../policy/toolchain.ts';
import { kernelFromElf } from '../session-image.ts';
import { Session } from '../session.ts';
import { HostBenchError } from './error.ts';
import { GUEST_RAM_BYTES } from './guest.ts';

/** After that a guest is taken to hang. */
const LIMIT_SECONDS = 1200;

const QEMU = 'qemu-system-riscv64';

/** Where QEMU is and which; undefined if it is not installed. */
export function findQemu(): { readonly command: string; readonly version: string } | undefined {
  const command = findInPath(QEMU);
  if (command === null) return undefined;
  const [first = ''] = execFileSync(command, ['--version'], { encoding: 'utf8' }).split('\n');
  return { command, version: /version (\S+)/.exec(first)?.[1] ?? first };
}

/** What the guest printed under Cordon. @throws HostBenchError */
export async function runOnCordon(
  guest: Uint8Array,
  { harts, jit }: { readonly harts: number; readonly jit: boolean },
): Promise<string> {
  const session = new Session({
    harts,
    ramBytes: GUEST_RAM_BYTES,
    image: kernelFromElf(guest, 'guest.elf'),
    mode: { kind: 'parallel', jit },
    seconds: LIMIT_SECONDS,
  });
  const decoder = new TextDecoder();
  let text = '';
  session.onOutput((bytes) => {
    text += decoder.decode(bytes.slice(), { stream: true });
  });
  const { exit } = await session.start().done;
  if (exit.reason !== 'power-off' || exit.code !== 0)
    throw new HostBenchError(
      `Cordon ended by ${exit.reason}, code ${exit.code} ${exit.message ?? ''}: ${lastOf(text)}`,
    );
  return text;
}

/** The command line under which QEMU runs the guest: M-mode from the first instruction, a host thread a hart. */
export const qemuArguments = (path: string, harts: number): string[] => [
  ...['-machine', 'virt', '-bios', 'none', '-accel', 'tcg,thread=multi', '-smp', String(harts)],
  ...[
    '-m',
    `${GUEST_RAM_BYTES >> 20}M`,
    '-display',
    'none',
    '-monitor',
    'none',
    '-serial',
    'stdio',
  ],
  ...['-kernel', path],
];

/** The same under QEMU. @throws HostBenchError */
export function runOnQemu(command: string, path: string, harts: number): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, qemuArguments(path, harts), { stdio: ['ignore', 'pipe', 'pipe'] });
    let text = '';
    let complaints = '';
    const kill = (): void => void child.kill('SIGKILL');
    const limit = setTimeout(kill, LIMIT_SECONDS * 1000);
    // QEMU does not end when we do.
    process.once('exit', kill);
    child.stdout.setEncoding('utf8').on('data', (piece: string) => (text += piece));
    child.stderr.setEncoding('utf8').on('data', (piece: string) => (complaints += piece));
    child.on('error', (error) => reject(new HostBenchError(`${command}: ${error.message}`)));
    child.on('close', (code, signal) => {
      clearTimeout(limit);
      process.off('exit', kill);
      if (code === 0) resolve(text);
      else
        reject(
          new HostBenchError(
            `QEMU ended with ${signal ?? code}: ${complaints.trim()} ${lastOf(text)}`,
          ),
        );
    });
  });
}

const lastOf = (text: string): string => text.trim().split(/\r?\n/).slice(-3).join(' | ');
