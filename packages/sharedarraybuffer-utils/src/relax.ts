/**
 * One turn of a spin loop.
 *
 * The first turns are a hint to the core. A spinner that is still waiting after that gives its core
 * away for a moment, because on a machine with fewer cores than threads the one it waits for may
 * not be running at all. Nobody notifies the nap: it ends by itself, so that whoever ends the wait
 * pays nothing for it.
 */
import type { SharedWord } from './word.ts';

const TURNS_BEFORE_NAP = 200;
const NAP_MS = 0.05;

/** `Atomics.pause` is younger than the rest of `Atomics`; without it a turn is just a turn. */
const pause: () => void = typeof Atomics.pause === 'function' ? () => Atomics.pause() : () => {};

/** Turn number `turn` (from 0) of a loop that waits for `word` to hold something else than `seen`. */
export function relax(turn: number, word: SharedWord, seen: number): void {
  if (turn < TURNS_BEFORE_NAP) pause();
  else word.wait(seen, NAP_MS);
}
