import { describe, expect, it } from 'vitest';
import { explore, replay, type Scenario } from '../src/explore.ts';
import { Mutex, mutex, type SharedWord } from '../src/index.ts';
import { readme, verified } from './documented.ts';

/** Planted: unlock looks first and stores afterwards, in two steps. */
class MutexThatLooksFirst extends Mutex {
  override unlock(): void {
    const before = this.state.load();
    this.state.store(0);
    if (before === 2) this.state.notify(1);
  }
}

/** Planted: a thread that has slept takes the lock as if nobody else did. */
class MutexThatForgetsOtherSleepers extends Mutex {
  override lock(): void {
    if (this.tryLock()) return;
    while (this.state.exchange(2) !== 0) {
      this.state.wait(2);
      if (this.tryLock()) return;
    }
  }
}

type Words = { state: number; counter: number };

/** Each thread adds 1 to a plain counter, `rounds` times, under the mutex. */
const counting = (
  threads: number,
  rounds: number,
  make: (state: SharedWord) => Mutex = (state) => new Mutex(state),
): Scenario<Words, Record<string, void>> => ({
  name: `mutex: ${threads} threads, ${rounds} sections each`,
  words: { state: 0, counter: 0 },
  threads: Object.fromEntries(
    Array.from({ length: threads }, (_, index) => [
      `thread${index}`,
      ({ state, counter }) => {
        const guard = make(state);
        for (let round = 0; round < rounds; round++) {
          guard.withLock(() => counter.store(counter.load() + 1));
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
  it('excludes and wakes everybody, 2 threads, on every schedule', () => {
    expect(readme).toContain(verified(counting(2, 2)));
  });

  it('excludes and wakes everybody, 3 threads, on every schedule', () => {
    expect(readme).toContain(verified(counting(3, 1)));
  });

  it('excludes and wakes everybody, 3 threads that come back', () => {
    expect(readme).toContain(verified(counting(3, 2), { preemptions: 2 }));
  });

  it('is never given by tryLock while somebody holds it', () => {
    expect(readme).toContain(
      verified({
        name: 'mutex: lock against two tryLock',
        words: { state: 0, inside: 0 },
        threads: {
          locker: ({ state, inside }) => new Mutex(state).withLock(() => visit(inside)),
          trier: ({ state, inside }) => tryOnce(new Mutex(state), inside),
          other: ({ state, inside }) => tryOnce(new Mutex(state), inside),
        },
      }),
    );
  });

  it('planted: an unlock in two steps loses a wake-up', () => {
    const scenario = counting(2, 1, (state) => new MutexThatLooksFirst(state));
    const { failure } = explore(scenario);
    expect(failure).toMatchObject({ kind: 'deadlock', preemptions: 1 });
    expect(failure?.message).toContain('sleeps on state, which holds 0');
    expect(replay(scenario, failure?.schedule ?? '')?.message).toBe(failure?.message);
  });

  it('planted: a sleeper that takes the lock as uncontended strands the next one', () => {
    const scenario = counting(3, 1, (state) => new MutexThatForgetsOtherSleepers(state));
    expect(explore(scenario).failure?.kind).toBe('deadlock');
  });

  it('unlocked while free is an error, and it stays free', () => {
    const guard = mutex.at(new SharedArrayBuffer(8), 4);
    expect(() => guard.unlock()).toThrow('unlocked while it was free');
    expect(guard.tryLock()).toBe(true);
    expect(guard.tryLock()).toBe(false);
  });

  it('is unlocked when the section throws', () => {
    const guard = mutex.at(new SharedArrayBuffer(4), 0);
    expect(() => guard.withLock(() => expect.fail('in the section'))).toThrow('in the section');
    expect(guard.tryLock()).toBe(true);
  });
});

function visit(inside: SharedWord): void {
  expect(inside.add(1)).toBe(0);
  inside.add(-1);
}

function tryOnce(guard: Mutex, inside: SharedWord): void {
  if (!guard.tryLock()) return;
  visit(inside);
  guard.unlock();
}
