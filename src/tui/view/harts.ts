/**
 * The harts. Up to 8 have a row each, up to 32 share rows in two to four columns, more become a map
 * with one cell a hart. Where a hart has no row of its own, the selected one is spelled out below.
 * Expanded, every hart has its row.
 */
import { HART_STATE, PRIVILEGE } from '../../machine/probe.ts';
import type { Glyphs } from '../glyphs.ts';
import type { Choices } from '../interface.ts';
import type { HartFigures, Model } from '../model.ts';
import { bar, count, duration, level, sparkline } from '../scale.ts';
import { clip, fit, span, type Line, type Role } from '../text.ts';
import { table, type Column } from './columns.ts';
import type { Drawn, Size } from './pane.ts';
import { tlbRateTitle } from './summary.ts';

const ROWS_UP_TO = 8;
const COLUMNS_UP_TO = 32;
/** Harts in a row of the map. */
const MAP_ROW = 16;
const MAP_CELL = 3;
const MAP_LABEL = 4;

type HartForm = 'rows' | 'columns' | 'map';

const hartForm = (harts: number, isExpanded: boolean): HartForm =>
  harts <= ROWS_UP_TO || isExpanded ? 'rows' : harts <= COLUMNS_UP_TO ? 'columns' : 'map';

const MODES: Readonly<Record<number, string>> = {
  [PRIVILEGE.U]: 'U',
  [PRIVILEGE.S]: 'S',
  [PRIVILEGE.M]: 'M',
};
/** What a hart that was never started would run in is nothing: its words are only zero. */
const isOff = (hart: HartFigures): boolean => hart.state === HART_STATE.STOPPED;
const modeName = (hart: HartFigures): string => (isOff(hart) ? '-' : (MODES[hart.mode] ?? '?'));
const domainName = (model: Model, hart: HartFigures): string =>
  isOff(hart) ? '-' : model.domainName(hart.domain);
const viewName = (hart: HartFigures): string => (isOff(hart) ? '-' : String(hart.view));

interface Shown {
  readonly word: string;
  readonly sign: (glyphs: Glyphs) => string;
  readonly role: Role;
}
const STATES: Readonly<Record<number, Shown>> = {
  [HART_STATE.RUNNING]: { word: 'run', sign: (g) => g.running, role: 'good' },
  [HART_STATE.PARKED]: { word: 'idle', sign: (g) => g.parked, role: 'dim' },
  [HART_STATE.STOPPED]: { word: 'off', sign: (g) => g.stopped, role: 'warn' },
};
const UNKNOWN: Shown = { word: '?', sign: () => '?', role: 'bad' };
const shownState = (hart: HartFigures): Shown => STATES[hart.state] ?? UNKNOWN;

function columns(model: Model, glyphs: Glyphs): readonly Column<HartFigures>[] {
  const right = 'right' as const;
  return [
    { title: 'hart', width: 4, rank: 0, text: ({ id }) => `h${id}` },
    {
      title: 'state',
      width: 6,
      rank: 1,
      text: (hart) => `${shownState(hart).sign(glyphs)} ${shownState(hart).word}`,
      role: (hart) => shownState(hart).role,
    },
    { title: 'm', width: 1, rank: 3, text: modeName },
    {
      title: 'domain',
      width: 8,
      rank: 4,
      text: (hart) => domainName(model, hart),
      role: ({ domain }) => (domain > 0 ? 'accent' : 'plain'),
    },
    { title: 'view', width: 4, rank: 7, align: right, text: viewName },
    {
      title: 'load',
      width: 6,
      rank: 9,
      text: ({ rates }, width) => bar(rates.instructions, model.peakRate, width, glyphs),
      role: () => 'good',
    },
    {
      title: 'ins/s',
      width: 5,
      rank: 2,
      align: right,
      text: ({ rates }) => count(rates.instructions),
    },
    { title: 'gate/s', width: 6, rank: 5, align: right, text: ({ rates }) => count(rates.gates) },
    {
      title: tlbRateTitle(model),
      width: 6,
      rank: 6,
      align: right,
      text: ({ rates }) => count(rates.tlbMisses),
    },
    {
      title: 'wait/s',
      width: 6,
      rank: 8,
      align: right,
      text: ({ rates }) => duration(rates.shootdownWaitNs),
    },
    {
      title: 'history',
      width: 8,
      rank: 10,
      grows: true,
      text: ({ history }, width) => sparkline(history, model.peakRate, width, glyphs),
      role: () => 'accent',
    },
  ];
}

/** The first of `rows` rows that shows row `selected` of `all`. */
const firstShown = (selected: number, rows: number, all: number): number =>
  Math.max(0, Math.min(all - rows, selected - Math.floor(rows / 2)));

/** Where harts stand: enough to draw them, to find the one under the mouse and to move between them. */
interface Grid {
  readonly form: HartForm;
  /** Harts from one line to the next. */
  readonly step: number;
  /** From one hart to the next on a line. */
  readonly cellWidth: number;
  readonly labelWidth: number;
  /** Lines above the first hart. */
  readonly above: number;
  readonly lines: number;
  readonly firstLine: number;
}

function grid(harts: number, choices: Choices, size: Size): Grid {
  const form = hartForm(harts, choices.isExpanded);
  const above = form === 'columns' ? 0 : 1;
  const below = form === 'rows' ? 0 : size.height >= 4 ? 1 : 0;
  const legend = form === 'map' ? 1 : 0;
  const room = Math.max(1, size.height - above - legend - below);
  const shape = (step: number, cellWidth: number, labelWidth: number): Grid => {
    const all = Math.ceil(harts / step);
    const lines = Math.min(room, all);
    const firstLine = firstShown(Math.floor(choices.selectedHart / step), lines, all);
    return { form, step, cellWidth, labelWidth, above, lines, firstLine };
  };
  if (form === 'rows') return shape(1, size.width, 0);
  if (form === 'map') {
    const step = size.width >= MAP_LABEL + MAP_ROW * MAP_CELL ? MAP_ROW : MAP_ROW / 2;
    return shape(step, MAP_CELL, MAP_LABEL);
  }
  const step = Math.max(2, Math.min(4, Math.ceil(harts / room)));
  return shape(step, Math.floor((size.width + 1) / step), 0);
}

/** Harts from one line of the pane to the next. */
export const hartStep = (harts: number, choices: Choices, size: Size): number =>
  grid(harts, choices, size).step;

/** The hart drawn at a cell of the pane's inside. */
export function hartAt(
  harts: number,
  choices: Choices,
  size: Size,
  x: number,
  y: number,
): number | undefined {
  const { step, cellWidth, labelWidth, above, lines, firstLine } = grid(harts, choices, size);
  const line = y - above;
  const place = Math.floor((x - labelWidth) / cellWidth);
  if (line < 0 || line >= lines || place < 0 || place >= step) return undefined;
  const hart = (firstLine + line) * step + place;
  return hart < harts ? hart : undefined;
}

/** Lines that all harts need. */
export function wantedHartLines(harts: number, width: number): number {
  const form = hartForm(harts, false);
  if (form === 'rows') return harts + 1;
  if (form === 'columns') return Math.ceil(harts / 4) + 2;
  const step = width >= MAP_LABEL + MAP_ROW * MAP_CELL ? MAP_ROW : MAP_ROW / 2;
  return Math.ceil(harts / step) + 4;
}

export function hartsView(model: Model, choices: Choices, size: Size, glyphs: Glyphs): Drawn {
  const { harts } = model;
  const where = grid(harts.length, choices, size);
  const running = harts.filter(({ state }) => state === HART_STATE.RUNNING).length;
  const note = `${running} of ${harts.length} run`;
  const draw = { rows: drawRows, columns: drawColumns, map: drawMap }[where.form];
  const lines = [...draw(model, choices, size, glyphs, where)];
  const selected = harts[choices.selectedHart];
  if (where.form !== 'rows' && selected !== undefined) {
    const room = size.height - lines.length;
    lines.push(...details(model, selected, glyphs, size.width, room >= 2));
  }
  return { note, lines: lines.slice(0, size.height).map((line) => clip(line, size.width)) };
}

type Draw = (model: Model, choices: Choices, size: Size, glyphs: Glyphs, where: Grid) => Line[];

const drawRows: Draw = (model, choices, size, glyphs, { lines, firstLine }) => {
  const { head, row } = table(columns(model, glyphs), size.width);
  const shown = model.harts.slice(firstLine, firstLine + lines);
  return [head, ...shown.map((hart) => row(hart, hart.id === choices.selectedHart))];
};

const drawColumns: Draw = (model, choices, _size, glyphs, where) => {
  const { lines, firstLine, step, cellWidth } = where;
  const width = cellWidth - 1;
  return Array.from({ length: lines }, (_, line) =>
    model.harts
      .slice((firstLine + line) * step, (firstLine + line + 1) * step)
      .flatMap((hart) => [...compact(model, hart, choices, glyphs, width), span(' ')]),
  );
};

/** One hart in the width of a column: name, state, mode, domain if there is room, rate, history. */
function compact(
  model: Model,
  hart: HartFigures,
  choices: Choices,
  glyphs: Glyphs,
  width: number,
): Line {
  const state = shownState(hart);
  const domainWidth = width >= 26 ? 9 : 0;
  const historyWidth = Math.max(0, width - 13 - domainWidth);
  return [
    span(fit(`h${hart.id}`, 3), hart.id === choices.selectedHart ? 'mark' : 'plain'),
    span(` ${state.sign(glyphs)}${modeName(hart)} `, state.role),
    span(domainWidth > 0 ? fit(domainName(model, hart), domainWidth - 1) + ' ' : '', 'accent'),
    span(fit(count(hart.rates.instructions), 5, 'right') + ' '),
    span(sparkline(hart.history, model.peakRate, historyWidth, glyphs), 'accent'),
  ];
}

const drawMap: Draw = (model, choices, _size, glyphs, { lines, firstLine, step }) => {
  const head = Array.from({ length: step }, (_, i) => fit(`+${i}`, MAP_CELL)).join('');
  return [
    [span(' '.repeat(MAP_LABEL) + head, 'head')],
    ...Array.from({ length: lines }, (_, line): Line => {
      const first = (firstLine + line) * step;
      return [
        span(fit(`h${first}`, MAP_LABEL), 'head'),
        ...model.harts.slice(first, first + step).flatMap((hart) => {
          const isSelected = hart.id === choices.selectedHart;
          return [
            span(mapCell(model, hart, glyphs), isSelected ? 'mark' : heat(model, hart)),
            span(' '),
          ];
        }),
      ];
    }),
    [
      span(
        `${glyphs.shades.slice(1)} rate, then mode; ` +
          `${glyphs.parked} idle, ${glyphs.stopped} off`,
        'dim',
      ),
    ],
  ];
};

/** Two cells: the load as a shade, or the sign of the state of a hart that does not run; the mode. */
function mapCell(model: Model, hart: HartFigures, glyphs: Glyphs): string {
  const isRunning = hart.state === HART_STATE.RUNNING;
  const shade = level(hart.rates.instructions, model.peakRate, glyphs.shades);
  return (isRunning ? shade : shownState(hart).sign(glyphs)) + modeName(hart);
}

function heat(model: Model, hart: HartFigures): Role {
  if (hart.state !== HART_STATE.RUNNING) return shownState(hart).role;
  const part = model.peakRate > 0 ? hart.rates.instructions / model.peakRate : 0;
  return part > 0.75 ? 'bad' : part > 0.4 ? 'warn' : 'good';
}

/** All that is known of one hart, in one line; in two, with its history. */
function details(
  model: Model,
  hart: HartFigures,
  glyphs: Glyphs,
  width: number,
  hasTwoLines: boolean,
): Line[] {
  const { rates } = hart;
  const state = shownState(hart);
  const figures = span(
    ` ins/s ${fit(count(rates.instructions), 4)} gate/s ${fit(count(rates.gates), 4)} ` +
      `${tlbRateTitle(model)} ${fit(count(rates.tlbMisses), 4)} wait/s ${fit(duration(rates.shootdownWaitNs), 5)}`,
  );
  const identity: Line = [
    span(`h${hart.id}`, 'strong'),
    span(` ${state.sign(glyphs)} ${state.word}`, state.role),
    span(` ${modeName(hart)} `),
    span(fit(domainName(model, hart), 8), 'accent'),
    span(` view ${viewName(hart)}`),
  ];
  if (!hasTwoLines) return [[...identity, figures]];
  const head = [...identity, span(` thread ${hart.thread} `)];
  const left = width - head.reduce((sum, { text }) => sum + text.length, 0);
  const history = sparkline(hart.history, model.peakRate, Math.max(0, left), glyphs);
  return [[...head, span(history, 'accent')], [figures]];
}
