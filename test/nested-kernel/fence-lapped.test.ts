import { describe, expect, it } from 'vitest';

import { HartBlock } from '../../src/machine/core/hart-block.ts';
import type { Hart } from '../../src/machine/hart.ts';
import { attachMachine, createMachine } from '../../src/machine/machine.ts';
import { hartBase } from '../../src/machine/memory-plan.ts';
import { FenceBoard } from '../../src/nested-kernel/fence-board.ts';
import { FENCE_QUEUE, MonitorBlock, monitorTableBytes } from '../../src/nested-kernel/tables.ts';

const RAM_BYTES = 16 << 20;
const TARGET = 1;

function board() {
  const machine = attachMachine(
    createMachine({
      harts: 2,
      ramBytes: RAM_BYTES,
      deterministic: false,
      hasKeys: false,
      monitorBytes: monitorTableBytes(RAM_BYTES),
    }),
  );
  const { memory, parts } = machine;
  const tables = MonitorBlock.at(memory, parts.plan.monitor);
  const word = (hart: number, field: 'fenceRequest'): number =>
    (hartBase(parts.plan, hart) + HartBlock.offset[field]) >> 2;
  const fences = new FenceBoard(memory, parts.plan);
  const done: string[] = [];
  const fake = (id: number): Hart =>
    ({
      id,
      count: () => {},
      fences: {
        all: (asid: number) => done.push(`all ${asid}`),
        page: (low: number) => done.push(`page ${low >> 12}`),
        code: () => done.push('code'),
      },
    }) as unknown as Hart;
  /** Asks the parked target to forget a page. */
  const ask = (page: number): void =>
    fences.everywhere(
      fake(0),
      { low: page << 12, high: 0, pages: 1, asid: -1, code: false },
      () => true,
    );
  const served = (): string[] => {
    done.length = 0;
    fences.serve(fake(TARGET));
    return done;
  };
  return {
    ask,
    served,
    tables,
    requests: () => Atomics.load(machine.words, word(TARGET, 'fenceRequest')),
  };
}

describe('a hart that was parked while fences were asked of it', () => {
  it('does each of them', () => {
    const { ask, served } = board();
    for (let page = 1; page < FENCE_QUEUE; page++) ask(page);
    expect(served()).toEqual(Array.from({ length: FENCE_QUEUE - 1 }, (_, n) => `page ${n + 1}`));
    expect(served()).toEqual([]);
  });

  it('forgets everything when there were more than it can list', () => {
    const { ask, served } = board();
    for (let page = 1; page <= FENCE_QUEUE + 1; page++) ask(page);
    expect(served()).toEqual(['all -1', 'code']);
  });

  it('forgets everything when the oldest may be overwritten just now', () => {
    const { ask, served, tables, requests } = board();
    for (let page = 1; page <= FENCE_QUEUE; page++) ask(page);
    // The issuer of the next fence writes it first and counts it afterwards: this is in between.
    tables.fenceQueue.set([99 << 12, 0, 1, -1], TARGET * FENCE_QUEUE * 4);
    expect(requests()).toBe(FENCE_QUEUE);
    expect(served()).toEqual(['all -1', 'code']);
  });
});
