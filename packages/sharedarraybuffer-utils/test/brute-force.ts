/**
 * The plain twin of the explorer, for two straight-line programs: every interleaving is run from
 * its beginning on an array, with nothing remembered and nothing shared.
 */
import type { SharedWords } from '../src/index.ts';

type Name = 'load' | 'store' | 'add' | 'or' | 'and' | 'exchange' | 'compareExchange';
export type Program = [name: Name, cell: number, a: number, b: number][];

/** Runs a program on shared words; returns what each operation gave. */
export const run = (program: Program, cells: SharedWords): number[] =>
  program.map(([name, cell, a, b]) => {
    switch (name) {
      case 'load':
        return cells.load(cell);
      case 'store':
        cells.store(cell, a);
        return -1;
      case 'compareExchange':
        return cells.compareExchange(cell, a, b);
      case 'add':
      case 'or':
      case 'and':
      case 'exchange':
        return cells[name](cell, a);
    }
  });

export function allOutcomes(
  initial: readonly number[],
  one: Program,
  other: Program,
): { schedules: number; outcomes: Set<string> } {
  const outcomes = new Set<string>();
  let schedules = 0;
  const finish = (order: readonly boolean[]): void => {
    const cells = [...initial];
    const results: [number[], number[]] = [[], []];
    const position = [0, 0];
    for (const isOther of order) {
      const thread = Number(isOther) as 0 | 1;
      const program = isOther ? other : one;
      const [name, cell, a, b] = program[(position[thread] as number)++] as Program[number];
      const before = cells[cell] as number;
      results[thread].push(name === 'store' ? -1 : before);
      if (name === 'store' || name === 'exchange') cells[cell] = a;
      if (name === 'add') cells[cell] = before + a;
      if (name === 'or') cells[cell] = before | a;
      if (name === 'and') cells[cell] = before & a;
      if (name === 'compareExchange' && before === a) cells[cell] = b;
    }
    outcomes.add(JSON.stringify([...cells, ...results]));
    schedules++;
  };
  const extend = (order: boolean[], left: number, right: number): void => {
    if (left === 0 && right === 0) finish(order);
    if (left > 0) extend([...order, false], left - 1, right);
    if (right > 0) extend([...order, true], left, right - 1);
  };
  extend([], one.length, other.length);
  return { schedules, outcomes };
}
