import { describe, expect, it } from 'vitest';

import { FINISHER } from '../../../src/machine/physical-map.ts';
import { createMachine } from './fixtures.ts';

describe('the finisher', () => {
  it.each([
    [0x5555, { kind: 'pass', code: 0 }],
    [0x3333 | (42 << 16), { kind: 'fail', code: 42 }],
    [0x3333 | (0xffff << 16), { kind: 'fail', code: 0xffff }],
    [0x7777, { kind: 'reset', code: 0 }],
  ])('takes %i as a request to end', (value, request) => {
    const { board, exits } = createMachine();
    board.bus.store(FINISHER.base, 4, value, 0);
    expect(board.finisher.exitRequest()).toEqual(request);
    expect(exits).toHaveLength(1);
  });

  it('takes a 16-bit store, as the SiFive device does', () => {
    const { board } = createMachine();
    expect(board.bus.store(FINISHER.base, 2, 0x5555, 0)).toBe(true);
    expect(board.finisher.exitRequest()?.kind).toBe('pass');
  });

  it('ignores other words and other offsets', () => {
    const { board, exits } = createMachine();
    board.bus.store(FINISHER.base, 4, 0x1234, 0);
    board.bus.store(FINISHER.base + 4, 4, 0x5555, 0);
    expect(board.finisher.exitRequest()).toBeUndefined();
    expect(exits).toEqual([]);
  });

  it('keeps the first request, and every worker sees it', () => {
    const { board, attach, exits } = createMachine();
    const other = attach();
    other.bus.store(FINISHER.base, 4, 0x3333 | (3 << 16), 1);
    board.bus.store(FINISHER.base, 4, 0x5555, 0);
    expect(board.finisher.exitRequest()).toEqual({ kind: 'fail', code: 3 });
    expect(exits).toHaveLength(1);
  });
});
