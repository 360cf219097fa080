/**
 * Mutex that sleeps: one word, three states.
 *
 * Free and uncontended it costs one atomic operation each way and no system call. The third state
 * says that somebody may sleep, and so whether `unlock` must notify. Whoever has slept takes the
 * lock as contended, because it cannot know whether it was the last sleeper; the price is at most
 * one notify that wakes nobody.
 *
 * Why no wake-up is lost: a thread sleeps only on the value CONTENDED, which it wrote itself
 * before. The unlock after that exchanges the word and so sees CONTENDED, and notifies. If that
 * exchange comes before the sleeper's wait, the word no longer holds CONTENDED and the wait returns
 * at once.
 */
import { derived, i32, type Field } from './layout.ts';
import type { SharedWord } from './word.ts';

const FREE = 0;
const HELD = 1;
const CONTENDED = 2;

export class Mutex {
  protected readonly state: SharedWord;

  constructor(state: SharedWord) {
    this.state = state;
  }

  /** Any thread that may block and does not hold it; it is not recursive. */
  lock(): void {
    let seen = this.state.compareExchange(FREE, HELD);
    if (seen === FREE) return;
    if (seen !== CONTENDED) seen = this.state.exchange(CONTENDED);
    while (seen !== FREE) {
      this.state.wait(CONTENDED);
      seen = this.state.exchange(CONTENDED);
    }
  }

  /** Any thread. Takes the lock if it is free; never waits. */
  tryLock(): boolean {
    return this.state.compareExchange(FREE, HELD) === FREE;
  }

  /** The holder only. */
  unlock(): void {
    const before = this.state.exchange(FREE);
    if (before === FREE) throw new Error('mutex: unlocked while it was free');
    if (before === CONTENDED) this.state.notify(1);
  }

  withLock<Result>(section: () => Result): Result {
    this.lock();
    try {
      return section();
    } finally {
      this.unlock();
    }
  }
}

/** A mutex in shared memory; zero is unlocked. */
export const mutex: Field<Mutex> = derived(
  'Mutex',
  i32.doc('0 free, 1 held, 2 held and somebody may sleep.'),
  (state) => new Mutex(state),
);
