/**
 * Builds the kernel, its monolith, and the user programs with their first file system.
 *
 * Every function returns what it made and says through a callback what it does; it prints nothing.
 * When nothing changed, nothing is done: the state of the last build lies next to its output.
 */
import { mkdirSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { emitHeader } from '../nested-kernel/abi.ts';
import { checkPolicies } from './check.ts';
import { compileAll, type CompiledObject, type CompileJob } from './compile.ts';
import { writeCpio, type CpioFile } from './cpio.ts';
import { DEVICES } from './devices.ts';
import { hasErrors, type Diagnostic } from './diagnostics.ts';
import { emitErrnoHeader } from './errno.ts';
import { renderMap } from './linker/map.ts';
import { canonicalJson, sha256 } from './linker/canonical.ts';
import {
  linkKernel,
  linkMonolith,
  linkUser,
  LinkError,
  type DeviceMap,
  type Linked,
  type ObjectFile,
} from './linker/link.ts';
import type { Policies, PolicyFile } from './model.ts';
import {
  assignSources,
  findPolicyFiles,
  INCLUDE,
  LIBRARY,
  listFiles,
  listSources,
  listSubsystemSources,
  type SubsystemSources,
} from './sources.ts';
import { findToolchain, type Toolchain } from './toolchain.ts';
import { writeWholeFile } from './whole-file.ts';

export type BuildProgress =
  | { readonly kind: 'compile'; readonly source: string }
  | { readonly kind: 'link'; readonly output: string }
  | { readonly kind: 'upToDate'; readonly output: string };

export interface BuildOptions {
  /** Relative to `root`; `src/subsystems` or `src/user` by default. */
  readonly sourceDir?: string;
  /** Relative to `root`; `build` by default. */
  readonly outDir?: string;
  /** The repository; the current directory by default. */
  readonly root?: string;
  readonly toolchain?: Toolchain;
  readonly onProgress?: (event: BuildProgress) => void;
}

export interface KernelOptions extends BuildOptions {
  readonly monolith?: boolean;
  readonly devices?: DeviceMap;
}

export interface KernelBuild {
  readonly kernelPath: string;
  readonly mapPath: string;
  readonly manifestPath: string;
  readonly isUpToDate: boolean;
  /** Of the policies and the linker; the same again when nothing was done. */
  readonly warnings: readonly Diagnostic[];
}

export interface UserBuild {
  readonly programs: readonly string[];
  readonly initrdPath: string;
  readonly isUpToDate: boolean;
}

/** The build was refused: mistakes in policies, sources that do not compile, a forbidden reference. */
export class BuildError extends Error {
  readonly diagnostics: readonly Diagnostic[];
  /** What compilers wrote, by source. */
  readonly compilerOutput: readonly string[];

  constructor(diagnostics: readonly Diagnostic[], compilerOutput: readonly string[] = []) {
    super([...diagnostics.map(({ message }) => message), ...compilerOutput].join('\n'));
    this.name = 'BuildError';
    this.diagnostics = diagnostics;
    this.compilerOutput = compilerOutput;
  }
}

interface Context {
  readonly root: string;
  readonly sourceDir: string;
  readonly outDir: string;
  readonly toolchain: Toolchain;
  readonly onProgress: (event: BuildProgress) => void;
}

function context(options: BuildOptions, sourceDir: string): Context {
  const root = resolve(options.root ?? '.');
  return {
    root,
    sourceDir: options.sourceDir ?? sourceDir,
    outDir: resolve(root, options.outDir ?? 'build'),
    toolchain: options.toolchain ?? findToolchain(),
    onProgress: options.onProgress ?? (() => undefined),
  };
}

/** Compiles every subsystem and links the kernel: `kernel.elf`, or `monolith.elf`. */
export async function buildKernel(options: KernelOptions = {}): Promise<KernelBuild> {
  const c = context(options, 'src/subsystems');
  const devices = options.devices ?? DEVICES;
  const isMonolith = options.monolith ?? false;
  const name = isMonolith ? 'monolith' : 'kernel';
  const paths = {
    kernelPath: join(c.outDir, `${name}.elf`),
    mapPath: join(c.outDir, `${name}.map`),
    manifestPath: join(c.outDir, `${name}.manifest.json`),
  };
  const outputs = Object.values(paths);
  writeHeaders(c);

  const policyFiles = findPolicyFiles(c.root, c.sourceDir).map((file): PolicyFile => ({
    file,
    text: readFileSync(join(c.root, file), 'utf8'),
  }));
  const state = new BuildState(join(c.outDir, `.${name}.state.json`), outputs);
  const sources = listSubsystemSources(c.root, c.sourceDir);
  const configuration = sha256(
    canonicalJson([toolHash(), policyFiles, sources, devices, isMonolith]),
  );

  // With the policies and the set of files as they were, who owns which source is known.
  const before = state.read();
  if (before !== null && before.configuration === configuration) {
    const again = await compile(c, before.subsystems);
    if (before.inputs === inputsHash(again)) {
      c.onProgress({ kind: 'upToDate', output: paths.kernelPath });
      return { ...paths, isUpToDate: true, warnings: before.warnings };
    }
  }

  const checked = await checkPolicies(policyFiles);
  if (checked.policies === null) throw new BuildError(checked.diagnostics);
  const assigned = assignSources(checked.policies, c.root, c.sourceDir);
  if (hasErrors(assigned.diagnostics)) throw new BuildError(assigned.diagnostics);
  const objects = await compile(c, assigned.subsystems);
  c.onProgress({ kind: 'link', output: paths.kernelPath });
  const linked = link(checked.policies, assigned.subsystems, objects, devices, isMonolith, c);

  const warnings = [...checked.diagnostics, ...linked.warnings];
  const map = renderMap(linked, name);
  const manifest = {
    image: `${name}.elf`,
    toolchain: c.toolchain.name,
    policies: Object.fromEntries(policyFiles.map(({ file, text }) => [file, sha256(text)])),
    objects: Object.fromEntries(objects.map(({ source, hash }) => [source, hash])),
    outputs: { [`${name}.elf`]: sha256(linked.elf), [`${name}.map`]: sha256(map) },
    assertions: checked.policies.assertions,
    edges: checked.policies.edges.map((e) => `${e.caller} -> ${e.callee}.${e.function}`),
  };
  writeWholeFile(paths.kernelPath, linked.elf);
  writeWholeFile(paths.mapPath, map);
  writeWholeFile(paths.manifestPath, `${JSON.stringify(manifest, null, 2)}\n`);
  state.write({
    configuration,
    subsystems: assigned.subsystems,
    inputs: inputsHash(objects),
    warnings,
  });
  return { ...paths, isUpToDate: false, warnings };
}

/** The generated headers; untouched if they are what they should be, for objects depend on them. */
function writeHeaders({ outDir }: Context): void {
  const directory = join(outDir, 'include', 'cordon');
  mkdirSync(directory, { recursive: true });
  for (const [name, text] of [
    ['abi.h', emitHeader()],
    ['errno.h', emitErrnoHeader()],
  ] as const) {
    const file = join(directory, name);
    const old =
      statSync(file, { throwIfNoEntry: false }) === undefined ? '' : readFileSync(file, 'utf8');
    if (old !== text) writeWholeFile(file, text);
  }
}

/** What decides the output besides sources and policies: the linker itself. */
function toolHash(): string {
  const here = import.meta.dirname;
  const files = readdirSync(here, { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.ts'))
    .toSorted();
  const outside = ['../machine/elf.ts', '../nested-kernel/abi.ts'];
  return sha256([...files, ...outside].map((file) => readFileSync(join(here, file))).join('\0'));
}

async function compile(
  c: Context,
  subsystems: readonly SubsystemSources[],
): Promise<CompiledObject[]> {
  const shared = [`${c.sourceDir}/${INCLUDE}`, join(c.outDir, 'include')];
  const library = listSources(join(c.root, c.sourceDir, LIBRARY));
  const jobs: CompileJob[] = [
    ...subsystems.flatMap(({ sources }) =>
      sources.map((source) => ({ source, includeDirs: [dirname(source), ...shared] })),
    ),
    ...library.map((file) => ({
      source: `${c.sourceDir}/${LIBRARY}/${file}`,
      includeDirs: shared,
    })),
  ];
  return compileJobs(c, jobs);
}

async function compileJobs(c: Context, jobs: readonly CompileJob[]): Promise<CompiledObject[]> {
  const result = await compileAll(jobs, {
    root: c.root,
    objectDir: join(c.outDir, 'objects'),
    toolchain: c.toolchain,
    onProgress: (source) => c.onProgress({ kind: 'compile', source }),
  });
  if (result.failures.length > 0) {
    throw new BuildError(
      [],
      result.failures.map(({ output }) => output),
    );
  }
  return [...result.objects];
}

const inputsHash = (objects: readonly CompiledObject[]): string =>
  sha256(canonicalJson(objects.map(({ source, hash }) => [source, hash])));

const objectFile = ({ source, objectPath }: CompiledObject): ObjectFile => ({
  file: source,
  bytes: new Uint8Array(readFileSync(objectPath)),
});

function link(
  policies: Policies,
  subsystems: readonly SubsystemSources[],
  objects: readonly CompiledObject[],
  devices: DeviceMap,
  isMonolith: boolean,
  c: Context,
): Linked {
  const bySource = new Map(objects.map((object) => [object.source, objectFile(object)]));
  const ofSubsystem = subsystems.map(({ name, sources }) => ({
    name,
    objects: sources.map((source) => bySource.get(source)).filter((o) => o !== undefined),
  }));
  const prefix = `${c.sourceDir}/${LIBRARY}/`;
  const library = [...bySource.values()].filter(({ file }) => file.startsWith(prefix));
  try {
    return isMonolith
      ? linkMonolith({ subsystems: ofSubsystem, library, needs: policies.subsystems })
      : linkKernel({ policies, subsystems: ofSubsystem, library, devices });
  } catch (error) {
    if (error instanceof LinkError) throw new BuildError(error.diagnostics);
    throw error;
  }
}

/** What the last build knew, and whether its outputs are still the files it wrote. */
interface StateRecord {
  readonly configuration: string;
  readonly subsystems: readonly SubsystemSources[];
  readonly inputs: string;
  readonly warnings: readonly Diagnostic[];
}

class BuildState {
  readonly #file: string;
  readonly #outputs: readonly string[];

  constructor(file: string, outputs: readonly string[]) {
    this.#file = file;
    this.#outputs = outputs;
  }

  read(): StateRecord | null {
    try {
      const record = JSON.parse(readFileSync(this.#file, 'utf8')) as StateRecord & {
        outputs: string;
      };
      return record.outputs === this.#outputState() ? record : null;
    } catch {
      // No earlier build, or its record was cut short: build.
      return null;
    }
  }

  write(record: StateRecord): void {
    writeWholeFile(this.#file, JSON.stringify({ ...record, outputs: this.#outputState() }));
  }

  #outputState(): string {
    return this.#outputs
      .map((file) => statSync(file, { throwIfNoEntry: false }))
      .map((stat) => (stat === undefined ? '-' : `${stat.size} ${stat.mtimeMs}`))
      .join(', ');
  }
}

/** Compiles and links every program of `bin/`, and packs them with `etc/` into `initrd.cpio`. */
export async function buildUser(options: BuildOptions = {}): Promise<UserBuild> {
  const c = context(options, 'src/user');
  writeHeaders(c);
  const bin = listSources(join(c.root, c.sourceDir, 'bin')).map((f) => `${c.sourceDir}/bin/${f}`);
  const lib = listSources(join(c.root, c.sourceDir, 'lib')).map((f) => `${c.sourceDir}/lib/${f}`);
  // The kernel's user_abi.h says what its own system calls take.
  const includeDirs = [
    `${c.sourceDir}/include`,
    `${c.sourceDir}/lib`,
    `src/subsystems/${INCLUDE}`,
    join(c.outDir, 'include'),
  ];
  const etcDir = join(c.root, c.sourceDir, 'etc');
  const etc = listFiles(etcDir, (name) => !name.startsWith('.')).map((name): CpioFile => ({
    path: `etc/${name}`,
    bytes: new Uint8Array(readFileSync(join(etcDir, name))),
    isExecutable: false,
  }));

  const names = bin.map((source) => (source.split('/').at(-1) ?? '').replace(/\.[cS]$/, ''));
  const programPaths = names.map((name) => join(c.outDir, 'user', name));
  const initrdPath = join(c.outDir, 'user', 'initrd.cpio');
  mkdirSync(dirname(initrdPath), { recursive: true });
  const objects = await compileJobs(
    c,
    [...bin, ...lib].map((source) => ({ source, includeDirs })),
  );
  const state = new BuildState(join(c.outDir, '.user.state.json'), [...programPaths, initrdPath]);
  const etcHash = sha256(canonicalJson(etc.map(({ path, bytes }) => [path, sha256(bytes)])));
  const configuration = sha256(canonicalJson([toolHash(), bin, lib, etcHash]));
  const before = state.read();
  if (before?.configuration === configuration && before.inputs === inputsHash(objects)) {
    c.onProgress({ kind: 'upToDate', output: initrdPath });
    return { programs: programPaths, initrdPath, isUpToDate: true };
  }

  const bySource = new Map(objects.map((object) => [object.source, objectFile(object)]));
  const library = lib.map((source) => bySource.get(source)).filter((o) => o !== undefined);
  const refused: Diagnostic[] = [];
  const programs: CpioFile[] = [];
  for (const [i, source] of bin.entries()) {
    const output = programPaths[i] ?? '';
    c.onProgress({ kind: 'link', output });
    try {
      const { elf } = linkUser([bySource.get(source) as ObjectFile], library);
      writeWholeFile(output, elf, { mode: 0o755 });
      programs.push({ path: `bin/${names[i]}`, bytes: elf, isExecutable: true });
      // A kernel starts /init, by the convention of initial file systems.
      if (names[i] === 'init') programs.push({ path: 'init', bytes: elf, isExecutable: true });
    } catch (error) {
      if (!(error instanceof LinkError)) throw error;
      refused.push(...error.diagnostics);
    }
  }
  if (refused.length > 0) throw new BuildError(refused);
  writeWholeFile(initrdPath, writeCpio([...programs, ...etc]));
  state.write({ configuration, subsystems: [], inputs: inputsHash(objects), warnings: [] });
  return { programs: programPaths, initrdPath, isUpToDate: false };
}
