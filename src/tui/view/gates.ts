/** Gate crossings: a row for each calling domain, a column for each called one. */
import type { DomainState } from '../source.ts';
import { count } from '../scale.ts';
import { clip, fit, span, type Line, type Role, type Span } from '../text.ts';
import type { PaneView } from './pane.ts';

const CELL = 6;
const NAME = 9;
const WORDS: Readonly<Record<DomainState, string>> = {
  running: 'run',
  stopped: 'stop',
  quarantined: 'quar',
};
const ROLES: Readonly<Record<DomainState, Role>> = {
  running: 'good',
  stopped: 'bad',
  quarantined: 'warn',
};

export const gatesView: PaneView = (model, choices, size, glyphs) => {
  const { domains, gates } = model;
  if (domains.length === 0) {
    return {
      note: 'no monitor',
      lines: [[span('No domains: nothing separates this run.', 'dim')]],
    };
  }
  const values = choices.showsTotals ? gates.totals : gates.rates;
  const isWide = size.width >= NAME + 12 + 3 * CELL;
  const headWidth = isWide ? NAME + 12 : NAME + 2;
  const columns = Math.max(1, Math.floor((size.width - headWidth) / CELL));
  const firstColumn = Math.max(0, Math.min(choices.gateColumn, domains.length - columns));
  const rows = Math.max(1, size.height - 1);
  const firstRow = Math.max(0, Math.min(choices.gateRow, domains.length - rows));
  const shown = domains.slice(firstColumn, firstColumn + columns);
  const peak = values.reduce((most, value) => Math.max(most, value), 0);

  const cell = (caller: number, callee: number): Span => {
    const value = values[caller * gates.size + callee] ?? 0;
    const text = value > 0 ? count(value) : caller === callee ? '' : glyphs.dot;
    const role = value === 0 ? 'dim' : value > peak / 2 ? 'strong' : 'accent';
    return span(fit(text, CELL, 'right'), role);
  };
  const head: Line = [
    span(fit('from \\ to', headWidth), 'head'),
    ...shown.map(({ name }) => span(fit(` ${cutName(name, CELL - 1)}`, CELL, 'right'), 'head')),
  ];
  const body = domains.slice(firstRow, firstRow + rows).map((domain, index): Line => {
    const sign = glyphs.domain[domain.state];
    return [
      span(`${fit(domain.name, NAME - 1)} `),
      isWide
        ? span(fit(`${sign} ${WORDS[domain.state]}`, 7), ROLES[domain.state])
        : span(`${sign} `, ROLES[domain.state]),
      ...(isWide ? [span(fit(`g${domain.generation}`, 5), 'dim')] : []),
      ...shown.map((_, column) => cell(firstRow + index, firstColumn + column)),
    ];
  });
  const isPart = shown.length < domains.length || body.length < domains.length;
  return {
    note:
      (choices.showsTotals ? 'crossings in all' : 'crossings/s') +
      (isPart ? ` ${firstRow + 1}:${firstColumn + 1} of ${domains.length}` : ''),
    lines: [head, ...body].slice(0, size.height).map((line) => clip(line, size.width)),
  };
};

const cutName = (name: string, width: number): string => name.slice(0, width);
