import { beforeAll, describe, expect, it } from 'vitest';

import { bundledKernel, type Bundled } from '../../../src/lab/bundled.ts';
import { audit, type Finding } from '../../../src/lab/stress/invariants.ts';
import { FIRST_FRAME, PageTables } from '../../../src/lab/stress/page-tables.ts';
import { Session } from '../../../src/lab/session.ts';
import type { Ablation, MonitorConfig } from '../../../src/nested-kernel/config.ts';
import { DOMAIN_STATE, MonitorBlock } from '../../../src/nested-kernel/tables.ts';
import type { MechanismName } from '../../../src/policy/contexts.ts';

/** On a busy machine, if nothing is built yet. */
const BUILD_TIMEOUT_MS = 120_000;

let bundled: Bundled;
beforeAll(async () => {
  bundled = await bundledKernel();
}, BUILD_TIMEOUT_MS);

const HARTS = 2;

/** A kernel that has run a while and has processes; stopped in the middle of things. */
async function stopped(
  mechanism: MechanismName,
  ablate: readonly Ablation[] = [],
): Promise<Session> {
  const session = new Session({
    harts: HARTS,
    ramBytes: 128 << 20,
    image: bundled.image,
    // The modelled TLB is not asked here, and takes time.
    mode: { kind: 'deterministic', seed: 'audit', tlb: { l1Entries: 0, l2Entries: 0 } },
    firmware: { mechanism, contexts: bundled.contexts, ablate },
    initrd: bundled.initrd,
    bootargs: 'quiet init=/bin/init -- /bin/stress -t 100 forkstorm pipering mmapstorm',
    seconds: 0.12,
  });
  const { exit } = await session.start().done;
  expect(exit.reason).toBe('time-limit');
  return session;
}

const findings = ({ machine, monitorConfig }: Session): Finding[] =>
  audit(machine, monitorConfig as MonitorConfig, true);

/** The first leaf under a table of level 1 for which `wanted` holds: its table and index. */
function leafWhere(
  session: Session,
  middle: number,
  wanted: (frame: number) => boolean,
): { table: number; index: number } {
  const pages = new PageTables(session.machine);
  for (let index = 0; index < 512; index++) {
    if ((pages.low(middle, index) & 1) === 0) continue;
    const table = pages.frame(middle, index);
    for (let leaf = 0; leaf < 512; leaf++) {
      if ((pages.low(table, leaf) & 1) !== 0 && wanted(pages.frame(table, leaf)))
        return { table, index: leaf };
    }
  }
  throw new Error('no such leaf');
}

function entry(
  session: Session,
  { table, index }: { table: number; index: number },
): BigUint64Array {
  const { memory, parts } = session.machine;
  return new BigUint64Array(memory, parts.plan.ram + (table - FIRST_FRAME) * 4096 + index * 8, 1);
}

const tablesOf = ({ machine }: Session) =>
  MonitorBlock.at(machine.memory, machine.parts.plan.monitor);

describe('the audit', () => {
  it.each(['asid', 'pkey', 'vbit'] as const)(
    'finds nothing in a sound machine, %s',
    async (mechanism) => {
      expect(findings(await stopped(mechanism))).toEqual([]);
    },
  );

  it('finds a core that still reaches the frames of others', async () => {
    const found = findings(await stopped('asid', ['direct-map-holes']));
    expect(found.length).toBeGreaterThan(0);
    // Text that is writable there breaks another invariant as well.
    expect(new Set(found.map(({ invariant }) => invariant))).toEqual(new Set(['NK-3', 'NK-5']));
    expect(found.every(({ isEscape }) => isEscape)).toBe(true);
  });

  it('finds what is planted', async () => {
    const session = await stopped('asid');
    const { directTable, windowTables, roots, poolFirst } = session.monitorConfig as MonitorConfig;
    const domains = bundled.contexts.domains.length;
    const tables = tablesOf(session);
    const planted = (plant: () => () => void): string[] => {
      const undo = plant();
      const found = findings(session).map(
        ({ invariant, isEscape }) => `${invariant}${isEscape ? '!' : ''}`,
      );
      undo();
      expect(findings(session)).toEqual([]);
      return [...new Set(found)].toSorted();
    };
    /** Sets bits of a leaf, and puts the old value back. */
    const withBits = (at: BigUint64Array, bits: bigint) => () => {
      const before = at[0] as bigint;
      at[0] = before | bits;
      return () => {
        at[0] = before;
      };
    };
    const W = 4n;
    const X = 8n;

    // A page table that the core may write.
    const table = entry(
      session,
      leafWhere(session, directTable, (frame) => frame === poolFirst),
    );
    expect(planted(withBits(table, W))).toEqual(['NK-4!']);
    // Text in the core's direct map.
    const core = entry(
      session,
      leafWhere(session, directTable, () => true),
    );
    expect(planted(withBits(core, X))).toContain('NK-5!');
    // A granted page that its domain may execute.
    const window = windowTables.find((middle) => middle !== 0 && hasLeaf(session, middle));
    expect(window).toBeDefined();
    const granted = entry(
      session,
      leafWhere(session, window as number, () => true),
    );
    expect(planted(withBits(granted, X))).toContain('NK-5!');
    // A domain's view with the core's direct map in it.
    const root = (at: number): BigUint64Array =>
      entry(session, { table: roots[at] as number, index: 256 + 64 });
    expect(
      planted(() => {
        const hole = root(1);
        hole[0] = root(0)[0] as bigint;
        return () => {
          hole[0] = 0n;
        };
      }),
    ).toContain('NK-3!');
    // Books that are wrong.
    expect(
      planted(() => {
        tables.poolUsed.add(1);
        return () => tables.poolUsed.add(-1);
      }),
    ).toEqual(['NK-4']);
    expect(
      planted(() => {
        tables.domainState[domains - 1] = 7;
        return () => {
          tables.domainState[domains - 1] = DOMAIN_STATE.RUNNING;
        };
      }),
    ).toEqual(['NK-9']);
    expect(
      planted(() => {
        tables.lock.lock();
        return () => tables.lock.unlock();
      }),
    ).toEqual(['NK-11']);
  });
});

function hasLeaf(session: Session, middle: number): boolean {
  try {
    leafWhere(session, middle, () => true);
    return true;
  } catch {
    return false;
  }
}
