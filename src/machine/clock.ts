/**
 * Time as the guest sees it: `mtime` and the `time` CSR count ticks of 100 ns since machine start.
 *
 * Two clocks: the host's, for parallel runs, and one that is advanced by hand, for deterministic
 * runs (where the scheduler counts instructions) and for tests.
 */
import { TIMEBASE_HZ } from './physical-map.ts';

/** Ticks of 100 ns since machine start, a whole number below 2^53. Safe from any thread. */
export interface Clock {
  now(): number;
}

const NS_PER_TICK = 1e9 / TIMEBASE_HZ;
/** The global `process` is a getter, and the time is asked for often. */
const { hrtime } = process;

/**
 * The host's monotonic clock in ticks. `process.hrtime` and not `performance.now`, because the
 * latter counts from each thread's own start: two harts would disagree on the time.
 */
export function hostTicks(): number {
  const [seconds, nanoseconds] = hrtime();
  return seconds * TIMEBASE_HZ + Math.floor(nanoseconds / NS_PER_TICK);
}

/**
 * `originTicks`: the `hostTicks()` of machine start, taken once and given to every worker. `pausedTicks`:
 * how many of the ticks since then were no time of the machine's.
 */
export function createHostClock(originTicks: number, pausedTicks: () => number = () => 0): Clock {
  return { now: () => hostTicks() - originTicks - pausedTicks() };
}

/** A clock that moves only when told. One thread. */
export class ManualClock implements Clock {
  #ticks = 0;

  now(): number {
    return this.#ticks;
  }

  advance(ticks: number): void {
    this.#ticks += ticks;
  }
}
