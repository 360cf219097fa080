import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';

import { bundledKernel, type Bundled } from '../../../src/lab/bundled.ts';
import { commandOf, runStress, type StressRun } from '../../../src/lab/stress/campaign.ts';
import { savedSeeds } from '../../../src/lab/stress/seeds.ts';
import { MECHANISMS } from '../../../src/policy/contexts.ts';
import { cordon } from '../../cli/cli.ts';
import { decodeTrace } from '../trace/decode.ts';

/** On a busy machine, if nothing is built yet. */
const BUILD_TIMEOUT_MS = 120_000;

let bundled: Bundled;
beforeAll(async () => {
  bundled = await bundledKernel();
}, BUILD_TIMEOUT_MS);

const short = { seconds: 1, deterministic: false, seed: 11, mechanism: 'asid' } as const;

const passed = (run: StressRun): unknown => ({
  failures: run.failures,
  escapes: run.escapes,
  stressors: run.stressors.every(({ ok }) => ok),
});
const ALL_IS_WELL = { failures: [], escapes: 0, stressors: true };

describe('a stressed kernel', () => {
  it.each([1, 2, 4])('holds every invariant on %i harts', async (harts) => {
    const run = await runStress(bundled, { ...short, harts });
    expect(passed(run)).toEqual(ALL_IS_WELL);
    // Each kind of event did happen, and the tables were looked at meanwhile.
    expect(
      Math.min(run.gates, run.shootdowns, run.grants, run.revokes, run.audits),
    ).toBeGreaterThan(0);
    expect(run.contained).toBeGreaterThan(0);
    expect(run.migrations > 0).toBe(harts > 1);
  });

  it.each(MECHANISMS.filter((name) => name !== 'asid'))(
    'holds them under %s',
    async (mechanism) => {
      const run = await runStress(bundled, { ...short, mechanism, harts: 2 });
      expect(passed(run)).toEqual(ALL_IS_WELL);
    },
  );

  it('does the same again with the same seed', async () => {
    const spec = { ...short, harts: 2, deterministic: true, only: ['pipering', 'forkstorm'] };
    const [one, two] = [await runStress(bundled, spec), await runStress(bundled, spec)];
    expect(passed(one)).toEqual(ALL_IS_WELL);
    expect(one.stressors.map(({ name }) => name).toSorted()).toEqual(['forkstorm', 'pipering']);
    expect(one.stressors.every(({ rounds }) => rounds > 0)).toBe(true);
    const { hostSeconds: _, audits: __, ...first } = one;
    expect(two).toMatchObject(first);
  });
});

it('a run that is looked into can be traced gate by gate', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'cordon-stress-test-'));
  const file = join(folder, 'stress.pftrace');
  const { code, stdout, stderr } = await cordon(
    ...['stress', '--harts', '2', '--seconds', '1', '--seed', '3', '--only', 'gateping'],
    ...['--json', '--trace', file],
  );
  expect(code).toBe(0);
  const { runs } = JSON.parse(stdout) as { runs: StressRun[] };
  const { events } = decodeTrace(readFileSync(file));
  expect(events.flatMap(({ flows }) => flows)).toHaveLength(runs[0]?.gates ?? 0);
  expect(stderr).toContain(`${runs[0]?.gates} gates on 2 harts`);
  rmSync(folder, { recursive: true });
});

it('every saved seed passes now', async () => {
  for (const seed of savedSeeds()) {
    expect({ seed, ...Object(passed(await runStress(bundled, seed))) }).toEqual({
      seed,
      ...ALL_IS_WELL,
    });
  }
});

describe('the command that repeats a run', () => {
  it('names all that the run depends on', () => {
    expect(commandOf({ ...short, harts: 4, deterministic: true, only: ['pipering'] })).toBe(
      'cordon stress --harts 4 --mechanism asid --seconds 1 --seed 11 --deterministic --only pipering',
    );
  });
});
