/** Seeds that once failed: each a run to repeat, and what it found. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import * as v from 'valibot';

import { MECHANISMS } from '../../policy/contexts.ts';
import { ROOT } from '../bundled.ts';
import type { StressSpec } from './campaign.ts';

const SeedFile = v.strictObject({
  /** What it found, in one line. */
  found: v.pipe(v.string(), v.minLength(1)),
  harts: v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(64)),
  mechanism: v.picklist(MECHANISMS),
  seed: v.pipe(v.number(), v.safeInteger(), v.minValue(0)),
  seconds: v.pipe(v.number(), v.integer(), v.minValue(1)),
  deterministic: v.boolean(),
  jit: v.optional(v.boolean()),
  only: v.optional(v.array(v.string())),
});

export interface SavedSeed extends StressSpec {
  readonly file: string;
  readonly found: string;
}

export const SEEDS_FOLDER: string = join(ROOT, 'stress', 'seeds');

/** Every saved seed, by file name. @throws ValiError, SyntaxError for a file that is none */
export function savedSeeds(folder: string = SEEDS_FOLDER): SavedSeed[] {
  return readdirSync(folder)
    .filter((file) => file.endsWith('.json'))
    .toSorted()
    .map((file) => {
      const { only, jit, ...seed } = v.parse(
        SeedFile,
        JSON.parse(readFileSync(join(folder, file), 'utf8')),
      );
      return {
        ...seed,
        file,
        ...(jit === undefined ? {} : { jit }),
        ...(only === undefined ? {} : { only }),
      };
    });
}
