import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { explore, exploreRandomly, type ModelMemory, replay, verify } from '../src/explore.ts';
import type { SharedWords } from '../src/index.ts';
import { allOutcomes, type Program, run } from './brute-force.ts';

const choose = (n: number, k: number): number => (k === 0 ? 1 : (choose(n - 1, k - 1) * n) / k);

/** A thread of `count` operations on a word of its own. */
const busy =
  (count: number, index: number) =>
  ({ own }: { own: SharedWords }): void => {
    for (let done = 0; done < count; done++) own.add(index, 1);
  };

describe('explore counts', () => {
  it.each([
    [1, 1],
    [3, 2],
    [6, 5],
    [20, 20],
  ])('all schedules of %i and %i operations', (n, m) => {
    const { schedules, states } = verify({
      name: 'independent',
      words: { own: [0, 0] },
      threads: { one: busy(n, 0), other: busy(m, 1) },
    });
    expect(schedules).toBeCloseTo(choose(n + m, m), 0);
    expect(states).toBe((n + 1) * (m + 1));
  });

  it.each([
    // One runs to its end, then the other.
    [0, 2],
    // Or the first is preempted once, after any of its operations but the last.
    [1, 2 + 3 + 2],
    [7, choose(7, 3)],
  ])('schedules of 4 and 3 operations with at most %i preemptions', (preemptions, expected) => {
    const { schedules } = verify(
      { name: 'bounded', words: { own: [0, 0] }, threads: { one: busy(4, 0), other: busy(3, 1) } },
      { preemptions },
    );
    expect(schedules).toBe(expected);
  });
});

describe('explore', () => {
  const operation = fc.tuple(
    fc.constantFrom('load', 'store', 'add', 'or', 'and', 'exchange', 'compareExchange'),
    fc.nat({ max: 1 }),
    fc.nat({ max: 3 }),
    fc.nat({ max: 3 }),
  );
  const program = fc.array(operation, { minLength: 1, maxLength: 4 }) as fc.Arbitrary<Program>;

  it('reaches the outcomes that a plain enumeration of interleavings reaches, and no others', () => {
    fc.assert(
      fc.property(program, program, (one, other) => {
        const reached = new Set<string>();
        const { schedules } = verify({
          name: 'random programs',
          words: { cells: [0, 1] },
          threads: {
            one: ({ cells }) => run(one, cells),
            other: ({ cells }) => run(other, cells),
          },
          atEnd: ({ cells }, results) => {
            reached.add(JSON.stringify([cells.load(0), cells.load(1), results.one, results.other]));
          },
        });
        const plain = allOutcomes([0, 1], one, other);
        expect([...reached].toSorted()).toEqual([...plain.outcomes].toSorted());
        expect(schedules).toBe(plain.schedules);
      }),
      { numRuns: 150, seed: 20250508 },
    );
  });

  it('finds both outcomes of a wait with a timeout', () => {
    const outcomes = new Set<string>();
    verify({
      name: 'timeout',
      words: { flag: 0 },
      threads: {
        sleeper: ({ flag }) => flag.wait(0, 5),
        waker: ({ flag }) => {
          flag.store(1);
          flag.notify();
        },
      },
      atEnd: (_, { sleeper }) => outcomes.add(sleeper),
    });
    expect([...outcomes].toSorted()).toEqual(['not-equal', 'ok', 'timed-out']);
  });

  it('wakes as many as asked, in the order of falling asleep', () => {
    const scenario = {
      name: 'one notify for two sleepers',
      words: { flag: 0 },
      threads: {
        first: ({ flag }: ModelMemory<{ flag: number }>) => (flag.wait(0), flag.load()),
        second: ({ flag }: ModelMemory<{ flag: number }>) => (flag.wait(0), flag.load()),
        waker: ({ flag }: ModelMemory<{ flag: number }>) => flag.notify(1),
      },
    };
    expect(explore(scenario).failure?.kind).toBe('deadlock');
    expect(replay(scenario, 'second first waker second')?.message).toContain(
      'first sleeps on flag',
    );
    expect(() => replay(scenario, 'second first waker first')).toThrow('cannot take a step');
  });

  it('tells a deadlock, a livelock and a run without end apart', () => {
    const kindOf = (thread: (memory: ModelMemory<{ word: number }>) => void): string | undefined =>
      explore({ name: 'stuck', words: { word: 0 }, threads: { thread } }).failure?.kind;
    expect(kindOf(({ word }) => word.wait(0))).toBe('deadlock');
    expect(
      kindOf(({ word }) => {
        while (word.load() === 0);
      }),
    ).toBe('livelock');
    expect(
      kindOf(({ word }) => {
        while (!word.wait(0, 1).includes('ok'));
      }),
    ).toBe('livelock');
    expect(
      kindOf(({ word }) => {
        for (;;) word.add(1);
      }),
    ).toBe('endless');
  });

  it('lets a spinner that counts its turns give up', () => {
    const { failure } = explore({
      name: 'bounded spin',
      words: { word: 0 },
      threads: {
        spinner: ({ word }) => {
          for (let turn = 0; turn < 20; turn++) if (word.load() !== 0) return;
        },
      },
    });
    expect(failure).toBeNull();
  });

  it('lets a spinner go on as soon as anything its loop reads has changed', () => {
    let wentOnAtOnce = false;
    verify({
      name: 'loop over two words',
      words: { request: 0, acknowledged: 0, later: 0 },
      threads: {
        spinner: ({ request, acknowledged, later }) => {
          let rounds = 0;
          for (; acknowledged.load() === 0; rounds++) {
            if (request.load() === 1) acknowledged.store(1);
          }
          return { rounds, later: later.load() };
        },
        asker: ({ request, later }) => {
          request.store(1);
          later.store(1);
        },
      },
      // Held back after two idle rounds, then back before the asker took another step.
      atEnd: (_, { spinner }) => {
        wentOnAtOnce ||= spinner.rounds > 2 && spinner.later === 0;
      },
    });
    expect(wentOnAtOnce).toBe(true);
  });

  it('checks every state, not only the end', () => {
    const { failure } = explore({
      name: 'passing state',
      words: { word: 0 },
      threads: {
        thread: ({ word }) => {
          word.store(1);
          word.store(0);
        },
      },
      always: ({ word }) => expect(word.load()).toBe(0),
    });
    expect(failure).toMatchObject({ kind: 'check', schedule: 'thread' });
  });

  it('lets no operation of a finally clause happen when it only suspends a thread', () => {
    verify({
      name: 'finally',
      words: { word: 0, cleaned: 0 },
      threads: {
        thread: ({ word, cleaned }) => {
          try {
            word.add(1);
            word.add(1);
          } finally {
            cleaned.add(1);
          }
        },
      },
      always: ({ word, cleaned }) => expect(cleaned.load() === 0 || word.load() === 2).toBe(true),
      atEnd: ({ cleaned }) => expect(cleaned.load()).toBe(1),
    });
  });

  it('reports a thread that is not a function of what it read', () => {
    let calls = 0;
    const { failure } = explore({
      name: 'not deterministic',
      words: { words: [0, 0] },
      threads: {
        thread: ({ words }) => {
          words.add(calls++ % 2, 1);
          words.add(0, 1);
        },
      },
    });
    expect(failure?.message).toContain('must be deterministic');
  });

  it('says so when it gives up', () => {
    const scenario = {
      name: 'large',
      words: { own: [0, 0] },
      threads: { one: busy(20, 0), other: busy(20, 1) },
    };
    expect(explore(scenario, { maxStates: 100 })).toMatchObject({
      isComplete: false,
      failure: null,
    });
    expect(() => verify(scenario, { maxStates: 100 })).toThrow('gave up after 100 states');
  });

  it('keeps model words to the functions of a scenario', () => {
    let leaked: SharedWords | undefined;
    verify({
      name: 'leak',
      words: { own: [0, 0] },
      threads: { thread: ({ own }) => void (leaked = own) },
    });
    expect(() => leaked?.load(0)).toThrow('inside the functions of a scenario');
  });
});

/** Two threads add 1 in two steps each. */
const lostUpdate = {
  name: 'lost update',
  words: { counter: 0 },
  threads: Object.fromEntries(
    ['one', 'other'].map((name) => [
      name,
      ({ counter }: ModelMemory<{ counter: number }>) => counter.store(counter.load() + 1),
    ]),
  ),
  atEnd: ({ counter }: ModelMemory<{ counter: number }>) => expect(counter.load()).toBe(2),
};

describe('a failure', () => {
  it('has the fewest preemptions, a readable trace, and a schedule that repeats it', () => {
    const { failure } = explore(lostUpdate);
    expect(failure).toMatchObject({ kind: 'check', preemptions: 1, schedule: 'one other*2 one' });
    expect(failure?.message.split('\n').slice(-4)).toEqual([
      '    1  one    counter.load() = 0',
      '    2  other  counter.load() = 0',
      '    3  other  counter.store(1)',
      '    4  one    counter.store(1)',
    ]);
    expect(replay(lostUpdate, 'one other*2 one')?.message).toBe(failure?.message);
    expect(replay(lostUpdate, 'one*2 other*2')).toBeNull();
  });

  it('is found by random schedules too, the same for the same seed', () => {
    const [first, again] = [1, 2].map(() => exploreRandomly(lostUpdate, { seed: 7, runs: 100 }));
    expect(first?.failure?.kind).toBe('check');
    expect(again).toEqual(first);
  });

  it('cannot be replayed on a schedule that does not fit', () => {
    expect(() => replay(lostUpdate, 'one*3')).toThrow("'one' cannot take a step there");
    expect(() => replay(lostUpdate, 'nobody')).toThrow("no thread is called 'nobody'");
  });
});
