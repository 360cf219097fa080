import { beforeAll, describe, expect, it } from 'vitest';
import { ATTACKS, type Attack } from '../../src/lab/attack/attacks.ts';
import { attackFiles, attempt } from '../../src/lab/attack/run-attack.ts';
import { bundledKernel, type Bundled } from '../../src/lab/bundled.ts';
import { Session, type SessionMode } from '../../src/lab/session.ts';
import type { Ablation } from '../../src/nested-kernel/config.ts';
import type { RunResult } from '../../src/lab/run-result.ts';

const seed = 'oracle test';
const attackOf = (id: string): Attack => ATTACKS.find((each) => each.id === id) as Attack;

let bundled: Bundled;
beforeAll(async () => {
  bundled = await bundledKernel();
});

/** Boots, adds and uses a key, ends. */
const boot = (
  mode: SessionMode,
  ablate: readonly Ablation[],
  isWatched = true,
): Promise<RunResult> =>
  new Session({
    isWatched,
    harts: 2,
    ramBytes: 32 << 20,
    image: bundled.image,
    mode,
    firmware: { mechanism: 'asid', contexts: bundled.contexts, ablate },
    initrd: attackFiles(),
    bootargs: 'attack quiet init=/bin/init -- /bin/attack D2',
    seconds: 20,
  }).start().done;

describe('the oracle', () => {
  it.each([
    ['tvm', 'A4', 'untranslated'],
    ['shootdown', 'B1', 'stale'],
    ['direct-map-holes', 'C1', 'frame'],
    ['frame-types', 'C2', 'user'],
    ['gate-identity', 'D1', 'transfer'],
    ['return-frame', 'D2', 'transfer'],
    ['view-follows-thread', 'E3', 'transfer'],
    ['copy-in', 'F1', 'exclusive'],
    ['views', 'write', 'frame'],
  ] as const)('sees without %s in attack %s: %s', async (ablation, id, kind) => {
    const options = { bundled, attack: attackOf(id), mechanism: 'asid', seed } as const;
    const { seen, escapes } = await attempt({ ...options, ablate: [ablation] });
    expect(escapes).toBeGreaterThanOrEqual(seen.length);
    expect(seen.map((escape) => escape.kind)).toContain(kind);
  });

  it.each(['vbit', 'asid', 'pkey'] as const)('sees nothing under %s', async (mechanism) => {
    const { seen } = await attempt({ bundled, attack: attackOf('D2'), mechanism, seed });
    expect(seen).toEqual([]);
  });

  it('changes nothing about a run: watched or not, it ends in the same state', async () => {
    const watched = await boot({ kind: 'deterministic', seed }, []);
    const alone = await boot({ kind: 'deterministic', seed }, [], false);
    expect(alone.stateHash).toBe(watched.stateHash);
  });

  it('counts in the workers of a parallel run, too', async () => {
    expect((await boot({ kind: 'parallel' }, [])).escapes).toBe(0);
    expect(
      (await boot({ kind: 'parallel' }, ['direct-map-holes', 'views'])).escapes,
    ).toBeGreaterThan(0);
  });
});
