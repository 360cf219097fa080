import { describe, expect, it } from 'vitest';
import { explore, type ModelMemory, type Scenario } from '../src/explore.ts';
import { type SharedWord, TicketLock, ticketLock } from '../src/index.ts';
import { readme, verified } from './documented.ts';

type Words = { next: number; serving: number; counter: number };

const counting = (
  threads: number,
  rounds: number,
  first = 0,
): Scenario<Words, Record<string, void>> => ({
  name: `ticket lock: ${threads} threads, ${rounds} sections each${first ? ', tickets wrap' : ''}`,
  words: { next: first, serving: first, counter: 0 },
  threads: Object.fromEntries(
    Array.from({ length: threads }, (_, index) => [
      `thread${index}`,
      ({ next, serving, counter }: ModelMemory<Words>) => {
        const lock = new TicketLock({ next, serving });
        for (let round = 0; round < rounds; round++) {
          lock.withLock(() => counter.store(counter.load() + 1));
        }
      },
    ]),
  ),
  atEnd: ({ counter }) => expect(counter.load()).toBe(threads * rounds),
});

/** The holder wants an acknowledgement before it lets go; the other gives it whenever it polls. */
const acknowledging = (
  name: string,
  lockWith: (lock: TicketLock, poll: () => void) => void,
): Scenario<Words & { request: number; acknowledged: number }, Record<string, void>> => ({
  name,
  words: { next: 0, serving: 0, counter: 0, request: 0, acknowledged: 0 },
  threads: {
    holder: ({ next, serving, request, acknowledged }) =>
      new TicketLock({ next, serving }).withLock(() => {
        request.store(1);
        while (acknowledged.load() === 0);
      }),
    spinner: ({ next, serving, request, acknowledged }) => {
      const lock = new TicketLock({ next, serving });
      const serve = (): void => {
        if (request.load() !== 0) acknowledged.store(1);
      };
      lockWith(lock, serve);
      lock.unlock();
      while (acknowledged.load() === 0) serve();
    },
  },
});

describe('ticket lock', () => {
  it('excludes, 2 threads, on every schedule', () => {
    expect(readme).toContain(verified(counting(2, 2)));
  });

  it('excludes, 3 threads, on every schedule', () => {
    expect(readme).toContain(verified(counting(3, 1)));
  });

  it('goes on when the tickets wrap around', () => {
    expect(readme).toContain(verified(counting(2, 2, 0x7fff_ffff)));
  });

  it('serves in the order of arrival', () => {
    const enter = ({ next, serving, counter }: ModelMemory<Words>): [number, number] => {
      let ticket = -1;
      const noted = { ...wordOf(next), add: (delta: number) => (ticket = next.add(delta)) };
      const lock = new TicketLock({ next: noted, serving });
      return [lock.withLock(() => counter.add(1)), ticket];
    };
    expect(readme).toContain(
      verified({
        name: 'ticket lock: order of 3 arrivals',
        words: { next: 0, serving: 0, counter: 0 },
        threads: { a: enter, b: enter, c: enter },
        atEnd: (_, results) => {
          for (const [order, ticket] of Object.values(results)) expect(order).toBe(ticket);
        },
      }),
    );
  });

  it('keeps serving polls while it spins, so that the holder may wait for one', () => {
    expect(readme).toContain(
      verified(
        acknowledging('ticket lock: holder waits for a poll', (lock, poll) => lock.lock(poll)),
      ),
    );
  });

  it('planted: a spinner that does not poll is stuck with a holder that waits for it', () => {
    const deaf = acknowledging('a deaf spinner', (lock) => lock.lock());
    expect(explore(deaf).failure?.kind).toBe('livelock');
  });

  it('is never given by tryLock while somebody holds it', () => {
    expect(readme).toContain(
      verified({
        name: 'ticket lock: lock against two tryLock',
        words: { next: 0, serving: 0, inside: 0 },
        threads: {
          locker: (memory) => new TicketLock(memory).withLock(() => visit(memory.inside)),
          trier: (memory) => tryOnce(new TicketLock(memory), memory.inside),
          other: (memory) => tryOnce(new TicketLock(memory), memory.inside),
        },
      }),
    );
  });

  it('unlocked while free is an error', () => {
    const lock = ticketLock.at(new SharedArrayBuffer(8), 0);
    expect(() => lock.unlock()).toThrow('unlocked by a thread without it');
    expect(lock.tryLock()).toBe(true);
    expect(lock.tryLock()).toBe(false);
    lock.unlock();
    expect(lock.tryLock()).toBe(true);
  });
});

const wordOf = (word: SharedWord): SharedWord => ({
  load: () => word.load(),
  store: (value) => word.store(value),
  add: (delta) => word.add(delta),
  or: (bits) => word.or(bits),
  and: (bits) => word.and(bits),
  exchange: (value) => word.exchange(value),
  compareExchange: (expected, value) => word.compareExchange(expected, value),
  wait: (expected, timeoutMs) => word.wait(expected, timeoutMs),
  notify: (count) => word.notify(count),
});

function visit(inside: SharedWord): void {
  expect(inside.add(1)).toBe(0);
  inside.add(-1);
}

function tryOnce(lock: TicketLock, inside: SharedWord): void {
  if (!lock.tryLock()) return;
  visit(inside);
  lock.unlock();
}
