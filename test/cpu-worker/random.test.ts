import { describe, expect, it } from 'vitest';

import { Random } from '../../src/cpu-worker/random.ts';

const draw = (seed: string, count: number): number[] => {
  const random = new Random(seed);
  return Array.from({ length: count }, () => random.next());
};

describe('the seeded generator', () => {
  it('gives the same numbers for the same seed, and others for its neighbour', () => {
    expect(draw('1', 100)).toEqual(draw('1', 100));
    expect(draw('1', 100).filter((value, index) => value === draw('2', 100)[index])).toEqual([]);
  });

  it('keeps its numbers: a seed in a bug report must mean the same run for ever', () => {
    expect(draw('cordon', 3)).toEqual([1117004316, 1788602156, 3898900198]);
  });

  it('spreads a choice evenly', () => {
    const random = new Random('even');
    const counts = [0, 0, 0, 0, 0, 0, 0];
    for (let n = 0; n < 70_000; n++) counts[random.below(7)]!++;
    // Five standard deviations of 93 either way.
    expect(counts.every((count) => Math.abs(count - 10_000) < 465)).toBe(true);
  });
});
