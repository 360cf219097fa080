/**
 * `cordon policy check | build | graph`. The only file of this folder that prints.
 *
 * Exit codes: 0 done, 1 mistakes in policies, sources or links, 2 wrong usage or no compiler.
 */
import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { basename, dirname, isAbsolute, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { InvalidArgumentError, type Command } from 'commander';
import type { BuildProgress } from './build.ts';
import type { CheckedPolicies } from './check.ts';
import { formatDiagnostics, type Diagnostic, type SourceText } from './diagnostics.ts';
import { CORE, type PolicyFile } from './model.ts';
import { findPolicyFiles } from './sources.ts';

const DEFAULT_SOURCES = 'src/subsystems';

const sourceText: SourceText = (file) => {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    // Not a file of this machine, such as a place inside an object.
    return undefined;
  }
};

const out = (text: string): void => void process.stdout.write(`${text}\n`);
const err = (text: string): void => void process.stderr.write(`${text}\n`);

export function registerPolicyCommands(program: Command): void {
  const policy = program
    .command('policy')
    .description('separation policies: check them, build the kernel they cut, draw them');

  policy
    .command('check')
    .description('check policies: syntax, names, rules, assertions')
    .argument('[files...]', `policy files or folders of subsystems (default: ${DEFAULT_SOURCES})`)
    .option('--json', 'print diagnostics as JSON')
    .addHelpText(
      'after',
      examples([
        ['cordon policy check', 'every policy of the kernel'],
        ['cordon policy check src/subsystems --json', 'the same for a program to read'],
        ['cordon policy check src/subsystems/vfs/vfs.policy', 'these, among their neighbours'],
      ]),
    )
    .action(runCheck);

  policy
    .command('build')
    .description('compile the subsystems and link the kernel by its policies')
    .option('--out <dir>', 'where to put the image', 'build')
    .option('--source <dir>', 'the folder of subsystems', DEFAULT_SOURCES)
    .option('--monolith', 'link the same objects in one piece, without gates')
    .option('--json', 'print the result as JSON')
    .addHelpText(
      'after',
      examples([
        ['cordon policy build', 'build/kernel.elf, with its map and manifest'],
        ['cordon policy build --monolith', 'build/monolith.elf, to compare with'],
        ['CORDON_CC=riscv64-unknown-elf-gcc cordon policy build', 'with another compiler'],
      ]),
    )
    .action(runBuild);

  policy
    .command('graph')
    .description('draw subsystems, gates and shares')
    .argument('[files...]', `policy files or folders of subsystems (default: ${DEFAULT_SOURCES})`)
    .option('--format <format>', 'svg or dot', parseFormat, 'svg')
    .option('--out <file>', 'write to a file instead of the terminal')
    .option('--json', 'print the resolved policies as JSON instead of a picture')
    .addHelpText(
      'after',
      examples([
        ['cordon policy graph --out policies.svg', 'a picture for a browser'],
        ['cordon policy graph --format dot | dot -Tpdf > p.pdf', 'through Graphviz'],
      ]),
    )
    .action(runGraph);
}

const examples = (rows: readonly (readonly [command: string, what: string])[]): string =>
  `\nExamples:\n${rows.map(([command, what]) => `  ${command}\n      ${what}`).join('\n')}`;

type Format = 'svg' | 'dot';

function parseFormat(text: string): Format {
  if (text === 'svg' || text === 'dot') return text;
  throw new InvalidArgumentError("It is 'svg' or 'dot'.");
}

/** A folder stands for all policies of its subfolders; a file for itself. */
const expand = (path: string): string[] =>
  statSync(path, { throwIfNoEntry: false })?.isDirectory() === true
    ? findPolicyFiles(isAbsolute(path) ? '/' : '.', path.replace(/\/+$/, ''))
    : [path];

/** The kernel that comes with us. */
const BUNDLED = fileURLToPath(new URL('../subsystems', import.meta.url));

const subsystemsIn = (text: string): string[] =>
  [...text.matchAll(/^\s*subsystem\s+(\w+)/gm)].map(([, name]) => name as string);

/**
 * The named policies, and those that they are read among: the folders next to theirs, and where these have
 * no core, the bundled kernel's, of which theirs take the place. Diagnostics are about the named ones alone.
 */
function readPolicies(paths: readonly string[]): { files: PolicyFile[]; named: Set<string> } {
  const named = (paths.length > 0 ? paths : [DEFAULT_SOURCES]).flatMap(expand);
  const neighbours = named
    .filter((file) => basename(file, '.policy') === basename(dirname(file)))
    .flatMap((file) => expand(dirname(dirname(file))));
  const read = (file: string): PolicyFile => ({ file, text: readFileSync(file, 'utf8') });
  const files = [...new Set([...named, ...neighbours])].map(read);
  const present = new Set(files.flatMap(({ text }) => subsystemsIn(text)));
  if (named.length > 0 && !present.has(CORE)) {
    const others = expand(BUNDLED).map(read);
    files.push(
      ...others.filter(({ text }) => !subsystemsIn(text).some((name) => present.has(name))),
    );
  }
  return { files, named: new Set(named) };
}

/** Reads and checks; null after a problem that has been printed. */
async function check(paths: readonly string[]): Promise<CheckedPolicies | null> {
  let read: ReturnType<typeof readPolicies>;
  try {
    read = readPolicies(paths);
  } catch (error) {
    const { code, path } = error as NodeJS.ErrnoException;
    if (path === undefined) throw error;
    err(`error: cannot read ${path} (${code})`);
    process.exitCode = 2;
    return null;
  }
  const { checkPolicies } = await import('./check.ts');
  const { policies, diagnostics } = await checkPolicies(read.files);
  const about = diagnostics.filter(({ file }) => read.named.has(file));
  // Mistakes of the neighbours alone still mean that nothing was resolved: show them.
  return { policies, diagnostics: about.length > 0 ? about : diagnostics };
}

async function runCheck(paths: string[], options: { json?: true }): Promise<void> {
  const checked = await check(paths);
  if (checked === null) return;
  const { policies, diagnostics } = checked;
  if (policies === null) process.exitCode = 1;
  if (options.json === true) {
    out(JSON.stringify({ ok: policies !== null, diagnostics: diagnostics.map(plain) }, null, 2));
    return;
  }
  if (diagnostics.length > 0) err(formatDiagnostics(diagnostics, sourceText));
  if (policies === null) {
    err(`\n${count(diagnostics.filter((d) => d.severity === 'error').length, 'error')}`);
    return;
  }
  const shares = policies.subsystems.flatMap((s) => s.shares).length;
  const parts = [
    count(policies.subsystems.length, 'subsystem'),
    count(policies.edges.length, 'allowed call'),
    count(shares, 'shared object'),
    count(policies.assertions.length, 'assertion'),
  ];
  out(`${parts.join(', ')}: all in order`);
}

const count = (n: number, what: string): string => `${n} ${what}${n === 1 ? '' : 's'}`;

/** A diagnostic without what only its order needs. */
const plain = (diagnostic: Diagnostic): Diagnostic => {
  const { rank, ...rest } = diagnostic;
  return rank === undefined ? diagnostic : rest;
};

interface BuildFlags {
  readonly out: string;
  readonly source: string;
  readonly monolith?: true;
  readonly json?: true;
}

async function runBuild(flags: BuildFlags): Promise<void> {
  const { BuildError, buildKernel } = await import('./build.ts');
  const { NoToolchainError } = await import('./toolchain.ts');
  const isJson = flags.json === true;
  try {
    const build = await buildKernel({
      sourceDir: flags.source,
      outDir: flags.out,
      monolith: flags.monolith === true,
      onProgress: isJson ? () => undefined : (event) => err(progressLine(event)),
    });
    if (isJson) {
      out(JSON.stringify({ ok: true, ...build, warnings: build.warnings.map(plain) }, null, 2));
      return;
    }
    if (build.warnings.length > 0) err(formatDiagnostics(build.warnings, sourceText));
    out(relative('.', build.kernelPath));
  } catch (error) {
    if (error instanceof NoToolchainError) {
      if (isJson) out(JSON.stringify({ ok: false, message: error.message }, null, 2));
      else err(`error: ${error.message}`);
      process.exitCode = 2;
      return;
    }
    if (!(error instanceof BuildError)) throw error;
    process.exitCode = 1;
    const { diagnostics, compilerOutput } = error;
    if (isJson) {
      out(
        JSON.stringify({ ok: false, diagnostics: diagnostics.map(plain), compilerOutput }, null, 2),
      );
      return;
    }
    for (const text of compilerOutput) err(text);
    if (diagnostics.length > 0) err(formatDiagnostics(diagnostics, sourceText));
  }
}

function progressLine(event: BuildProgress): string {
  switch (event.kind) {
    case 'compile':
      return `compile ${event.source}`;
    case 'link':
      return `link    ${relative('.', event.output)}`;
    case 'upToDate':
      return `nothing to do for ${relative('.', event.output)}`;
  }
}

interface GraphFlags {
  readonly format: Format;
  readonly out?: string;
  readonly json?: true;
}

async function runGraph(paths: string[], flags: GraphFlags): Promise<void> {
  const checked = await check(paths);
  if (checked === null) return;
  if (checked.policies === null) {
    err(formatDiagnostics(checked.diagnostics, sourceText));
    process.exitCode = 1;
    return;
  }
  const { renderDot, renderSvg } = await import('./render.ts');
  const text =
    flags.json === true
      ? `${JSON.stringify(checked.policies, null, 2)}\n`
      : flags.format === 'dot'
        ? renderDot(checked.policies)
        : renderSvg(checked.policies);
  if (flags.out === undefined) process.stdout.write(text);
  else {
    writeFileSync(flags.out, text);
    err(`wrote ${flags.out}`);
  }
}
