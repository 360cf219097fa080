/** On a machine that is booted but does not run: what the monitor's tables say is what the dashboard gets. */
import { beforeAll, describe, expect, it } from 'vitest';

import { bundledKernel, type Bundled } from '../../src/lab/bundled.ts';
import { dashboardSource } from '../../src/lab/dashboard-source.ts';
import { Session } from '../../src/lab/session.ts';
import { append, type LedgerEntry } from '../../src/nested-kernel/ledger.ts';
import {
  DOMAIN_STATE,
  LEDGER_RECORDS,
  MAX_DOMAINS,
  MonitorBlock,
  type MonitorView,
} from '../../src/nested-kernel/tables.ts';
import type { MechanismName } from '../../src/policy/contexts.ts';
import type { DashboardSource } from '../../src/tui/source.ts';

let bundled: Bundled;
beforeAll(async () => {
  bundled = await bundledKernel();
});

function booted(mechanism: MechanismName): { source: DashboardSource; tables: MonitorView } {
  const session = new Session({
    harts: 2,
    ramBytes: 64 << 20,
    image: bundled.image,
    mode: { kind: 'parallel' },
    firmware: { mechanism, contexts: bundled.contexts },
    initrd: bundled.initrd,
  });
  const { memory, parts } = session.machine;
  return {
    source: dashboardSource(session),
    tables: MonitorBlock.at(memory, parts.plan.monitor),
  };
}

const ENTRY: LedgerEntry = {
  ...{ kind: 'DENIAL', hart: 1, thread: 4, domain: 2, rule: 'enter-by-gate', gate: 0 },
  ...{ addressLow: 0x1000, addressHigh: 0, pcLow: 0x8000_0000 | 0, pcHigh: 0, cause: -1, value: 0 },
};

describe('the source of a separated machine', () => {
  it('has its domains, their states and the crossings of all harts', () => {
    const { source, tables } = booted('vbit');
    tables.domainState[2] = DOMAIN_STATE.QUARANTINED;
    tables.domainState[1] = DOMAIN_STATE.STARTING;
    tables.domainGeneration[2] = 5;
    tables.domainRestarts[2] = 4;
    const size = bundled.contexts.domains.length;
    for (const hart of [0, 1]) tables.gateCounts[(hart * MAX_DOMAINS + 1) * MAX_DOMAINS + 3] = 20;
    expect(source.domains().map(({ name }) => name)).toEqual(
      bundled.contexts.domains.map(({ name }) => name),
    );
    expect(source.domains()[1]).toMatchObject({ state: 'running' });
    expect(source.domains()[2]).toMatchObject({ state: 'quarantined', generation: 5, restarts: 4 });
    expect(source.gates().size).toBe(size);
    expect(source.gates().counts[size + 3]).toBe(40);
  });

  it('tells every event once, in words, at the time when it was first seen', () => {
    const { source, tables } = booted('vbit');
    append(tables, ENTRY);
    const [event] = source.events(0);
    const domain = bundled.contexts.domains[2]?.name as string;
    const gate = bundled.contexts.gates[0]?.function as string;
    expect(event).toMatchObject({ sequence: 1, kind: 'denial', hart: 1, domain });
    expect(event?.text).toBe(
      `0x0000000080000000 reached for 0x0000000000001000, gate ${gate}: enter-by-gate (NK-2)`,
    );
    append(tables, { ...ENTRY, kind: 'RESTART', value: 3 });
    expect(source.events(1)).toMatchObject([
      { sequence: 2, kind: 'restart', domain, text: 'restarted, generation 3' },
    ]);
    expect(source.events(0)[0]).toEqual(event);
    expect(source.events(2)).toEqual([]);
  });

  it('keeps as many events as the ledger does', () => {
    const { source, tables } = booted('vbit');
    for (let i = 0; i < LEDGER_RECORDS; i++) append(tables, ENTRY);
    source.events(0);
    for (let i = 0; i < 10; i++) append(tables, ENTRY);
    const events = source.events(0);
    expect(events).toHaveLength(LEDGER_RECORDS);
    expect(events[0]?.sequence).toBe(11);
  });

  it('has no domains under none, where nothing separates them', () => {
    const { source } = booted('none');
    expect(source.domains()).toEqual([]);
    expect(source.gates().size).toBe(0);
    expect(source.events(0)).toEqual([]);
  });
});
