/**
 * Litmus shapes: tiny programs on two to four harts whose outcomes tell which memory model the machine
 * really has.
 *
 * "RVWMO Memory Consistency Model", vol. I §17, and appendix A for the shapes. Each shape lists the
 * outcomes that RVWMO allows; which of the weak ones are seen depends on the host.
 *
 * This file knows the programs and the verdicts. Who gives each hart a thread is the caller's business:
 * a hart of the machine runs `code(hart)` until it parks, any number of rounds later.
 */

/** Cells of shared data lie this far apart: never in one cache line. */
const CELL_BYTES = 256;

/** One operation of a thread on cell x or y; a load names the register that an outcome shows. */
export type Step =
  | { readonly op: 'store'; readonly cell: 0 | 1; readonly value: number }
  | { readonly op: 'load'; readonly cell: 0 | 1 }
  | { readonly op: 'fence' }
  /** A store by AMOSWAP.aqrl, a load by AMOOR.aqrl. */
  | { readonly op: 'swap'; readonly cell: 0 | 1; readonly value: number }
  | { readonly op: 'read'; readonly cell: 0 | 1 };

export interface LitmusShape {
  readonly name: string;
  readonly threads: readonly (readonly Step[])[];
  /** Outcomes that RVWMO forbids: the values of all loads, thread by thread, as digits. */
  readonly forbidden: readonly string[];
  /** Outcomes that RVWMO allows and sequential consistency does not. */
  readonly relaxed: readonly string[];
}

const store = (cell: 0 | 1, value = 1): Step => ({ op: 'store', cell, value });
const load = (cell: 0 | 1): Step => ({ op: 'load', cell });
const swap = (cell: 0 | 1, value = 1): Step => ({ op: 'swap', cell, value });
const read = (cell: 0 | 1): Step => ({ op: 'read', cell });
const fence: Step = { op: 'fence' };
const [X, Y] = [0, 1] as const;

/** Message passing, store buffering, load buffering, read coherence, independent reads. */
export const LITMUS_SHAPES: readonly LitmusShape[] = [
  {
    name: 'MP',
    threads: [
      [store(X), store(Y)],
      [load(Y), load(X)],
    ],
    forbidden: [],
    relaxed: ['10'],
  },
  {
    name: 'MP+fences',
    threads: [
      [store(X), fence, store(Y)],
      [load(Y), fence, load(X)],
    ],
    forbidden: ['10'],
    relaxed: [],
  },
  {
    name: 'MP+amos',
    threads: [
      [store(X), swap(Y)],
      [read(Y), load(X)],
    ],
    forbidden: ['10'],
    relaxed: [],
  },
  {
    name: 'SB',
    threads: [
      [store(X), load(Y)],
      [store(Y), load(X)],
    ],
    forbidden: [],
    relaxed: ['00'],
  },
  {
    name: 'SB+fences',
    threads: [
      [store(X), fence, load(Y)],
      [store(Y), fence, load(X)],
    ],
    forbidden: ['00'],
    relaxed: [],
  },
  {
    name: 'SB+amos',
    threads: [
      [swap(X), read(Y)],
      [swap(Y), read(X)],
    ],
    forbidden: ['00'],
    relaxed: [],
  },
  {
    name: 'LB',
    threads: [
      [load(X), store(Y)],
      [load(Y), store(X)],
    ],
    forbidden: [],
    relaxed: ['11'],
  },
  {
    name: 'LB+fences',
    threads: [
      [load(X), fence, store(Y)],
      [load(Y), fence, store(X)],
    ],
    forbidden: ['11'],
    relaxed: [],
  },
  {
    name: 'CoRR',
    threads: [[store(X)], [load(X), load(X)]],
    forbidden: ['10'],
    relaxed: [],
  },
  {
    name: 'IRIW',
    threads: [[store(X)], [store(Y)], [load(X), load(Y)], [load(Y), load(X)]],
    forbidden: [],
    relaxed: ['1010'],
  },
  {
    name: 'IRIW+fences',
    threads: [[store(X)], [store(Y)], [load(X), fence, load(Y)], [load(Y), fence, load(X)]],
    forbidden: ['1010'],
    relaxed: [],
  },
];

/** Where a test's data lie, in guest-physical addresses. */
export interface LitmusLayout {
  /** Pairs of cells, one pair a round, `litmusCellBytes` in all. */
  readonly cells: number;
  /** Results: for each round a byte for each load of each thread. */
  readonly results: number;
  /** A word on which the threads meet before every block of rounds, all zero at the start. */
  readonly barrier: number;
  readonly rounds: number;
}

export const litmusCellBytes = (rounds: number): number => 2 * CELL_BYTES * rounds;
export const litmusResultBytes = (rounds: number): number => 8 * rounds;

const loadsOf = (steps: readonly Step[]): number =>
  steps.filter(({ op }) => op === 'load' || op === 'read').length;

/** Looks at the barrier before a thread goes on alone. */
const PATIENCE = 1000;

/** Place of a thread's first result in a round's eight bytes. */
const firstResult = (shape: LitmusShape, thread: number): number =>
  shape.threads.slice(0, thread).reduce((sum, steps) => sum + loadsOf(steps), 0);

// Registers of the programs.
const [S0, S1, S2, S3, S4, T0, T1, T2] = [8, 9, 18, 19, 20, 5, 6, 7] as const;
const A = (n: number): number => 10 + n;

const iType = (opcode: number, funct3: number, rd: number, rs1: number, imm: number): number =>
  ((imm << 20) | (rs1 << 15) | (funct3 << 12) | (rd << 7) | opcode) >>> 0;
const sType = (funct3: number, rs2: number, rs1: number, imm: number): number =>
  (((imm >> 5) << 25) | (rs2 << 20) | (rs1 << 15) | (funct3 << 12) | ((imm & 31) << 7) | 0x23) >>>
  0;
const addi = (rd: number, rs1: number, imm: number): number => iType(0x13, 0, rd, rs1, imm);
const amo = (funct5: number, rd: number, rs2: number, rs1: number): number =>
  ((funct5 << 27) | (3 << 25) | (rs2 << 20) | (rs1 << 15) | (2 << 12) | (rd << 7) | 0x2f) >>> 0;
const branch = (funct3: number, rs1: number, rs2: number, distance: number): number =>
  (((distance >> 12) << 31) |
    (((distance >> 5) & 63) << 25) |
    (rs2 << 20) |
    (rs1 << 15) |
    (funct3 << 12) |
    (((distance >> 1) & 15) << 8) |
    (((distance >> 11) & 1) << 7) |
    0x63) >>>
  0;
const FENCE_RW_RW = 0x0330000f;
const WFI = 0x10500073;

/** An unsigned 32-bit constant, for RV64. */
function constant(rd: number, value: number): number[] {
  const low = (value << 20) >> 20;
  const upper = (value - low) & 0xfffff000;
  // LUI sign-extends from bit 31; a pair of shifts takes the sign away again.
  return [
    (upper | (rd << 7) | 0x37) >>> 0,
    iType(0x1b, 0, rd, rd, low),
    iType(0x13, 1, rd, rd, 32),
    iType(0x13, 5, rd, rd, 32),
  ];
}

/**
 * The program of one thread of a shape, to be run in M-mode from its first word. Ends in `wfi`.
 *
 * Each round has cells of its own. The threads meet before each: they count themselves in on the barrier
 * word and spin until all have, so that the operations of a round run as close together as can be. They
 * do not wait for ever: on a host with fewer cores than harts somebody is always asleep.
 */
export function litmusProgram(
  shape: LitmusShape,
  thread: number,
  layout: LitmusLayout,
): Uint32Array<ArrayBuffer> {
  const steps = shape.threads[thread];
  if (steps === undefined) throw new RangeError(`${shape.name} has no thread ${thread}`);
  const cellAt = (cell: 0 | 1): number => cell * CELL_BYTES;
  const setup = [
    ...constant(S0, layout.cells),
    ...constant(S1, layout.results + firstResult(shape, thread)),
    ...constant(S2, layout.barrier),
    ...constant(S3, layout.rounds),
    addi(S4, 0, 0),
  ];
  // s4 counts the arrivals that end the wait of this round.
  const meet = [
    addi(S4, S4, shape.threads.length),
    addi(T0, 0, 1),
    amo(0, 0, T0, S2),
    addi(T0, 0, PATIENCE),
    iType(0x03, 2, T1, S2, 0),
    branch(5, T1, S4, 12),
    addi(T0, T0, -1),
    branch(1, T0, 0, -12),
  ];
  const body: number[] = [addi(T2, S0, 0)];
  let register = 0;
  for (const step of steps) {
    switch (step.op) {
      case 'store':
        body.push(addi(T0, 0, step.value), sType(2, T0, T2, cellAt(step.cell)));
        break;
      case 'load':
        body.push(iType(0x03, 2, A(register++), T2, cellAt(step.cell)));
        break;
      case 'fence':
        body.push(FENCE_RW_RW);
        break;
      case 'swap':
        body.push(addi(T0, 0, step.value), addi(T1, T2, cellAt(step.cell)), amo(1, 0, T0, T1));
        break;
      case 'read':
        body.push(addi(T1, T2, cellAt(step.cell)), amo(8, A(register++), 0, T1));
        break;
    }
  }
  for (let n = 0; n < register; n++) body.push(sType(0, A(n), S1, n));
  const stride = 2 * CELL_BYTES;
  const advance = [addi(S0, S0, stride), addi(S1, S1, 8), addi(S3, S3, -1)];
  const round = [...meet, ...body, ...advance];
  return Uint32Array.from([...setup, ...round, branch(1, S3, 0, -4 * round.length), WFI]);
}

/** `rounds` times one more on a shared word, by AMOADD or by a constrained LR/SC loop. Ends in `wfi`. */
export function counterProgram(
  by: 'amo' | 'lr-sc',
  word: number,
  rounds: number,
): Uint32Array<ArrayBuffer> {
  const once =
    by === 'amo'
      ? [addi(T0, 0, 1), amo(0, 0, T0, S2)]
      : [amo(2, T1, 0, S2), addi(T1, T1, 1), amo(3, T1, T1, S2), branch(1, T1, 0, -12)];
  const loop = [...once, addi(S3, S3, -1)];
  return Uint32Array.from([
    ...constant(S2, word),
    ...constant(S3, rounds),
    ...loop,
    branch(1, S3, 0, -4 * loop.length),
    WFI,
  ]);
}

export interface LitmusResult {
  readonly shape: string;
  /** How often each outcome was seen. */
  readonly seen: ReadonlyMap<string, number>;
  /** The forbidden ones among them: the machine is broken, or the host, if there is any. */
  readonly broken: readonly string[];
  /** The relaxed ones among them. */
  readonly relaxed: readonly string[];
}

/** Reads the outcomes of a run from the bytes at `layout.results`. */
export function judge(shape: LitmusShape, results: Uint8Array, rounds: number): LitmusResult {
  const loads = firstResult(shape, shape.threads.length);
  const seen = new Map<string, number>();
  for (let round = 0; round < rounds; round++) {
    const outcome = results.subarray(8 * round, 8 * round + loads).join('');
    seen.set(outcome, (seen.get(outcome) ?? 0) + 1);
  }
  return {
    shape: shape.name,
    seen,
    broken: shape.forbidden.filter((outcome) => seen.has(outcome)),
    relaxed: shape.relaxed.filter((outcome) => seen.has(outcome)),
  };
}
