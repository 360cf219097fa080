/** A profile as a flame graph (Gregg): an SVG for a browser, wider is longer, each frame above its caller; titles say the numbers. */
import type { StackNode } from './stacks.ts';

const WIDTH = 1200;
const ROW = 18;
const HEAD = 48;
const MARGIN = 10;
/** Narrower frames are left out. */
const LEAST_WIDTH = 0.4;
const CHARACTER = 6.6;

export function flameGraph(root: StackNode, title: string): string {
  const shapes: string[] = [];
  const depth = depthOf(root);
  const height = HEAD + depth * ROW + MARGIN;
  const scale = (WIDTH - 2 * MARGIN) / Math.max(1, root.total);
  const draw = (node: StackNode, from: number, level: number): void => {
    const width = node.total * scale;
    if (width < LEAST_WIDTH) return;
    const x = MARGIN + from * scale;
    const y = height - MARGIN - (level + 1) * ROW;
    const share = ((100 * node.total) / Math.max(1, root.total)).toFixed(1);
    const label = fitted(node.name, width);
    shapes.push(
      `<g><title>${escaped(node.name)}: ${node.total} samples, ${share} %</title>` +
        `<rect x="${px(x)}" y="${y}" width="${px(width)}" height="${ROW - 1}" fill="${colorOf(node.name)}"/>` +
        (label === '' ? '' : `<text x="${px(x + 3)}" y="${y + ROW - 6}">${escaped(label)}</text>`) +
        '</g>',
    );
    let at = from;
    for (const child of [...node.children.values()].toSorted((a, b) =>
      a.name < b.name ? -1 : 1,
    )) {
      draw(child, at, level + 1);
      at += child.total;
    }
  };
  draw(root, 0, 0);
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${height}" viewBox="0 0 ${WIDTH} ${height}" font-family="monospace" font-size="11" fill="#222222">`,
    '<style>g:hover rect { stroke: #222222; stroke-width: 1 }</style>',
    '<rect width="100%" height="100%" fill="#ffffff"/>',
    `<text x="${MARGIN}" y="20" font-size="15" font-weight="bold">${escaped(title)}</text>`,
    `<text x="${MARGIN}" y="38">${root.total} samples; point at a frame for its numbers</text>`,
    ...shapes,
    '</svg>',
    '',
  ].join('\n');
}

function depthOf(node: StackNode): number {
  return 1 + Math.max(0, ...[...node.children.values()].map(depthOf));
}

/** As much of a name as there is room for, if that is enough to mean something. */
function fitted(name: string, width: number): string {
  const room = Math.floor((width - 6) / CHARACTER);
  if (room < 3) return '';
  return name.length <= room ? name : `${name.slice(0, room - 2)}..`;
}

/** The same name has the same warm colour in every graph. */
function colorOf(name: string): string {
  let hash = 0;
  for (const character of name) hash = (Math.imul(hash, 31) + (character.codePointAt(0) ?? 0)) | 0;
  return `hsl(${15 + ((hash >>> 0) % 40)} 80% ${62 + ((hash >>> 8) % 14)}%)`;
}

const px = (value: number): string => String(Math.round(value * 100) / 100);

const escaped = (content: string): string =>
  content.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
