/**
 * Runs LLVM's linker on the same objects with a script that spells out our layout, and gives back
 * what it put into each section. The oracle of the linker's tests.
 */
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { readElf } from '../../src/machine/elf.ts';
import type { ObjectFile } from '../../src/policy/linker/link.ts';
import type { OutputSection } from '../../src/policy/linker/layout.ts';
import { findInPath, type Toolchain } from '../../src/policy/toolchain.ts';

export interface Lld {
  readonly name: string;
  readonly command: string;
  readonly args: readonly string[];
}

/** Every lld that this machine has. */
export function findLlds(toolchain: Toolchain | null): Lld[] {
  const found: Lld[] = [];
  if (toolchain?.flavour === 'zig') {
    found.push({ name: 'zig ld.lld', command: toolchain.command, args: ['ld.lld'] });
  }
  for (const name of ['ld.lld', 'ld.lld-14', 'ld.lld-19']) {
    const command = findInPath(name);
    if (command !== null) found.push({ name, command, args: [] });
  }
  return found;
}

const hex = (value: number): string => `0x${BigInt.asUintN(64, BigInt(value)).toString(16)}`;

export function linkWithLld(
  lld: Lld,
  objects: readonly ObjectFile[],
  sections: readonly OutputSection[],
  symbols: ReadonlyMap<string, number>,
): Map<string, Uint8Array> {
  const base = join(import.meta.dirname, '../../build/test');
  mkdirSync(base, { recursive: true });
  const directory = mkdtempSync(join(base, 'lld-'));
  const names = new Map(objects.map(({ file }, i) => [file, `${i}.o`]));
  for (const { file, bytes } of objects)
    writeFileSync(join(directory, names.get(file) ?? ''), bytes);
  const body = sections.flatMap((section) => [
    `  . = ${hex(section.address)};`,
    `  ${section.name} ${section.isInFile ? '' : '(NOLOAD) '}: {`,
    ...section.inputs.map(
      ({ input }) => `    "${names.get(input.object.file)}"(${input.section.name})`,
    ),
    '  }',
  ]);
  const script = [
    ...[...symbols].map(([name, value]) => `${name} = ${hex(value)};`),
    'SECTIONS {',
    ...body,
    '  /DISCARD/ : { *(.eh_frame .comment .note* .riscv.attributes .llvm_addrsig) }',
    '}',
    '',
  ].join('\n');
  writeFileSync(join(directory, 'script.ld'), script);
  const args = ['-m', 'elf64lriscv', '-O0', '--no-relax', '--strip-all', '--build-id=none'];
  try {
    execFileSync(
      lld.command,
      [...lld.args, ...args, '-T', 'script.ld', '-o', 'out.elf', ...names.values()],
      { cwd: directory, stdio: 'pipe' },
    );
    const bytes = new Uint8Array(readFileSync(join(directory, 'out.elf')));
    const elf = readElf(bytes, 'out.elf', 'executable');
    return new Map(elf.sections.map(({ name, data }) => [name, data]));
  } finally {
    rmSync(directory, { recursive: true });
  }
}
