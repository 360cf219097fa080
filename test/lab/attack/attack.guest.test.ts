import { beforeAll, describe, expect, it } from 'vitest';
import { ATTACKS, type Attack } from '../../../src/lab/attack/attacks.ts';
import { attackFiles, attempt, baselineOf, judge } from '../../../src/lab/attack/run-attack.ts';
import { bundledKernel, type Bundled } from '../../../src/lab/bundled.ts';
import { Session } from '../../../src/lab/session.ts';

const seed = 'attack test';
const attackOf = (id: string): Attack => ATTACKS.find((each) => each.id === id) as Attack;

let bundled: Bundled;
beforeAll(async () => {
  bundled = await bundledKernel();
});

describe('an attack', () => {
  // One cell of each kind; `cordon attack` has them all.
  it.each([
    ['A4', 'asid', 'BLOCKED', 'address-space-is-monitored'],
    ['C1', 'pkey', 'BLOCKED', 'access-own-memory'],
    ['C2', 'vbit', 'BLOCKED', 'frame-type'],
    ['D2', 'asid', 'CONTAINED', 'access-own-memory'],
    ['read', 'pkey', 'CONTAINED', 'access-own-memory'],
  ] as const)(
    '%s succeeds without separation, is stopped under %s, and succeeds without its invariant',
    async (id, mechanism, verdict, rule) => {
      const attack = attackOf(id);
      const baseline = await baselineOf({ bundled, attack, seed });
      const result = await judge({ bundled, attack, mechanism, seed, baseline });
      expect(result).toMatchObject({
        baseline: 'succeeded',
        protected: 'stopped',
        ablated: 'succeeded',
        verdict,
        isAsExpected: true,
        evidence: { record: { rule }, protected: { escapes: 0 } },
      });
    },
  );

  it.each([4096, 64])('that is a race (E3) is stopped with turns of %i', async (sliceMax) => {
    const options = { bundled, attack: attackOf('E3'), seed, sliceMax };
    const guarded = await attempt({ ...options, mechanism: 'asid' });
    const ablated = await attempt({
      ...options,
      mechanism: 'asid',
      ablate: ['view-follows-thread'],
    });
    expect([guarded.outcome, ablated.outcome]).toEqual(['stopped', 'succeeded']);
  });

  it('on the alias from buggy (C1b) is stopped by either of two walls', async () => {
    const options = { bundled, attack: attackOf('C1b'), mechanism: 'asid', seed } as const;
    for (const wall of ['views', 'direct-map-holes'] as const) {
      const { outcome } = await attempt({ ...options, ablate: [wall] });
      expect(outcome, `without ${wall}`).toBe('stopped');
    }
  });

  it('by deputy (C9) is stopped by no mechanism, and says so', async () => {
    const attack = attackOf('C9');
    const baseline = await baselineOf({ bundled, attack, seed });
    const result = await judge({ bundled, attack, mechanism: 'asid', seed, baseline });
    expect(result).toMatchObject({ verdict: 'VULNERABLE', isAsExpected: true, ablated: null });
  });

  it('whose invariant is not the one that is off is still stopped', async () => {
    const { outcome } = await attempt({
      bundled,
      attack: attackOf('C2'),
      mechanism: 'asid',
      seed,
      ablate: ['tvm', 'shootdown', 'direct-map-holes', 'gate-identity', 'return-frame', 'budget'],
    });
    expect(outcome).toBe('stopped');
  });

  it('is refused by a kernel that was not told to expect any', async () => {
    const session = new Session({
      harts: 2,
      ramBytes: 32 << 20,
      image: bundled.image,
      mode: { kind: 'deterministic', seed },
      firmware: { mechanism: 'none', contexts: bundled.contexts },
      initrd: attackFiles(),
      bootargs: 'quiet init=/bin/init -- /bin/attack D2',
      seconds: 5,
    });
    let printed = '';
    session.onOutput((bytes) => {
      printed += new TextDecoder().decode(bytes);
    });
    await session.start().done;
    expect(printed).toMatch(/attack D2: failed/);
  });
});
