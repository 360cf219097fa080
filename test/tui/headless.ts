/**
 * The dashboard on a terminal without a screen: two streams and xterm's own parser, whose cells tests
 * read back with their colours. Time is moved by hand.
 */
import xterm from '@xterm/headless';
import { PassThrough } from 'node:stream';
import { startDashboard, type DashboardOptions } from '../../src/tui/dashboard.ts';
import type { EndReason } from '../../src/tui/running.ts';
import type { Timer } from '../../src/tui/timer.ts';
import { onTestFinished } from 'vitest';
import { FakeSource } from './fake-source.ts';

export class ManualTimer implements Timer {
  #now = 0;
  #actions = new Map<object, { action: () => void; intervalMs: number; dueMs: number }>();

  now(): number {
    return this.#now;
  }

  every(intervalMs: number, action: () => void): () => void {
    const key = {};
    this.#actions.set(key, { action, intervalMs, dueMs: this.#now + intervalMs });
    return () => void this.#actions.delete(key);
  }

  get pending(): number {
    return this.#actions.size;
  }

  /** Lets time pass; what is due happens in order. */
  advance(ms: number): number {
    const end = this.#now + ms;
    let calls = 0;
    for (;;) {
      const next = [...this.#actions.values()].sort((a, b) => a.dueMs - b.dueMs)[0];
      if (next === undefined || next.dueMs > end + 1e-9) break;
      this.#now = next.dueMs;
      next.dueMs += next.intervalMs;
      next.action();
      calls++;
    }
    this.#now = end;
    return calls;
  }
}

export interface Cell {
  readonly text: string;
  /** Palette index, -1 for the default. */
  readonly foreground: number;
  readonly background: number;
  readonly isBold: boolean;
  readonly isInverse: boolean;
}

class Keyboard extends PassThrough {
  readonly isTTY = true;
  isRaw = false;
  setRawMode(raw: boolean): this {
    this.isRaw = raw;
    return this;
  }
}

class Display extends PassThrough {
  readonly isTTY = true;
  columns: number;
  rows: number;
  constructor(columns: number, rows: number) {
    super();
    this.columns = columns;
    this.rows = rows;
  }
}

export type HeadlessOptions = Omit<DashboardOptions, 'input' | 'output' | 'timer'>;

export class Headless {
  readonly timer = new ManualTimer();
  readonly input = new Keyboard();
  readonly output: Display;
  readonly source: FakeSource;
  readonly done: Promise<EndReason>;
  readonly close: () => void;
  /** Everything that was sent to the terminal. */
  sent = '';
  readonly #terminal: xterm.Terminal;

  constructor(source: FakeSource, columns = 80, rows = 24, options: HeadlessOptions = {}) {
    this.source = source;
    this.#terminal = new xterm.Terminal({
      cols: columns,
      rows,
      allowProposedApi: true,
      convertEol: true,
    });
    this.output = new Display(columns, rows);
    this.output.on('data', (data: Buffer) => {
      this.sent += data.toString();
      this.#terminal.write(data);
    });
    const { input, output, timer } = this;
    const env = { TERM: 'xterm-256color', LANG: 'C.UTF-8' };
    const running = startDashboard(source, { env, ...options, input, output, timer });
    this.done = running.done;
    this.close = running.close;
  }

  /** Until the terminal has taken everything in. */
  async settle(): Promise<void> {
    for (let round = 0; round < 3; round++) {
      await new Promise<void>((resolve) => setImmediate(resolve));
      await new Promise<void>((resolve) => this.#terminal.write('', resolve));
    }
  }

  async press(...keys: readonly string[]): Promise<void> {
    for (const key of keys) {
      this.input.write(key);
      await this.settle();
    }
  }

  /** Left button at a cell, counted from 0. */
  click(x: number, y: number): Promise<void> {
    return this.press(`\x1b[<0;${x + 1};${y + 1}M`, `\x1b[<0;${x + 1};${y + 1}m`);
  }

  wheel(direction: 'up' | 'down', x: number, y: number): Promise<void> {
    return this.press(`\x1b[<${direction === 'up' ? 64 : 65};${x + 1};${y + 1}M`);
  }

  async pass(ms: number): Promise<number> {
    const frames = this.timer.advance(ms);
    await this.settle();
    return frames;
  }

  /** A second of the run, seen. */
  async runSecond(): Promise<void> {
    for (let frame = 0; frame < 5; frame++) {
      this.source.run(0.2);
      await this.pass(200);
    }
  }

  async resize(columns: number, rows: number): Promise<void> {
    this.#terminal.resize(columns, rows);
    this.output.columns = columns;
    this.output.rows = rows;
    this.output.emit('resize');
    await this.settle();
  }

  get isAlternate(): boolean {
    return this.#terminal.buffer.active.type === 'alternate';
  }

  rows(): string[] {
    const { active } = this.#terminal.buffer;
    return Array.from(
      { length: this.#terminal.rows },
      (_, y) => active.getLine(active.baseY + y)?.translateToString(true) ?? '',
    );
  }

  text(): string {
    return this.rows().join('\n');
  }

  /** Everything above the bottom, what has scrolled away included. */
  history(): string {
    const { active } = this.#terminal.buffer;
    return Array.from(
      { length: active.length },
      (_, y) => active.getLine(y)?.translateToString(true) ?? '',
    ).join('\n');
  }

  cell(x: number, y: number): Cell {
    const cell = this.#terminal.buffer.active.getLine(y)?.getCell(x);
    if (cell === undefined) throw new RangeError(`no cell at ${x}, ${y}`);
    return {
      text: cell.getChars(),
      foreground: cell.isFgPalette() ? cell.getFgColor() : -1,
      background: cell.isBgPalette() ? cell.getBgColor() : -1,
      isBold: cell.isBold() !== 0,
      isInverse: cell.isInverse() !== 0,
    };
  }

  /** Where a text stands: its first cell. */
  find(wanted: string): { readonly x: number; readonly y: number } {
    for (const [y, row] of this.rows().entries()) {
      const x = row.indexOf(wanted);
      if (x >= 0) return { x, y };
    }
    throw new Error(`'${wanted}' is not on the screen:\n${this.text()}`);
  }

  /** The first cell of a text. */
  at(wanted: string): Cell {
    const { x, y } = this.find(wanted);
    return this.cell(x, y);
  }
}

/** A dashboard after its first second, which ends with the test. */
export async function open(
  harts = 4,
  columns = 80,
  rows = 24,
  options: HeadlessOptions = {},
  prepare: (source: FakeSource) => void = () => {},
): Promise<Headless> {
  const source = new FakeSource(harts);
  prepare(source);
  const screen = show(source, columns, rows, options);
  await screen.runSecond();
  return screen;
}

/** A dashboard of a source, which ends with the test. */
export function show(
  source: FakeSource,
  columns = 80,
  rows = 24,
  options: HeadlessOptions = {},
): Headless {
  const screen = new Headless(source, columns, rows, options);
  onTestFinished(async () => {
    screen.close();
    await screen.done.catch(() => {});
  });
  return screen;
}
