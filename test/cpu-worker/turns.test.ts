import { explore, type ModelMemory } from '../../packages/sharedarraybuffer-utils/src/explore.ts';
import { describe, expect, it } from 'vitest';

import { Turns, type TurnState } from '../../src/cpu-worker/turns.ts';

/** Planted: looks whether it may run first, and loads the cell that it waits on afterwards. */
class TurnsThatLookTooEarly extends Turns {
  override take(): void {
    const { next, served, cells } = this.state;
    const ticket = next.add(1);
    while (ticket - served.load() >= this.cores) cells.wait(ticket, cells.load(ticket));
  }
}

/** Planted: lets one more in than there are cores. */
class TurnsForOneMore extends Turns {
  override take(): void {
    if (this.state.next.load() - this.state.served.load() <= this.cores) this.state.next.add(1);
    else super.take();
  }
}

const words = {
  next: 0,
  served: 0,
  cells: Array.from({ length: 64 }, () => 0),
  inside: 0,
};

/** Threads that take turns on some cores. */
const sharing = (threads: number, cores: number, rounds: number, Kind = Turns) => ({
  name: `turns: ${threads} threads, ${cores} cores, ${rounds} rounds each`,
  words,
  threads: Object.fromEntries(
    Array.from({ length: threads }, (_, index) => [
      `hart${index}`,
      ({ inside, ...state }: ModelMemory<typeof words>): void => {
        const turns = new Kind(state satisfies TurnState, cores);
        for (let round = 0; round < rounds; round++) {
          turns.take();
          if (inside.add(1) >= cores) throw new Error('more harts than cores');
          inside.add(-1);
          turns.give();
        }
      },
    ]),
  ),
  atEnd: ({ next, served }: ModelMemory<typeof words>): void => {
    expect([next.load(), served.load()]).toEqual([threads * rounds, threads * rounds]);
  },
});

describe('turns on the cores of the host', () => {
  it.each([
    [2, 1, 2],
    [3, 1, 1],
    [3, 2, 1],
  ])(
    '%i harts, %i cores, %i rounds each: everybody gets theirs, never too many at once',
    (...counts) => {
      const { failure, isComplete } = explore(sharing(...counts));
      expect(failure?.message).toBeUndefined();
      expect(isComplete).toBe(true);
    },
  );

  it('lose a wake-up if the cell is loaded too late', () => {
    expect(explore(sharing(2, 1, 1, TurnsThatLookTooEarly)).failure?.kind).toBe('deadlock');
  });

  it('are too many if one is let in without a ticket of its own', () => {
    expect(explore(sharing(2, 1, 1, TurnsForOneMore)).failure?.kind).not.toBeUndefined();
  });
});
