/** A profile as tables: by domain, by function, by path. */
import type { NamedStack } from './stacks.ts';

const MOST_FUNCTIONS = 40;
const MOST_PATHS = 15;

export function profileText(stacks: readonly NamedStack[], unit: string): string {
  const total = stacks.reduce((sum, { periods }) => sum + periods, 0);
  if (total === 0) return 'No samples: no hart ran for as long as a sampling period.\n';
  const parts = [
    `${total} samples, ${unit} of running each`,
    table(
      'domain',
      sums(stacks, ({ domain }) => domain),
      total,
      Infinity,
    ),
    table(
      'function',
      sums(stacks, (stack) => `${stack.function}\t${stack.domain}`),
      total,
      MOST_FUNCTIONS,
    ),
    table(
      'path',
      sums(stacks, ({ frames }) => frames.join(' > ')),
      total,
      MOST_PATHS,
    ),
  ];
  return `${parts.join('\n\n')}\n`;
}

function sums(
  stacks: readonly NamedStack[],
  keyOf: (stack: NamedStack) => string,
): [string, number][] {
  const counts = new Map<string, number>();
  for (const stack of stacks) {
    const key = keyOf(stack);
    counts.set(key, (counts.get(key) ?? 0) + stack.periods);
  }
  return [...counts].toSorted(([a, x], [b, y]) => y - x || (a < b ? -1 : 1));
}

function table(
  head: string,
  rows: readonly [string, number][],
  total: number,
  most: number,
): string {
  const shown = rows.slice(0, most);
  const cells = shown.map(([key]) => key.split('\t'));
  const width = Math.max(head.length, ...cells.map(([first = '']) => first.length));
  const lines = shown.map(([, count], index) => {
    const [first = '', second = ''] = cells[index] as string[];
    const share = ((100 * count) / total).toFixed(1).padStart(5);
    return `${share} %  ${String(count).padStart(7)}  ${first.padEnd(width)}  ${second}`.trimEnd();
  });
  const rest = rows.length - shown.length;
  return [`  share  samples  ${head}`, ...lines, ...(rest > 0 ? [`  and ${rest} more`] : [])].join(
    '\n',
  );
}
