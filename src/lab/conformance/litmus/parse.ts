/**
 * Reads litmus tests in the format of herdtools7 (diy7 writes it, herd7 judges it), as far as tests for
 * RISC-V need it: an initial state, a column of assembly for each thread, and a condition, of which only
 * the names matter here: they are what an outcome shows.
 */

export interface LitmusTest {
  readonly name: string;
  /** Lines of assembly, thread by thread. */
  readonly threads: readonly (readonly string[])[];
  /** Values that registers start with: a number, or the address of a location. */
  readonly registers: readonly Readonly<Record<string, number | string>>[];
  /** Locations in memory, and what they hold at first. */
  readonly locations: ReadonlyMap<string, number>;
  /** What an outcome is made of, sorted by name. */
  readonly observed: readonly Observed[];
}

/** A register after the test, or a location. */
export type Observed =
  | { readonly name: string; readonly thread: number; readonly register: string }
  | { readonly name: string; readonly location: string };

/** A file that is not understood; the message says where. */
export class LitmusError extends Error {}

const strip = (text: string): string => text.replaceAll(/\(\*[\s\S]*?\*\)/g, '');

/** @throws LitmusError */
export function parseLitmus(source: string, file: string): LitmusTest {
  const text = strip(source);
  const head = /^\s*(\S+)\s+(\S+)/.exec(text);
  if (head?.[1] !== 'RISCV') throw new LitmusError(`${file}: not a test for RISCV`);
  const open = text.indexOf('{');
  const close = text.indexOf('}', open);
  if (open < 0 || close < 0) throw new LitmusError(`${file}: no initial state in braces`);
  const rest = text.slice(close + 1);
  const end = rest.search(/^\s*(locations|exists|~exists|forall|filter)\b/m);
  if (end < 0) throw new LitmusError(`${file}: no condition`);
  const threads = columnsOf(rest.slice(0, end), file);
  const { registers, locations } = initialState(text.slice(open + 1, close), threads.length, file);
  const observed = observedIn(rest.slice(end));
  for (const one of observed) {
    if ('location' in one && !locations.has(one.location)) locations.set(one.location, 0);
    if ('thread' in one && one.thread >= threads.length)
      throw new LitmusError(`${file}: no thread ${one.thread}`);
  }
  return { name: head[2] as string, threads, registers, locations, observed };
}

function columnsOf(body: string, file: string): string[][] {
  const rows = body
    .split(';')
    .map((row) => row.trim())
    .filter((row) => row !== '')
    .map((row) => row.split('|').map((cell) => cell.trim()));
  const [titles = [], ...lines] = rows;
  if (titles.length === 0 || titles.some((title, n) => title !== `P${n}`))
    throw new LitmusError(`${file}: the columns are not headed P0, P1 and so on`);
  return titles.map((_, thread) =>
    lines.map((cells) => cells[thread] ?? '').filter((cell) => cell !== ''),
  );
}

function initialState(
  text: string,
  threads: number,
  file: string,
): { registers: Record<string, number | string>[]; locations: Map<string, number> } {
  const registers = Array.from({ length: threads }, (): Record<string, number | string> => ({}));
  const locations = new Map<string, number>();
  for (const part of text.split(';').map((one) => one.trim())) {
    if (part === '') continue;
    const match =
      /^(?:\w+\s+)?\*?(?:(\d+):(\w+)|\[?(\w+)\]?)\s*=\s*(?:&?\[?([A-Za-z_]\w*)\]?|(-?\w+))$/.exec(
        part,
      );
    if (match === null) throw new LitmusError(`${file}: '${part}' is no initial value`);
    const [, thread, register, location, pointer, number] = match;
    if (pointer !== undefined && !locations.has(pointer)) locations.set(pointer, 0);
    if (location !== undefined) locations.set(location, Number(number));
    else {
      const mine = registers[Number(thread)];
      if (mine === undefined) throw new LitmusError(`${file}: '${part}': no such thread`);
      mine[register as string] = pointer ?? Number(number);
    }
  }
  return { registers, locations };
}

function observedIn(condition: string): Observed[] {
  const found = new Map<string, Observed>();
  for (const [, thread, register] of condition.matchAll(/(\d+):(\w+)/g)) {
    const name = `${thread}:${register}`;
    found.set(name, { name, thread: Number(thread), register: register as string });
  }
  // Locations stand before '=' or, in `locations [x; y;]`, by themselves.
  const named = condition.replaceAll(/\d+:\w+/g, '');
  const listed = /locations\s*\[([^\]]*)\]/.exec(named)?.[1]?.split(';') ?? [];
  const compared = [...named.matchAll(/\[?([A-Za-z_]\w*)\]?\s*=/g)].map(
    ([, name]) => name as string,
  );
  for (const location of [...listed.map((one) => one.trim()), ...compared]) {
    if (location !== '') found.set(`[${location}]`, { name: `[${location}]`, location });
  }
  return [...found.values()].toSorted((a, b) => (a.name < b.name ? -1 : 1));
}

/** One form for an outcome, whoever prints it: `0:x5=1; [y]=2;` with the names sorted. */
export function normalOutcome(text: string): string {
  return text
    .split(';')
    .map((part) => part.trim())
    .filter((part) => part !== '')
    .map((part) => part.replace(/^([A-Za-z_]\w*)=/, '[$1]='))
    .toSorted()
    .map((part) => `${part};`)
    .join(' ');
}
