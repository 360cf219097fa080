/** A session as the dashboard sees it, and a run that the dashboard shows. */
import { describeExit, type RunResult } from '../lab/run-result.ts';
import type { Session } from '../lab/session.ts';
import { createProbe } from '../machine/probe.ts';
import type { LedgerEvent } from '../nested-kernel/ledger.ts';
import { DOMAIN_STATE, MAX_DOMAINS, MonitorBlock } from '../nested-kernel/tables.ts';
import { canShowDashboard, startView } from '../tui/start.ts';
import type {
  DashboardEvent,
  DashboardSource,
  DomainSample,
  DomainState,
  EventKind,
  GateMatrix,
} from '../tui/source.ts';
import { CommandError } from './errors.ts';
import { exitCodeOf, type EndSignal } from './signals.ts';

/** Runs the session under the dashboard. Returns how it ended, with the exit code if the user decided it. */
export async function showDashboard(
  session: Session,
): Promise<{ result: RunResult; code?: number }> {
  if (!canShowDashboard()) {
    throw new CommandError('--tui needs a terminal at stdin and stdout; leave it out');
  }
  let result: RunResult | undefined;
  void session.done.then((end) => (result = end));
  const view = startView(sourceOf(session, () => result));
  session.start();
  const reason = await view.done;
  const wasRunning = result === undefined;
  session.stop('interrupted');
  const end = await session.done;
  if (reason === 'quit') return wasRunning ? { result: end, code: 0 } : { result: end };
  if (reason === 'finished' || reason === 'closed') return { result: end };
  const signal: EndSignal = reason === 'interrupt' ? 'SIGINT' : reason;
  return { result: end, code: exitCodeOf(signal) };
}

const STATES: Readonly<Record<number, DomainState>> = {
  [DOMAIN_STATE.RUNNING]: 'running',
  [DOMAIN_STATE.STOPPED]: 'stopped',
  [DOMAIN_STATE.QUARANTINED]: 'quarantined',
};

const KINDS: Readonly<Record<LedgerEvent['kind'], EventKind>> = {
  denial: 'denial',
  fault: 'fault',
  stop: 'fault',
  restart: 'restart',
  quarantine: 'quarantine',
  panic: 'fault',
};

/** What the dashboard reads, all of it from shared memory. `result` is there once the run has ended. */
export function sourceOf(session: Session, result: () => RunResult | undefined): DashboardSource {
  const { spec, machine } = session;
  const { memory, parts } = machine;
  const probe = createProbe(parts);
  const contexts = spec.firmware?.mechanism === 'none' ? undefined : spec.firmware?.contexts;
  const domains = contexts?.domains ?? [];
  const tables = contexts === undefined ? undefined : MonitorBlock.at(memory, parts.plan.monitor);
  const decoder = new TextDecoder();
  let printed = '';
  session.onOutput((bytes) => (printed += decoder.decode(bytes, { stream: true })));
  const counts = new Float64Array(domains.length ** 2);
  const events: DashboardEvent[] = [];

  const readGates = (): GateMatrix => {
    counts.fill(0);
    for (let caller = 0; caller < domains.length; caller++) {
      for (let callee = 0; callee < domains.length; callee++) {
        let sum = 0;
        for (let hart = 0; hart < spec.harts; hart++) {
          sum += tables?.gateCounts[(hart * MAX_DOMAINS + caller) * MAX_DOMAINS + callee] ?? 0;
        }
        counts[caller * domains.length + callee] = sum;
      }
    }
    return { size: domains.length, counts };
  };

  const readDomains = (): DomainSample[] =>
    domains.map(({ id, name }) => ({
      name,
      state: STATES[tables?.domainState[id] ?? DOMAIN_STATE.RUNNING] ?? 'running',
      generation: tables?.domainGeneration[id] ?? 0,
      restarts: tables?.domainRestarts[id] ?? 0,
    }));

  /** The ledger has no clock: an event's time is when we first saw it. */
  const readEvents = (since: number): DashboardEvent[] => {
    for (const event of session.events(events.at(-1)?.sequence ?? 0)) {
      const gate = contexts?.gates[event.gate]?.function;
      events.push({
        sequence: event.sequence + 1,
        timeMs: session.machineSeconds * 1000,
        kind: KINDS[event.kind],
        hart: event.hart,
        domain: domains[event.domain]?.name ?? '',
        text:
          `${event.rule} (${event.invariant}) at ${event.address}, pc ${event.pc}` +
          (gate === undefined ? '' : `, gate ${gate}`),
      });
    }
    return events.filter(({ sequence }) => sequence > since);
  };

  return {
    summary: () => {
      const end = result();
      return {
        title: spec.image.name,
        mechanism: spec.firmware?.mechanism ?? 'none',
        schedule: spec.mode.kind === 'parallel' ? 'parallel' : `deterministic, ${spec.mode.seed}`,
        finished: end === undefined ? null : describeExit(end),
      };
    },
    harts: () => probe.readHarts(),
    domains: readDomains,
    gates: readGates,
    events: readEvents,
    console: () => {
      const text = printed;
      printed = '';
      return text;
    },
    // A deterministic run hears its script only.
    ...(spec.mode.kind === 'parallel' && spec.typist === undefined
      ? { sendInput: (text: string) => session.write(new TextEncoder().encode(text)) }
      : {}),
  };
}
