/**
 * The trusted computing base, counted: lines that are code and branches of the nested kernel, file by
 * file, written into docs/nested-kernel.md between two markers. Run it as a script to bring the page up
 * to date.
 */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT } from './bundled.ts';

const FOLDER = 'src/nested-kernel';
const PAGE = 'docs/nested-kernel.md';
const BEGIN = '<!-- tcb: begin; written by src/lab/tcb.ts -->';
const END = '<!-- tcb: end -->';

export interface FileCount {
  readonly file: string;
  /** Lines that are neither blank nor only comment. */
  readonly lines: number;
  /** Places where the flow of control parts. */
  readonly branches: number;
}

/** Text without comments; strings keep their place so that `//` in one is no comment. */
function withoutComments(text: string): string {
  return text.replace(
    /\/\*[\s\S]*?\*\/|\/\/[^\n]*|'(?:\\.|[^'\\\n])*'|`(?:\\.|[^`\\])*`/g,
    (match) => (match.startsWith('/') ? match.replace(/[^\n]/g, '') : match),
  );
}

export function countSource(text: string): Omit<FileCount, 'file'> {
  const code = withoutComments(text);
  const bare = code.replace(/'(?:\\.|[^'\\\n])*'/g, "''");
  return {
    lines: code.split('\n').filter((line) => line.trim() !== '').length,
    branches: (bare.match(/\b(?:if|for|while|case|catch)\b|&&|\|\||\?\?|\?(?![.:?])/g) ?? [])
      .length,
  };
}

export function countTcb(root: string = ROOT): FileCount[] {
  return readdirSync(join(root, FOLDER), { recursive: true, encoding: 'utf8' })
    .map((file) => file.replaceAll('\\', '/'))
    .filter((file) => file.endsWith('.ts'))
    .toSorted()
    .map((file) => ({ file, ...countSource(readFileSync(join(root, FOLDER, file), 'utf8')) }));
}

/** The page with its table brought up to date. */
export function withTable(page: string, counts: readonly FileCount[]): string {
  const row = ({ file, lines, branches }: FileCount): string =>
    `| \`${file}\` | ${lines} | ${branches} |`;
  const sum = (of: 'lines' | 'branches'): number =>
    counts.reduce((all, count) => all + count[of], 0);
  const table = [
    '| file | lines of code | branches |',
    '|---|---:|---:|',
    ...counts.map(row),
    `| all | ${sum('lines')} | ${sum('branches')} |`,
  ].join('\n');
  const begin = page.indexOf(BEGIN);
  const end = page.indexOf(END);
  if (begin < 0 || end < begin) throw new Error(`${PAGE} has no place for the table`);
  return `${page.slice(0, begin + BEGIN.length)}\n\n${table}\n\n${page.slice(end)}`;
}

/** The page as it is, and as it should be. */
export function tcbPage(root: string = ROOT): { readonly now: string; readonly wanted: string } {
  const now = readFileSync(join(root, PAGE), 'utf8');
  return { now, wanted: withTable(now, countTcb(root)) };
}

if (import.meta.main) writeFileSync(join(ROOT, PAGE), tcbPage().wanted);
