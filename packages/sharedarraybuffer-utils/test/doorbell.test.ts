import { describe, expect, it } from 'vitest';
import { explore, type ModelMemory, type Scenario } from '../src/explore.ts';
import { Doorbell, doorbell, type SharedWord, Word32 } from '../src/index.ts';
import { readme, verified } from './documented.ts';

/** Planted: looks for a sleeper and rings in two steps. */
class DoorbellRungInTwoSteps extends Doorbell {
  override ring(): void {
    const before = this.state.load();
    this.state.store(1);
    if (before === 2) this.state.notify(1);
  }
}

/** Planted: goes to sleep without looking whether somebody has rung. */
class DoorbellThatSleepsUnasked extends Doorbell {
  override park(timeoutMs?: number): boolean {
    this.state.store(2);
    this.state.wait(2, timeoutMs);
    return this.state.exchange(0) === 1;
  }
}

type Words = { bell: number; work: number };
type Make = (state: SharedWord) => Doorbell;
const shipped: Make = (state) => new Doorbell(state);

const ringing =
  (times: number, make: Make) =>
  ({ bell, work }: ModelMemory<Words>): void => {
    const door = make(bell);
    for (let time = 0; time < times; time++) {
      work.add(1);
      door.ring();
    }
  };

/** The owner parks until it has found all work; the work it finds is all it knows. */
const owning =
  (all: number, make: Make, timeoutMs?: number) =>
  (memory: ModelMemory<Words>): void => {
    const door = make(memory.bell);
    for (let found = 0; found < all; found += memory.work.exchange(0)) door.park(timeoutMs);
  };

const ringers = (
  count: number,
  times: number,
  make: Make = shipped,
  timeoutMs?: number,
): Scenario<Words, Record<string, void>> => ({
  name: `doorbell: ${count} ringers, ${times} rings each${timeoutMs ? ', park with timeout' : ''}`,
  words: { bell: 0, work: 0 },
  threads: Object.fromEntries([
    ['owner', owning(count * times, make, timeoutMs)],
    ...Array.from({ length: count }, (_, index) => [`ringer${index}`, ringing(times, make)]),
  ]),
});

describe('doorbell', () => {
  it('loses no ring of one ringer, on every schedule', () => {
    expect(readme).toContain(verified(ringers(1, 3)));
  });

  it('loses no ring of two ringers, on every schedule', () => {
    expect(readme).toContain(verified(ringers(2, 1)));
  });

  it('loses no ring of two ringers that ring again', () => {
    expect(readme).toContain(verified(ringers(2, 2), { preemptions: 3 }));
  });

  it('loses no ring when the time may run out at any moment', () => {
    expect(readme).toContain(verified(ringers(1, 2, shipped, 5)));
  });

  it('reports a ring that comes as the time runs out', () => {
    expect(readme).toContain(
      verified({
        name: 'doorbell: a ring as the time runs out',
        words: { bell: 0, work: 0 },
        threads: {
          owner: ({ bell }) => new Doorbell(bell).park(5),
          ringer: ringing(1, shipped),
        },
        // Either the owner was told, or the ring is still there to be found.
        atEnd: ({ bell }, { owner }) => expect(owner || bell.load() === 1).toBe(true),
      }),
    );
  });

  it('may be taken without parking', () => {
    expect(readme).toContain(
      verified({
        name: 'doorbell: owner polls and parks',
        words: { bell: 0, work: 0 },
        threads: {
          owner: ({ bell, work }) => {
            const door = new Doorbell(bell);
            for (let found = 0; found < 2; found += work.exchange(0)) {
              if (!door.take()) door.park();
            }
          },
          ringer: ringing(2, shipped),
        },
      }),
    );
  });

  it.each([
    ['a ring in two steps', (state: SharedWord) => new DoorbellRungInTwoSteps(state)],
    ['a park that does not look', (state: SharedWord) => new DoorbellThatSleepsUnasked(state)],
  ])('planted: %s loses a ring', (_, make) => {
    expect(explore(ringers(1, 2, make)).failure?.kind).toBe('deadlock');
  });

  it('notifies only when somebody is parked', () => {
    let notified = 0;
    class CountingWord extends Word32 {
      override notify(count?: number): number {
        notified++;
        return super.notify(count);
      }
    }
    const word = new CountingWord(new SharedArrayBuffer(4), 0);
    const door = new Doorbell(word);
    door.ring();
    door.ring();
    expect(notified).toBe(0);
    expect(door.park(1000)).toBe(true);
    word.store(2); // as its owner leaves it while it sleeps
    door.ring();
    expect(notified).toBe(1);
  });

  it('stays down when the time runs out with no ring', () => {
    const door = doorbell.at(new SharedArrayBuffer(4), 0);
    expect(door.park(1)).toBe(false);
    expect(door.isParked()).toBe(false);
    expect(door.take()).toBe(false);
    door.ring();
    expect(door.take()).toBe(true);
    expect(door.take()).toBe(false);
  });
});
