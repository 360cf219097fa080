import { beforeAll, describe, expect, it } from 'vitest';
import { BenchError, measure, type Measurement } from '../../../src/lab/bench/measure.ts';
import { parseScript } from '../../../src/lab/bench/script.ts';
import { bundledKernel, type Bundled } from '../../../src/lab/bundled.ts';
import { cycles, readPreset } from '../../../src/lab/cost-model.ts';
import type { MechanismName } from '../../../src/policy/contexts.ts';

const preset = readPreset(
  new URL('../../../bench/presets/in-order.toml', import.meta.url).pathname,
);
const script = parseScript(
  `title = "short"
[[run]]
name = "gate"
program = "lat_gate"
arguments = ["1", "$N"]
repetitions = 100
[[run]]
name = "true"
program = "true"
repetitions = 2
`,
  'short.toml',
);
let kernel: Bundled;
beforeAll(async () => {
  kernel = await bundledKernel();
});

const bench = (mechanism: MechanismName, of = script): Promise<Measurement[]> =>
  measure({ kernel, script: of, preset, mechanism, harts: 1, seed: '1' });

describe('a benchmark of the real kernel', () => {
  it('counts one gate a call under a mechanism and none without', async () => {
    const [none] = (await bench('none')) as [Measurement];
    const [asid] = (await bench('asid')) as [Measurement];
    expect(none.counts.gates).toBe(0);
    expect(asid.counts.gates).toBe(100);
    expect(asid.counts.gateReturns).toBe(100);
    // There and back; a timer interrupt may come in between.
    expect(asid.counts.satpWrites).toBeGreaterThanOrEqual(200);
    expect(asid.counts.monitorOps).toBeGreaterThan(100 * 100);
    expect(cycles(asid.counts, preset).low).toBeGreaterThan(5 * cycles(none.counts, preset).low);
  });

  it('gives the same counts every time', async () => {
    const [first, second] = [await bench('pkey'), await bench('pkey')];
    const countsOf = (all: Measurement[]): unknown =>
      all.map(({ counts: { shootdownWaitNs: _host, ...counts } }) => counts);
    expect(countsOf(first)).toEqual(countsOf(second));
    expect(first.map(({ run }) => run.name)).toEqual(['gate', 'true']);
  });

  it('says which run failed, and what the guest said', async () => {
    const broken = parseScript(
      'title = "t"\n[[run]]\nname = "odd"\nprogram = "lat_gate"\narguments = ["3", "$N"]\nrepetitions = 1\n',
      't.toml',
    );
    await expect(bench('none', broken)).rejects.toThrow(BenchError);
    await expect(bench('none', broken)).rejects.toThrow(/'odd' failed[^]*usage: lat_gate/);
  });
});
