import { execFileSync } from 'node:child_process';
import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { readElf } from '../../src/machine/elf.ts';
import { BuildError, buildKernel, buildUser, type KernelBuild } from '../../src/policy/build.ts';
import { parseDependencies } from '../../src/policy/compile.ts';
import { formatDiagnostics } from '../../src/policy/diagnostics.ts';
import { findInPath, findToolchain, NoToolchainError } from '../../src/policy/toolchain.ts';
import { readContexts } from '../../src/policy/verify.ts';
import { TOOLCHAIN } from './snippets.ts';

const BASE = join(import.meta.dirname, '../../build/test');
let root = '';
let compiled: string[] = [];

beforeEach(() => {
  mkdirSync(BASE, { recursive: true });
  root = mkdtempSync(join(BASE, 'tree-'));
  cpSync(join(import.meta.dirname, 'fixtures/kernel'), join(root, 'src/subsystems'), {
    recursive: true,
  });
  cpSync(join(import.meta.dirname, 'fixtures/user'), join(root, 'src/user'), { recursive: true });
  compiled = [];
});

afterEach(() => rmSync(root, { recursive: true }));

const build = (monolith = false): Promise<KernelBuild> => {
  compiled = [];
  return buildKernel({
    root,
    monolith,
    onProgress: (event) => {
      if (event.kind === 'compile') compiled.push(event.source.replace('src/subsystems/', ''));
    },
  });
};

const edit = (file: string, change: (text: string) => string): void => {
  const path = join(root, 'src/subsystems', file);
  writeFileSync(path, change(readFileSync(path, 'utf8')));
};

const failure = async (): Promise<string> => {
  try {
    await build();
  } catch (error) {
    if (!(error instanceof BuildError)) throw error;
    return [formatDiagnostics(error.diagnostics, () => undefined), ...error.compilerOutput].join(
      '\n',
    );
  }
  return 'no failure';
};

describe.skipIf(TOOLCHAIN === null)('the build', () => {
  it('makes a kernel whose contexts verify, and does nothing the second time', async () => {
    const first = await build();
    expect(first.isUpToDate).toBe(false);
    expect(compiled).toHaveLength(5);
    const contexts = readContexts(new Uint8Array(readFileSync(first.kernelPath)));
    expect(contexts.domains.map(({ name }) => name)).toEqual(['core', 'keyring', 'vfs']);
    expect(readFileSync(first.mapPath, 'utf8')).toContain('__gate_core_key_add -> keyring at');
    expect(JSON.parse(readFileSync(first.manifestPath, 'utf8'))).toMatchObject({
      image: 'kernel.elf',
    });

    const second = await build();
    expect(second.isUpToDate).toBe(true);
    expect(compiled).toEqual([]);
  });

  it('compiles again what a header reaches, and only after its content changed', async () => {
    await build();
    utimesSync(join(root, 'src/subsystems/include/kernel.h'), 1, 1);
    expect((await build()).isUpToDate).toBe(true);
    edit('include/kernel.h', (text) => text.replace('char name[16]', 'char name[24]'));
    expect((await build()).isUpToDate).toBe(false);
    expect(compiled.toSorted()).toEqual(['core/main.c', 'keyring/keyring.c', 'vfs/vfs.c']);
  });

  it('links again when only a policy changed, and when a source was added', async () => {
    const first = await build();
    const before = readFileSync(first.kernelPath);
    edit('vfs/vfs.policy', (text) => text.replace('exports {', 'stack 16K\n  exports {'));
    await build();
    expect(compiled).toEqual([]);
    expect(readFileSync(first.kernelPath).equals(before)).toBe(false);
    writeFileSync(join(root, 'src/subsystems/vfs/more.c'), 'int more;\n');
    await build();
    expect(compiled).toEqual(['vfs/more.c']);
  });

  it('makes the same bytes in another directory', async () => {
    const { kernelPath } = await build();
    const first = readFileSync(kernelPath);
    rmSync(root, { recursive: true });
    root = mkdtempSync(join(BASE, 'elsewhere-'));
    cpSync(join(import.meta.dirname, 'fixtures/kernel'), join(root, 'src/subsystems'), {
      recursive: true,
    });
    expect(readFileSync((await build()).kernelPath).equals(first)).toBe(true);
  });

  it('links the same objects in one piece, with direct calls and one library', async () => {
    await build();
    const { kernelPath, mapPath } = await build(true);
    expect(compiled).toEqual([]);
    const elf = readElf(new Uint8Array(readFileSync(kernelPath)), 'monolith', 'executable');
    expect(elf.entry).toBe(0x8020_0000n);
    expect(elf.sections.some(({ name }) => name === '.gates')).toBe(false);
    expect(elf.symbols.filter(({ name }) => name === 'memcpy')).toHaveLength(1);
    expect(readFileSync(mapPath, 'utf8')).not.toContain('__gate');
  });

  it('reports every source that does not compile', async () => {
    edit('vfs/vfs.c', (text) => text.replace('long digest', 'lnog digest'));
    edit('core/main.c', (text) => `${text}int f(void) { return undeclared; }\n`);
    const text = await failure();
    expect(text).toMatch(/src\/subsystems\/vfs\/vfs\.c:5:\d+: error/);
    expect(text).toMatch(/src\/subsystems\/core\/main\.c:\d+:\d+: error/);
  });

  it('reports a forbidden call with its line in the source', async () => {
    edit('vfs/vfs.policy', (text) => text.replace('imports core { kalloc }', ''));
    expect(await failure()).toContain(
      "src/subsystems/vfs/vfs.c:14:18: error: 'vfs_open' in 'vfs' calls 'kalloc' of 'core', which 'vfs' does not import",
    );
  });

  it('refuses a source that no subsystem contains, and one that two claim', async () => {
    mkdirSync(join(root, 'src/subsystems/stray'));
    writeFileSync(join(root, 'src/subsystems/stray/stray.c'), 'int x;\n');
    edit('vfs/vfs.policy', (text) =>
      text.replace('exports', 'contains "vfs/*.o", "keyring/*.c", "nothing/*.c"\n  exports'),
    );
    const text = await failure();
    expect(text).toContain(
      'src/subsystems/stray/stray.c: error: this source belongs to no subsystem',
    );
    expect(text).toContain("src/subsystems/keyring/keyring.c belongs to 'keyring' already");
    expect(text).toContain('no source of \'vfs\' matches "nothing/*.c"');
  });

  it('makes user programs and their first file system', async () => {
    const user = await buildUser({ root });
    expect(user.programs.map((path) => path.split('/').at(-1))).toEqual(['hello', 'true']);
    const hello = readElf(
      new Uint8Array(readFileSync(user.programs[0] ?? '')),
      'hello',
      'executable',
    );
    expect(hello.programHeaders.map(({ flags, virtAddr }) => [flags, virtAddr])).toEqual([
      [5, 0x10000n],
      [4, 0x11000n],
    ]);
    const names = readCpio(readFileSync(user.initrdPath));
    expect(names).toMatchObject({
      'bin/hello': { mode: 0o100755 },
      'etc/motd': { mode: 0o100644, text: 'Welcome to Cordon.\n' },
      bin: { mode: 0o040755 },
    });
    expect(Object.keys(names)).toEqual(['bin', 'bin/hello', 'bin/true', 'etc', 'etc/motd']);
    expect((await buildUser({ root })).isUpToDate).toBe(true);
    // A program gets the library objects it uses, and no others.
    expect(hello.symbols.some(({ name }) => name === 'puts')).toBe(true);
    const plain = readElf(
      new Uint8Array(readFileSync(user.programs[1] ?? '')),
      'true',
      'executable',
    );
    expect(plain.symbols.some(({ name }) => name === 'puts')).toBe(false);
  });
});

const QEMU = findInPath('qemu-riscv64');

describe.skipIf(TOOLCHAIN === null || QEMU === null)('a user program', () => {
  it('runs on another machine with the system calls of Linux', async () => {
    const { programs } = await buildUser({ root });
    expect(execFileSync(QEMU ?? '', [programs[0] ?? ''], { encoding: 'utf8' })).toBe('hello\n');
  });
});

/** A plain reader of "newc" archives. */
function readCpio(bytes: Buffer): Record<string, { mode: number; text: string }> {
  const result: Record<string, { mode: number; text: string }> = {};
  const field = (at: number, index: number): number =>
    Number.parseInt(bytes.toString('latin1', at + 6 + index * 8, at + 14 + index * 8), 16);
  const pad = (at: number): number => Math.ceil(at / 4) * 4;
  for (let at = 0; ;) {
    if (bytes.toString('latin1', at, at + 6) !== '070701') throw new Error(`no entry at ${at}`);
    const [mode, size, nameSize] = [field(at, 1), field(at, 6), field(at, 11)];
    const name = bytes.toString('latin1', at + 110, at + 110 + nameSize - 1);
    if (name === 'TRAILER!!!') return result;
    const data = pad(at + 110 + nameSize);
    result[name] = { mode, text: bytes.toString('latin1', data, data + size) };
    at = pad(data + size);
  }
}

describe('the page on policies', () => {
  it('shows a policy that builds', () => {
    const page = readFileSync(join(import.meta.dirname, '../../docs/policy.md'), 'utf8');
    expect(page).toContain(
      readFileSync(join(root, 'src/subsystems/keyring/keyring.policy'), 'utf8'),
    );
  });
});

describe('the toolchain', () => {
  it('is what CORDON_CC names, or a sentence says that it is none', () => {
    expect(() => findToolchain({ PATH: '', CORDON_CC: '/nowhere/cc' })).toThrow(NoToolchainError);
    expect(() => findToolchain({ PATH: '', CORDON_CC: 'nocc' })).toThrow(
      "CORDON_CC names 'nocc', which is not an executable file.",
    );
  });
});

describe('dependencies of an object', () => {
  it('are read from a make rule with quoted spaces and continued lines', () => {
    expect(parseDependencies('o: a.c \\\n  b\\ c.h d.h\n')).toEqual(['a.c', 'b c.h', 'd.h']);
  });
});
