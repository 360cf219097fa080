/**
 * The probe: what an onlooker may see of a running machine.
 *
 * Reads shared memory and nothing else. It sends no message, takes no lock and stores no word, so a
 * hart cannot tell whether anybody looks. In exchange nothing here is a snapshot: each value was true
 * at some moment of the call, two values need not have been true at the same one.
 *
 * Any thread.
 */
import { COUNTERS, HartBlock } from './core/hart-block.ts';
import type { MachineParts } from './machine.ts';
import { ControlBlock, hartBase } from './memory-plan.ts';

export { COUNTERS, counterIndex, HART_STATE, PRIVILEGE, type Counter } from './core/hart-block.ts';
export { EXIT_REASON } from './memory-plan.ts';

/** One hart as it was seen. Plain data in private memory. */
export interface HartSample {
  readonly id: number;
  /** HART_STATE. */
  state: number;
  /** PRIVILEGE. */
  mode: number;
  /** Domain id, -1 without a monitor. */
  domain: number;
  view: number;
  thread: number;
  /** Retired since reset. */
  instructions: number;
  /** In the order of COUNTERS; `counterIndex` names them. */
  readonly counters: Float64Array;
}

/** How a run ended; `code` and `hart` mean nothing while `reason` is NONE. */
export interface RunEnd {
  /** EXIT_REASON. */
  readonly reason: number;
  readonly code: number;
  /** The hart that ended it, -1 if none did. */
  readonly hart: number;
}

export interface Probe {
  readonly harts: number;
  /** All harts, in the order of their ids. The array and its samples are overwritten by the next call. */
  readHarts(): readonly HartSample[];
  readRunEnd(): RunEnd;
}

/** The part of a machine that the probe needs. */
export type Observed = Pick<MachineParts, 'memory' | 'plan'>;

export const emptySample = (id: number): HartSample => ({
  id,
  state: 0,
  mode: 0,
  domain: -1,
  view: 0,
  thread: 0,
  instructions: 0,
  counters: new Float64Array(COUNTERS.length),
});

export function createProbe({ memory: wasmMemory, plan }: Observed): Probe {
  const memory = wasmMemory.buffer as unknown as SharedArrayBuffer;
  const words = new Int32Array(memory);
  const samples = Array.from({ length: plan.harts }, (_, id) => emptySample(id));
  const counters = samples.map(
    ({ id }) =>
      new Float64Array(memory, hartBase(plan, id) + HartBlock.offset.counters, COUNTERS.length),
  );
  const blocks = samples.map(({ id }) => hartBase(plan, id) >> 2);
  const control = plan.control;

  const word = (block: number, field: WordField): number =>
    Atomics.load(words, block + (HartBlock.offset[field] >> 2));
  const controlWord = (field: keyof typeof ControlBlock.offset): number =>
    Atomics.load(words, (control + ControlBlock.offset[field]) >> 2);

  return {
    harts: plan.harts,
    readHarts() {
      for (const sample of samples) {
        const block = blocks[sample.id] as number;
        sample.state = word(block, 'state');
        sample.mode = word(block, 'mode');
        sample.domain = word(block, 'domain');
        sample.view = word(block, 'view');
        sample.thread = word(block, 'thread');
        sample.instructions = readCount(words, block + (HartBlock.offset.instret >> 2));
        sample.counters.set(counters[sample.id] as Float64Array);
      }
      return samples;
    },
    readRunEnd: () => ({
      reason: controlWord('exitReason'),
      code: controlWord('exitCode'),
      hart: controlWord('exitHart'),
    }),
  };
}

type WordField = 'state' | 'mode' | 'domain' | 'view' | 'thread';

/**
 * A 64-bit count that its hart may be advancing: read as halves, and again if the high half moved in
 * between, which happens once in 2^32 instructions. The core stores both halves at once; where the
 * hart's own code stores them one after the other, a look exactly in between is off by 2^32.
 */
function readCount(words: Int32Array, index: number): number {
  let high = Atomics.load(words, index + 1);
  for (;;) {
    const low = Atomics.load(words, index) >>> 0;
    const again = Atomics.load(words, index + 1);
    if (again === high) return high * 2 ** 32 + low;
    high = again;
  }
}
