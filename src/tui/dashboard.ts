/**
 * The dashboard on a terminal: panes on a blessed screen, keys, mouse, resize, and the way back.
 *
 * What is drawn is decided in view/, what a key does in interface.ts. This file holds the terminal,
 * and gives it back whatever happens: end, signal, exception.
 */
import blessed from 'blessed';
import { toSgr, wantsColor, wantsUnicode } from './colors.ts';
import { ASCII, UNICODE } from './glyphs.ts';
import {
  initialChoices,
  MAX_FPS,
  MIN_FPS,
  press,
  pressInFilter,
  turnWheel,
  type Choices,
  type Surroundings,
} from './interface.ts';
import { layOut, PANES, type Layout, type PaneName, type Rect } from './layout.ts';
import { Model } from './model.ts';
import { onSignals, type EndReason, type Running } from './running.ts';
import type { DashboardSource } from './source.ts';
import { openScreen, type TerminalStreams } from './terminal.ts';
import { clip, safeText, span, type Line } from './text.ts';
import { HOST_TIMER, type Timer } from './timer.ts';
import { consoleBack, consoleView } from './view/console.ts';
import { eventsView, filteredEvents } from './view/events.ts';
import { footerLine, HELP_COLUMN, helpLines, titleLine } from './view/frame.ts';
import { gatesView } from './view/gates.ts';
import { hartAt, hartStep, hartsView, wantedHartLines } from './view/harts.ts';
import type { PaneView, Size } from './view/pane.ts';
import { finalTable } from './view/summary.ts';

const DEFAULT_FPS = 5;
const WHEEL_ROWS = 3;
const BORDERS = 2;

const VIEWS: Readonly<Record<PaneName, PaneView>> = {
  harts: hartsView,
  gates: gatesView,
  events: eventsView,
  console: consoleView,
};

export interface DashboardOptions extends Partial<TerminalStreams> {
  readonly fps?: number;
  /** As the command line says; the environment decides if left out. */
  readonly color?: boolean;
  /** Ends by itself once the run is over. */
  readonly exitWhenDone?: boolean;
  /** Leaves the final table on the terminal when it ends; yes if left out. */
  readonly showSummary?: boolean;
  readonly timer?: Timer;
  readonly env?: Readonly<Record<string, string | undefined>>;
}

/** Takes the terminal. It must be one: `output.isTTY`. @throws what the source throws at the first look */
export function startDashboard(source: DashboardSource, options: DashboardOptions = {}): Running {
  const dashboard = new Dashboard(source, options);
  return { done: dashboard.done, close: () => dashboard.end('closed') };
}

class Dashboard {
  readonly done: Promise<EndReason>;
  readonly #source: DashboardSource;
  readonly #model = new Model();
  readonly #choices: Choices;
  readonly #streams: TerminalStreams;
  readonly #screen: blessed.Widgets.Screen;
  readonly #boxes: Record<PaneName, blessed.Widgets.BoxElement>;
  readonly #title: blessed.Widgets.BoxElement;
  readonly #footer: blessed.Widgets.BoxElement;
  readonly #help: blessed.Widgets.BoxElement;
  readonly #hasColor: boolean;
  readonly #glyphs: typeof UNICODE;
  readonly #timer: Timer;
  readonly #exitWhenDone: boolean;
  readonly #showSummary: boolean;
  readonly #cancelSignals: () => void;
  readonly #resolve: (reason: EndReason) => void;
  readonly #reject: (reason: unknown) => void;
  #cancelTick: () => void = () => {};
  #tickFps = 0;
  #hasEnded = false;
  #layout: Layout = { panes: {}, isSmall: false };
  /** Of what is typed to the guest: a character may come in pieces. */
  readonly #decoder = new TextDecoder();
  /** The chunk of input being handled went to the guest: its keys are not ours. */
  #isCaptured = false;

  constructor(source: DashboardSource, options: DashboardOptions) {
    const env = options.env ?? process.env;
    const { promise, resolve, reject } = Promise.withResolvers<EndReason>();
    this.done = promise;
    this.#resolve = resolve;
    this.#reject = reject;
    this.#source = source;
    this.#timer = options.timer ?? HOST_TIMER;
    this.#exitWhenDone = options.exitWhenDone ?? false;
    this.#showSummary = options.showSummary ?? true;
    const fps = Math.max(MIN_FPS, Math.min(MAX_FPS, Math.round(options.fps ?? DEFAULT_FPS)));
    this.#choices = initialChoices(fps);
    this.#streams = {
      input: options.input ?? process.stdin,
      output: options.output ?? process.stdout,
    };
    const isTTY = this.#streams.output.isTTY === true;
    this.#hasColor = wantsColor({ flag: options.color, env, isTTY });
    const isUnicode = wantsUnicode(env);
    this.#glyphs = isUnicode ? UNICODE : ASCII;
    // The first look comes before the terminal is taken: a source that throws leaves it alone.
    this.#model.sample(source, this.#timer.now());
    this.#screen = openScreen(this.#streams, 'Cordon', isUnicode);
    this.#title = this.#addBox({ top: 0, height: 1 });
    this.#footer = this.#addBox({ bottom: 0, height: 1 });
    this.#boxes = {
      harts: this.#addPane('harts'),
      gates: this.#addPane('gates'),
      events: this.#addPane('events'),
      console: this.#addPane('console'),
    };
    this.#help = this.#addBox({ border: 'line', hidden: true, clickable: true });
    this.#help.on('click', () => this.#change(() => void (this.#choices.isHelpShown = false)));
    this.#cancelSignals = onSignals((signal) => this.end(signal));
    this.#listen();
    this.#schedule();
    this.#guarded(() => this.#draw());
  }

  /** Gives the terminal back, once. */
  end(reason: EndReason, failure?: { readonly error: unknown }): void {
    if (this.#hasEnded) return;
    this.#hasEnded = true;
    this.#cancelTick();
    this.#cancelSignals();
    this.#screen.destroy();
    if (failure !== undefined) {
      this.#reject(failure.error);
      return;
    }
    if (this.#showSummary) {
      this.#streams.output.write(
        finalTable(this.#model)
          .map((line) => `${line}\n`)
          .join(''),
      );
    }
    this.#resolve(reason);
  }

  #addBox(options: blessed.Widgets.BoxOptions): blessed.Widgets.BoxElement {
    return blessed.box({
      parent: this.#screen,
      left: 0,
      width: '100%',
      tags: false,
      wrap: false,
      ...options,
    });
  }

  #addPane(name: PaneName): blessed.Widgets.BoxElement {
    const box = this.#addBox({ border: 'line', clickable: true });
    box.on('mouse', (event: MouseReport) => this.#mouse(name, event));
    return box;
  }

  #listen(): void {
    const { program } = this.#screen;
    // Before blessed takes the chunk apart: what is typed to the guest goes there as it came.
    program.on('data', (data: Buffer | string) => {
      this.#isCaptured = this.#choices.isTyping;
      if (this.#isCaptured) this.#guarded(() => this.#typeToGuest(data));
    });
    this.#screen.on('keypress', (character: string | undefined, key: KeyName) => {
      if (this.#isCaptured || this.#hasEnded) return;
      this.#change(() => this.#press(character ?? '', key));
    });
    this.#screen.on('resize', () => this.#change(() => {}));
  }

  #press(character: string, key: KeyName): void {
    // blessed reports a carriage return twice, as enter and as return.
    if (key.full === 'return') return;
    if (this.#choices.isTyping) {
      // The rest of a chunk whose first key began the typing.
      this.#source.sendInput?.(key.sequence ?? character);
      return;
    }
    const effect = this.#choices.isFilterEdited
      ? pressInFilter(this.#choices, key.full, character)
      : press(this.#choices, this.#surroundings(), key.full);
    if (effect !== undefined) this.end(effect);
  }

  #typeToGuest(data: Buffer | string): void {
    const text = typeof data === 'string' ? data : this.#decoder.decode(data, { stream: true });
    if (text === '\x1b') {
      this.#change(() => void (this.#choices.isTyping = false));
    } else if (text !== '' && !text.startsWith('\x1b[<')) {
      this.#source.sendInput?.(text);
    }
  }

  #mouse(name: PaneName, event: MouseReport): void {
    const { action } = event;
    if (action !== 'mousedown' && action !== 'wheelup' && action !== 'wheeldown') return;
    this.#change(() => {
      const choices = this.#choices;
      if (choices.isHelpShown) return;
      if (name !== choices.focus) choices.isTyping = false;
      choices.focus = name;
      if (action === 'wheelup') turnWheel(choices, this.#surroundings(), -WHEEL_ROWS);
      else if (action === 'wheeldown') turnWheel(choices, this.#surroundings(), WHEEL_ROWS);
      else if (name === 'harts') this.#selectHart(event.x, event.y);
    });
  }

  #selectHart(x: number, y: number): void {
    const rect = this.#layout.panes.harts;
    if (rect === undefined) return;
    const { harts } = this.#model;
    const hart = hartAt(
      harts.length,
      this.#choices,
      inside(rect),
      x - rect.left - 1,
      y - rect.top - 1,
    );
    if (hart !== undefined) this.#choices.selectedHart = hart;
  }

  #surroundings(): Surroundings {
    const { harts, domains } = this.#model;
    const size = (name: PaneName): Size => inside(this.#layout.panes[name] ?? NOWHERE);
    const console = size('console');
    const choices = this.#choices;
    return {
      harts: harts.length,
      hartStep: hartStep(harts.length, choices, size('harts')),
      domains: domains.length,
      maxBack: {
        events: Math.max(0, filteredEvents(this.#model, choices).length - size('events').height),
        console: consoleBack(this.#model, console.width, console.height),
      },
      pageRows: Math.max(1, size(choices.focus).height),
      canType: this.#source.sendInput !== undefined,
    };
  }

  /** Something that the user did: show it at once. */
  #change(action: () => void): void {
    if (this.#hasEnded) return;
    this.#guarded(() => {
      action();
      if (this.#hasEnded) return;
      if (this.#choices.fps !== this.#tickFps) this.#schedule();
      this.#draw();
    });
  }

  #schedule(): void {
    this.#cancelTick();
    this.#tickFps = this.#choices.fps;
    this.#cancelTick = this.#timer.every(1000 / this.#tickFps, () =>
      this.#guarded(() => this.#tick()),
    );
  }

  #tick(): void {
    const model = this.#model;
    if (this.#choices.isPaused) {
      model.collect(this.#source);
    } else {
      this.#sampleInPlace();
      // A terminal that is slow to take the last frame is not given another one.
      if (!this.#streams.output.writableNeedDrain) this.#draw();
    }
    const { finished } = this.#source.summary();
    if (finished !== null && this.#exitWhenDone) {
      model.sample(this.#source, this.#timer.now());
      this.end('finished');
    }
  }

  /** Looks anew; what is scrolled back stays where it is while lines come in below. */
  #sampleInPlace(): void {
    const { back } = this.#choices;
    const model = this.#model;
    const events = filteredEvents(model, this.#choices).length;
    const lines = model.console.written;
    model.sample(this.#source, this.#timer.now());
    if (back.events > 0) {
      back.events += Math.max(0, filteredEvents(model, this.#choices).length - events);
    }
    if (back.console > 0) back.console += model.console.written - lines;
  }

  #guarded(action: () => void): void {
    if (this.#hasEnded) return;
    try {
      action();
    } catch (error) {
      this.end('closed', { error });
    }
  }

  #draw(): void {
    const columns = Number(this.#screen.width);
    const rows = Number(this.#screen.height);
    const choices = this.#choices;
    const { focus, isExpanded } = choices;
    const wanted = wantedHartLines(this.#model.harts.length, columns - BORDERS) + BORDERS;
    this.#layout = layOut(columns, rows, focus, isExpanded, wanted);
    const { isSmall } = this.#layout;
    const glyphs = this.#glyphs;
    this.#setContent(this.#title, [titleLine(this.#model, choices, columns, isSmall, glyphs)]);
    this.#setContent(this.#footer, [footerLine(choices, columns)]);
    for (const name of PANES) this.#drawPane(name);
    this.#drawHelp(columns, rows);
    this.#screen.render();
  }

  #drawPane(name: PaneName): void {
    const box = this.#boxes[name];
    const rect = this.#layout.panes[name];
    if (rect === undefined || rect.height <= BORDERS || rect.width <= BORDERS) {
      box.hide();
      return;
    }
    place(box, rect);
    const { note, lines } = VIEWS[name](this.#model, this.#choices, inside(rect), this.#glyphs);
    const isFocused = this.#choices.focus === name;
    this.#setContent(box, lines);
    this.#setBorder(box, isFocused);
    const number = PANES.indexOf(name) + 1;
    const label: Line = [
      span(` ${number} ${name} `, isFocused ? 'mark' : 'strong'),
      span(note === '' ? '' : ` ${safeText(note)} `),
    ];
    box.setLabel(toSgr(clip(label, rect.width - BORDERS - 2), this.#hasColor));
    box.show();
  }

  #drawHelp(columns: number, rows: number): void {
    const choices = this.#choices;
    if (!choices.isHelpShown) {
      this.#help.hide();
      return;
    }
    const width = Math.min(columns, 2 * HELP_COLUMN + BORDERS);
    const lines = helpLines(this.#glyphs, width - BORDERS);
    const height = Math.min(rows, lines.length + BORDERS);
    choices.helpLine = Math.min(choices.helpLine, Math.max(0, lines.length - (height - BORDERS)));
    place(this.#help, {
      left: Math.floor((columns - width) / 2),
      top: Math.floor((rows - height) / 2),
      width,
      height,
    });
    this.#setContent(this.#help, lines.slice(choices.helpLine));
    this.#setBorder(this.#help, true);
    const note =
      lines.length > height - BORDERS ? ' help, arrows for more ' : ' help, any key ends ';
    this.#help.setLabel(toSgr([span(note, 'mark')], this.#hasColor));
    this.#help.show();
    this.#help.setFront();
  }

  #setContent(box: blessed.Widgets.BoxElement, lines: readonly Line[]): void {
    box.setContent(lines.map((line) => toSgr(line, this.#hasColor)).join('\n'));
  }

  #setBorder(box: blessed.Widgets.BoxElement, isFocused: boolean): void {
    const style = box.style as { border: { fg: string; bold: boolean } };
    style.border = { fg: this.#hasColor && isFocused ? 'cyan' : 'default', bold: isFocused };
  }
}

interface MouseReport {
  readonly action: string;
  readonly x: number;
  readonly y: number;
}

interface KeyName {
  readonly full: string;
  readonly sequence?: string;
}

const NOWHERE: Rect = { left: 0, top: 0, width: BORDERS, height: BORDERS };

const inside = ({ width, height }: Rect): Size => ({
  width: width - BORDERS,
  height: height - BORDERS,
});

function place(box: blessed.Widgets.BoxElement, rect: Rect): void {
  box.left = rect.left;
  box.top = rect.top;
  box.width = rect.width;
  box.height = rect.height;
}
