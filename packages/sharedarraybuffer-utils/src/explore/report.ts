/** Schedules and traces as text. */
import { type Done, type History, wantedBy } from './history.ts';
import type { Machine, State } from './machine.ts';
import { type Operation, WAIT_RESULTS } from './operation.ts';

export interface Names {
  readonly threads: readonly string[];
  readonly cells: readonly string[];
}

/** `a*3 b a`: three steps of a, one of b, one of a. */
export function formatSchedule(path: readonly number[], { threads }: Names): string {
  const runs: { thread: number; count: number }[] = [];
  for (const thread of path) {
    const run = runs.at(-1);
    if (run?.thread === thread) run.count++;
    else runs.push({ thread, count: 1 });
  }
  return runs
    .map(({ thread, count }) => `${threads[thread]}${count > 1 ? `*${count}` : ''}`)
    .join(' ');
}

export function parseSchedule(schedule: string, { threads }: Names): number[] {
  return schedule
    .split(' ')
    .filter((run) => run !== '')
    .flatMap((run) => {
      const [name, count = '1'] = run.split('*');
      const thread = threads.indexOf(name as string);
      if (thread < 0) throw new RangeError(`schedule: no thread is called '${name}'`);
      return Array.from({ length: Number(count) }, () => thread);
    });
}

/** One line per step: number, thread, operation and what it gave. */
export function formatTrace(
  machine: Machine,
  initial: State,
  path: readonly number[],
  names: Names,
): string {
  const width = Math.max(...names.threads.map((name) => name.length));
  const lines: string[] = [];
  let state = initial;
  for (const [index, thread] of path.entries()) {
    const after = machine.step(state, thread);
    const name = (names.threads[thread] as string).padEnd(width);
    lines.push(
      `${String(index + 1).padStart(5)}  ${name}  ${describeStep(state, after, thread, names)}`,
    );
    state = after;
  }
  for (const sleeper of state.asleep) {
    const { cell } = wantedBy(state.histories[sleeper] as History);
    const value = state.memory[cell];
    lines.push(
      `       ${names.threads[sleeper]} sleeps on ${names.cells[cell]}, which holds ${value}`,
    );
  }
  return lines.join('\n');
}

function describeStep(before: State, after: State, thread: number, names: Names): string {
  const operation = wantedBy(before.histories[thread] as History);
  const call = describe(operation, names);
  const { kind, cell } = operation;
  if (kind === 'store') return call;
  if (kind === 'wait') {
    if (!before.asleep.includes(thread) && after.asleep.includes(thread)) return `${call} sleeps`;
    const { last } = after.histories[thread] as History;
    return `${call} = ${WAIT_RESULTS[(last as Done).result]}`;
  }
  const { result } = (after.histories[thread] as History).last as Done;
  const woken = before.asleep.filter((sleeper) => !after.asleep.includes(sleeper));
  if (woken.length > 0) {
    return `${call} = ${result}, wakes ${woken.map((sleeper) => names.threads[sleeper]).join(', ')}`;
  }
  const now = after.memory[cell];
  return now === before.memory[cell] ? `${call} = ${result}` : `${call} = ${result}, now ${now}`;
}

function describe({ kind, cell, a, b }: Operation, { cells }: Names): string {
  const operands: Record<Operation['kind'], readonly number[]> = {
    load: [],
    store: [a],
    add: [a],
    or: [a],
    and: [a],
    exchange: [a],
    compareExchange: [a, b],
    wait: b === Infinity ? [a] : [a, b],
    notify: a === Infinity ? [] : [a],
  };
  return `${cells[cell]}.${kind}(${operands[kind].join(', ')})`;
}
