/**
 * A Treiber stack of free blocks, with and without a tag: the explorer finds an ABA.
 *
 * Without a tag, a thread that has loaded the head and its successor may be overtaken by others
 * that take both and put the first back. Its compare-and-exchange then succeeds and frees the
 * second, which is in use.
 */
import { describe, expect, it } from 'vitest';
import { explore, type ModelMemory, type Scenario } from '../src/explore.ts';
import type { SharedWord, SharedWords } from '../src/index.ts';
import { readme, verified } from './documented.ts';

/** Low byte of a link: index of a block plus 1, or 0 for none. The rest is the tag. */
const INDEX_BITS = 0xff;
const TAG_STEP = 0x100;

class FreeList {
  readonly #head: SharedWord;
  readonly #links: SharedWords;
  readonly #tagStep: number;

  constructor(head: SharedWord, links: SharedWords, tagStep: number) {
    this.#head = head;
    this.#links = links;
    this.#tagStep = tagStep;
  }

  take(): number {
    for (;;) {
      const head = this.#head.load();
      const index = (head & INDEX_BITS) - 1;
      if (index < 0) return -1;
      const rest = this.#links.load(index);
      if (this.#head.compareExchange(head, this.#tagged(head, rest)) === head) return index;
    }
  }

  put(index: number): void {
    for (;;) {
      const head = this.#head.load();
      this.#links.store(index, head & INDEX_BITS);
      if (this.#head.compareExchange(head, this.#tagged(head, index + 1)) === head) return;
    }
  }

  #tagged(head: number, link: number): number {
    return ((head & ~INDEX_BITS) + this.#tagStep) | link | 0;
  }
}

type Words = { head: number; links: number[]; users: number[] };

const scenario = (name: string, tagStep: number): Scenario<Words, Record<string, void>> => {
  const take = ({ head, links, users }: ModelMemory<Words>): number => {
    const index = new FreeList(head, links, tagStep).take();
    if (index >= 0) expect(users.add(index, 1), `users of block ${index}`).toBe(0);
    return index;
  };
  const put = ({ head, links, users }: ModelMemory<Words>, index: number): void => {
    if (index < 0) return;
    users.add(index, -1);
    new FreeList(head, links, tagStep).put(index);
  };
  return {
    name,
    words: { head: 1, links: [2, 3, 0], users: [0, 0, 0] },
    threads: {
      slow: (memory) => {
        take(memory);
        take(memory);
      },
      quick: (memory) => {
        const first = take(memory);
        take(memory);
        put(memory, first);
      },
    },
  };
};

describe('free list', () => {
  it('planted: without a tag, a block is given to two threads', () => {
    const { failure } = explore(scenario('without a tag', 0));
    expect(failure).toMatchObject({ kind: 'threw', preemptions: 1 });
    expect(failure?.message).toContain('users of block 1');
  });

  it('with a tag gives each block to one thread, on every schedule', () => {
    expect(readme).toContain(verified(scenario('tagged free list: no ABA', TAG_STEP)));
  });
});
