/**
 * Compiles pieces of C for tests. Objects are cached below `build/test`, by what they are made of.
 */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { vi } from 'vitest';
import { checkPolicies } from '../../src/policy/check.ts';
import { compileAll } from '../../src/policy/compile.ts';
import { DEVICES } from '../../src/policy/devices.ts';
import type { DeviceMap } from '../../src/policy/linker/link.ts';
import { formatDiagnostics } from '../../src/policy/diagnostics.ts';
import { sha256 } from '../../src/policy/linker/canonical.ts';
import {
  linkKernel,
  LinkError,
  type LinkedKernel,
  type ObjectFile,
} from '../../src/policy/linker/link.ts';
import {
  compileFlags,
  findInPath,
  findToolchain,
  type Toolchain,
} from '../../src/policy/toolchain.ts';

// A compiler on a busy machine takes its time; no test waits for a clock.
vi.setConfig({ testTimeout: 30_000, hookTimeout: 30_000 });

/** Null where no compiler is installed; the suites that need one are skipped then. */
export const TOOLCHAIN: Toolchain | null = (() => {
  try {
    return findToolchain();
  } catch {
    return null;
  }
})();

/** A second compiler, to see that objects of any compiler link. */
export const GCC: Toolchain | null = (() => {
  const gcc = findInPath('riscv64-unknown-elf-gcc');
  return gcc === null ? null : findToolchain({ ...process.env, CORDON_CC: gcc });
})();

export const START = '.section .text.start, "ax"\n.globl _start\n_start: j _start\n';

export interface Source {
  readonly file: string;
  readonly text: string;
}

/** Compiles sources; `file` is what messages call them. */
export async function compileSources(
  sources: readonly Source[],
  toolchain: Toolchain | null = TOOLCHAIN,
): Promise<ObjectFile[]> {
  if (toolchain === null) throw new Error('no compiler');
  const key = sha256(JSON.stringify([toolchain.name, compileFlags(toolchain), sources])).slice(
    0,
    16,
  );
  const root = join(import.meta.dirname, '../../build/test', key);
  for (const { file, text } of sources) {
    const path = join(root, file);
    mkdirSync(join(path, '..'), { recursive: true });
    if (!existsSync(path) || readFileSync(path, 'utf8') !== text) writeFileSync(path, text);
  }
  const { objects, failures } = await compileAll(
    sources.map(({ file }) => ({ source: file, includeDirs: ['.'] })),
    { root, objectDir: join(root, 'objects'), toolchain },
  );
  if (failures.length > 0) throw new Error(failures.map(({ output }) => output).join('\n'));
  return objects.map(({ source, objectPath }) => ({
    file: source,
    bytes: new Uint8Array(readFileSync(objectPath)),
  }));
}

/** A kernel in miniature: per subsystem a policy, C and assembler; `lib` is the library. */
export type Miniature = Readonly<Record<string, Part>>;

interface Part {
  readonly policy: string;
  readonly c?: string;
  readonly s?: string;
}

export async function linkMiniature(
  subsystems: Miniature,
  toolchain: Toolchain | null = TOOLCHAIN,
  devices: DeviceMap = DEVICES,
): Promise<LinkedKernel> {
  const sources: Source[] = [];
  for (const [name, { c, s }] of Object.entries(subsystems)) {
    if (c !== undefined) sources.push({ file: `${name}/${name}.c`, text: c });
    if (s !== undefined) sources.push({ file: `${name}/${name}.S`, text: s });
  }
  sources.push({ file: 'core/start.S', text: START });
  const objects = await compileSources(sources, toolchain);
  const { policies, diagnostics } = await checkPolicies(policyFiles(subsystems));
  if (policies === null) throw new Error(formatDiagnostics(diagnostics, () => undefined));
  const of = (name: string): ObjectFile[] => objects.filter((o) => o.file.startsWith(`${name}/`));
  return linkKernel({
    policies,
    subsystems: policies.subsystems.map(({ name }) => ({ name, objects: of(name) })),
    library: of('lib'),
    devices,
  });
}

const policyFiles = (subsystems: Miniature): Source[] =>
  Object.entries(subsystems)
    .filter(([name]) => name !== 'lib')
    .map(([name, { policy }]) => ({ file: `${name}.policy`, text: policy }));

/** What the linker says when it refuses, as a user sees it. */
export async function refusalOf(
  subsystems: Miniature,
  toolchain: Toolchain | null = TOOLCHAIN,
  devices: DeviceMap = DEVICES,
): Promise<string> {
  try {
    await linkMiniature(subsystems, toolchain, devices);
  } catch (error) {
    if (!(error instanceof LinkError)) throw error;
    const texts = new Map(policyFiles(subsystems).map(({ file, text }) => [file, text]));
    for (const [name, { c }] of Object.entries(subsystems)) texts.set(`${name}/${name}.c`, c ?? '');
    return formatDiagnostics(error.diagnostics, (file) => texts.get(file));
  }
  throw new Error('the linker refused nothing');
}
