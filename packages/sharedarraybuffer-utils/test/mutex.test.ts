import { describe, expect, it } from 'vitest';
import { Mutex, type SharedWord } from '../src/index.ts';
import { explore, type Scenario, verify } from '../src/explore.ts';

/** The planted fault: unlock looks first and stores afterwards, in two steps. */
class MutexThatLooksFirst extends Mutex {
  override unlock(): void {
    const before = this.state.load();
    this.state.store(0);
    if (before === 2) this.state.notify(1);
  }
}

type Words = { state: number; counter: number };

/** Each thread adds 1 to a plain counter, `rounds` times, under the mutex. */
const counting = (
  threads: number,
  rounds: number,
  make: (state: SharedWord) => Mutex,
): Scenario<Words, Record<string, void>> => ({
  name: `mutex, ${threads} threads`,
  words: { state: 0, counter: 0 },
  threads: Object.fromEntries(
    Array.from({ length: threads }, (_, index) => [
      `thread${index}`,
      ({ state, counter }) => {
        const mutex = make(state);
        for (let round = 0; round < rounds; round++) {
          mutex.withLock(() => counter.store(counter.load() + 1));
        }
      },
    ]),
  ),
  atEnd: ({ state, counter }) => {
    expect(counter.load()).toBe(threads * rounds);
    expect(state.load()).toBe(0);
  },
});

describe('mutex', () => {
  it.each([
    [2, 1],
    [2, 3],
    [3, 1],
    [3, 2],
  ])('excludes and wakes on every schedule of %i threads, %i rounds', (threads, rounds) => {
    const r = verify(counting(threads, rounds, (state) => new Mutex(state)));
    console.log(r);
  });

  it('planted: an unlock in two steps loses a wake-up, and the explorer shows how', () => {
    const { failure } = explore(counting(2, 1, (state) => new MutexThatLooksFirst(state)));
    console.log(failure?.message);
    expect(failure?.kind).toBe('deadlock');
  });
});
