/**
 * Compiles C and assembler sources, and only those whose inputs changed.
 *
 * Next to each object lies a record of what it was made from: compiler, flags, source and every
 * header, each with the hash of its content. Unchanged size and time of change stand for unchanged
 * content, so that a build with nothing to do only asks the file system.
 */
import { execFile } from 'node:child_process';
import { mkdirSync, readFileSync, renameSync, statSync, unlinkSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { dirname, isAbsolute, join, relative } from 'node:path';
import { compareText } from './diagnostics.ts';
import { canonicalJson, sha256 } from './linker/canonical.ts';
import { compileFlags, type Toolchain } from './toolchain.ts';
import { temporaryName, writeWholeFile } from './whole-file.ts';

export interface CompileJob {
  /** Relative to the root, with '/' on every platform; how messages and debug information call it. */
  readonly source: string;
  readonly includeDirs: readonly string[];
}

export interface CompiledObject {
  readonly source: string;
  readonly objectPath: string;
  /** Of the object's bytes. */
  readonly hash: string;
}

export interface CompileFailure {
  readonly source: string;
  /** What the compiler wrote. */
  readonly output: string;
}

export interface CompileOptions {
  /** Where the compiler runs; paths in objects are relative to it. */
  readonly root: string;
  /** Where objects go. */
  readonly objectDir: string;
  readonly toolchain: Toolchain;
  readonly onProgress?: (source: string) => void;
}

export interface CompileResult {
  readonly objects: readonly CompiledObject[];
  readonly failures: readonly CompileFailure[];
  readonly compiled: number;
}

/** Compiles all jobs, a few at a time; every failure is reported, not only the first. */
export async function compileAll(
  jobs: readonly CompileJob[],
  options: CompileOptions,
): Promise<CompileResult> {
  const objects: CompiledObject[] = [];
  const failures: CompileFailure[] = [];
  const pending: CompileJob[] = [];
  const stats = new StatCache(options.root);
  for (const job of jobs) {
    const known = upToDate(job, options, stats);
    if (known !== null) objects.push(known);
    else pending.push(job);
  }
  const queue = pending.values();
  const worker = async (): Promise<void> => {
    for (const job of queue) {
      options.onProgress?.(job.source);
      const result = await compile(job, options, stats);
      if ('output' in result) failures.push(result);
      else objects.push(result);
    }
  };
  await Promise.all(Array.from({ length: Math.min(4, availableParallelism()) }, worker));
  return {
    objects: objects.toSorted((a, b) => compareText(a.source, b.source)),
    failures: failures.toSorted((a, b) => compareText(a.source, b.source)),
    compiled: pending.length,
  };
}

interface FileState {
  readonly file: string;
  readonly sizeBytes: number;
  readonly mtimeMs: number;
  readonly hash: string;
}

interface ObjectRecord {
  /** Hash of compiler and flags. */
  readonly command: string;
  readonly object: FileState;
  readonly inputs: readonly FileState[];
}

/** File states, each read once per build. */
class StatCache {
  readonly #root: string;
  readonly #stats = new Map<string, { sizeBytes: number; mtimeMs: number } | null>();
  readonly #hashes = new Map<string, string>();

  constructor(root: string) {
    this.#root = root;
  }

  path(file: string): string {
    return isAbsolute(file) ? file : join(this.#root, file);
  }

  stat(file: string): { sizeBytes: number; mtimeMs: number } | null {
    const known = this.#stats.get(file);
    if (known !== undefined) return known;
    const found = statSync(this.path(file), { throwIfNoEntry: false });
    const state = found === undefined ? null : { sizeBytes: found.size, mtimeMs: found.mtimeMs };
    this.#stats.set(file, state);
    return state;
  }

  hash(file: string): string {
    let hash = this.#hashes.get(file);
    if (hash === undefined) {
      hash = sha256(readFileSync(this.path(file)));
      this.#hashes.set(file, hash);
    }
    return hash;
  }

  forget(file: string): void {
    this.#stats.delete(file);
    this.#hashes.delete(file);
  }

  isUnchanged(state: FileState): boolean {
    const now = this.stat(state.file);
    if (now === null) return false;
    if (now.sizeBytes === state.sizeBytes && now.mtimeMs === state.mtimeMs) return true;
    return now.sizeBytes === state.sizeBytes && this.hash(state.file) === state.hash;
  }

  state(file: string): FileState {
    const now = this.stat(file);
    if (now === null) throw new Error(`${file} vanished during the build`);
    return { file, ...now, hash: this.hash(file) };
  }
}

const objectPathOf = ({ source }: CompileJob, { objectDir }: CompileOptions): string =>
  join(objectDir, `${source}.o`);

function argumentsOf(job: CompileJob, options: CompileOptions): string[] {
  return [
    ...options.toolchain.prefix,
    ...compileFlags(options.toolchain),
    `-ffile-prefix-map=${options.root}=.`,
    ...job.includeDirs.map((directory) => `-I${directory}`),
    '-c',
    job.source,
  ];
}

const commandHash = (job: CompileJob, options: CompileOptions): string =>
  sha256(canonicalJson([options.toolchain.identity, argumentsOf(job, options)]));

function upToDate(
  job: CompileJob,
  options: CompileOptions,
  stats: StatCache,
): CompiledObject | null {
  const objectPath = objectPathOf(job, options);
  const record = readRecord(`${objectPath}.json`);
  if (record === null || record.command !== commandHash(job, options)) return null;
  if (!stats.isUnchanged(record.object) || !record.inputs.every((s) => stats.isUnchanged(s))) {
    return null;
  }
  return { source: job.source, objectPath, hash: record.object.hash };
}

function readRecord(file: string): ObjectRecord | null {
  try {
    return JSON.parse(readFileSync(file, 'utf8')) as ObjectRecord;
  } catch {
    // Never compiled, or the record was cut short: compile.
    return null;
  }
}

async function compile(
  job: CompileJob,
  options: CompileOptions,
  stats: StatCache,
): Promise<CompiledObject | CompileFailure> {
  const objectPath = objectPathOf(job, options);
  const temporary = temporaryName(objectPath);
  const depsPath = `${temporary}.d`;
  mkdirSync(dirname(objectPath), { recursive: true });
  const { root, toolchain, objectDir } = options;
  const args = [...argumentsOf(job, options), '-MD', '-MF', depsPath, '-MT', 'o', '-o', temporary];
  const output = await run(toolchain.command, args, root, objectDir);
  if (output !== null) return { source: job.source, output };
  renameSync(temporary, objectPath);
  stats.forget(objectPath);
  const dependencies = readFileSync(depsPath, 'utf8');
  unlinkSync(depsPath);
  const inputs = parseDependencies(dependencies)
    .map((file) => (isAbsolute(file) ? inside(root, file) : file))
    .toSorted(compareText);
  const record: ObjectRecord = {
    command: commandHash(job, options),
    object: stats.state(objectPath),
    inputs: [...new Set([job.source, ...inputs])].map((file) => stats.state(file)),
  };
  writeWholeFile(`${objectPath}.json`, JSON.stringify(record));
  return { source: job.source, objectPath, hash: record.object.hash };
}

const inside = (root: string, file: string): string => {
  const path = relative(root, file);
  return path.startsWith('..') ? file : path;
};

/** Null if it went well, else what the compiler wrote. */
function run(
  command: string,
  args: string[],
  cwd: string,
  objectDir: string,
): Promise<string | null> {
  const env = {
    ...process.env,
    ZIG_GLOBAL_CACHE_DIR: join(objectDir, '.zig-cache'),
    ZIG_LOCAL_CACHE_DIR: join(objectDir, '.zig-cache'),
    // Messages are matched and shown as they are, whatever the user's language.
    LC_ALL: 'C',
  };
  return new Promise((resolve) => {
    execFile(command, args, { cwd, env, maxBuffer: 1 << 24 }, (error, stdout, stderr) => {
      if (error === null) resolve(null);
      else resolve(`${stdout}${stderr}`.trim() || error.message);
    });
  });
}

/** The files of a make rule `o: a b \`, in which a backslash quotes a space. */
export function parseDependencies(rule: string): string[] {
  const text = rule.slice(rule.indexOf(':') + 1).replaceAll(/\\\r?\n/g, ' ');
  return (text.match(/(?:\\.|[^\s\\])+/g) ?? []).map((file) => file.replaceAll(/\\(.)/g, '$1'));
}
