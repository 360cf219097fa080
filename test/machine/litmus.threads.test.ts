import { once } from 'node:events';
import { Worker } from 'node:worker_threads';

import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { decode } from '../../src/machine/isa/decoder.ts';
import {
  counterProgram,
  judge,
  litmusCellBytes,
  LITMUS_SHAPES,
  litmusProgram,
  litmusResultBytes,
  type LitmusLayout,
  type LitmusResult,
  type LitmusShape,
} from '../../src/machine/litmus.ts';
import { attachMachine, createMachine, type Machine } from '../../src/machine/machine.ts';
import { RAM_BASE } from '../../src/machine/physical-map.ts';

const HARTS = 4;
const ROUNDS = 20_000;
const LAYOUT: LitmusLayout = {
  cells: RAM_BASE + 0x10_0000,
  results: RAM_BASE + 0xd0_0000,
  barrier: RAM_BASE + 0x8000,
  rounds: ROUNDS,
};
const codeOf = (hart: number): number => RAM_BASE + hart * 0x1000;

/** Interpreted, and translated after a hundred of the rounds. */
const KINDS = [
  ['interpreted', {}],
  ['translated', { jitAfter: 100 }],
] as const;

let machine: Machine;
let workers: Worker[] = [];

async function start(code: (typeof KINDS)[number][1]): Promise<void> {
  const parts = createMachine({
    harts: HARTS,
    ramBytes: 16 << 20,
    deterministic: false,
    hasKeys: false,
    monitorBytes: 4096,
    ...code,
  });
  machine = attachMachine(parts);
  workers = Array.from(
    { length: HARTS },
    (_, id) =>
      new Worker(new URL('litmus-worker.ts', import.meta.url), { workerData: { parts, id } }),
  );
  await Promise.all(workers.map((worker) => once(worker, 'message')));
}

/** Runs a program a hart, all at once, until every one has parked. */
async function runAll(programs: readonly Uint32Array<ArrayBuffer>[]): Promise<void> {
  programs.forEach((program, hart) => machine.load(codeOf(hart), new Uint8Array(program.buffer)));
  const done = programs.map(async (_, hart) => {
    const [end] = await once(workers[hart] as Worker, 'message');
    expect(end).toBe('waiting');
  });
  programs.forEach((_, hart) => (workers[hart] as Worker).postMessage(codeOf(hart)));
  await Promise.all(done);
}

const zero = (address: number, bytes: number): void => machine.load(address, new Uint8Array(bytes));
const word = (address: number): number =>
  machine.words[(machine.parts.plan.ram + address - RAM_BASE) >> 2] as number;

async function observe(shape: LitmusShape): Promise<LitmusResult> {
  zero(LAYOUT.cells, litmusCellBytes(ROUNDS));
  zero(LAYOUT.barrier, 64);
  await runAll(shape.threads.map((_, thread) => litmusProgram(shape, thread, LAYOUT)));
  const at = machine.parts.plan.ram + LAYOUT.results - RAM_BASE;
  return judge(shape, machine.bytes.subarray(at, at + litmusResultBytes(ROUNDS)), ROUNDS);
}

describe.each(KINDS)('real harts on real threads, their code %s', (_kind, code) => {
  beforeAll(() => start(code));
  afterAll(() => Promise.all(workers.map((worker) => worker.terminate())));

  it.each(LITMUS_SHAPES.map((shape) => [shape.name, shape] as const))(
    '%s ends as RVWMO allows',
    async (_, shape) => {
      const { seen, broken } = await observe(shape);
      expect(broken).toEqual([]);
      // With one outcome only, nobody would have raced with anybody.
      expect(seen.size).toBeGreaterThan(1);
    },
  );

  it.each(['amo', 'lr-sc'] as const)(
    'a counter is exact when every hart adds by %s',
    async (by) => {
      const rounds = 30_000;
      zero(LAYOUT.barrier, 64);
      await runAll(Array.from({ length: HARTS }, () => counterProgram(by, LAYOUT.barrier, rounds)));
      expect(word(LAYOUT.barrier)).toBe(HARTS * rounds);
    },
  );
});

describe('the programs of the shapes', () => {
  it('are made of instructions of the table only', () => {
    const unknown = LITMUS_SHAPES.flatMap((shape) =>
      shape.threads.flatMap((_, thread) =>
        [...litmusProgram(shape, thread, LAYOUT)].filter((raw) => decode(raw) === undefined),
      ),
    );
    expect(unknown).toEqual([]);
  });
});
