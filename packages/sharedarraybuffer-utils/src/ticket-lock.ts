/**
 * Ticket spin lock: first come, first served.
 *
 * For short sections between threads that must stay responsive while they wait. The holder may need
 * something from a spinner (an acknowledgement of a shootdown, say) before it can let go, so a
 * spinner calls `poll` on every turn and keeps serving what is asked of it.
 *
 * Order: `next.add` gives each thread its own ticket; only the holder moves `serving`. Whoever
 * loads its own ticket from `serving` therefore comes after everything the holder before it did,
 * because all of these are sequentially consistent and the store to `serving` was that holder's
 * last.
 */
import { derived, i32, layout, type Field } from './layout.ts';
import { relax } from './relax.ts';
import type { SharedWord } from './word.ts';

export interface TicketLockWords {
  readonly next: SharedWord;
  readonly serving: SharedWord;
}

export class TicketLock {
  protected readonly words: TicketLockWords;

  constructor(words: TicketLockWords) {
    this.words = words;
  }

  /**
   * Any thread that does not hold it. `poll` runs on every turn of waiting; it must not take this
   * lock, and if it throws, the ticket is never served and the lock is lost to everybody.
   */
  lock(poll: () => void = nothing): void {
    const { next, serving } = this.words;
    const ticket = next.add(1);
    for (let turn = 0; ; turn++) {
      const seen = serving.load();
      if (seen === ticket) return;
      poll();
      relax(turn, serving, seen);
    }
  }

  /** Any thread. Takes the lock if it is free; never waits. */
  tryLock(): boolean {
    const { next, serving } = this.words;
    // `serving` never passes `next`. If `next` still holds what `serving` held, the lock is free.
    const seen = serving.load();
    return next.compareExchange(seen, (seen + 1) | 0) === seen;
  }

  /** The holder only. */
  unlock(): void {
    const { next, serving } = this.words;
    const ticket = serving.load();
    if (ticket === next.load()) throw new Error('ticket lock: unlocked by a thread without it');
    serving.store((ticket + 1) | 0);
  }

  withLock<Result>(section: () => Result, poll: () => void = nothing): Result {
    this.lock(poll);
    try {
      return section();
    } finally {
      this.unlock();
    }
  }
}

const nothing = (): void => {};

/** A ticket lock in shared memory; zero is unlocked. */
export const ticketLock: Field<TicketLock> = derived(
  'TicketLock',
  layout('TicketLock', {
    next: i32.doc('The next ticket to hand out. Any thread adds 1.'),
    serving: i32.doc('The ticket that holds the lock. Written by the holder, read by spinners.'),
  }),
  (words) => new TicketLock(words),
);
