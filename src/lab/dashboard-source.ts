/**
 * What the dashboard shows of a session: reads shared memory, asks nothing of a hart.
 */
import { createProbe } from '../machine/probe.ts';
import type { LedgerEvent } from '../nested-kernel/ledger.ts';
import { DOMAIN_STATE, MAX_DOMAINS, MonitorBlock } from '../nested-kernel/tables.ts';
import type { DashboardEvent, DashboardSource, DomainState, EventKind } from '../tui/source.ts';
import type { RunResult } from './run-result.ts';
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
  readonly title: string;
  /** Keys of the dashboard's console pane go to the guest. */
  readonly interactive: boolean;
}

export function dashboardSource(
  session: Session,
  { title, interactive }: SourceOptions,
): DashboardSource {
  const { machine, spec } = session;
  const contexts = spec.firmware?.contexts;
  const names = contexts?.domains.map(({ name }) => name) ?? [];
  const probe = createProbe(machine.parts);
  const tables =
    spec.firmware === undefined
      ? undefined
      : MonitorBlock.at(machine.memory, machine.parts.plan.monitor);
  const counts = new Float64Array(names.length * names.length);
  const decoder = new TextDecoder();
  let printed = '';
  let result: RunResult | undefined;
  session.onOutput((bytes) => {
    printed += decoder.decode(bytes.slice(), { stream: true });
  });
  void session.done.then((ended) => {
    result = ended;
  });

  const eventOf = (event: LedgerEvent): DashboardEvent => ({
    sequence: event.sequence + 1,
    timeMs: machine.clock.now() / 10_000,
    kind: KINDS[event.kind],
    hart: event.hart,
    domain: names[event.domain] ?? '',
    text: textOf(event, names[event.domain] ?? '?'),
  });

  return {
    summary: () => ({
      title,
      mechanism: spec.firmware?.mechanism ?? 'no firmware',
      schedule:
        spec.mode.kind === 'deterministic' ? `deterministic, seed ${spec.mode.seed}` : 'parallel',
      finished: result === undefined ? null : `${result.exit.reason}, code ${result.exit.code}`,
    }),
    harts: () => probe.readHarts(),
    domains: () =>
      names.map((name, id) => ({
        name,
        state: STATES[tables === undefined ? 0 : Atomics.load(tables.domainState, id)] ?? 'running',
        generation: tables?.domainGeneration[id] ?? 0,
        restarts: tables?.domainRestarts[id] ?? 0,
      })),
    gates: () => {
      const size = names.length;
      counts.fill(0);
      for (let hart = 0; tables !== undefined && hart < spec.harts; hart++) {
        for (let caller = 0; caller < size; caller++) {
          for (let callee = 0; callee < size; callee++) {
            const cell = (hart * MAX_DOMAINS + caller) * MAX_DOMAINS + callee;
            counts[caller * size + callee] =
              (counts[caller * size + callee] as number) + (tables.gateCounts[cell] as number);
          }
        }
      }
      return { size, counts };
    },
    events: (since) => session.events(since).map(eventOf),
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

/** One line for an event, for people. */
export function textOf(event: LedgerEvent, domain: string): string {
  switch (event.kind) {
    case 'restart':
      return `${domain} restarted, generation ${event.value}`;
    case 'stop':
      return `${domain} stopped on all harts`;
    case 'quarantine':
      return `${domain} stays down: ${event.rule}`;
    case 'panic':
      return `${domain} is down and its policy says panic`;
    case 'denial':
    case 'fault':
      return `${domain} at ${event.pc} reached for ${event.address}: ${event.rule} (${event.invariant})`;
  }
}
