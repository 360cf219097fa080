/**
 * The shape of a region's control flow: reverse postorder, dominators, loops.
 *
 * Structured code is then written along the dominator tree, as N. Ramsey describes in "Beyond Relooper:
 * recursive translation of unstructured control flow to structured control flow" (ICFP 2022): a block
 * that is reached by an edge from behind becomes a loop, one with several edges from before it follows
 * the block whose children it belongs to. Dominators by K. Cooper, T. Harvey and K. Kennedy, "A simple,
 * fast dominance algorithm" (2001).
 */
import { successors, type Block } from './discover.ts';

export interface Shape {
  /** In reverse postorder: an edge to an earlier block, or to the block itself, closes a loop. */
  readonly blocks: readonly Block[];
  /** By order: children in the dominator tree, ascending. */
  readonly children: readonly (readonly number[])[];
  readonly isLoop: Uint8Array;
  /** Edges from earlier blocks. */
  readonly forwardEdges: Int32Array;
  /** A loop has more than one way in: no nesting of loops can say it. */
  readonly isIrreducible: boolean;
}

export function shapeOf(entry: Block): Shape {
  const blocks = reversePostorder(entry);
  const predecessors: number[][] = blocks.map(() => []);
  for (const block of blocks)
    for (const next of successors(block)) (predecessors[next.order] as number[]).push(block.order);

  const dominator = immediateDominators(predecessors);
  const isLoop = new Uint8Array(blocks.length);
  const forwardEdges = new Int32Array(blocks.length);
  const children: number[][] = blocks.map(() => []);
  let isIrreducible = false;
  for (let n = 0; n < blocks.length; n++) {
    if (n > 0) (children[dominator[n] as number] as number[]).push(n);
    for (const from of predecessors[n] as number[]) {
      if (from < n) {
        forwardEdges[n] = (forwardEdges[n] as number) + 1;
        continue;
      }
      isLoop[n] = 1;
      let above = from;
      while (above > n) above = dominator[above] as number;
      if (above !== n) isIrreducible = true;
    }
  }
  return { blocks, children, isLoop, forwardEdges, isIrreducible };
}

function reversePostorder(entry: Block): Block[] {
  const finished: Block[] = [];
  const stack = [{ block: entry, rest: successors(entry) }];
  entry.order = 0;
  while (stack.length > 0) {
    const top = stack[stack.length - 1] as (typeof stack)[number];
    const next = top.rest.pop();
    if (next === undefined) {
      finished.push(top.block);
      stack.pop();
    } else if (next.order < 0) {
      next.order = 0;
      stack.push({ block: next, rest: successors(next) });
    }
  }
  finished.reverse();
  for (const [order, block] of finished.entries()) block.order = order;
  return finished;
}

function immediateDominators(predecessors: readonly (readonly number[])[]): Int32Array {
  const dominator = new Int32Array(predecessors.length).fill(-1);
  dominator[0] = 0;
  const meet = (a: number, b: number): number => {
    let [x, y] = [a, b];
    while (x !== y) {
      while (x > y) x = dominator[x] as number;
      while (y > x) y = dominator[y] as number;
    }
    return x;
  };
  for (let changed = true; changed;) {
    changed = false;
    for (let n = 1; n < predecessors.length; n++) {
      let next = -1;
      for (const from of predecessors[n] as readonly number[]) {
        if (dominator[from] === -1) continue;
        next = next < 0 ? from : meet(next, from);
      }
      if (dominator[n] !== next) {
        dominator[n] = next;
        changed = true;
      }
    }
  }
  return dominator;
}
