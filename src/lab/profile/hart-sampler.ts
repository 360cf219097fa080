/**
 * Samples one hart, from its own thread: where it is, in which mode and domain, and through which gates it got there.
 *
 * A hart comes back from the core every few thousand instructions; once a period of running is over, that place is a
 * sample. Waiting counts for nothing.
 */
import { PRIVILEGE } from '../../machine/core/hart-block.ts';
import type { HartObserver } from '../../machine/hart-observer.ts';
import type { Hart } from '../../machine/hart.ts';
import type { Machine } from '../../machine/machine.ts';
import { NO_FAULT } from '../../machine/faults.ts';
import { FRAME_KIND, MonitorBlock } from '../../nested-kernel/tables.ts';
import { AT, Threads } from '../../nested-kernel/threads.ts';
import type { TraceClock } from '../trace/hart-tracer.ts';
import { SampleWriter } from './samples.ts';

export const PERIOD_NS = 1e6;
/** A deterministic machine's time is in instructions, ten nanoseconds each. */
export const DETERMINISTIC_PERIOD_NS = 1e5;

export class HartSampler implements HartObserver {
  readonly #hart: Hart;
  readonly #clock: TraceClock;
  readonly #period: number;
  readonly #writer: SampleWriter;
  readonly #threads: Threads | undefined;
  #lastLook: number;
  #ran = 0;
  #isWaiting = false;

  constructor(machine: Machine, hart: Hart, path: string, clock: TraceClock, hasMonitor: boolean) {
    const { parts, memory } = machine;
    this.#hart = hart;
    this.#clock = clock;
    this.#period = parts.spec.deterministic ? DETERMINISTIC_PERIOD_NS : PERIOD_NS;
    this.#writer = new SampleWriter(path);
    this.#threads = hasMonitor
      ? new Threads(MonitorBlock.at(memory, parts.plan.monitor))
      : undefined;
    this.#lastLook = clock(hart);
  }

  trapped(): void {}

  returned(): void {}

  served(): void {
    this.#advance();
    if (this.#ran < this.#period) return;
    const periods = Math.floor(this.#ran / this.#period);
    this.#ran -= periods * this.#period;
    this.#sample(periods);
  }

  waits(): void {
    this.#advance();
    this.#isWaiting = true;
  }

  close(): void {
    this.#writer.close();
  }

  #advance(): void {
    const now = this.#clock(this.#hart);
    if (!this.#isWaiting) this.#ran += Math.max(0, now - this.#lastLook);
    this.#isWaiting = false;
    this.#lastLook = now;
  }

  /** A hart that was away for several periods was in one place, as far as anybody knows. */
  #sample(periods: number): void {
    const hart = this.#hart;
    const { mode } = hart;
    this.#writer.put({
      periods,
      mode,
      domain: hart.get('domain'),
      pcLow: hart.pcLow,
      pcHigh: hart.pcHigh,
      gates: this.#gates(),
      // Programs of different processes have the same addresses: their code tells them apart.
      code: mode === PRIVILEGE.U ? this.#codeAt(hart.pcLow, hart.pcHigh) : [0, 0, 0, 0],
    });
  }

  /** The gates that the hart's thread is inside of, outermost first. */
  #gates(): number[] {
    const thread = this.#hart.get('thread');
    const threads = this.#threads;
    if (threads === undefined || thread < 0) return [];
    const gates: number[] = [];
    for (let depth = 0; depth < threads.depth(thread); depth++) {
      const frame = threads.frame(thread, depth);
      const isCall = threads.words[frame + AT.kind] === FRAME_KIND.CALL;
      gates.push(isCall ? (threads.words[frame + AT.gate] as number) : -1);
    }
    return gates;
  }

  /** Sixteen bytes of code at the hart's pc, aligned, as words; zeros if they cannot be fetched. */
  #codeAt(low: number, high: number): number[] {
    const { translation, words } = this.#hart;
    if (translation.translate(low & ~15, high, 'fetch', 16) !== NO_FAULT) return [0, 0, 0, 0];
    const at = translation.hostAddress() >> 2;
    return at === 0 ? [0, 0, 0, 0] : Array.from(words.subarray(at, at + 4));
  }
}
