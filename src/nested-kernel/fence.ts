/**
 * Remote fences: the monitor's own shootdown, by mailbox and acknowledgement in shared memory. No guest
 * code takes part, so none can forge an acknowledgement. Upholds NK-11.
 *
 * The issuer holds the monitor's lock and has already changed the tables. For each target it writes the
 * fence into the target's queue, then adds one to `fenceRequest`, then looks at the target's state. The
 * target stores RUNNING, then looks at `fenceRequest`. All are sequentially consistent, so one of the two
 * sees the other: a target that runs is waited for, one that is parked will fence before its next
 * instruction and need not be woken.
 *
 * The queue is a ring that the issuer may lap, because it waits for nobody who is parked. Entry n is
 * written over by entry n + FENCE_QUEUE, and that while the count still is n + FENCE_QUEUE. So the
 * target reads its entries first and the count after: if the count has come that far, what it read may
 * be of two fences, and it forgets everything instead.
 *
 * The protocol is over shared words alone, so that test/nested-kernel/fence.test.ts visits every
 * schedule of the code that ships.
 */
import { relax, type SharedWord, type SharedWords } from 'sharedarraybuffer-utils';
import { HART_STATE } from '../machine/core/hart-block.ts';
import type { Hart } from '../machine/hart.ts';
import { FENCE_QUEUE, FENCE_WORDS } from './tables.ts';

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
    if (!fence.code || fence.pages !== 0) hart.fences.all(fence.asid);
  } else {
    for (let page = 0; page < fence.pages; page++) {
      const low = (fence.low + page * 4096) | 0;
      const high = low >>> 0 < fence.low >>> 0 ? (fence.high + 1) | 0 : fence.high;
      hart.fences.page(low, high, fence.asid);
    }
  }
  if (fence.code) hart.fences.code();
}

/** A fence for instructions only. */
export const CODE_FENCE: Fence = { low: 0, high: 0, pages: 0, asid: -1, code: true };

/** The words of one target. */
export interface FenceTarget {
  /** Fences ever asked. Written by issuers, one at a time, under the monitor's lock. */
  readonly request: SharedWord;
  /** Fences ever served. Written by the target; issuers wait on it. */
  readonly acked: SharedWord;
  /** HART_STATE. */
  readonly state: SharedWord;
  /** A ring of FENCE_QUEUE entries. Written by issuers. */
  readonly queue: SharedWords;
}

/**
 * Asks a target for a fence. Under the monitor's lock.
 * @returns the number to wait for, or -1 if the target is not running and there is nothing to wait for
 */
export function askFence(target: FenceTarget, fence: Fence): number {
  const number = target.request.load();
  const at = (number & (FENCE_QUEUE - 1)) * FENCE_WORDS;
  target.queue.store(at, fence.low);
  target.queue.store(at + 1, fence.high);
  target.queue.store(at + 2, fence.code ? -fence.pages - 1 : fence.pages);
  target.queue.store(at + 3, fence.asid);
  target.request.store((number + 1) | 0);
  return target.state.load() === HART_STATE.RUNNING ? (number + 1) | 0 : -1;
}

/** Returns when the target has served a request, or is parked. Counts may wrap around. */
export function awaitFence(target: FenceTarget, request: number): void {
  for (let turn = 0; ; turn++) {
    const seen = target.acked.load();
    if (((seen - request) | 0) >= 0 || target.state.load() !== HART_STATE.RUNNING) return;
    relax(turn, target.acked, seen);
  }
}

/** What a target does for itself. */
export interface FenceServant {
  fence(fence: Fence): void;
  /** Every translation and every decoded instruction. */
  forgetAll(): void;
}

/** Does what was asked and acknowledges it. The target's own thread only. @returns how many it served */
export function serveFences(target: FenceTarget, servant: FenceServant): number {
  const done = target.acked.load();
  const asked = target.request.load();
  const waiting = (asked - done) | 0;
  if (waiting === 0) return 0;
  const fences: Fence[] = [];
  for (let n = 0; n < waiting && waiting < FENCE_QUEUE; n++) {
    const at = ((done + n) & (FENCE_QUEUE - 1)) * FENCE_WORDS;
    const pages = target.queue.load(at + 2);
    fences.push({
      low: target.queue.load(at),
      high: target.queue.load(at + 1),
      pages: pages < 0 ? -pages - 1 : pages,
      asid: target.queue.load(at + 3),
      code: pages < 0,
    });
  }
  if (((target.request.load() - done) | 0) >= FENCE_QUEUE) servant.forgetAll();
  else for (const fence of fences) servant.fence(fence);
  target.acked.store(asked);
  target.acked.notify();
  return waiting;
}
