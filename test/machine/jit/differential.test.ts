import { describe, expect, it, onTestFinished, vi } from 'vitest';

import { HartBlock } from '../../../src/machine/core/hart-block.ts';
import { Bench, RAM, TRAP_PAGE, u64 } from '../hart/bench.ts';
import { A, D, PageTables, R, RWX, V, W } from '../hart/page-tables.ts';
import { FUEL, randomProgram, WINDOW_BYTES } from './random-program.ts';

const DATA = RAM + 0x10_0000n;
const STACK = RAM + 0x20_0000n;
const FS_SHIFT = 13n;
const REGISTERS = Array.from({ length: 32 }, (_, n) => `x${n}`);
/** Where the program's pages appear, to S: in the upper half, as a kernel's. */
const VA = u64(-0x3f_c000_0000n);

interface Outcome {
  readonly registers: readonly string[];
  readonly floats: string;
  readonly memory: string;
  readonly trap: string;
  readonly instructions: number;
  readonly pc: string;
}

/** A machine that executes one program after the other, in M without or in S with translation. */
class Machine {
  readonly bench: Bench;
  readonly #floats: BigInt64Array;

  constructor(jitAfter: number | undefined) {
    this.bench = new Bench({
      deterministic: false,
      ...(jitAfter === undefined ? {} : { jitAfter }),
    });
    const { base } = this.bench.hart;
    this.#floats = new BigInt64Array(this.bench.machine.memory, base + HartBlock.offset.f, 32);
  }

  execute(seed: number, mode: 'M' | 'S'): Outcome {
    const { bench } = this;
    const { source, handler } = randomProgram(seed);
    PageTables.restart();
    bench.reset();
    bench.openPmp();
    const code = mode === 'M' ? RAM : VA;
    bench.load(source, code, RAM);
    bench.load(handler, TRAP_PAGE);
    for (let n = 0; n < WINDOW_BYTES; n += 8)
      bench.write(DATA + BigInt(n), BigInt(n * seed) * 0x9e3779b97f4a7c15n);
    if (mode === 'S') this.#map();
    for (const [n, name] of REGISTERS.entries())
      bench.setX(name, BigInt(n) * 0x0123_4567_89ab_cdefn * BigInt(seed + 1));
    bench.setX('x0', 0n);
    bench.setX('s0', mode === 'M' ? DATA : VA + 0x10_0000n);
    bench.setX('sp', mode === 'M' ? STACK : VA + 0x20_0000n);
    bench.setX('s11', BigInt(FUEL));
    this.#floats.fill(0n);
    // Off, Initial or Dirty: in the first, floating point is illegal.
    bench.setCsr('mstatus', BigInt(seed % 3 === 2 ? 3 : seed % 3) << FS_SHIFT);
    bench.mode = mode;
    bench.pc = code;
    const before = bench.hart.instret;
    let end = bench.run(1_000_000);
    for (let more = 0; (end === 'paused' || end === 'again') && more < 10; more++)
      end = bench.run(1_000_000);
    if (end !== 'waiting') throw new Error(`program ${seed} ended with '${end}'`);
    let memory = 0n;
    for (let n = 0; n < WINDOW_BYTES; n += 8)
      memory = BigInt.asUintN(64, memory * 31n + bench.read(DATA + BigInt(n), 8));
    const { cause, pc, value } = bench.trap();
    return {
      registers: REGISTERS.map((name) => `${name}=${bench.x(name).toString(16)}`),
      floats: this.#floats.join(),
      memory: memory.toString(16),
      trap: `${cause} ${pc.toString(16)} ${value.toString(16)}`,
      instructions: bench.hart.instret - before,
      pc: bench.pc.toString(16),
    };
  }

  /** The window's pages are of every kind, and no two neighbours in RAM. */
  #map(): void {
    const { bench } = this;
    const tables = new PageTables(bench);
    for (let n = 0n; n < 8n; n++) tables.map(VA + n * 4096n, RAM + n * 4096n, RWX);
    const kinds = [V | R | W | A | D, V | R | A, 0n, V | R | W | A | D];
    for (let n = 0; n < WINDOW_BYTES / 4096; n++) {
      const va = VA + 0x10_0000n + BigInt(n) * 4096n;
      tables.map(va, DATA + BigInt((n * 3) % 8) * 4096n, kinds[n % 4] as bigint);
    }
    tables.map(VA + 0x20_0000n, STACK, RWX);
    tables.map(VA + 0x1f_f000n, STACK - 4096n, RWX);
    bench.setCsr('satp', tables.satp());
    bench.hart.translation.tlb.flushAll();
  }
}

/** How many programs, from which seed on: more of them now and then. */
const PROGRAMS = Number(process.env['CORDON_JIT_PROGRAMS'] ?? 40);
const FIRST = Number(process.env['CORDON_JIT_SEED'] ?? 1);

describe.each([
  ['at once', 0],
  ['when it was met five times', 5],
])('code that is translated %s', (_, jitAfter) => {
  it.each(['M', 'S'] as const)(
    'does in %s what the interpreter does',
    (mode) => {
      // A second at each look: however long the search, translating is never postponed.
      let now = 0;
      const clock = vi.spyOn(performance, 'now').mockImplementation(() => (now += 1000));
      onTestFinished(() => clock.mockRestore());
      let [instructions, translated] = [0, 0];
      const [plain, translating] = [new Machine(undefined), new Machine(jitAfter)];
      for (let seed = FIRST; seed < FIRST + PROGRAMS; seed++) {
        const wanted = plain.execute(seed, mode);
        const got = translating.execute(seed, mode);
        expect({ seed, ...got }).toEqual({ seed, ...wanted });
        translating.bench.hart.settleCounters();
        instructions += got.instructions;
        translated += translating.bench.hart.counter('regionInstructions');
      }
      const { jit } = translating.bench.hart;
      expect(jit?.statistics.regions).toBeGreaterThan(PROGRAMS);
      expect(jit?.statistics.failures).toBe(0);
      // What is translated is executed.
      expect(translated / instructions).toBeGreaterThan(0.1);
    },
    600_000,
  );
});
