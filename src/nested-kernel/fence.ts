/**
 * Remote fences: the monitor's own shootdown, by mailbox and acknowledgement in shared memory. No guest
 * code takes part, so none can forge an acknowledgement.
 *
 * The issuer holds the monitor's lock and has already changed the tables. For each target it writes the
 * fence into the target's queue, then adds one to `fenceRequest`, then looks at the target's state. The
 * target stores RUNNING, then looks at `fenceRequest`. All are sequentially consistent, so one of the two
 * sees the other: a target that runs is waited for, one that is parked will fence before its next
 * instruction and need not be woken.
 *
 * The queue is a ring that the issuer may lap. The target reads its entries first and the request count
 * after; if the count has run a whole queue ahead, the issuer may already be writing the next entry over
 * the oldest, before it counts it, and the target forgets everything instead.
 */
import { HART_STATE, HartBlock, PENDING } from '../machine/core/hart-block.ts';
import type { Hart } from '../machine/hart.ts';
import { signalHart } from '../machine/hart-lines.ts';
import { hartBase, type MemoryPlan } from '../machine/memory-plan.ts';
import { relax, Word32 } from 'sharedarraybuffer-utils';
import { FENCE_QUEUE, FENCE_WORDS, type MonitorView } from './tables.ts';

export interface Fence {
  readonly low: number;
  readonly high: number;
  /** 0: every address. */
  readonly pages: number;
  /** -1: every ASID. */
  readonly asid: number;
  /** Instructions as well. */
  readonly code: boolean;
}

/** Fencing more pages one by one costs more than starting over. */
const ONE_BY_ONE = 32;

/** Does a fence here. */
export function fenceHere(hart: Hart, fence: Fence): void {
  if (fence.pages === 0 || fence.pages > ONE_BY_ONE) {
    if (!fence.code || fence.pages !== 0) hart.fenceAll(fence.asid);
  } else {
    for (let page = 0; page < fence.pages; page++) {
      const low = (fence.low + page * 4096) | 0;
      const high = low >>> 0 < fence.low >>> 0 ? (fence.high + 1) | 0 : fence.high;
      hart.fencePage(low, high, fence.asid);
    }
  }
  if (fence.code) hart.fenceI();
}

/** A fence for instructions only. */
export const CODE_FENCE: Fence = { low: 0, high: 0, pages: 0, asid: -1, code: true };

/** The words of every hart that fences need, for any thread. */
export class FenceBoard {
  readonly #words: Int32Array;
  readonly #plan: MemoryPlan;
  readonly #tables: MonitorView;
  readonly #request: Word32[];
  readonly #acked: Word32[];
  readonly #state: Word32[];

  constructor(memory: SharedArrayBuffer, plan: MemoryPlan, tables: MonitorView) {
    this.#words = new Int32Array(memory);
    this.#plan = plan;
    this.#tables = tables;
    const cells = (field: 'fenceRequest' | 'fenceAcked' | 'state'): Word32[] =>
      Array.from(
        { length: plan.harts },
        (_, hart) => new Word32(memory, hartBase(plan, hart) + HartBlock.offset[field]),
      );
    this.#request = cells('fenceRequest');
    this.#acked = cells('fenceAcked');
    this.#state = cells('state');
  }

  /**
   * Fences here and on every target, and returns when all have acknowledged or are parked. Caller holds
   * the monitor's lock; so no fence can be asked of it meanwhile.
   * @param isTarget which other harts may have the translations
   */
  everywhere(hart: Hart, fence: Fence, isTarget: (hart: number) => boolean): void {
    fenceHere(hart, fence);
    hart.count('shootdownsSent');
    const waitFor: { hart: number; request: number }[] = [];
    let asked = 0;
    for (let target = 0; target < this.#plan.harts; target++) {
      if (target === hart.id || !isTarget(target)) continue;
      const request = this.#ask(target, fence);
      asked += 1;
      if ((this.#state[target] as Word32).load() !== HART_STATE.RUNNING) continue;
      signalHart(this.#words, this.#plan, target, PENDING.FENCE);
      hart.count('shootdownIpis');
      waitFor.push({ hart: target, request });
    }
    // What hardware would do about it: in a run on one thread no target is ever found RUNNING.
    if (asked > 0) hart.count('shootdownRounds');
    hart.count('shootdownTargets', asked);
    if (waitFor.length === 0) return;
    const start = performance.now();
    for (const { hart: target, request } of waitFor) this.#await(target, request);
    hart.count('shootdownWaitNs', Math.round((performance.now() - start) * 1e6));
  }

  #ask(target: number, fence: Fence): number {
    const request = this.#request[target] as Word32;
    const number = request.load();
    const at = (target * FENCE_QUEUE + (number % FENCE_QUEUE)) * FENCE_WORDS;
    this.#tables.fenceQueue.set(
      [fence.low, fence.high, fence.code ? -fence.pages - 1 : fence.pages, fence.asid],
      at,
    );
    request.store(number + 1);
    return number + 1;
  }

  #await(target: number, request: number): void {
    const acked = this.#acked[target] as Word32;
    const state = this.#state[target] as Word32;
    for (let turn = 0; ; turn++) {
      const seen = acked.load();
      if (seen >= request || state.load() !== HART_STATE.RUNNING) return;
      relax(turn, acked, seen);
    }
  }

  /** Does what was asked of this hart and acknowledges it. The hart's own thread only. */
  serve(hart: Hart): void {
    const request = this.#request[hart.id] as Word32;
    const acked = this.#acked[hart.id] as Word32;
    const done = acked.load();
    const asked = request.load();
    if (asked === done) return;
    const fences: Fence[] = [];
    for (let number = done; number < asked && asked - done < FENCE_QUEUE; number++) {
      const at = (hart.id * FENCE_QUEUE + (number % FENCE_QUEUE)) * FENCE_WORDS;
      const [low, high, pages, asid] = this.#tables.fenceQueue.subarray(
        at,
        at + FENCE_WORDS,
      ) as unknown as number[];
      const code = (pages as number) < 0;
      fences.push({
        low: low as number,
        high: high as number,
        pages: code ? -(pages as number) - 1 : (pages as number),
        asid: asid as number,
        code,
      });
    }
    // Lapped while we read, or about to be: what we read may be of two fences.
    if (request.load() - done >= FENCE_QUEUE) {
      hart.fenceAll(-1);
      hart.fenceI();
    } else {
      for (const fence of fences) fenceHere(hart, fence);
    }
    hart.count('shootdownsServed', asked - done);
    acked.store(asked);
    acked.notify();
  }
}
