/**
 * Verified scenarios and the numbers in the README: what is written there is what runs.
 *
 *     expect(readme).toContain(verified(scenario));
 */
import { readFileSync } from 'node:fs';
import { type Options, type Scenario, verify, type WordSpecs } from '../src/explore.ts';

/** The README, without the padding that the formatter gives table cells. */
export const readme: string = readFileSync(
  new URL('../README.md', import.meta.url),
  'utf8',
).replaceAll(/ +\|/g, ' |');

/** Throws if the scenario fails on any schedule; else its row in the README's table. */
export function verified<Specs extends WordSpecs, Results extends Record<string, unknown>>(
  scenario: Scenario<Specs, Results>,
  options: Options = {},
): string {
  const { schedules, states } = verify(scenario, options);
  const bound = options.preemptions === undefined ? 'all' : `≤ ${options.preemptions}`;
  return `| ${scenario.name} | ${bound} | ${count(schedules)} | ${count(states)} |`;
}

const count = (value: number): string =>
  value < 1e9 ? value.toLocaleString('en') : value.toExponential(1).replace('+', '');
