/** The shootdown protocol (NK-11): the code that ships, on every schedule. */
import { verify, explore, type ModelMemory, type Scenario } from 'sharedarraybuffer-utils/explore';
import { TicketLock } from 'sharedarraybuffer-utils';
import { describe, expect, it } from 'vitest';
import { HART_STATE } from '../../src/machine/core/hart-block.ts';
import {
  askFence,
  awaitFence,
  serveFences,
  type Fence,
  type FenceTarget,
} from '../../src/nested-kernel/fence.ts';
import { FENCE_QUEUE, FENCE_WORDS } from '../../src/nested-kernel/tables.ts';

const { PARKED, RUNNING } = HART_STATE;
const pageFence = (low: number): Fence => ({ low, high: 0, pages: 1, asid: 1, code: false });

/** `valid`: whether each page is mapped; `cached`: whether the target's TLB has it. */
const words = (served: number, state: number, pages: number) => ({
  request: served,
  acked: served,
  state,
  queue: Array.from({ length: FENCE_QUEUE * FENCE_WORDS }, () => 0),
  valid: Array.from({ length: pages }, () => 1),
  cached: Array.from({ length: pages }, () => 1),
  next: 0,
  serving: 0,
});
type Memory = ModelMemory<ReturnType<typeof words>>;
const target = ({ request, acked, state, queue }: Memory): FenceTarget => ({
  request,
  acked,
  state,
  queue,
});

const servant = ({ cached }: Memory) => ({
  fence: ({ low }: Fence) => cached.store(low, 0),
  forgetAll: () => {
    for (let page = 0; page < cached.length; page++) cached.store(page, 0);
  },
});

/** Takes pages away, one after the other; after each, no hart that runs may have it cached. */
const issuer =
  (first: number, end: number) =>
  (memory: Memory): void => {
    const lock = new TicketLock({ next: memory.next, serving: memory.serving });
    for (let page = first; page < end; page++) {
      lock.withLock(() => {
        memory.valid.store(page, 0);
        const request = askFence(target(memory), pageFence(page));
        if (request !== -1) awaitFence(target(memory), request);
      });
      // What `Hart.run` does first would fence a parked one; from there on it must not be used.
    }
  };

/** A hart that resumes: stores RUNNING, serves, then uses whatever it still has cached. */
const hart =
  (pages: number, serve: typeof serveFences = serveFences) =>
  (memory: Memory): void => {
    memory.state.store(RUNNING);
    serve(target(memory), servant(memory));
    for (let page = 0; page < pages; page++) {
      // Between two looks at the pending word it may use a translation: then none that is revoked and
      // acknowledged.
      serve(target(memory), servant(memory));
    }
    memory.state.store(PARKED);
    memory.state.store(RUNNING);
    serve(target(memory), servant(memory));
    memory.state.store(PARKED);
  };

/** At the end, the next run of the target would begin by serving: what is still cached then is stale. */
const scenario = (
  name: string,
  served: number,
  state: number,
  pages: number,
  threads: Record<string, (memory: Memory) => void>,
): Scenario<ReturnType<typeof words>, Record<string, void>> => ({
  name,
  words: words(served, state, pages),
  threads,
  atEnd: (memory) => {
    const cached = Array.from({ length: pages }, (_, page) => memory.cached.load(page));
    const asked = memory.request.load();
    const acked = memory.acked.load();
    // Everything acknowledged has been done.
    const missed = cached.filter((is, page) => is === 1 && page < ((acked - served) | 0)).length;
    if (missed > 0) throw new Error(`${missed} fences acknowledged and not done`);
    if (((asked - acked) | 0) < 0) throw new Error('more acknowledged than asked');
  },
});

describe('shootdown (NK-11)', () => {
  it('does every fence that it acknowledges, with one issuer and a hart that parks and resumes', () => {
    const report = verify(
      scenario('fence: one issuer', 0, PARKED, 2, { issuer: issuer(0, 2), hart: hart(1) }),
      { preemptions: 3 },
    );
    expect(report.isComplete).toBe(true);
  });

  it('does every fence when the count wraps around', () => {
    const report = verify(
      scenario('fence: wraps', 0x7fffffff, PARKED, 2, { issuer: issuer(0, 2), hart: hart(0) }),
      { preemptions: 2 },
    );
    expect(report.isComplete).toBe(true);
  });

  /** Asks without waiting, as an issuer does of a parked hart, until the ring is one short of full. */
  const backlog = FENCE_QUEUE;
  const lapping = (serve: typeof serveFences) => {
    const full = scenario('fence: laps', 0, PARKED, backlog + 1, {
      issuer: issuer(backlog, backlog + 1),
      hart: hart(0, serve),
    });
    const queue = full.words.queue as number[];
    for (let n = 0; n < backlog; n++) {
      const at = (n % FENCE_QUEUE) * FENCE_WORDS;
      queue.splice(at, FENCE_WORDS, n, 0, 1, 1);
    }
    return { ...full, words: { ...full.words, request: backlog, queue } };
  };

  it('forgets everything rather than trust an entry that is being written over', () => {
    expect(verify(lapping(serveFences), { preemptions: 3 }).isComplete).toBe(true);
  });

  it('the model sees the entry written over if the ring is trusted to its last place', () => {
    /** Planted: as if a ring of n entries could be read while entry n is on its way. */
    const trusting: typeof serveFences = ({ request, acked, queue }, { fence, forgetAll }) => {
      const done = acked.load();
      const asked = request.load();
      const lows: number[] = [];
      for (let n = done; n < asked && asked - done <= FENCE_QUEUE; n++)
        lows.push(queue.load((n % FENCE_QUEUE) * FENCE_WORDS));
      if (request.load() - done > FENCE_QUEUE) forgetAll();
      else for (const low of lows) fence(pageFence(low));
      acked.store(asked);
      acked.notify();
      return asked - done;
    };
    expect(explore(lapping(trusting), { preemptions: 3 }).failure?.message).toMatch(
      /acknowledged and not done/,
    );
  });

  it('the model sees a hart that looks for fences before it says that it runs', () => {
    const early = (memory: Memory): void => {
      serveFences(target(memory), servant(memory));
      memory.state.store(RUNNING);
      // It uses page 0 here if it is still cached.
      if (
        memory.valid.load(0) === 0 &&
        memory.next.load() === memory.serving.load() &&
        memory.next.load() > 0 &&
        memory.cached.load(0) === 1
      )
        throw new Error('used what was taken away');
      memory.state.store(PARKED);
    };
    const right = (memory: Memory): void => {
      memory.state.store(RUNNING);
      serveFences(target(memory), servant(memory));
      if (
        memory.valid.load(0) === 0 &&
        memory.next.load() === memory.serving.load() &&
        memory.next.load() > 0 &&
        memory.cached.load(0) === 1
      )
        throw new Error('used what was taken away');
      memory.state.store(PARKED);
    };
    const resuming = (name: string, body: (memory: Memory) => void) =>
      scenario(name, 0, PARKED, 1, { issuer: issuer(0, 1), hart: body });
    verify(resuming('fence: resumes', right));
    expect(explore(resuming('fence: resumes early', early)).failure?.message).toMatch(
      /used what was taken/,
    );
  });
});
