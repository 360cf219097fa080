import { describe, expect, it } from 'vitest';
import { explore, type ModelMemory, type Scenario } from '../src/explore.ts';
import { Barrier, barrier, type BarrierWords } from '../src/index.ts';
import { readme, verified } from './documented.ts';

/** Planted: the next round opens while the count is still that of this one. */
class BarrierThatOpensTooSoon extends Barrier {
  protected override openNextRound(round: number): void {
    this.words.generation.store(round + 1);
    this.words.generation.notify();
    this.words.arrived.store(0);
  }
}

/** Planted: the sleepers are woken before there is anything to wake for. */
class BarrierThatWakesTooSoon extends Barrier {
  protected override openNextRound(round: number): void {
    this.words.arrived.store(0);
    this.words.generation.notify();
    this.words.generation.store(round + 1);
  }
}

type Words = { arrived: number; generation: number; entered: number };

/** `entered` counts those who came to the barrier, over all rounds. */
const rounds = (
  parties: number,
  count: number,
  make = (words: BarrierWords): Barrier => new Barrier(words, parties),
): Scenario<Words, Record<string, boolean[]>> => ({
  name: `barrier: ${parties} parties, ${count} rounds`,
  words: { arrived: 0, generation: 0, entered: 0 },
  threads: Object.fromEntries(
    Array.from({ length: parties }, (_, index) => [
      `thread${index}`,
      ({ arrived, generation, entered }: ModelMemory<Words>) => {
        const gate = make({ arrived, generation });
        return Array.from({ length: count }, (_unused, round) => {
          entered.add(1);
          const isLast = gate.arriveAndWait();
          expect(entered.load()).toBeGreaterThanOrEqual(parties * (round + 1));
          return isLast;
        });
      },
    ]),
  ),
  atEnd: (_, results) => {
    for (let round = 0; round < count; round++) {
      const last = Object.values(results).filter((isLast) => isLast[round]);
      expect(last).toHaveLength(1);
    }
  },
});

describe('barrier', () => {
  it('holds 2 parties over 2 rounds, on every schedule', () => {
    expect(readme).toContain(verified(rounds(2, 2)));
  });

  it('holds 3 parties, on every schedule', () => {
    expect(readme).toContain(verified(rounds(3, 1)));
  });

  it('holds 3 parties that come back', () => {
    expect(readme).toContain(verified(rounds(3, 2), { preemptions: 2 }));
  });

  it('planted: opened before the count is reset, it loses an arrival', () => {
    const scenario = rounds(2, 2, (words) => new BarrierThatOpensTooSoon(words, 2));
    expect(explore(scenario).failure?.kind).toBe('deadlock');
  });

  it('planted: notified before the generation changes, it leaves somebody asleep', () => {
    const scenario = rounds(2, 1, (words) => new BarrierThatWakesTooSoon(words, 2));
    expect(explore(scenario).failure?.kind).toBe('deadlock');
  });

  it('of one party never waits', () => {
    const alone = barrier(1).at(new SharedArrayBuffer(8), 0);
    expect([alone.arriveAndWait(), alone.arriveAndWait()]).toEqual([true, true]);
    expect(() => barrier(0).at(new SharedArrayBuffer(8), 0)).toThrow('positive number of parties');
  });
});
