/**
 * Doorbell: one thread parks until any other rings.
 *
 * A ring carries nothing and rings do not add up: it says "look again". So whoever rings first
 * publishes the work, then rings; and the owner, whenever a ring is consumed, looks for work
 * afterwards.
 *
 * No ring is lost: the owner goes to sleep by turning IDLE into ASLEEP in one atomic step, which
 * fails if a ring came first; a ring that comes after that step finds ASLEEP, and notifies. If the
 * owner is between the step and its wait, the word holds RUNG by then and the wait returns at once.
 * A ringer that finds RUNG may leave at once: its work was published before it loaded RUNG, the
 * owner consumes that RUNG later, and looks after that.
 *
 * Nobody is notified unless the word says ASLEEP, so ringing an owner that is awake makes no system
 * call.
 */
import { derived, i32, type Field } from './layout.ts';
import type { SharedWord } from './word.ts';

const IDLE = 0;
const RUNG = 1;
const ASLEEP = 2;

export class Doorbell {
  protected readonly state: SharedWord;

  constructor(state: SharedWord) {
    this.state = state;
  }

  /** Any thread, after it has published what the owner should find. */
  ring(): void {
    if (this.state.load() === RUNG) return;
    if (this.state.exchange(RUNG) === ASLEEP) this.state.notify(1);
  }

  /**
   * The owner only. Sleeps until rung, or returns at once if a ring is pending; consumes it. True
   * if rung, false if the time is over. A missing timeout means for ever.
   */
  park(timeoutMs?: number): boolean {
    if (this.state.compareExchange(IDLE, ASLEEP) === IDLE) this.state.wait(ASLEEP, timeoutMs);
    return this.state.exchange(IDLE) === RUNG;
  }

  /** The owner only. Consumes a pending ring without sleeping; true if there was one. */
  take(): boolean {
    if (this.state.load() !== RUNG) return false;
    this.state.store(IDLE);
    return true;
  }

  /** Any thread; old news by the time it is read. */
  isParked(): boolean {
    return this.state.load() === ASLEEP;
  }
}

/** A doorbell in shared memory; zero is idle. */
export const doorbell: Field<Doorbell> = derived(
  'Doorbell',
  i32.doc('0 idle, 1 rung, 2 the owner sleeps. Any thread sets 1; the owner sets 0 and 2.'),
  (state) => new Doorbell(state),
);
