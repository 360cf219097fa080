/** The report as text: overheads, the facts behind them, prices and their grades, and what they decide. */
import { PARAMETERS, PARTS, TERMS, type PartName, type Preset } from '../cost-model.ts';
import { byName, hartCountsOf, mechanismsOf, type Row } from './rows.ts';
import { ordersOf, tornadosOf, type Order, type Pair, type Tornado } from './sensitivity.ts';

export interface Report {
  readonly title: string;
  readonly seed: string;
  readonly preset: Preset;
  readonly rows: readonly Row[];
}

export function renderReport({ title, seed, preset, rows }: Report): string {
  const { tlb } = preset;
  const head = [
    `${title}, seed ${seed}, preset ${preset.name}: ${preset.describes}`,
    `Model cycles per repetition. TLB: ${tlb.l1Entries} entries, second level ${tlb.l2Entries} (grade ${tlb.grade}).`,
  ].join('\n');
  const parts = [head];
  for (const harts of hartCountsOf(rows)) {
    const some = rows.filter((row) => row.harts === harts);
    parts.push(overheads(some, harts), facts(some, harts));
    if (some.some(({ added }) => added !== null)) parts.push(origins(some, harts));
  }
  parts.push(prices(preset));
  const orders = ordersOf(rows, preset).filter(({ pairs }) => pairs.length > 0);
  if (orders.length > 0) parts.push(survival(orders));
  const tornados = tornadosOf(rows, preset);
  if (tornados.length > 0) parts.push(sensitivity(tornados));
  return `${parts.join('\n\n')}\n`;
}

// --- tables ---

function overheads(rows: readonly Row[], harts: number): string {
  const mechanisms = mechanismsOf(rows).filter((mechanism) => mechanism !== 'none');
  const hasNone = rows.some(({ mechanism }) => mechanism === 'none');
  const lines = [...byName(rows)].map(([name, group]) => {
    const find = (wanted: string): Row | undefined =>
      group.find(({ mechanism }) => mechanism === wanted);
    const none = find('none');
    return [
      name,
      ...(hasNone ? [none === undefined ? '' : number(none.cycles)] : []),
      ...mechanisms.map((mechanism) => {
        const row = find(mechanism);
        if (row === undefined) return '';
        return row.overhead === null
          ? number(row.cycles)
          : `${times(row.overhead)} [${times(row.overheadLow)} ${times(row.overheadHigh)}]`;
      }),
    ];
  });
  const title = hasNone
    ? `Overhead relative to none on ${hartsText(harts)} [least and most over all prices in their ranges]`
    : `Cycles on ${hartsText(harts)}`;
  return `${title}\n${table(['', ...(hasNone ? ['none, cycles'] : []), ...mechanisms], lines)}`;
}

function facts(rows: readonly Row[], harts: number): string {
  const lines = [...byName(rows)].flatMap(([name, group]) =>
    group.map((row, index) => [
      index === 0 ? name : '',
      row.mechanism,
      number(row.cycles),
      `${number(row.cyclesLow)}-${number(row.cyclesHigh)}`,
      number(row.instructions),
      number(row.gates),
      number(row.traps),
      number(row.tlbMisses),
      number(row.walks),
      number(row.shootdowns),
    ]),
  );
  const columns = [
    '',
    'mechanism',
    'cycles',
    'low-high',
    'instructions',
    'gates',
    'traps',
    'TLB misses',
    'walk reads',
    'shootdowns',
  ];
  return `What was counted on ${hartsText(harts)}, per repetition\n${table(columns, lines)}`;
}

/** What separation adds, by where it is spent. */
function origins(rows: readonly Row[], harts: number): string {
  const parts = Object.keys(PARTS) as PartName[];
  const lines = [...byName(rows)].flatMap(([name, group]) => {
    const separated = group.filter(({ mechanism }) => mechanism !== 'none');
    return separated.map(({ mechanism, added }, index) => [
      index === 0 ? name : '',
      mechanism,
      ...parts.map((part) => (added === null ? '' : number(added[part]))),
    ]);
  });
  const title = `Cycles more than none on ${hartsText(harts)}, per repetition, by what they are spent on`;
  return `${title}\n${table(['', 'mechanism', ...parts], lines)}`;
}

function prices(preset: Preset): string {
  const lines = PARAMETERS.map((name) => {
    const { low, default: usual, high, grade, source } = preset.parameters[name];
    return [
      name,
      String(low),
      String(usual),
      String(high),
      grade,
      `${TERMS[name].unit}: ${source}`,
    ];
  });
  return [
    'Prices (grade A: primary measurement, B: secondary source, C: derived, D: set by us, unverified)',
    table(['', 'low', 'default', 'high', 'grade', ''], lines, new Set([4, 5])),
  ].join('\n');
}

// --- conclusions ---

/** `vbit > asid > pkey`; `>` where every choice of prices agrees, `>?` where not, `=` for a tie. */
function survival(orders: readonly Order[]): string {
  const severalHarts = new Set(orders.map(({ harts }) => harts)).size > 1;
  const lines = orders.map(({ name, harts, pairs }) => {
    const order = pairs.reduce(
      (text, { cheaper, isCertain, differs }) =>
        `${text} ${differs ? (isCertain ? '>' : '>?') : '='} ${cheaper}`,
      (pairs[0] as Pair).dearer as string,
    );
    const turns = pairs.filter(isOpen).map(turnText);
    return [severalHarts ? `${name}, ${hartsText(harts)}` : name, order, turns.join('; ')];
  });
  const uncertain = orders.filter(({ pairs }) => pairs.some(isOpen)).length;
  const verdict =
    uncertain === 0
      ? 'Every order holds for all prices within their ranges.'
      : `${orders.length - uncertain} of ${orders.length} orders hold for all prices within their ranges.`;
  return [
    'Order by cost: > for all prices, >? for the default prices only, = within half a per cent',
    table(['', '', ''], lines, new Set([1, 2])),
    verdict,
  ].join('\n');
}

const isOpen = ({ differs, isCertain }: Pair): boolean => differs && !isCertain;

const turnText = ({ dearer, cheaper, turns }: Pair): string => {
  const at = turns.map(({ parameter, at: value }) => `${parameter} ${value.toPrecision(3)}`);
  const where = at.length === 0 ? 'some prices together, no single one' : at.join(' or ');
  return `${dearer} = ${cheaper} at ${where}`;
};

/** How many prices a tornado shows. */
const WIDEST = 6;
const BAR_COLUMNS = 40;

function sensitivity(tornados: readonly Tornado[]): string {
  const severalHarts = new Set(tornados.map(({ harts }) => harts)).size > 1;
  const blocks = tornados.map(({ mechanism, harts, mean, swings }) => {
    const shown = swings.slice(0, WIDEST);
    const ends = shown.flatMap(({ atLow, atHigh }) => [atLow, atHigh]);
    const [least, most] = [Math.min(mean, ...ends), Math.max(mean, ...ends)];
    const column = (value: number): number =>
      most === least ? 0 : Math.round(((value - least) / (most - least)) * (BAR_COLUMNS - 1));
    const lines = shown.map(({ parameter, atLow, atHigh }) => {
      const [from, to] = [column(Math.min(atLow, atHigh)), column(Math.max(atLow, atHigh))];
      const bar = Array.from({ length: BAR_COLUMNS }, (_, at) =>
        at === column(mean) ? '|' : at >= from && at <= to ? '#' : '.',
      ).join('');
      return [`  ${parameter}`, times(atLow), times(atHigh), bar];
    });
    const where = severalHarts ? ` on ${hartsText(harts)}` : '';
    return `  ${mechanism}${where}: ${times(mean)}\n${table(['', 'at low', 'at high', ''], lines, new Set([3]))}`;
  });
  return ['Geometric mean of the overheads, and what each price alone does to it', ...blocks].join(
    '\n',
  );
}

// --- text ---

const hartsText = (harts: number): string => (harts === 1 ? '1 hart' : `${harts} harts`);

const times = (value: number | null): string => {
  if (value === null) return '';
  return `${value < 10 ? value.toFixed(2) : value.toFixed(1)}x`;
};

/** Three digits that mean something, thousands apart. */
function number(value: number): string {
  if (Math.abs(value) < 0.005) return '0';
  if (value < 0) return `-${number(-value)}`;
  if (value >= 100)
    return Math.round(value)
      .toString()
      .replace(/\B(?=(\d{3})+$)/g, ' ');
  return value >= 10 ? value.toFixed(1) : value.toFixed(2);
}

/** Columns aligned to the right, the first and those named to the left. */
function table(
  heads: readonly string[],
  lines: readonly (readonly string[])[],
  left: ReadonlySet<number> = new Set(),
): string {
  const all = heads.some((head) => head !== '') ? [heads, ...lines] : lines;
  const widths = heads.map((_, column) =>
    Math.max(...all.map((cells) => (cells[column] ?? '').length)),
  );
  return all
    .map((cells) =>
      cells
        .map((cell, column) =>
          column === 0 || left.has(column)
            ? cell.padEnd(widths[column] as number)
            : cell.padStart(widths[column] as number),
        )
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}
