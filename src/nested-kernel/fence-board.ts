/** The fence words of every hart, for any thread: who asks whom, and who waits (the protocol is in fence.ts). */
import { Word32, Words32 } from 'sharedarraybuffer-utils';
import { HartBlock, PENDING } from '../machine/core/hart-block.ts';
import type { Hart } from '../machine/hart.ts';
import { signalHart } from '../machine/hart-lines.ts';
import { hartBase, type MemoryPlan } from '../machine/memory-plan.ts';
import {
  askFence,
  awaitFence,
  fenceHere,
  serveFences,
  type Fence,
  type FenceTarget,
} from './fence.ts';
import { FENCE_QUEUE, FENCE_WORDS, MonitorBlock } from './tables.ts';

export class FenceBoard {
  readonly #words: Int32Array;
  readonly #plan: MemoryPlan;
  readonly #targets: readonly FenceTarget[];

  constructor(memory: SharedArrayBuffer, plan: MemoryPlan) {
    this.#words = new Int32Array(memory);
    this.#plan = plan;
    const queueBytes = 4 * FENCE_QUEUE * FENCE_WORDS;
    this.#targets = Array.from({ length: plan.harts }, (_, hart) => {
      const cell = (field: 'fenceRequest' | 'fenceAcked' | 'state'): Word32 =>
        new Word32(memory, hartBase(plan, hart) + HartBlock.offset[field]);
      const queue = plan.monitor + MonitorBlock.offset.fenceQueue + hart * queueBytes;
      return {
        request: cell('fenceRequest'),
        acked: cell('fenceAcked'),
        state: cell('state'),
        queue: new Words32(memory, queue, FENCE_QUEUE * FENCE_WORDS),
      };
    });
  }

  /**
   * Fences here and on every target, and returns when all have acknowledged or are parked. Caller holds
   * the monitor's lock; so no fence can be asked of it meanwhile.
   * @param isTarget which other harts may have the translations
   */
  everywhere(hart: Hart, fence: Fence, isTarget: (hart: number) => boolean): void {
    fenceHere(hart, fence);
    hart.count('shootdownsSent');
    const waitFor: { target: FenceTarget; request: number }[] = [];
    let asked = 0;
    for (let id = 0; id < this.#plan.harts; id++) {
      if (id === hart.id || !isTarget(id)) continue;
      const target = this.#targets[id] as FenceTarget;
      const request = askFence(target, fence);
      asked += 1;
      if (request < 0) continue;
      signalHart(this.#words, this.#plan, id, PENDING.FENCE);
      hart.count('shootdownIpis');
      waitFor.push({ target, request });
    }
    // What hardware would do about it: in a run on one thread no target is ever found RUNNING.
    if (asked > 0) hart.count('shootdownRounds');
    hart.count('shootdownTargets', asked);
    if (waitFor.length === 0) return;
    const start = performance.now();
    for (const { target, request } of waitFor) awaitFence(target, request);
    hart.count('shootdownWaitNs', Math.round((performance.now() - start) * 1e6));
  }

  /** Does what was asked of this hart and acknowledges it. The hart's own thread only. */
  serve(hart: Hart): void {
    const served = serveFences(this.#targets[hart.id] as FenceTarget, {
      fence: (fence) => fenceHere(hart, fence),
      forgetAll: () => {
        hart.fences.all(-1);
        hart.fences.code();
      },
    });
    if (served > 0) hart.count('shootdownsServed', served);
  }

  /**
   * The hart was reset and has forgotten every translation: whatever was asked of it is done. Under
   * the monitor's lock, so that nobody asks meanwhile.
   * @param asked its request count before the reset
   */
  restart(hart: Hart, asked: number): void {
    const target = this.#targets[hart.id] as FenceTarget;
    target.request.store(asked);
    target.acked.store(asked);
    target.acked.notify();
  }
}
