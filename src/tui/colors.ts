/**
 * Whether to colour, and what each role looks like with colours and without.
 */
import type { Line, Role, Span } from './text.ts';

type Environment = Readonly<Record<string, string | undefined>>;

/**
 * Colours or none. In this order: the command line (`--color`, `--no-color`), FORCE_COLOR, NO_COLOR
 * (https://no-color.org: any value but the empty one), a dumb terminal, a pipe. FORCE_COLOR wins over
 * NO_COLOR as it does in Node itself.
 */
export function wantsColor(request: {
  readonly flag?: boolean | undefined;
  readonly env: Environment;
  readonly isTTY: boolean;
}): boolean {
  const { flag, env, isTTY } = request;
  if (flag !== undefined) return flag;
  const forced = env['FORCE_COLOR'];
  if (forced !== undefined) return forced !== '0' && forced !== 'false';
  if ((env['NO_COLOR'] ?? '') !== '') return false;
  return isTTY && env['TERM'] !== 'dumb';
}

/** Whether the terminal shows more than ASCII: as the locale says, which is all that can be known. */
export function wantsUnicode(env: Environment): boolean {
  const locale = env['LC_ALL'] || env['LC_CTYPE'] || env['LANG'] || '';
  return /utf-?8/i.test(locale);
}

/** SGR parameters of a role: what is left without colours, and what colours add. */
const ROLES: Record<Role, readonly [attributes: string, colors: string]> = {
  plain: ['', ''],
  dim: ['', '90'],
  strong: ['1', ''],
  head: ['1', '36'],
  good: ['', '32'],
  warn: ['', '33'],
  bad: ['1', '31'],
  accent: ['', '36'],
  mark: ['7', ''],
};

const guestColor = (color: number | undefined, base: number): string => {
  if (color === undefined) return '';
  return String(color < 8 ? base + color : base + 60 + color - 8);
};

function parameters(part: Span, color: boolean): string {
  const [attributes, colors] = ROLES[part.role ?? 'plain'];
  if (!color) return attributes;
  return [attributes, colors, guestColor(part.foreground, 30), guestColor(part.background, 40)]
    .filter((code) => code !== '')
    .join(';');
}

/** A line with SGR sequences (ECMA-48, "SGR - Select Graphic Rendition"); each span ends reset. */
export function toSgr(line: Line, color: boolean): string {
  let out = '';
  for (const part of line) {
    const codes = parameters(part, color);
    out += codes === '' ? part.text : `\x1b[${codes}m${part.text}\x1b[m`;
  }
  return out;
}
