/**
 * Turns on the host's cores, for machines with more harts than the host has cores.
 *
 * Left to the host's scheduler, a hart can lose its core while it holds a lock of the guest or has
 * yet to acknowledge a fence, and everybody who waits for it spins away a time slice each. So no more
 * harts execute than there are cores, each for one slice of a few hundred microseconds, and whoever
 * waits does so between slices, in the state PARKED, where nobody needs an answer from it.
 *
 * Tickets are served in order. With K cores ticket t may run once all but K - 1 of the tickets before
 * it have been given back, however these follow each other; `served` counts them. Each waiter sleeps
 * on a cell of its own: tickets that wait are consecutive and no more than there are harts, so their
 * numbers modulo the cells differ.
 *
 * No wake-up is lost: a waiter loads its cell, then `served`; who gives a turn back adds to `served`,
 * then to the cell, then notifies. If the waiter saw the old count, its cell changes after it was
 * loaded, and the wait returns.
 */
import { i32, i32Words, layout, type SharedWord, type SharedWords } from 'sharedarraybuffer-utils';

const CELLS = 64;

export const TurnWords = layout('TurnWords', {
  next: i32.doc('the next ticket. Any thread adds 1'),
  served: i32.doc('tickets given back. Any thread adds 1'),
  cells: i32Words(CELLS).doc('changes when ticket n modulo the cells may run; waited on'),
});

export interface TurnState {
  readonly next: SharedWord;
  readonly served: SharedWord;
  readonly cells: SharedWords;
}

export class Turns {
  protected readonly state: TurnState;
  protected readonly cores: number;

  constructor(state: TurnState, cores: number) {
    this.state = state;
    this.cores = cores;
  }

  /** Any thread without a turn. Sleeps until it has one. */
  take(): void {
    const { next, cells } = this.state;
    const ticket = next.add(1);
    const cell = ticket & (CELLS - 1);
    while (!this.#isServed(ticket)) {
      const seen = cells.load(cell);
      if (this.#isServed(ticket)) return;
      cells.wait(cell, seen);
    }
  }

  /** Any thread that has a turn. */
  give(): void {
    const { served, cells } = this.state;
    const ticket = served.add(1) + this.cores;
    const cell = ticket & (CELLS - 1);
    cells.add(cell, 1);
    cells.notify(cell);
  }

  /** Whether somebody waits for a turn; old news by the time it is read. */
  isWanted(): boolean {
    const { next, served } = this.state;
    return ((next.load() - served.load()) | 0) > this.cores;
  }

  /** Wraps around with the counts. */
  #isServed(ticket: number): boolean {
    return ((ticket - this.state.served.load()) | 0) < this.cores;
  }
}

/** The turns in a memory of their own, which can be posted. */
export const attachTurns = (memory: SharedArrayBuffer, cores: number): Turns =>
  new Turns(TurnWords.at(memory, 0), cores);
