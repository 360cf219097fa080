/**
 * Finds a smallest part of a program on which two machines still disagree: delta debugging (Zeller and
 * Hildebrandt, "Simplifying and Isolating Failure-Inducing Input", 2002), with all candidates of a
 * step in one image, because starting a machine costs more than running a program.
 */
import { compareMemories, type Mismatch } from './compare.ts';
import type { Engine } from './engines.ts';
import { contentsOf, partsOf, type Kept, type Program } from './generate.ts';
import { buildImage, slotAddress } from './image.ts';

export interface Shrunk {
  readonly isKept: Kept;
  /** Parts that are left. */
  readonly parts: number;
  readonly mismatch: Mismatch;
}

const MOST_CANDIDATES = 128;

/** Undefined if the machines agree on the program when it runs alone. */
export async function shrink(
  program: Program,
  engines: readonly [Engine, Engine],
): Promise<Shrunk | undefined> {
  let kept = partsOf(program);
  let [mismatch] = await disagreements(program, [kept], engines);
  if (mismatch === undefined) return undefined;
  for (let pieces = 2; kept.length > 0;) {
    pieces = Math.min(pieces, kept.length);
    const candidates = withoutOnePiece(kept, pieces);
    const found = await firstDisagreement(program, candidates, engines);
    if (found !== undefined) {
      kept = candidates[found.slot] as typeof kept;
      mismatch = found;
      pieces = Math.max(2, pieces - 1);
    } else if (pieces === kept.length) break;
    else pieces *= 2;
  }
  const set = new Set(kept);
  return { isKept: (part) => set.has(part), parts: kept.length, mismatch };
}

/** The list without each of so many pieces of it. */
function withoutOnePiece<T>(list: readonly T[], pieces: number): T[][] {
  const edge = (piece: number): number => Math.round((piece * list.length) / pieces);
  return Array.from({ length: pieces }, (_, piece) => [
    ...list.slice(0, edge(piece)),
    ...list.slice(edge(piece + 1)),
  ]);
}

async function firstDisagreement(
  program: Program,
  candidates: readonly (number | string)[][],
  engines: readonly [Engine, Engine],
): Promise<Mismatch | undefined> {
  for (let from = 0; from < candidates.length; from += MOST_CANDIDATES) {
    const [first] = await disagreements(
      program,
      candidates.slice(from, from + MOST_CANDIDATES),
      engines,
    );
    if (first !== undefined) return { ...first, slot: from + first.slot };
  }
  return undefined;
}

async function disagreements(
  program: Program,
  candidates: readonly (number | string)[][],
  [mine, theirs]: readonly [Engine, Engine],
): Promise<readonly Mismatch[]> {
  const image = buildImage(
    candidates.map((parts, slot) => {
      const set = new Set(parts);
      return contentsOf(program, slotAddress(slot), (part) => set.has(part));
    }),
  );
  const [a, b] = await Promise.all([theirs(image), mine(image)]);
  return compareMemories(b, a, image.slots).mismatches;
}
