/**
 * What an image can be run on: Cordon's cores in this thread, and QEMU in a process of its own. All of
 * them give back the image's memory as the programs left it.
 */
import { spawn } from 'node:child_process';
import { mkdtemp, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { attachMachine, createMachine, ISA_STRING } from '../../../machine/machine.ts';
import { RAM_BASE } from '../../../machine/physical-map.ts';
import { RESERVED_PTE_BITS } from './generate.ts';
import type { Image } from './image.ts';

/** A run that did not reach its end; the memory shows how far it came. */
export class RunAborted extends Error {
  readonly memory: Uint8Array;

  constructor(message: string, memory: Uint8Array) {
    super(message);
    this.memory = memory;
  }
}

/** Runs an image to its end. @throws RunAborted */
export type Engine = (image: Image) => Promise<Uint8Array>;

const RAM_BYTES = 32 << 20;
const MOST_INSTRUCTIONS_PER_SLOT = 4_000_000;
const BURST = 1_000_000;

/** One of Cordon's: the fast core, the exact one of deterministic runs, or with translated code. */
export const CORES = ['fast', 'exact', 'jit'] as const;
export type Core = (typeof CORES)[number];

/** Translated at first sight: programs that run once would else be interpreted from end to end. */
const JIT_AFTER = 1;

export const cordon =
  (core: Core): Engine =>
  async ({ bytes, slots }) => {
    const machine = attachMachine(
      createMachine({
        harts: 1,
        ramBytes: RAM_BYTES,
        deterministic: core === 'exact',
        ...(core === 'jit' ? { jitAfter: JIT_AFTER } : {}),
        hasKeys: false,
        monitorBytes: 4096,
      }),
    );
    machine.load(RAM_BASE, bytes);
    const hart = machine.hart(0);
    hart.reset(RAM_BASE | 0, 0);
    let end = hart.run(BURST);
    for (let left = slots * MOST_INSTRUCTIONS_PER_SLOT; end !== 'stopped'; left -= BURST) {
      if (left < 0 || end === 'waiting')
        throw new RunAborted(
          end === 'waiting' ? 'a program went to sleep' : 'the programs do not end',
          memoryOf(machine, bytes.length),
        );
      end = hart.run(BURST);
    }
    return memoryOf(machine, bytes.length);
  };

function memoryOf(machine: ReturnType<typeof attachMachine>, length: number): Uint8Array {
  const { ram } = machine.parts.plan;
  return machine.bytes.slice(ram, ram + length);
}

/** QEMU's machine, as far as it can stand beside Cordon's. */
export interface Qemu {
  readonly version: string;
  readonly run: Engine;
  /** Whether it has the instruction, or what else generated programs try; what it lacks is not generated. */
  has(feature: string): boolean;
}

/** Properties of QEMU's `rv64` processor, and which instructions of the table need them. */
const EXTENSIONS: readonly (readonly [property: string, names: RegExp])[] = [
  ['f', /^c?\.?f.*\.s$|^c?\.?f[ls]w(sp)?$/],
  ['d', /^c?\.?f.*\.d$|^c?\.?f[ls]d(sp)?$/],
  ['zba', /^sh[123]add|^(add|slli)\.uw$/],
  ['zbb', /^(andn|orn|xnor|clz|ctz|cpop|max|min|sext|zext|ro[lr]|orc|rev8)/],
  ['zbc', /^clmul/],
  ['zbs', /^b(clr|ext|inv|set)/],
  ['zicond', /^czero/],
  ['zcb', /^c\.(lbu|lhu?|s[bh]|[sz]ext|not|mul)/],
  ['zawrs', /^wrs/],
  ['zicbom', /^cbo\.(clean|flush|inval)$/],
  ['zicboz', /^cbo\.zero$/],
  ['svinval', /^sinval|^sfence\.(w\.)?inval/],
];
/** What releases of QEMU do wrong or do not do, and since when they do it right. */
export const ERRATA: readonly { since: number; names: RegExp; what: string }[] = [
  {
    since: 8,
    names: /^ctzw$/,
    what: 'ctzw looks at the upper word where the lower is zero; its result is then 32 (vol. I, Zbb)',
  },
  {
    since: Infinity,
    names: /^sfence\.(w\.)?inval/,
    what: 'sfence.w.inval and sfence.inval.ir do not trap in U-mode, where they are illegal (vol. II, Svinval)',
  },
  {
    since: 8,
    names: new RegExp(`^${RESERVED_PTE_BITS}$`),
    what: 'bits 60 to 54 of a leaf PTE are reserved and cause a page fault (vol. II §12.4.1), but do not',
  },
];
/** Those that add no instruction. */
const OTHER_EXTENSIONS = ['svnapot', 'svpbmt', 'h', 'v', 'zfa', 'zfh', 'zfhmin', 'Zfh', 'Zfhmin'];
const [BASE = '', ...NAMED] = ISA_STRING.split('_');
/** Cordon has it, so QEMU is to have it, and not otherwise. */
const isWanted = (extension: string): boolean =>
  extension.length === 1 ? BASE.slice(4).includes(extension) : NAMED.includes(extension);
const QEMU_TIMEOUT_MS = 30_000;

/** Asks a QEMU what it is and has; undefined where there is none. */
export async function findQemu(command = 'qemu-system-riscv64'): Promise<Qemu | undefined> {
  const { output, failure } = await execute(command, ['--version'], QEMU_TIMEOUT_MS);
  const version = /version (\S+)/.exec(output)?.[1];
  if (failure !== undefined || version === undefined) return undefined;
  const lacks = ERRATA.filter(({ since }) => parseInt(version, 10) < since).map(
    ({ names }) => names,
  );
  const names = [...EXTENSIONS.map(([name]) => name), ...OTHER_EXTENSIONS];
  const properties = new Map(names.map((name) => [name, isWanted(name)]));
  // A place for what QEMU writes and nobody reads: it replaces the file, so it must not be a device.
  const folder = await mkdtemp(join(tmpdir(), 'cordon-conform-'));
  try {
    // Releases know different properties; they name the first that they do not know.
    for (;;) {
      const check = [
        ...['-machine', `virt,dumpdtb=${join(folder, 'dtb')}`, '-cpu', cpuOf(properties)],
        ...['-bios', 'none', '-display', 'none', '-nodefaults'],
      ];
      const { output: complaint, failure: refusal } = await execute(
        command,
        check,
        QEMU_TIMEOUT_MS,
      );
      if (refusal === undefined) break;
      const unknown = /Property '[^']*\.(\w+)' not found/.exec(complaint)?.[1];
      if (unknown === undefined || !properties.delete(unknown))
        throw new Error(`${command} cannot be used: ${complaint.trim() || refusal}`);
      lacks.push(...EXTENSIONS.filter(([name]) => name === unknown).map(([, names]) => names));
    }
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
  return {
    version,
    run: runOnQemu(command, cpuOf(properties)),
    has: (feature) => !lacks.some((names) => names.test(feature)),
  };
}

const cpuOf = (properties: ReadonlyMap<string, boolean>): string =>
  ['rv64', ...[...properties].map(([name, on]) => `${name}=${on}`)].join(',');

/**
 * QEMU's `virt` machine. Its RAM is a file that holds the image before the run and the results after it,
 * so that nothing has to be printed.
 */
const runOnQemu =
  (command: string, cpu: string): Engine =>
  async ({ bytes }) => {
    const folder = await mkdtemp(join(tmpdir(), 'cordon-conform-'));
    const ram = join(folder, 'ram');
    try {
      await writeFile(ram, bytes);
      await truncate(ram, RAM_BYTES);
      const { output, failure } = await execute(
        command,
        [
          ...['-machine', 'virt,memory-backend=ram', '-cpu', cpu, '-bios', 'none'],
          ...['-object', `memory-backend-file,id=ram,size=${RAM_BYTES},mem-path=${ram},share=on`],
          ...['-m', `${RAM_BYTES >> 20}M`, '-display', 'none', '-nodefaults', '-no-reboot'],
          // With one hart, QEMU makes a load and a store of an atomic operation, and their faults are a load's.
          ...['-smp', '2', '-accel', 'tcg,thread=multi'],
        ],
        QEMU_TIMEOUT_MS,
      );
      const memory = new Uint8Array((await readFile(ram)).subarray(0, bytes.length));
      if (failure !== undefined) throw new RunAborted(`${command}: ${failure}\n${output}`, memory);
      return memory;
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  };

function execute(
  command: string,
  args: readonly string[],
  timeoutMs: number,
): Promise<{ output: string; failure?: string }> {
  return new Promise((settle) => {
    const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'] });
    const chunks: Buffer[] = [];
    child.stdout.on('data', (chunk: Buffer) => chunks.push(chunk));
    child.stderr.on('data', (chunk: Buffer) => chunks.push(chunk));
    let timedOut = false;
    const timer = setTimeout(() => {
      timedOut = true;
      child.kill('SIGKILL');
    }, timeoutMs);
    const finish = (failure?: string): void => {
      clearTimeout(timer);
      const output = Buffer.concat(chunks).toString();
      settle(failure === undefined ? { output } : { output, failure });
    };
    child.on('error', (error) => finish(error.message));
    child.on('close', (code) => {
      if (timedOut) finish(`did not end within ${timeoutMs / 1000} s`);
      else finish(code === 0 ? undefined : `ended with code ${code}`);
    });
  });
}
