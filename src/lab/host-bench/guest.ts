/**
 * The guest of the host benchmark: built from `bench/host/guest` when its sources or the compiler changed, and told
 * what to run by a few words written into the file. Both machines get the same file.
 */
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';

import { readElf } from '../../machine/elf.ts';
import {
  compileFlags,
  findToolchain,
  type Toolchain,
  type ToolchainFlavour,
} from '../../policy/toolchain.ts';
import { ROOT } from '../bundled.ts';
import { HostBenchError } from './error.ts';

const FOLDER = join(ROOT, 'bench/host/guest');
const OUTPUT = join(ROOT, 'build/host-bench');
const SCRIPT = 'guest.ld';
const SUBSYSTEMS = join(ROOT, 'src/subsystems');
/** What of the kernel the guest's files include. */
const KERNEL_SOURCES = ['keyring/sha256.c', 'keyring/sha256.h', 'include/lib.h', 'include/types.h'];

/** RAM that the guest maps, so also what both machines give it. */
export const GUEST_RAM_BYTES: number = 64 << 20;

/** Harts that it has room for: `MAX_HARTS` of guest.h. */
export const GUEST_MAX_HARTS = 4;

/** The kernel has no floating point; one file of the guest does, with the same calling convention. */
const FLOAT_FILE = 'float.c';
const FLOAT_FLAGS: Readonly<Record<ToolchainFlavour, readonly string[]>> = {
  zig: ['-mcpu=generic_rv64+m+a+f+d+c+zicsr+zifencei'],
  clang: ['-march=rv64imafdc_zicsr_zifencei'],
  gcc: ['-march=rv64imafdc_zicsr_zifencei'],
};
const LINK_FLAGS: Readonly<Record<ToolchainFlavour, readonly string[]>> = {
  zig: ['-target', 'riscv64-freestanding', '-mabi=lp64'],
  clang: ['--target=riscv64-unknown-elf', '-march=rv64imac', '-mabi=lp64', '-fuse-ld=lld'],
  gcc: ['-march=rv64imac_zicsr_zifencei', '-mabi=lp64', '-Wl,--build-id=none'],
};

const run = promisify(execFile);

/** The guest's path. @throws NoToolchainError, HostBenchError */
export async function buildGuest(): Promise<string> {
  const toolchain = findToolchain();
  const sources = readdirSync(FOLDER)
    .filter((name) => /\.[cS]$/.test(name))
    .toSorted();
  const folder = join(OUTPUT, fingerprint(toolchain));
  const guest = join(folder, 'guest.elf');
  if (existsSync(guest)) return guest;
  mkdirSync(folder, { recursive: true });
  const objects = await Promise.all(
    sources.map(async (source) => {
      const object = join(folder, `${source}.o`);
      const special = source === FLOAT_FILE ? FLOAT_FLAGS[toolchain.flavour] : [];
      await compiler(toolchain, [
        ...compileFlags(toolchain),
        ...special,
        '-I',
        join(SUBSYSTEMS, 'include'),
        '-c',
        join(FOLDER, source),
        '-o',
        object,
      ]);
      return object;
    }),
  );
  // Under its own name only when it is complete: a second run may look for it meanwhile.
  const unfinished = `${guest}.${process.pid}`;
  await compiler(toolchain, [
    ...LINK_FLAGS[toolchain.flavour],
    '-nostdlib',
    '-static',
    `-Wl,-T,${join(FOLDER, SCRIPT)}`,
    '-o',
    unfinished,
    ...objects,
  ]);
  renameSync(unfinished, guest);
  return guest;
}

function fingerprint(toolchain: Toolchain): string {
  const hash = createHash('sha256').update(
    JSON.stringify([toolchain.identity, compileFlags(toolchain)]),
  );
  for (const name of readdirSync(FOLDER).toSorted())
    hash.update(name).update(readFileSync(join(FOLDER, name)));
  for (const name of KERNEL_SOURCES) hash.update(name).update(readFileSync(join(SUBSYSTEMS, name)));
  return hash.digest('hex').slice(0, 16);
}

async function compiler({ command, prefix }: Toolchain, args: readonly string[]): Promise<void> {
  try {
    await run(command, [...prefix, ...args]);
  } catch (error) {
    const { stderr = '', message } = error as Error & { stderr?: string };
    throw new HostBenchError(
      `the guest in ${FOLDER} cannot be built:\n${stderr.trim() || message}`,
    );
  }
}

export interface GuestConfig {
  readonly harts: number;
  readonly rounds: number;
  /** Work of a round, in percent of what the guest's own table says. */
  readonly scalePercent: number;
  /** Empty: every row that fits the number of harts. */
  readonly rows: readonly string[];
}

const CONFIG_SYMBOL = 'config';

/** A copy of the guest that does what the configuration says: `struct config` of guest.h. */
export function configured(guest: Uint8Array, config: GuestConfig): Uint8Array {
  const elf = readElf(guest, 'guest.elf', 'executable');
  const symbol = elf.symbols.find(({ name }) => name === CONFIG_SYMBOL);
  const section = symbol === undefined ? undefined : elf.sections[symbol.section];
  if (symbol === undefined || section === undefined)
    throw new HostBenchError(`the guest has no symbol '${CONFIG_SYMBOL}'`);
  const copy = guest.slice();
  const at = section.offset + Number(symbol.value - section.address);
  const words = new DataView(copy.buffer, at, symbol.sizeBytes);
  const numbers = [config.harts, config.rounds, config.scalePercent];
  numbers.forEach((value, index) => words.setBigUint64(8 * index, BigInt(value), true));
  const names = new TextEncoder().encode(`${config.rows.join(',')}\0`);
  const room = symbol.sizeBytes - 8 * numbers.length;
  if (names.length > room)
    throw new HostBenchError(`--rows: the guest has room for ${room - 1} characters`);
  copy.set(names, at + 8 * numbers.length);
  return copy;
}
