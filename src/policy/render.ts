/**
 * Pictures of a set of policies: who may call what of whom, and who shares what.
 *
 * The core stands in the middle, the other subsystems around it in the order of their ids; so the
 * same subsystem stays in the same place while its policy changes. Both outputs are deterministic.
 */
import { CORE, type Policies, type SubsystemPolicy } from './model.ts';

/** All calls of one caller to one callee. */
interface Link {
  readonly from: string;
  readonly to: string;
  readonly labels: readonly string[];
  readonly kind: 'call' | 'share';
}

function linksOf(policies: Policies): Link[] {
  const calls = new Map<string, { from: string; to: string; labels: string[] }>();
  for (const { caller, callee, function: name } of policies.edges) {
    const key = `${caller}\0${callee}`;
    const link = calls.get(key) ?? { from: caller, to: callee, labels: [] };
    link.labels.push(name);
    calls.set(key, link);
  }
  const shares = policies.subsystems.flatMap(({ name, shares: list }) =>
    list.flatMap(({ symbol, partners }) =>
      partners.map((partner): Link => ({
        from: name,
        to: partner.name,
        labels: [`${symbol} ${partner.access === 'rw' ? 'rw' : 'ro'}`],
        kind: 'share',
      })),
    ),
  );
  return [...[...calls.values()].map((link): Link => ({ ...link, kind: 'call' })), ...shares];
}

const kib = (sizeBytes: number): string =>
  sizeBytes % 1024 === 0 ? `${sizeBytes / 1024}K` : String(sizeBytes);

function describe({ stackBytes, heapBytes, mmio, secrets, budget }: SubsystemPolicy): string[] {
  const lines = [`stack ${kib(stackBytes)}${heapBytes > 0 ? `, heap ${kib(heapBytes)}` : ''}`];
  if (mmio.length > 0) lines.push(mmio.map(({ device }) => device).join(', '));
  if (secrets.length > 0) lines.push(`secret ${secrets.map(({ symbol }) => symbol).join(', ')}`);
  if (budget > 0) lines.push(`${budget} instructions a call`);
  return lines;
}

export function renderDot(policies: Policies): string {
  const nodes = policies.subsystems.map((subsystem) => {
    const lines = [subsystem.name, ...describe(subsystem)];
    const shape = subsystem.name === CORE ? ', style=bold' : '';
    return `  ${quote(subsystem.name)} [label=${quote(lines.join('\n'))}${shape}];`;
  });
  const links = linksOf(policies).map(({ from, to, labels, kind }) => {
    const style = kind === 'share' ? ', style=dashed, arrowhead=none' : '';
    return `  ${quote(from)} -> ${quote(to)} [label=${quote(labels.join('\n'))}${style}];`;
  });
  return [
    'digraph policies {',
    '  node [shape=box, fontname="sans-serif"];',
    '  edge [fontname="sans-serif", fontsize=10];',
    ...nodes,
    ...links,
    '}',
    '',
  ].join('\n');
}

const quote = (text: string): string =>
  `"${text.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n')}"`;

interface Point {
  readonly x: number;
  readonly y: number;
}

interface Box extends Point {
  readonly width: number;
  readonly height: number;
  readonly title: string;
  readonly lines: readonly string[];
}

const LINE_HEIGHT = 15;
const CHAR_WIDTH = 6.7;
const MARGIN = 24;
/** Beside the outermost boxes, for arrows that bend outwards and their labels. */
const LABEL_ROOM = 90;
/** More function names than this on one arrow are counted; the full list is its tooltip. */
const MAX_LABELS = 5;

const textWidth = (lines: readonly string[]): number =>
  Math.max(...lines.map((line) => line.length)) * CHAR_WIDTH;

export function renderSvg(policies: Policies): string {
  const boxes = placeBoxes(policies.subsystems);
  const links = linksOf(policies);
  const arrows = links.map((link) => renderLink(link, links, boxes));
  const all = [...boxes.values()];
  const left = Math.min(...all.map((b) => b.x - b.width / 2)) - LABEL_ROOM;
  const width = Math.max(...all.map((b) => b.x + b.width / 2)) + LABEL_ROOM - left;
  const top = Math.min(...all.map((b) => b.y - b.height / 2)) - MARGIN;
  const height = Math.max(...all.map((b) => b.y + b.height / 2)) + MARGIN - top;
  const viewBox = [left, top, width, height].map(round).join(' ');
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="${viewBox}" width="${round(width)}" height="${round(height)}" font-family="sans-serif" font-size="12">`,
    '<title>Subsystems, gates and shares</title>',
    '<defs><marker id="arrow" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="8" markerHeight="8" orient="auto"><path d="M0 0L8 4L0 8z" fill="#345"/></marker></defs>',
    `<rect x="${round(left)}" y="${round(top)}" width="100%" height="100%" fill="#fff"/>`,
    ...arrows.map(({ path }) => path),
    ...all.map(renderBox),
    ...arrows.map(({ label }) => label),
    '</svg>',
    '',
  ].join('\n');
}

const round = (value: number): number => Math.round(value * 10) / 10;

/** The core in the middle of an ellipse that is large enough for its boxes and the arrows' labels. */
function placeBoxes(subsystems: readonly SubsystemPolicy[]): Map<string, Box> {
  const sized = subsystems.map((subsystem) => {
    const lines = describe(subsystem);
    const width = Math.max(90, textWidth([subsystem.name, ...lines]) + 20);
    return { title: subsystem.name, lines, width, height: (lines.length + 1) * LINE_HEIGHT + 14 };
  });
  const around = sized.filter(({ title }) => title !== CORE);
  const widest = Math.max(...sized.map(({ width }) => width));
  const radiusX = Math.max(260, (around.length * (widest + 40)) / (2 * Math.PI) + 120);
  const radiusY = Math.max(210, radiusX * 0.7);
  const centre = { x: 0, y: 0 };
  const boxes = new Map<string, Box>();
  for (const box of sized) {
    const index = around.indexOf(box);
    const angle = -Math.PI / 2 + (index * 2 * Math.PI) / Math.max(1, around.length);
    const at =
      index < 0
        ? centre
        : { x: centre.x + radiusX * Math.cos(angle), y: centre.y + radiusY * Math.sin(angle) };
    boxes.set(box.title, { ...box, ...at });
  }
  return boxes;
}

function renderBox({ x, y, width, height, title, lines }: Box): string {
  const top = y - height / 2;
  const fill = title === CORE ? '#e8eef7' : '#fbf6e9';
  const rows = [title, ...lines].map((line, i) => {
    const weight = i === 0 ? ' font-weight="bold" font-size="14"' : ' fill="#555"';
    return `<text x="${round(x)}" y="${round(top + 20 + i * LINE_HEIGHT)}" text-anchor="middle"${weight}>${escape(line)}</text>`;
  });
  return `<g><rect x="${round(x - width / 2)}" y="${round(top)}" width="${round(width)}" height="${round(height)}" rx="6" fill="${fill}" stroke="#345"/>${rows.join('')}</g>`;
}

/** An arrow bends to its own left, so that the two directions between two boxes stay apart. */
function renderLink(
  link: Link,
  links: readonly Link[],
  boxes: ReadonlyMap<string, Box>,
): { path: string; label: string } {
  const from = boxes.get(link.from);
  const to = boxes.get(link.to);
  if (from === undefined || to === undefined) return { path: '', label: '' };
  const twins = links.filter((other) => other.from === link.from && other.to === link.to);
  const bend = 26 + 30 * twins.indexOf(link);
  const distance = Math.hypot(to.x - from.x, to.y - from.y) || 1;
  const normal = { x: (to.y - from.y) / distance, y: (from.x - to.x) / distance };
  const control = {
    x: (from.x + to.x) / 2 + normal.x * bend * 2,
    y: (from.y + to.y) / 2 + normal.y * bend * 2,
  };
  const start = borderPoint(from, control);
  const end = borderPoint(to, control);
  const style =
    link.kind === 'share'
      ? 'stroke="#a60" stroke-dasharray="5 4"'
      : 'stroke="#345" marker-end="url(#arrow)"';
  const path = `<path d="M${round(start.x)} ${round(start.y)}Q${round(control.x)} ${round(control.y)} ${round(end.x)} ${round(end.y)}" fill="none" ${style}/>`;
  return { path, label: renderLabel(link, pointOnCurve(start, control, end, 0.42)) };
}

/** Where the line from a box's middle to a point leaves the box. */
function borderPoint(box: Box, towards: Point): Point {
  const dx = towards.x - box.x;
  const dy = towards.y - box.y;
  const scale = Math.min(
    box.width / 2 / Math.max(1e-9, Math.abs(dx)),
    box.height / 2 / Math.max(1e-9, Math.abs(dy)),
  );
  return { x: box.x + dx * scale, y: box.y + dy * scale };
}

const pointOnCurve = (a: Point, b: Point, c: Point, t: number): Point => ({
  x: (1 - t) ** 2 * a.x + 2 * t * (1 - t) * b.x + t ** 2 * c.x,
  y: (1 - t) ** 2 * a.y + 2 * t * (1 - t) * b.y + t ** 2 * c.y,
});

function renderLabel({ labels, kind, from, to }: Link, { x, y }: Point): string {
  const hidden = labels.length - MAX_LABELS;
  const lines = hidden > 1 ? [...labels.slice(0, MAX_LABELS), `and ${hidden} more`] : labels;
  const width = textWidth(lines) * 0.9 + 6;
  const height = lines.length * 12 + 4;
  const colour = kind === 'share' ? '#a60' : '#345';
  const rows = lines.map(
    (line, i) =>
      `<text x="${round(x)}" y="${round(y - height / 2 + 11 + i * 12)}" text-anchor="middle" font-size="10.5" fill="${colour}">${escape(line)}</text>`,
  );
  const title = `<title>${escape(`${from} to ${to}: ${labels.join(', ')}`)}</title>`;
  return `<g>${title}<rect x="${round(x - width / 2)}" y="${round(y - height / 2)}" width="${round(width)}" height="${round(height)}" fill="#fff" fill-opacity="0.85"/>${rows.join('')}</g>`;
}

const escape = (text: string): string =>
  text
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;');
