/**
 * The run as plain lines, for pipes, logs and dumb terminals: a line of figures a second, each event
 * and each line of the guest as it comes, and a table at the end. No escape code, ever.
 */
import type { Writable } from 'node:stream';
import { Model } from './model.ts';
import { onSignals, type EndReason, type Running } from './running.ts';
import { clockTime } from './scale.ts';
import type { DashboardSource } from './source.ts';
import { plainText } from './text.ts';
import { HOST_TIMER, type Timer } from './timer.ts';
import { eventText } from './view/events.ts';
import { finalTable, statusLine } from './view/summary.ts';

export interface PlainOptions {
  readonly output?: Writable;
  readonly intervalMs?: number;
  readonly timer?: Timer;
}

/** Writes lines until the run is over or `close` is called. */
export function startPlain(source: DashboardSource, options: PlainOptions = {}): Running {
  const output = options.output ?? process.stdout;
  const timer = options.timer ?? HOST_TIMER;
  const model = new Model();
  const news = new News(model);
  const { promise, resolve, reject } = Promise.withResolvers<EndReason>();
  let hasEnded = false;

  const write = (lines: readonly string[]): void => {
    if (lines.length > 0) output.write(`${lines.join('\n')}\n`);
  };
  const look = (): void => {
    model.sample(source, timer.now());
    write(news.take());
  };
  /** Runs once, whatever ends it first. */
  const settle = (action: () => void): void => {
    if (hasEnded) return;
    hasEnded = true;
    cancelTick();
    cancelSignals();
    try {
      action();
    } catch (error) {
      reject(error);
    }
  };
  const end = (reason: EndReason): void =>
    settle(() => {
      look();
      write([...news.takeUnfinished(), ...finalTable(model)]);
      resolve(reason);
    });
  const guarded = (action: () => void): void => {
    try {
      action();
    } catch (error) {
      settle(() => reject(error));
    }
  };
  // `cordon run | head` closes the pipe: nothing more can be said, and the run goes on.
  output.on('error', (error: NodeJS.ErrnoException) =>
    settle(() => (error.code === 'EPIPE' ? resolve('closed') : reject(error))),
  );
  const cancelSignals = onSignals(end);
  const cancelTick = timer.every(options.intervalMs ?? 1000, () =>
    guarded(() => {
      look();
      write([statusLine(model)]);
      if (model.summary.finished !== null) end('finished');
    }),
  );
  guarded(look);
  return { done: promise, close: () => end('closed') };
}

/** What has come since the last time: events, and the guest's lines that are complete. */
class News {
  readonly #model: Model;
  #lastEvent = 0;
  #lines = 0;

  constructor(model: Model) {
    this.#model = model;
  }

  take(): string[] {
    const { console } = this.#model;
    const fresh = this.#model.events.filter(({ sequence }) => sequence > this.#lastEvent);
    this.#lastEvent = fresh.at(-1)?.sequence ?? this.#lastEvent;
    const complete = console.lines.slice(0, -1);
    const missing = Math.min(complete.length, console.written - this.#lines);
    this.#lines = console.written;
    return [
      ...complete.slice(complete.length - missing).map((line) => `guest | ${plainText(line)}`),
      ...fresh.map((event) => `event | ${clockTime(event.timeMs)} ${eventText(event)}`),
    ];
  }

  /** A last line that the guest did not end. */
  takeUnfinished(): string[] {
    const last = plainText(this.#model.console.lines.at(-1) ?? []);
    return last === '' ? [] : [`guest | ${last}`];
  }
}
