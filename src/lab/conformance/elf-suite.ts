/**
 * Runs test programs that say in `tohost` how they went, such as those of riscv-tests, as `cordon run
 * --kernel` would, one after the other on a warm thread.
 *
 * A program with the symbols `begin_signature` and `end_signature`, and a file beside it with the same
 * name and `.signature`, passes if the words between them are those of the file besides: the form of
 * riscv-arch-test.
 */
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { basename, join } from 'node:path';

import { HartPool } from '../../cpu-worker/pool.ts';
import { RAM_BASE } from '../../machine/physical-map.ts';
import { describeExit } from '../run-result.ts';
import { readKernel, type KernelImage } from '../session-image.ts';
import { Session } from '../session.ts';

export interface SuiteSpec {
  readonly directory: string;
  /** Only programs whose names match. */
  readonly only?: RegExp;
  readonly jit: boolean;
  /** Of the machine's time, for one program. */
  readonly seconds: number;
}

export interface TestOutcome {
  readonly name: string;
  readonly passed: boolean;
  /** What happened instead; empty if it passed. */
  readonly why: string;
}

const RAM_BYTES = 64 << 20;

/** Runs every ELF executable of a directory. @throws ElfError, ImageError for a file that is none */
export async function runSuite(
  spec: SuiteSpec,
  progress: (outcome: TestOutcome) => void = () => {},
): Promise<TestOutcome[]> {
  const outcomes: TestOutcome[] = [];
  const pool = new HartPool(1);
  try {
    for (const name of programsIn(spec)) {
      const outcome = await runTest(join(spec.directory, name), spec, pool);
      outcomes.push(outcome);
      progress(outcome);
    }
  } finally {
    await pool.close();
  }
  return outcomes;
}

const ELF_MAGIC = 0x464c_457f;

function programsIn({ directory, only }: SuiteSpec): string[] {
  return readdirSync(directory)
    .filter((name) => only?.test(name) ?? true)
    .filter((name) => {
      const bytes = readFileSync(join(directory, name));
      return bytes.length > 4 && bytes.readUInt32LE(0) === ELF_MAGIC;
    })
    .toSorted();
}

async function runTest(
  path: string,
  { jit, seconds }: SuiteSpec,
  pool: HartPool,
): Promise<TestOutcome> {
  const name = basename(path);
  const image = readKernel(readFileSync(path), name);
  const fail = (why: string): TestOutcome => ({ name, passed: false, why });
  if (image.htif === undefined) return fail('it has no symbol tohost');
  const session = new Session({
    harts: 1,
    ramBytes: RAM_BYTES,
    image,
    mode: { kind: 'parallel', jit },
    pool,
    seconds,
  });
  const result = await session.start().done;
  const { exit } = result;
  if (exit.reason !== 'tohost') return fail(describeExit(result));
  if (exit.code !== 0) return fail(`check ${exit.code} failed`);
  const expected = `${path}.signature`;
  if (existsSync(expected)) {
    const difference = compareSignature(session, image, readFileSync(expected, 'utf8'));
    if (difference !== undefined) return fail(difference);
  }
  return { name, passed: true, why: '' };
}

/** The signature file has a word of 4 bytes a line, in hexadecimal. */
function compareSignature(session: Session, image: KernelImage, file: string): string | undefined {
  const symbol = (name: string): number => {
    const value = image.elf?.symbols.find((one) => one.name === name)?.value;
    return value === undefined ? NaN : Number(value);
  };
  const [begin, end] = [symbol('begin_signature'), symbol('end_signature')];
  if (Number.isNaN(begin) || Number.isNaN(end)) return 'it has a signature file but no signature';
  const { memory, parts } = session.machine;
  const words = new DataView(memory, parts.plan.ram + begin - RAM_BASE, end - begin);
  const expected = file.split('\n').filter((line) => line !== '');
  for (let n = 0; n < words.byteLength / 4; n++) {
    const mine = words
      .getUint32(4 * n, true)
      .toString(16)
      .padStart(8, '0');
    if (mine !== expected[n])
      return `word ${n} of the signature is ${mine}, the file has ${expected[n] ?? 'no such word'}`;
  }
  return undefined;
}
