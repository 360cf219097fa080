/**
 * What an image can be run on: Cordon's cores in this thread, and QEMU in a process of its own. All of
 * them give back the image's memory as the programs left it.
 */
import { spawn } from 'node:child_process';
import { mkdtemp, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { INSTRUCTIONS } from '../../../machine/isa/table.ts';
import { attachMachine, createMachine } from '../../../machine/machine.ts';
import { RAM_BASE } from '../../../machine/physical-map.ts';
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

/** The interpreter: its fast core, or the exact one that deterministic runs use. */
export const interpreter =
  (deterministic: boolean): Engine =>
  async ({ bytes, slots }) => {
    const machine = attachMachine(
      createMachine({
        harts: 1,
        ramBytes: RAM_BYTES,
        deterministic,
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

const QEMU = 'qemu-system-riscv64';
/** Properties of QEMU's `rv64` processor, and an instruction by which the table has the same extension. */
const EXTENSIONS = [
  ['f', 'fadd.s'],
  ['d', 'fadd.d'],
  ['zba', 'sh1add'],
  ['zbb', 'clz'],
  ['zbc', 'clmul'],
  ['zbs', 'bset'],
  ['svinval', 'sinval.vma'],
] as const;
const tableHas = (name: string): boolean => INSTRUCTIONS.some((one) => one.name === name);
/** What Cordon has, no more and no less. */
const QEMU_CPU = [
  'rv64,h=false,v=false',
  ...EXTENSIONS.map(([property, name]) => `${property}=${tableHas(name)}`),
].join(',');
const QEMU_TIMEOUT_MS = 30_000;

/** The version of the installed QEMU, or undefined where there is none. */
export async function qemuVersion(command: string = QEMU): Promise<string | undefined> {
  const { output, failure } = await execute(command, ['--version'], 5_000);
  return failure === undefined ? /version (\S+)/.exec(output)?.[1] : undefined;
}

/**
 * QEMU's `virt` machine. Its RAM is a file that holds the image before the run and the results after it,
 * so that nothing has to be printed.
 */
export const qemu =
  (command: string = QEMU): Engine =>
  async ({ bytes }) => {
    const folder = await mkdtemp(join(tmpdir(), 'cordon-conform-'));
    const ram = join(folder, 'ram');
    try {
      await writeFile(ram, bytes);
      await truncate(ram, RAM_BYTES);
      const { output, failure } = await execute(
        command,
        [
          ...['-machine', 'virt,memory-backend=ram', '-cpu', QEMU_CPU, '-bios', 'none'],
          ...['-object', `memory-backend-file,id=ram,size=${RAM_BYTES},mem-path=${ram},share=on`],
          ...['-m', `${RAM_BYTES >> 20}M`, '-display', 'none', '-monitor', 'none'],
          ...['-serial', 'none', '-no-reboot'],
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
