/**
 * Lines of text with roles: what panes are made of. No escape code before `toSgr`.
 *
 * Widths are those of a terminal's cells. A character whose width terminals disagree on would shift
 * the rest of its row, so `safeText` lets through only those that all agree on.
 */

export type Role =
  | 'plain'
  | 'dim'
  | 'strong'
  | 'head'
  | 'good'
  | 'warn'
  | 'bad'
  | 'accent'
  | 'mark';

export interface Span {
  readonly text: string;
  readonly role?: Role;
  /** Colours that the guest asked for, 0 to 15. */
  readonly foreground?: number;
  readonly background?: number;
}
export type Line = readonly Span[];

export const span = (text: string, role: Role = 'plain'): Span => ({ text, role });

/** Characters of two cells, in ranges of the basic plane (Unicode's East Asian Width W and F). */
const WIDE: readonly (readonly [number, number])[] = [
  [0x1100, 0x115f],
  [0x2e80, 0x2e99],
  [0x2e9b, 0x2ef3],
  [0x2f00, 0x2fd5],
  [0x3001, 0x3029],
  [0x3030, 0x303e],
  [0x3041, 0x3096],
  [0x309b, 0x30ff],
  [0x3105, 0x312d],
  [0x3131, 0x318e],
  [0x3200, 0x321e],
  [0x3220, 0x3247],
  [0x3250, 0x32fe],
  [0x3300, 0x4db5],
  [0x4e00, 0x9fcb],
  [0xa000, 0xa48c],
  [0xa490, 0xa4c6],
  [0xac00, 0xd7a3],
  [0xf900, 0xfa2d],
  [0xff01, 0xff60],
  [0xffe0, 0xffe6],
];

export function isWide(code: number): boolean {
  if (code < 0x1100) return false;
  return WIDE.some(([first, last]) => code >= first && code <= last);
}

/** One cell wherever: Latin, Greek, Cyrillic, punctuation, arrows, box drawing, blocks, shapes. */
const isNarrow = (code: number): boolean =>
  (code >= 0x20 && code < 0x7f) ||
  (code >= 0xa1 && code < 0x300 && code !== 0xad) ||
  (code >= 0x370 && code < 0x483) ||
  (code >= 0x48a && code < 0x530) ||
  (code >= 0x2010 && code < 0x2028) ||
  (code >= 0x2030 && code < 0x205f) ||
  (code >= 0x20a0 && code < 0x20c0) ||
  (code >= 0x2190 && code < 0x231a) ||
  (code >= 0x2500 && code < 0x25fd) ||
  code === 0xfffd;

/** Stands for a character that is not shown. */
const REPLACEMENT = '\ufffd';

/** The characters of `text` that may be shown; control characters and marks of no width vanish. */
export function safeText(text: string): string {
  let safe = '';
  for (const character of text) {
    const code = character.codePointAt(0) as number;
    if (isNarrow(code) || isWide(code)) safe += character;
    else if (!/[\p{Cc}\p{Cf}\p{M}\p{Z}]/u.test(character)) safe += REPLACEMENT;
    else if (/\p{Z}/u.test(character)) safe += ' ';
  }
  return safe;
}

/** Cells of a text that went through `safeText`. */
export function cells(text: string): number {
  let count = text.length;
  for (let i = 0; i < text.length; i++) if (isWide(text.charCodeAt(i))) count++;
  return count;
}

/** The start of `text` that fits in `width` cells. */
export function cut(text: string, width: number): string {
  let used = 0;
  for (let i = 0; i < text.length; i++) {
    used += isWide(text.charCodeAt(i)) ? 2 : 1;
    if (used > width) return text.slice(0, i);
  }
  return text;
}

/** `text` in exactly `width` cells. */
export function fit(text: string, width: number, align: 'left' | 'right' = 'left'): string {
  const shown = cut(text, width);
  const blank = ' '.repeat(Math.max(0, width - cells(shown)));
  return align === 'left' ? shown + blank : blank + shown;
}

/** The start of a line that fits in `width` cells. */
export function clip(line: Line, width: number): Line {
  const kept: Span[] = [];
  let left = width;
  for (const part of line) {
    if (left <= 0) break;
    const text = cut(part.text, left);
    left -= cells(part.text);
    if (text !== '') kept.push({ ...part, text });
  }
  return kept;
}

export const plainText = (line: Line): string => line.map(({ text }) => text).join('');

/** A line in rows of at most `width` cells. */
export function wrap(line: Line, width: number): Line[] {
  const rows: Line[] = [];
  let row: Span[] = [];
  let left = width;
  for (const part of line) {
    let rest = part.text;
    while (rest !== '') {
      let text = cut(rest, left);
      if (text === '' && left === width) text = rest.slice(0, 1); // a wide character in one cell
      if (text !== '') row.push({ ...part, text });
      rest = rest.slice(text.length);
      left -= cells(text);
      if (rest !== '') {
        rows.push(row);
        row = [];
        left = width;
      }
    }
  }
  rows.push(row);
  return rows;
}
