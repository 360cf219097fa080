/**
 * The lock of a device: one shared word, held for a handful of register updates.
 *
 * Spins briefly and then sleeps, because a hart's worker may lose its processor inside a critical
 * section and with more harts than processors spinning would burn the time it needs to come back.
 * Locks nest in one order only: virtio queue, then device registers, then PLIC.
 */
import type { SharedWord } from 'sharedarraybuffer-utils';

const FREE = 0;
const HELD = 1;
/** Held, and somebody may be asleep on the word. */
const AWAITED = 2;

const SPINS = 64;

export function acquire(lock: SharedWord): void {
  for (let spin = 0; spin < SPINS; spin++) {
    if (lock.compareExchange(FREE, HELD) === FREE) return;
  }
  // Once asleep we cannot know who else sleeps, so we take the lock as AWAITED: at worst one
  // notification too many.
  while (lock.exchange(AWAITED) !== FREE) lock.wait(AWAITED);
}

export function release(lock: SharedWord): void {
  if (lock.exchange(FREE) === AWAITED) lock.notify(1);
}
