/**
 * Mistakes in policies and refusals of the linker: one shape, one way to print them.
 *
 * A diagnostic says where, what, why (`notes`) and the smallest change that would make it right
 * (`fix`). Producers collect all of them; `sortDiagnostics` orders them and drops those that only
 * follow from another at the same place.
 */

export type Severity = 'error' | 'warning';

export interface Diagnostic {
  readonly severity: Severity;
  readonly file: string;
  /** 1-based; 0 = the whole file. */
  readonly line: number;
  /** 1-based; 0 = the whole line. */
  readonly column: number;
  /** Characters to underline, at least 1. */
  readonly length: number;
  readonly message: string;
  readonly notes?: readonly string[];
  readonly fix?: string;
  /** Lower ranks explain higher ones at the same place: 0 spelling, 1 syntax, 2 names, 3 meaning. */
  readonly rank?: number;
}

/** By file, line, column and text; of several at one place only those of the lowest rank stay. */
export function sortDiagnostics(diagnostics: readonly Diagnostic[]): Diagnostic[] {
  const lowest = new Map<string, number>();
  for (const d of diagnostics) {
    const key = placeKey(d);
    lowest.set(key, Math.min(lowest.get(key) ?? Infinity, d.rank ?? 3));
  }
  const seen = new Set<string>();
  return diagnostics
    .filter((d) => (d.rank ?? 3) === lowest.get(placeKey(d)))
    .toSorted(compareDiagnostics)
    .filter((d) => {
      const key = `${placeKey(d)}:${d.message}`;
      return seen.has(key) ? false : seen.add(key);
    });
}

const placeKey = (d: Diagnostic): string => `${d.file}:${d.line}:${d.column}`;

const compareDiagnostics = (a: Diagnostic, b: Diagnostic): number =>
  compareText(a.file, b.file) ||
  a.line - b.line ||
  a.column - b.column ||
  compareText(a.message, b.message);

/** Order of code units: the same on every machine, whatever its locale. */
export const compareText = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);

/** The text of a source file, or undefined if it cannot be shown. */
export type SourceText = (file: string) => string | undefined;

/** One diagnostic as `file:line:col: error: message`, the source line with carets, notes and fix. */
export function formatDiagnostic(d: Diagnostic, sourceText: SourceText): string {
  const place = [d.file, ...(d.line > 0 ? [d.line] : []), ...(d.column > 0 ? [d.column] : [])];
  const lines = [`${place.join(':')}: ${d.severity}: ${d.message}`];
  const source = d.line > 0 ? sourceText(d.file)?.split('\n')[d.line - 1] : undefined;
  if (source !== undefined && source.trim() !== '') {
    lines.push(`  ${source.trimEnd()}`);
    if (d.column > 0) {
      const indent = source.slice(0, d.column - 1).replaceAll(/[^\t]/g, ' ');
      lines.push(`  ${indent}${'^'.repeat(Math.max(1, d.length))}`);
    }
  }
  for (const note of d.notes ?? []) lines.push(`  note: ${note}`);
  if (d.fix !== undefined) lines.push(`  fix: ${d.fix}`);
  return lines.join('\n');
}

export const formatDiagnostics = (
  diagnostics: readonly Diagnostic[],
  sourceText: SourceText,
): string => diagnostics.map((d) => formatDiagnostic(d, sourceText)).join('\n\n');

export const hasErrors = (diagnostics: readonly Diagnostic[]): boolean =>
  diagnostics.some(({ severity }) => severity === 'error');

/** The candidate that a misspelt name most likely meant, or undefined if none is close. */
export function closest(name: string, candidates: Iterable<string>): string | undefined {
  let best: string | undefined;
  let bestDistance = Math.max(1, Math.floor(name.length / 3)) + 1;
  for (const candidate of [...candidates].toSorted(compareText)) {
    const distance = editDistance(name.toLowerCase(), candidate.toLowerCase());
    if (distance < bestDistance) [best, bestDistance] = [candidate, distance];
  }
  return best;
}

/** Insertions, deletions, replacements and swaps of neighbours (optimal string alignment). */
function editDistance(a: string, b: string): number {
  let beforePrevious: number[] = [];
  let previous = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const isSame = a[i - 1] === b[j - 1];
      let cost = Math.min(
        (row[j - 1] as number) + 1,
        (previous[j] as number) + 1,
        (previous[j - 1] as number) + (isSame ? 0 : 1),
      );
      const isSwap = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1];
      if (isSwap) cost = Math.min(cost, (beforePrevious[j - 2] as number) + 1);
      row.push(cost);
    }
    [beforePrevious, previous] = [previous, row];
  }
  return previous[b.length] as number;
}

/** `; did you mean 'x'?`, or a list of what there is, or nothing. */
export function suggestion(
  name: string,
  candidates: readonly string[],
): { text: string; fix?: string } {
  const near = closest(name, candidates);
  if (near !== undefined) return { text: `; did you mean '${near}'?`, fix: `write '${near}'` };
  if (candidates.length === 0) return { text: '' };
  const shown = candidates.toSorted(compareText).slice(0, 12).join(', ');
  return { text: '', fix: `use one of: ${shown}${candidates.length > 12 ? ', ...' : ''}` };
}
