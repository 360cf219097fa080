/**
 * The overheads as a picture: SVG 1.1, bars on a logarithmic scale with whiskers for the range over all
 * prices. Without `none` among the rows there is no overhead, and the bars are cycles.
 */
import type { Report } from './report.ts';
import { byName, hartCountsOf, mechanismsOf, type Row } from './rows.ts';

const WIDTH = 860;
const LEFT = 170;
const RIGHT = 70;
const BAR = 11;
const GROUP_GAP = 9;
const PANEL_HEAD = 34;
const PANEL_FOOT = 26;
const TOP = 74;
/** Okabe and Ito's palette, which most people can tell apart. */
const COLORS = ['#d55e00', '#0072b2', '#009e73', '#cc79a7', '#e69f00', '#56b4e9'];
const INK = '#222222';
const GRID = '#dddddd';

interface Bar {
  readonly value: number;
  readonly low: number;
  readonly high: number;
}

export function renderChart({ title, preset, rows }: Report): string {
  const hasNone = rows.some(({ mechanism }) => mechanism === 'none');
  const mechanisms = mechanismsOf(rows).filter((mechanism) => !hasNone || mechanism !== 'none');
  const barOf = (row: Row): Bar =>
    row.overhead === null
      ? { value: row.cycles, low: row.cyclesLow, high: row.cyclesHigh }
      : {
          value: row.overhead,
          low: row.overheadLow as number,
          high: row.overheadHigh as number,
        };
  const shown = rows.filter(({ mechanism }) => mechanisms.includes(mechanism));
  const scale = logScale(shown.map(barOf));
  const body: string[] = [];
  let y = TOP;
  for (const harts of hartCountsOf(rows)) {
    const groups = byName(shown.filter((row) => row.harts === harts));
    const heights = [...groups.values()].map((group) => group.length * BAR + GROUP_GAP);
    const bottom = y + PANEL_HEAD + heights.reduce((sum, height) => sum + height, 0);
    body.push(text(16, y + 18, harts === 1 ? '1 hart' : `${harts} harts`, 'weight'));
    for (const tick of scale.ticks) {
      const x = scale.at(tick);
      body.push(line(x, y + PANEL_HEAD - 6, x, bottom, tick === 1 && hasNone ? INK : GRID));
      body.push(text(x, bottom + 14, hasNone ? `${tick}×` : String(tick), 'middle'));
    }
    let at = y + PANEL_HEAD;
    for (const [name, group] of groups) {
      body.push(text(LEFT - 8, at + (group.length * BAR) / 2 + 4, name, 'end'));
      for (const row of group) {
        const bar = barOf(row);
        const color = COLORS[mechanisms.indexOf(row.mechanism) % COLORS.length] as string;
        body.push(barShape(scale, bar, at, color, `${name}, ${row.mechanism}`, hasNone));
        at += BAR;
      }
      at += GROUP_GAP;
    }
    y = bottom + PANEL_FOOT;
  }
  const legend = mechanisms.map((mechanism, index) => {
    const x = LEFT + index * 90;
    return `<rect x="${x}" y="48" width="12" height="12" fill="${COLORS[index % COLORS.length]}"/>${text(x + 18, 58, mechanism)}`;
  });
  const heading = hasNone ? 'cycles relative to none' : 'cycles';
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${y + 8}" viewBox="0 0 ${WIDTH} ${y + 8}" font-family="sans-serif" font-size="12" fill="${INK}">`,
    `<title>${escaped(title)}: ${heading}</title>`,
    `<rect width="100%" height="100%" fill="#ffffff"/>`,
    text(16, 24, `${title}: ${heading}`, 'title'),
    text(16, 41, `Preset ${preset.name}. Bars: default prices; lines: all prices in their ranges.`),
    ...legend,
    ...body,
    '</svg>',
    '',
  ].join('\n');
}

interface Scale {
  readonly at: (value: number) => number;
  readonly from: number;
  readonly ticks: readonly number[];
}

function logScale(bars: readonly Bar[]): Scale {
  const least = Math.min(1, ...bars.map(({ low }) => low));
  const most = Math.max(2, ...bars.map(({ high }) => high));
  const from = Math.max(least, Number.MIN_VALUE);
  const span = Math.log(most / from);
  const at = (value: number): number =>
    LEFT + ((WIDTH - LEFT - RIGHT) * Math.log(value / from)) / span;
  const ticks: number[] = [];
  const decades = most / from > 1000 ? [1] : [1, 2, 5];
  for (let power = Math.floor(Math.log10(from)); power <= Math.log10(most); power++) {
    for (const digit of decades) {
      const tick = Number(`${digit}e${power}`);
      if (tick >= from && tick <= most) ticks.push(tick);
    }
  }
  return { at, from, ticks };
}

function barShape(
  scale: Scale,
  { value, low, high }: Bar,
  y: number,
  color: string,
  name: string,
  isRatio: boolean,
): string {
  const zero = scale.at(isRatio ? 1 : scale.from);
  const end = scale.at(value);
  const middle = y + BAR / 2 - 0.5;
  const label = isRatio ? `${value.toFixed(2)}×` : Math.round(value).toString();
  return [
    `<g><title>${escaped(name)}: ${label}</title>`,
    `<rect x="${px(Math.min(zero, end))}" y="${y}" width="${px(Math.max(1, Math.abs(end - zero)))}" height="${BAR - 1}" fill="${color}"/>`,
    line(scale.at(low), middle, scale.at(high), middle, INK),
    `<text x="${px(Math.max(end, scale.at(high)) + 4)}" y="${y + BAR - 2}" font-size="9">${label}</text></g>`,
  ].join('');
}

const STYLES = {
  middle: ' text-anchor="middle" font-size="10"',
  end: ' text-anchor="end"',
  weight: ' font-weight="bold"',
  title: ' font-weight="bold" font-size="15"',
} as const;

const text = (x: number, y: number, content: string, style?: keyof typeof STYLES): string =>
  `<text x="${px(x)}" y="${px(y)}"${style === undefined ? '' : STYLES[style]}>${escaped(content)}</text>`;

const line = (x1: number, y1: number, x2: number, y2: number, color: string): string =>
  `<line x1="${px(x1)}" y1="${px(y1)}" x2="${px(x2)}" y2="${px(y2)}" stroke="${color}"/>`;

const px = (value: number): string => String(Math.round(value * 10) / 10);

const escaped = (content: string): string =>
  content.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
