import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { bundledKernel } from '../../../src/lab/bundled.ts';
import { stacksOf } from '../../../src/lab/profile/write-profile.ts';
import type { RunResult } from '../../../src/lab/run-result.ts';
import { Session, type SessionSpec } from '../../../src/lab/session.ts';
import { writeTraps } from '../../../src/lab/trace/trap-text.ts';
import { writeTrace, type TraceSummary } from '../../../src/lab/trace/write-trace.ts';
import type { LedgerEvent } from '../../../src/nested-kernel/ledger.ts';
import { MAX_DOMAINS, MonitorBlock } from '../../../src/nested-kernel/tables.ts';
import { withFile } from '../../../src/policy/cpio.ts';
import { decodeTrace, type DecodedEvent, type DecodedTrace } from './decode.ts';

const HARTS = 2;

let folder: string;
let session: Session;
let result: RunResult;
let ledger: LedgerEvent[];
let summary: TraceSummary;
let trace: DecodedTrace;

/** Pipes, gates, two harts at work, and a driver that faults and comes back. */
const SCRIPT = `exploit ask
exploit write
sleep 0.2
exploit ask
onharts all sh -c 'seq 1 60 | sort -nr | head -n 1'
stress -n 3 -s 1 pipering gateping > /dev/null
`;

const specOf = async (bootargs: string): Promise<SessionSpec> => {
  const { image, contexts, initrd } = await bundledKernel();
  return {
    harts: HARTS,
    ramBytes: 128 << 20,
    image,
    initrd: withFile(initrd, 'etc/trace.sh', SCRIPT),
    firmware: { mechanism: 'asid', contexts },
    mode: { kind: 'parallel' },
    bootargs,
  };
};

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'cordon-trace-test-'));
  const spec = await specOf('quiet init=/bin/init -- /bin/sh /etc/trace.sh');
  session = new Session({ ...spec, look: { trace: folder, profile: folder } });
  result = await session.start().done;
  ledger = session.events();
  const path = join(folder, 'run.pftrace');
  const { contexts } = spec.firmware ?? {};
  summary = writeTrace(folder, path, { title: 'test', harts: HARTS, contexts });
  trace = decodeTrace(readFileSync(path));
});
afterAll(() => rmSync(folder, { recursive: true }));

const byHart = new Map<number, DecodedEvent[]>();
/** The events on a hart's own track, in the order of the file. */
function eventsOf(hart: number): DecodedEvent[] {
  const known = byHart.get(hart);
  if (known !== undefined) return known;
  const [track] = [...trace.tracks].find(([, name]) => name === `hart ${hart}`) ?? [];
  const events = trace.events.filter((event) => event.track === track);
  byHart.set(hart, events);
  return events;
}
const counted = (hart: number, name: Parameters<ReturnType<Session['counters']>>[0]): number =>
  session.counters(hart)(name);
const HART_IDS = Array.from({ length: HARTS }, (_, hart) => hart);

describe('the trace of a run', () => {
  it('is whole', () => {
    expect(result.exit).toMatchObject({ reason: 'power-off', code: 0 });
    expect(summary).toMatchObject({ lost: 0, broken: [] });
    expect(summary.events).toBe(trace.events.length);
  });

  it.each(HART_IDS)('has a flow for every gate that the monitor counted on hart %i', (hart) => {
    const starts = eventsOf(hart).flatMap(({ flows }) => flows);
    const ends = eventsOf(hart).flatMap(({ endingFlows }) => endingFlows);
    expect(starts.length).toBe(counted(hart, 'gates'));
    expect(starts.length).toBeGreaterThan(100);
    expect(new Set(starts).size).toBe(starts.length);
    expect(ends).toEqual(starts);
  });

  it('has as many gates between each two domains as the monitor counted', () => {
    const names = session.spec.firmware?.contexts?.domains.map(({ name }) => name) ?? [];
    const between = new Map<string, number>();
    for (const { category, notes } of trace.events) {
      if (category !== 'gate') continue;
      const key = `${notes.from} ${notes.to}`;
      between.set(key, (between.get(key) ?? 0) + 1);
    }
    const expected = new Map<string, number>();
    for (const { caller, callee } of session.spec.firmware?.contexts?.gates ?? []) {
      const count = gateCount(caller, callee);
      if (count > 0) expected.set(`${names[caller]} ${names[callee]}`, count);
    }
    expect(between).toEqual(expected);
    expect(between.size).toBeGreaterThan(3);
  });

  it.each(HART_IDS)('goes forward on hart %i, and its slices follow one another', (hart) => {
    const wrong: DecodedEvent[] = [];
    let last = 0;
    let isOpen = false;
    for (const event of eventsOf(hart)) {
      // Only a slice may begin outside of one.
      if (event.time < last || (event.type === 'begin') === isOpen) wrong.push(event);
      last = event.time;
      isOpen = event.type !== 'end';
    }
    expect(wrong).toEqual([]);
    expect(isOpen).toBe(false);
  });

  it.each(HART_IDS)(
    'leads on hart %i from a slice of the caller into one of the callee',
    (hart) => {
      const wrong: DecodedEvent[] = [];
      let open: string | undefined;
      let gate: DecodedEvent | undefined;
      for (const event of eventsOf(hart)) {
        if (event.category === 'gate') {
          gate = event;
          if (event.notes.from !== open) wrong.push(event);
        } else if (event.type === 'begin') {
          open = event.name;
          const isEntry = event.endingFlows.length > 0;
          if (isEntry && (open !== gate?.notes.to || event.endingFlows[0] !== gate?.flows[0]))
            wrong.push(event);
        }
      }
      expect(wrong).toEqual([]);
    },
  );

  it('has every entry of the ledger, once, on the hart that wrote it', () => {
    const entries = HART_IDS.flatMap((hart) =>
      eventsOf(hart)
        .filter(({ category }) => category === 'ledger')
        .map(({ notes, name }) => ({
          hart,
          sequence: notes.sequence,
          kind: name?.split(' ')[0],
          rule: notes.rule,
        })),
    ).toSorted((a, b) => Number(a.sequence) - Number(b.sequence));
    expect(entries).toEqual(
      ledger.map(({ hart, sequence, kind, rule }) => ({ hart, sequence, kind, rule })),
    );
    expect(entries.map(({ kind }) => kind)).toEqual(
      expect.arrayContaining(['fault', 'stop', 'restart']),
    );
  });

  it.each(HART_IDS)('has the shootdowns of hart %i, and those that it served', (hart) => {
    const sum = (name: string): number =>
      eventsOf(hart)
        .filter((event) => event.name === name)
        .reduce((all, { notes }) => all + Number(notes.fences), 0);
    expect(sum('shootdown')).toBe(counted(hart, 'shootdownsSent'));
    expect(sum('fence for others')).toBe(counted(hart, 'shootdownsServed'));
  });

  it.each(HART_IDS)('ends with the instructions that hart %i retired', (hart) => {
    const [track] =
      [...trace.tracks].find(([, name]) => name === `hart ${hart} instructions`) ?? [];
    const values = trace.events
      .filter((event) => event.track === track)
      .map(({ value }) => value as number);
    expect(values.at(-1)).toBe(result.harts[hart]?.instructions);
    expect(values).toEqual(values.toSorted((a, b) => a - b));
  });
});

const gateCount = (caller: number, callee: number): number =>
  HART_IDS.reduce((sum, hart) => sum + (gateTable(hart)[caller]?.[callee] ?? 0), 0);

/** Crossings on a hart by caller and callee, from the monitor's own table. */
function gateTable(hart: number): number[][] {
  const { memory, parts } = session.machine;
  const { gateCounts } = MonitorBlock.at(memory, parts.plan.monitor);
  return Array.from({ length: MAX_DOMAINS }, (_, caller) =>
    Array.from(gateCounts.slice((hart * MAX_DOMAINS + caller) * MAX_DOMAINS).slice(0, MAX_DOMAINS)),
  );
}

describe('the traps of a run as text', () => {
  const lines: string[] = [];
  beforeAll(() =>
    writeTraps(folder, HARTS, session.spec.firmware?.contexts, (line) => lines.push(line)),
  );

  it('are as many as were counted, in the order of time', () => {
    for (const { hart, traps } of result.harts)
      expect(lines.filter((line) => line.includes(`hart ${hart} `)).length).toBe(traps);
    const times = lines.map((line) => Number.parseFloat(line));
    expect(times).toEqual(times.toSorted((a, b) => a - b));
  });

  it('say who, from where to where, and why', () => {
    expect(
      lines.some((line) =>
        / us {2}hart \d core U->S ecall from U, pc 0x0{11}1[0-9a-f]{4}, value/.test(line),
      ),
    ).toBe(true);
    expect(
      lines.some((line) => /hart \d buggy S->M store\/AMO page fault, pc 0xffffffff8/.test(line)),
    ).toBe(true);
  });
});

describe('the profile of a run', () => {
  it('has functions of the kernel by domain, and of programs by name', () => {
    const stacks = stacksOf(session, folder);
    const periods = stacks.reduce((sum, stack) => sum + stack.periods, 0);
    expect(periods).toBeGreaterThan(50);
    const unnamed = stacks.filter((stack) => stack.function.startsWith('0x'));
    expect(unnamed.reduce((sum, stack) => sum + stack.periods, 0)).toBeLessThan(periods / 20);
    const domains = new Set(stacks.map(({ domain }) => domain));
    expect([...domains]).toEqual(expect.arrayContaining(['core', 'pipe']));
    // Whoever is in another domain came through a gate.
    for (const { domain, frames } of stacks) {
      if (domain === 'core' || domain.startsWith('user')) continue;
      expect(frames.at(-2)?.split(':')[0]).toBe(domain);
      expect(frames[0]).toBe('core');
    }
  });
});

describe('a deterministic run', () => {
  const run = async (look: SessionSpec['look']): Promise<RunResult> => {
    const spec = await specOf('quiet init=/bin/init -- /bin/true');
    const traced = new Session({
      ...spec,
      mode: { kind: 'deterministic', seed: '3' },
      seconds: 0.02,
      ...(look === undefined ? {} : { look }),
    });
    return await traced.start().done;
  };

  it('is the same with somebody looking on', async () => {
    const records = mkdtempSync(join(folder, 'same-'));
    const watched = await run({ trace: records, profile: records });
    const alone = await run(undefined);
    expect(watched.stateHash).toBe(alone.stateHash);
    expect(watched.harts).toEqual(alone.harts);
    const path = join(records, 'short.pftrace');
    const { gates } = writeTrace(records, path, { title: 'short', harts: HARTS });
    expect(gates).toEqual(alone.harts.map((hart) => hart.gates));
    const { events } = decodeTrace(readFileSync(path));
    const last = new Map<number, number>();
    const backwards = events.filter(({ track, time }) => {
      const before = last.get(track) ?? 0;
      last.set(track, time);
      return time < before;
    });
    expect(backwards).toEqual([]);
  });
});
