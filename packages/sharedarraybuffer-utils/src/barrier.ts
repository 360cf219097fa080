/**
 * Barrier: nobody goes on before all have arrived. It sleeps, and is ready again at once.
 *
 * Each round has a generation. A thread loads the generation before it counts itself in; from then
 * on the round cannot end without it, so the generation it loaded is that of its own round. The
 * last to arrive resets the count before it opens the next generation: a thread that is already in
 * the next round must find an empty count.
 *
 * No wake-up is lost: sleepers wait on the generation they loaded, and the last arrival changes it
 * before it notifies.
 */
import { derived, i32, layout, type Field } from './layout.ts';
import type { SharedWord } from './word.ts';

export interface BarrierWords {
  readonly arrived: SharedWord;
  readonly generation: SharedWord;
}

export class Barrier {
  protected readonly words: BarrierWords;
  readonly parties: number;

  constructor(words: BarrierWords, parties: number) {
    if (!Number.isInteger(parties) || parties < 1) {
      throw new RangeError(`barrier: needs a positive number of parties, got ${parties}`);
    }
    this.words = words;
    this.parties = parties;
  }

  /**
   * Each of the `parties` threads, once a round; it must be allowed to block. Returns when all have
   * arrived: true in exactly one of them, the last, so that one can do what is to be done once.
   */
  arriveAndWait(): boolean {
    const { arrived, generation } = this.words;
    const round = generation.load();
    if (arrived.add(1) + 1 === this.parties) {
      this.openNextRound(round);
      return true;
    }
    while (generation.load() === round) generation.wait(round);
    return false;
  }

  protected openNextRound(round: number): void {
    this.words.arrived.store(0);
    this.words.generation.store((round + 1) | 0);
    this.words.generation.notify();
  }
}

/** A barrier for `parties` threads in shared memory; zero is round 0 with nobody there. */
export const barrier = (parties: number): Field<Barrier> =>
  derived(
    `Barrier(${parties})`,
    layout('Barrier', {
      arrived: i32.doc('How many have arrived in this round. The last one resets it.'),
      generation: i32.doc('The round. Written by its last arrival, which wakes all sleepers.'),
    }),
    (words) => new Barrier(words, parties),
  );
