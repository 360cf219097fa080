/** Which view of a run fits the place where it is shown. */
import { startDashboard, type DashboardOptions } from './dashboard.ts';
import { startPlain } from './plain.ts';
import type { Running } from './running.ts';
import type { DashboardSource } from './source.ts';

export interface ViewOptions extends DashboardOptions {
  /** Lines even on a terminal. */
  readonly plain?: boolean;
}

/** The dashboard needs a terminal at both ends that understands more than lines. */
export function canShowDashboard(options: ViewOptions = {}): boolean {
  const { input = process.stdin, output = process.stdout, env = process.env } = options;
  return (
    options.plain !== true &&
    output.isTTY === true &&
    input.isTTY === true &&
    env['TERM'] !== 'dumb'
  );
}

/** The dashboard where it can be shown, else plain lines. */
export function startView(source: DashboardSource, options: ViewOptions = {}): Running {
  return canShowDashboard(options) ? startDashboard(source, options) : startPlain(source, options);
}
