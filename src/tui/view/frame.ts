/** The rows around the panes, and the help page. */
import type { Glyphs } from '../glyphs.ts';
import { helpTable, hints, type Choices } from '../interface.ts';
import { FULL_COLUMNS, FULL_ROWS, PANES } from '../layout.ts';
import type { Model } from '../model.ts';
import { clockTime, count } from '../scale.ts';
import { cells, clip, fit, safeText, span, type Line, type Span } from '../text.ts';

const width = (line: Line): number => line.reduce((sum, { text }) => sum + cells(text), 0);

/** What runs and how the dashboard looks at it. States are in reverse video. */
export function titleLine(
  model: Model,
  choices: Choices,
  columns: number,
  isSmall: boolean,
  glyphs: Glyphs,
): Line {
  const { summary } = model;
  const states: Span[] = [
    ...(choices.isPaused ? [span(' PAUSED ', 'mark'), span(' ')] : []),
    ...(summary.finished === null ? [] : [span(' FINISHED, press q ', 'mark'), span(' ')]),
  ];
  const facts = [
    summary.title,
    summary.mechanism,
    summary.schedule,
    clockTime(model.elapsedMs),
    `${count(model.total('rates', 'instructions'))} ins/s`,
    `${count(model.total('rates', 'gates'))} gate/s`,
    `${choices.fps} fps`,
    ...(summary.finished === null ? [] : [summary.finished]),
  ];
  const note = isSmall ? ` pane ${PANES.indexOf(choices.focus) + 1} of ${PANES.length}, Tab ` : '';
  const right = Math.min(columns, cells(note));
  const separator = ` ${glyphs.dot} `;
  const text = facts.filter((fact) => fact !== '').map(safeText);
  const left = clip(
    [span(' Cordon ', 'strong'), ...states, span(text.join(separator))],
    columns - right,
  );
  return [...left, span(' '.repeat(columns - right - width(left))), span(fit(note, right), 'warn')];
}

/** The keys of the focused pane, or what is being typed. */
export function footerLine(choices: Choices, columns: number): Line {
  if (choices.isFilterEdited) {
    const prompt: Line = [
      span(' filter: ', 'strong'),
      span(choices.filter),
      span(' ', 'mark'),
      span('  Enter keeps, Esc clears', 'dim'),
    ];
    return clip(prompt, columns);
  }
  if (choices.isTyping) {
    return clip([span(' Keys go to the guest. '), span('Esc', 'mark'), span(' ends')], columns);
  }
  const line: Span[] = [];
  let used = 0;
  for (const { label, does } of hints(choices.focus)) {
    const needed = label.length + does.length + 3;
    if (used + needed > columns) break;
    used += needed;
    line.push(span(' '), span(label, 'mark'), span(` ${does} `));
  }
  return line;
}

/** The help page: keys of all panes, in two columns where they fit side by side. */
export function helpLines(glyphs: Glyphs, columns: number): Line[] {
  const sections = helpTable().map(({ where, hints: keys }): Line[] => [
    [span(where, 'head')],
    ...keys.map(({ label, does }): Line => [span(`  ${fit(label, 12)}`, 'strong'), span(does)]),
  ]);
  const [everywhere = [], ...panes] = sections;
  const lines =
    columns >= 2 * HELP_COLUMN
      ? sideBySide(everywhere, panes.flat())
      : [...everywhere, ...panes.flat()];
  const { running, parked, stopped, domain } = glyphs;
  return [
    ...lines,
    [span('signs and mouse', 'head')],
    [span(`  harts: ${running} run ${parked} idle ${stopped} off`)],
    [span(`  domains: ${domain.running} run ${domain.stopped} stop ${domain.quarantined} quar`)],
    [span('  click to focus and select, wheel to move')],
    [span(`  below ${FULL_COLUMNS}x${FULL_ROWS}: one pane at a time`)],
  ];
}

export const HELP_COLUMN = 36;

function sideBySide(left: readonly Line[], right: readonly Line[]): Line[] {
  return Array.from({ length: Math.max(left.length, right.length) }, (_, i) => {
    const first = left[i] ?? [];
    return [
      ...first,
      span(' '.repeat(Math.max(0, HELP_COLUMN - width(first)))),
      ...(right[i] ?? []),
    ];
  });
}
