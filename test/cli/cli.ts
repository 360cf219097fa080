/** Runs the command line as its users do: a process of its own. */
import { spawn, type ChildProcess } from 'node:child_process';
import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { program } from '../cpu-worker/assembler.ts';
import { writeElf } from './elf-writer.ts';

const LAUNCHER = fileURLToPath(new URL('../../bin/cordon.mjs', import.meta.url));

export interface Finished {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface Running {
  readonly child: ChildProcess;
  readonly finished: Promise<Finished>;
  /** Resolves once stdout holds the text. */
  printed(text: string): Promise<void>;
}

/** A test that gave up leaves nobody behind. */
const children = new Set<ChildProcess>();
process.once('exit', () => children.forEach((child) => child.kill('SIGKILL')));

export function start(
  args: readonly string[],
  { nodeArgs = [], input }: { nodeArgs?: readonly string[]; input?: string } = {},
): Running {
  const child = spawn(process.execPath, [...nodeArgs, LAUNCHER, ...args]);
  let stdout = '';
  let stderr = '';
  child.stdout.on('data', (chunk) => (stdout += chunk));
  child.stderr.on('data', (chunk) => (stderr += chunk));
  // The pipe stays open, as one from a script that goes on would.
  if (input !== undefined) child.stdin.write(input);
  children.add(child);
  child.on('close', () => children.delete(child));
  const finished = new Promise<Finished>((resolve) => {
    child.on('close', (code, signal) => resolve({ code, signal, stdout, stderr }));
  });
  const printed = (text: string): Promise<void> =>
    new Promise((resolve, reject) => {
      const look = (): void => {
        if (stdout.includes(text)) resolve();
      };
      child.stdout.on('data', look);
      child.on('close', () => reject(new Error(`ended without '${text}':\n${stdout}\n${stderr}`)));
      look();
    });
  return { child, finished, printed };
}

export const cordon = (...args: readonly string[]): Promise<Finished> => start(args).finished;

const directory = mkdtempSync(join(tmpdir(), 'cordon-cli-'));
let files = 0;

/** Writes a file for one test; returns its path. */
export function file(content: string | Uint8Array, extension = ''): string {
  const path = join(directory, `file-${files++}${extension}`);
  writeFileSync(path, content);
  return path;
}

/** Assembles a bare-metal program into an ELF file; returns its path. */
export const kernel = (text: string): string => file(writeElf(program(text)));
