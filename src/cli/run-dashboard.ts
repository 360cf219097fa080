/** A run that the dashboard shows. */
import { dashboardSource } from '../lab/dashboard-source.ts';
import type { RunResult } from '../lab/run-result.ts';
import type { Session } from '../lab/session.ts';
import { canShowDashboard, startView } from '../tui/start.ts';
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
  const view = startView(dashboardSource(session));
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
