import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { MIP_MEIP, MIP_SEIP } from '../../../src/machine/bus.ts';
import {
  contextOf,
  PLIC_CLAIM,
  PLIC_CONTEXT,
  PLIC_CONTEXT_STRIDE,
  PLIC_ENABLE,
  PLIC_ENABLE_STRIDE,
  PLIC_PENDING,
  PLIC_THRESHOLD,
} from '../../../src/machine/devices/plic.ts';
import { PLIC } from '../../../src/machine/physical-map.ts';
import { createMachine, type RecordedLines } from './fixtures.ts';

interface Controller {
  readonly lines: RecordedLines;
  raise(source: number): void;
  lower(source: number): void;
  priority(source: number, value: number): void;
  enable(context: number, ...sources: number[]): void;
  threshold(context: number, value: number): void;
  claim(context: number): number;
  complete(context: number, source: number): void;
  pending(): number[];
}

const bitsOf = (word: number): number[] =>
  Array.from({ length: 32 }, (_, bit) => bit).filter((bit) => ((word >>> bit) & 1) === 1);

function controller(): Controller {
  const { board, lines } = createMachine({ harts: 2 });
  const { bus, plic } = board;
  const page = (context: number): number =>
    PLIC.base + PLIC_CONTEXT + PLIC_CONTEXT_STRIDE * context;
  return {
    lines,
    raise: (source) => plic.raise(source),
    lower: (source) => plic.lower(source),
    priority: (source, value) => bus.store(PLIC.base + 4 * source, 4, value, 0),
    enable: (context, ...sources) => {
      const word = sources.reduce((bits, source) => bits | (1 << source), 0);
      bus.store(PLIC.base + PLIC_ENABLE + PLIC_ENABLE_STRIDE * context, 4, word, 0);
    },
    threshold: (context, value) => bus.store(page(context) + PLIC_THRESHOLD, 4, value, 0),
    claim: (context) => bus.load(page(context) + PLIC_CLAIM, 4, 0),
    complete: (context, source) => bus.store(page(context) + PLIC_CLAIM, 4, source, 0),
    pending: () => bitsOf(bus.load(PLIC.base + PLIC_PENDING, 4, 0)),
  };
}

const S0 = contextOf(0, 'S');
const M1 = contextOf(1, 'M');
const SEIP0 = `0:${MIP_SEIP}`;
const MEIP1 = `1:${MIP_MEIP}`;

describe('a gateway', () => {
  it('forwards a raised level once until it is completed', () => {
    const plic = controller();
    plic.priority(10, 1);
    plic.enable(S0, 10);
    plic.raise(10);
    expect(plic.claim(S0)).toBe(10);
    plic.raise(10);
    expect(plic.pending()).toEqual([]);
    expect(plic.claim(S0)).toBe(0);
  });

  it('forwards again at completion if the level is still high', () => {
    const plic = controller();
    plic.priority(10, 1);
    plic.enable(S0, 10);
    plic.raise(10);
    plic.complete(S0, plic.claim(S0));
    expect(plic.pending()).toEqual([10]);
    expect(plic.lines.high).toEqual(new Set([SEIP0]));
  });

  it('is quiet after completion if the level has fallen', () => {
    const plic = controller();
    plic.priority(10, 1);
    plic.enable(S0, 10);
    plic.raise(10);
    expect(plic.claim(S0)).toBe(10);
    plic.lower(10);
    plic.complete(S0, 10);
    expect(plic.pending()).toEqual([]);
    expect(plic.lines.high.size).toBe(0);
  });

  it('does not withdraw a request that was forwarded', () => {
    const plic = controller();
    plic.raise(10);
    plic.lower(10);
    expect(plic.pending()).toEqual([10]);
  });

  it('stays closed if a context that has not enabled the source completes it', () => {
    const plic = controller();
    plic.priority(10, 1);
    plic.enable(S0, 10);
    plic.raise(10);
    plic.claim(S0);
    plic.complete(M1, 10);
    expect(plic.pending()).toEqual([]);
    plic.complete(S0, 10);
    expect(plic.pending()).toEqual([10]);
  });
});

describe('the core', () => {
  it('drives the line of each mode of each hart from what that context enables', () => {
    const plic = controller();
    plic.priority(1, 1);
    plic.raise(1);
    expect(plic.lines.high.size).toBe(0);
    plic.enable(M1, 1);
    expect(plic.lines.high).toEqual(new Set([MEIP1]));
    plic.enable(S0, 1);
    expect(plic.lines.high).toEqual(new Set([MEIP1, SEIP0]));
  });

  it('drops every context’s line when one context claims', () => {
    const plic = controller();
    plic.priority(1, 1);
    plic.enable(M1, 1);
    plic.enable(S0, 1);
    plic.raise(1);
    expect(plic.claim(M1)).toBe(1);
    expect(plic.lines.high.size).toBe(0);
    expect(plic.claim(S0)).toBe(0);
  });

  it('claims the highest priority first and the lowest number among equals', () => {
    const plic = controller();
    plic.enable(S0, 3, 5, 7, 31);
    for (const [source, priority] of [
      [3, 2],
      [5, 6],
      [7, 6],
      [31, 7],
    ] as const) {
      plic.priority(source, priority);
      plic.raise(source);
    }
    expect([
      plic.claim(S0),
      plic.claim(S0),
      plic.claim(S0),
      plic.claim(S0),
      plic.claim(S0),
    ]).toEqual([31, 5, 7, 3, 0]);
  });

  it('never interrupts with priority 0', () => {
    const plic = controller();
    plic.enable(S0, 4);
    plic.raise(4);
    expect(plic.lines.high.size).toBe(0);
    expect(plic.claim(S0)).toBe(0);
  });

  it('keeps the line low up to the threshold, yet lets a claim through it', () => {
    const plic = controller();
    plic.priority(4, 3);
    plic.enable(S0, 4);
    plic.threshold(S0, 3);
    plic.raise(4);
    expect(plic.lines.high.size).toBe(0);
    plic.threshold(S0, 2);
    expect(plic.lines.high).toEqual(new Set([SEIP0]));
    plic.threshold(S0, 7);
    expect(plic.claim(S0)).toBe(4);
  });

  it('has no source 0 and none above 31', () => {
    const plic = controller();
    plic.priority(0, 7);
    plic.enable(S0, 0);
    expect(() => plic.raise(0)).toThrow(RangeError);
    expect(() => plic.raise(32)).toThrow(RangeError);
    expect(plic.claim(S0)).toBe(0);
  });
});

/** The controller written straight from the specification, one record per source. */
class Plain {
  readonly level: Set<number> = new Set();
  readonly pending: Set<number> = new Set();
  readonly inService: Set<number> = new Set();

  gateways(): void {
    for (const source of this.level) if (!this.inService.has(source)) this.pending.add(source);
  }

  claim(): number {
    const [best = 0] = [...this.pending].toSorted((a, b) => priorityOf(b) - priorityOf(a) || a - b);
    this.pending.delete(best);
    if (best !== 0) this.inService.add(best);
    return best;
  }
}

const priorityOf = (source: number): number => (source % 3) + 1;

describe('any sequence of wires, claims and completions', () => {
  const source = fc.integer({ min: 1, max: 6 });
  const step = fc.oneof(
    fc.record({ kind: fc.constantFrom('raise', 'lower', 'complete'), source }),
    fc.record({ kind: fc.constant('claim'), source: fc.constant(0) }),
  );

  it('gives what the plain controller gives', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
        const plic = controller();
        const plain = new Plain();
        for (let id = 1; id <= 6; id++) plic.priority(id, priorityOf(id));
        plic.enable(S0, 1, 2, 3, 4, 5, 6);
        for (const { kind, source: id } of steps) {
          const isClaim = kind === 'claim';
          expect(isClaim ? plic.claim(S0) : 0).toBe(isClaim ? plain.claim() : 0);
          if (kind === 'raise') {
            plic.raise(id);
            plain.level.add(id);
          }
          if (kind === 'lower') {
            plic.lower(id);
            plain.level.delete(id);
          }
          if (kind === 'complete') {
            plic.complete(S0, id);
            plain.inService.delete(id);
          }
          if (!isClaim) plain.gateways();
          expect(plic.pending()).toEqual([...plain.pending].toSorted((a, b) => a - b));
          expect(plic.lines.high.has(SEIP0)).toBe(plain.pending.size > 0);
        }
      }),
    );
  });
});
