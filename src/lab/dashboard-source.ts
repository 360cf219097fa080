/**
 * What the dashboard and the recorder see of a session: reads shared memory, asks nothing of a hart.
 *
 * Each source has its own console text and may be read at its own pace.
 */
import { createProbe } from '../machine/probe.ts';
import { TIMEBASE_HZ } from '../machine/physical-map.ts';
import type { LedgerEvent } from '../nested-kernel/ledger.ts';
import {
  DOMAIN_STATE,
  LEDGER_RECORDS,
  MAX_DOMAINS,
  MonitorBlock,
} from '../nested-kernel/tables.ts';
import type {
  DashboardEvent,
  DashboardSource,
  DomainSample,
  DomainState,
  EventKind,
  GateMatrix,
} from '../tui/source.ts';
import { describeExit, type RunResult } from './run-result.ts';
import type { Session } from './session.ts';

const STATES: Readonly<Record<number, DomainState>> = {
  [DOMAIN_STATE.RUNNING]: 'running',
  [DOMAIN_STATE.STARTING]: 'running',
  [DOMAIN_STATE.STOPPED]: 'stopped',
  [DOMAIN_STATE.QUARANTINED]: 'quarantined',
};

const KINDS: Readonly<Record<LedgerEvent['kind'], EventKind>> = {
  denial: 'denial',
  fault: 'fault',
  stop: 'note',
  restart: 'restart',
  quarantine: 'quarantine',
  panic: 'fault',
};

export interface SourceOptions {
  /** The image's name, if left out. */
  readonly title?: string;
  /**
   * Keys of the dashboard's console pane go to the guest. If left out, they do where a run can take
   * them: a deterministic one, or one with a typist, hears its script only.
   */
  readonly interactive?: boolean;
}

/** Make it before the session starts, or it misses what was printed until then. */
export function dashboardSource(session: Session, options: SourceOptions = {}): DashboardSource {
  const { machine, spec } = session;
  const { title = spec.image.name } = options;
  const interactive =
    options.interactive ?? (spec.mode.kind === 'parallel' && spec.typist === undefined);
  const contexts = session.separation;
  const names = contexts?.domains.map(({ name }) => name) ?? [];
  const size = names.length;
  const tables =
    contexts === undefined
      ? undefined
      : MonitorBlock.at(machine.memory, machine.parts.plan.monitor);
  const probe = createProbe(machine.parts);
  const decoder = new TextDecoder();
  let printed = '';
  let result: RunResult | undefined;
  session.onOutput((bytes) => (printed += decoder.decode(bytes, { stream: true })));
  void session.done.then((ended) => (result = ended));

  const readDomains = (): DomainSample[] =>
    names.map((name, id) => ({
      name,
      state: STATES[tables === undefined ? 0 : Atomics.load(tables.domainState, id)] ?? 'running',
      generation: tables?.domainGeneration[id] ?? 0,
      restarts: tables?.domainRestarts[id] ?? 0,
    }));

  const counts = new Float64Array(size * size);
  const readGates = (): GateMatrix => {
    for (let caller = 0; caller < size; caller++) {
      for (let callee = 0; callee < size; callee++) {
        let sum = 0;
        for (let hart = 0; hart < spec.harts; hart++) {
          sum += tables?.gateCounts[(hart * MAX_DOMAINS + caller) * MAX_DOMAINS + callee] ?? 0;
        }
        counts[caller * size + callee] = sum;
      }
    }
    return { size, counts };
  };

  /** What was seen of the ledger, as long as the ledger itself would keep it. */
  const seen: DashboardEvent[] = [];
  let next = 0;
  const readEvents = (since: number): DashboardEvent[] => {
    // The ledger has no clock: an event's time is when we first saw it.
    const timeMs = (machine.clock.now() / TIMEBASE_HZ) * 1000;
    for (const event of session.events(next)) {
      const gate = contexts?.gates[event.gate]?.function;
      next = event.sequence + 1;
      seen.push({
        sequence: next,
        timeMs,
        kind: KINDS[event.kind],
        hart: event.hart,
        domain: names[event.domain] ?? '',
        text: textOf(event, gate),
      });
    }
    seen.splice(0, seen.length - LEDGER_RECORDS);
    return seen.filter(({ sequence }) => sequence > since);
  };

  return {
    summary: () => ({
      title,
      mechanism: spec.firmware?.mechanism ?? 'no firmware',
      schedule:
        spec.mode.kind === 'deterministic' ? `deterministic, seed ${spec.mode.seed}` : 'parallel',
      tlb: session.tlb,
      finished: result === undefined ? null : describeExit(result),
    }),
    harts: () => probe.readHarts(),
    domains: readDomains,
    gates: readGates,
    events: readEvents,
    console: () => {
      const text = printed;
      printed = '';
      return text;
    },
    ...(interactive
      ? { sendInput: (text: string) => session.write(new TextEncoder().encode(text)) }
      : {}),
  };
}

/** What happened to the domain or what it did, for people; the views put its name in front. */
function textOf(event: LedgerEvent, gate: string | undefined): string {
  switch (event.kind) {
    case 'restart':
      return `restarted, generation ${event.value}`;
    case 'stop':
      return 'stopped on all harts';
    case 'quarantine':
      return `stays down: ${event.rule}`;
    case 'panic':
      return 'is down and its policy says panic';
    case 'denial':
    case 'fault': {
      const through = gate === undefined ? '' : `, gate ${gate}`;
      return `${event.pc} reached for ${event.address}${through}: ${event.rule} (${event.invariant})`;
    }
  }
}
