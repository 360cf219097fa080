/**
 * N harts as N long-lived tasks of one pool of N threads.
 *
 * Ending a run is a protocol: the stop flag is raised and every hart is rung, all tasks are awaited,
 * and only a hart that does not come back in time is terminated. A pool that ended in order can
 * carry the next machine of as many harts, on threads that are already warm; one that saw a failure
 * is destroyed.
 */
import { flushCompileCache } from 'node:module';
import { availableParallelism } from 'node:os';

import { Piscina } from 'piscina';

import type { HartState } from '../machine/hart.ts';
import type { Machine } from '../machine/machine.ts';
import { EXIT_REASON } from '../machine/memory-plan.ts';
import type { MonitorConfig } from '../nested-kernel/config.ts';
import type { HartTask } from './hart-task.ts';
import { TurnWords } from './turns.ts';
import { workerUrl } from './worker-url.ts';

/** A hart's worker died, threw, or did not return: not the guest's doing. */
export class HartFailure extends Error {
  readonly hart: number;

  constructor(hart: number, what: string, cause?: unknown) {
    super(`hart ${hart} ${what}`, { cause });
    this.name = 'HartFailure';
    this.hart = hart;
  }
}

export interface HartPoolOptions {
  /** Module of the task; another than ours to plant faults, or to look on. */
  readonly taskUrl?: string;
  /** Heap of one worker in MiB; the machine's shared memory does not count. */
  readonly heapMiB?: number;
  /** How long harts may take to return once the machine stopped. */
  readonly stopTimeoutMs?: number;
}

/** A timer interrupt is late by at most this many instructions, a tenth of a millisecond or so. */
const SLICE = 20_000;
/** The same where code is translated, and most of it takes a tenth of the time. */
const SLICE_TRANSLATED = 100_000;
/** A run has its price, some microseconds; whoever waits for a turn waits for the end of one. */
const SLICES = 10;
/** A few microseconds: about what a neighbour's answer takes, less than going to sleep costs. */
const SPINS = 200;
const WATCH_MS = 50;

export class HartPool {
  readonly harts: number;
  readonly #piscina: Piscina<HartTask, void>;
  readonly #stopTimeoutMs: number;
  #isRunning = false;
  #isOpen = true;

  constructor(harts: number, options: HartPoolOptions = {}) {
    this.harts = harts;
    this.#stopTimeoutMs = options.stopTimeoutMs ?? 5_000;
    // The threads load modules that this one has compiled, all at once: they find them in the cache.
    flushCompileCache();
    this.#piscina = new Piscina<HartTask, void>({
      filename: options.taskUrl ?? workerUrl(import.meta.url, './hart-task'),
      minThreads: harts,
      maxThreads: harts,
      idleTimeout: Infinity,
      concurrentTasksPerWorker: 1,
      recordTiming: false,
      closeTimeout: 1_000,
      ...(options.heapMiB === undefined
        ? {}
        : { resourceLimits: { maxOldGenerationSizeMb: options.heapMiB } }),
    });
    // Every failure also rejects a task, where it is handled; an 'error' nobody hears ends the process.
    this.#piscina.on('error', () => {});
  }

  /** Whether the pool can carry a machine now. */
  get isFree(): boolean {
    return this.#isOpen && !this.#isRunning;
  }

  /**
   * Runs every hart until the machine stops.
   * @param look what the task module has to know, if it is another than ours
   * @param restored by hart, the states from which they go on
   * @throws HartFailure, after which the pool is closed
   */
  async run(
    machine: Machine,
    monitor: MonitorConfig | null,
    look?: unknown,
    restored: readonly (HartState | null)[] = [],
  ): Promise<void> {
    const { parts } = machine;
    if (!this.isFree) throw new Error('the pool carries another machine or is closed');
    if (parts.plan.harts !== this.harts) {
      // With fewer threads than harts some would never begin.
      throw new RangeError(`a pool for ${this.harts} harts, a machine of ${parts.plan.harts}`);
    }
    this.#isRunning = true;
    const cores = availableParallelism();
    const spins = this.harts < cores ? SPINS : 0;
    const turns =
      this.harts > cores ? { memory: new SharedArrayBuffer(TurnWords.sizeBytes), cores } : null;
    const slice = parts.spec.jitAfter === undefined ? SLICE : SLICE_TRANSLATED;
    const slices = turns === null ? SLICES : 1;
    const running = new Set<number>();
    let failure: HartFailure | undefined;
    const fail = (hart: number, what: string, cause?: unknown): void => {
      failure ??= new HartFailure(hart, what, cause);
      machine.stop(EXIT_REASON.FAILURE, 0, hart);
    };
    const carry = async (hart: number): Promise<void> => {
      running.add(hart);
      try {
        await this.#piscina.run({
          ...{ parts, hart, monitor, look, slice, slices, spins, turns },
          restored: restored[hart] ?? null,
        });
      } catch (cause) {
        fail(hart, `failed: ${cause instanceof Error ? cause.message : String(cause)}`, cause);
      } finally {
        running.delete(hart);
      }
    };
    const watch = this.#watchStop(machine, () => {
      const [hart = 0] = running;
      fail(hart, `did not stop within ${this.#stopTimeoutMs} ms and was terminated`);
      // Every task that is left rejects.
      return this.#destroy();
    });
    try {
      await Promise.all(Array.from({ length: this.harts }, (_, hart) => carry(hart)));
    } finally {
      clearInterval(watch);
      this.#isRunning = false;
    }
    if (failure === undefined) return;
    await this.#destroy();
    throw failure;
  }

  /** Ends the threads. While a machine runs on them, stop that first. */
  async close(): Promise<void> {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    await this.#piscina.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #destroy(): Promise<void> {
    this.#isOpen = false;
    await this.#piscina.destroy();
  }

  /** Calls `expired` once if harts are still running that long after the machine's stop. */
  #watchStop(machine: Machine, expired: () => Promise<void>): NodeJS.Timeout {
    let stoppedAt: number | undefined;
    const watch = setInterval(() => {
      if (machine.control.stop.load() === 0) return;
      stoppedAt ??= performance.now();
      if (performance.now() - stoppedAt < this.#stopTimeoutMs) return;
      clearInterval(watch);
      void expired();
    }, WATCH_MS);
    return watch;
  }
}
