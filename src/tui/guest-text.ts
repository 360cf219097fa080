/**
 * The guest's console as lines. The guest is not trusted with the user's terminal: of what it sends
 * only text, line motion and colours are understood (ECMA-48 names below), everything else is
 * swallowed, also when a sequence arrives in pieces. Nothing that leaves here is a control character.
 */
import { safeText, type Line, type Span } from './text.ts';

interface Cell {
  text: string;
  role: 'plain' | 'strong' | 'mark';
  foreground: number | undefined;
  background: number | undefined;
}
type Pen = Omit<Cell, 'text'>;

const DEFAULT_PEN: Pen = { role: 'plain', foreground: undefined, background: undefined };
/** A line that never ends is cut here. */
const MAX_CELLS = 1000;
/** A control sequence that never ends is given up here. */
const MAX_SEQUENCE = 256;
const TAB_CELLS = 8;

type State = 'text' | 'escape' | 'charset' | 'csi' | 'string' | 'string-escape';

export class GuestText {
  readonly #maxLines: number;
  #done: Line[] = [];
  #cells: Cell[] = [];
  #column = 0;
  #pen: Pen = DEFAULT_PEN;
  #state: State = 'text';
  #sequence = '';
  #dropped = 0;

  constructor(maxLines = 2000) {
    this.#maxLines = maxLines;
  }

  /** Lines kept, oldest first; the last is the one being written. */
  get lines(): readonly Line[] {
    return [...this.#done, toLine(this.#cells)];
  }

  /** Lines that went out of the top. */
  get dropped(): number {
    return this.#dropped;
  }

  /** Lines ever completed. */
  get written(): number {
    return this.#dropped + this.#done.length;
  }

  write(text: string): void {
    for (const character of text) this.#take(character);
    const over = this.#done.length - this.#maxLines;
    if (over > 0) {
      this.#done = this.#done.slice(over);
      this.#dropped += over;
    }
  }

  #take(character: string): void {
    switch (this.#state) {
      case 'text':
        return this.#text(character);
      case 'escape':
        return this.#escape(character);
      case 'charset': // ESC ( B and its like: one more character
        this.#state = 'text';
        return;
      case 'csi':
        return this.#csi(character);
      case 'string': // DCS, OSC, SOS, PM, APC: up to ST, or BEL as xterm has it
        if (character === '\x1b') this.#state = 'string-escape';
        else if (character === '\x07' || character === '\x9c' || this.#isTooLong(character)) {
          this.#state = 'text';
        }
        return;
      case 'string-escape':
        this.#state = 'text';
        if (character !== '\\') this.#escape(character);
    }
  }

  #isTooLong(character: string): boolean {
    this.#sequence += character;
    return this.#sequence.length > MAX_SEQUENCE;
  }

  #begin(state: State): void {
    this.#state = state;
    this.#sequence = '';
  }

  #text(character: string): void {
    switch (character) {
      case '\n':
        return this.#newLine();
      case '\r':
        this.#column = 0;
        return;
      case '\b':
        this.#column = Math.max(0, this.#column - 1);
        return;
      case '\t':
        do this.#put(' ');
        while (this.#column % TAB_CELLS !== 0);
        return;
      case '\x1b':
        return this.#begin('escape');
      case '\x9b': // CSI
        return this.#begin('csi');
      case '\x90': // DCS
      case '\x98': // SOS
      case '\x9d': // OSC
      case '\x9e': // PM
      case '\x9f': // APC
        return this.#begin('string');
      default: {
        const shown = safeText(character);
        if (shown !== '') this.#put(shown);
      }
    }
  }

  #escape(character: string): void {
    if (character === '[') this.#begin('csi');
    else if (']PX^_'.includes(character)) this.#begin('string');
    else if ('()*+-./# %'.includes(character)) this.#begin('charset');
    else if (character === '\x1b') this.#begin('escape');
    else if (character < ' ') {
      this.#state = 'text';
      this.#text(character);
    } else this.#state = 'text'; // ESC 7, ESC c and the like mean nothing to a log
  }

  #csi(character: string): void {
    if (character >= '@' && character <= '~') {
      this.#state = 'text';
      this.#control(character, this.#sequence);
    } else if (character === '\x1b') this.#begin('escape');
    else if (character < ' ') {
      this.#state = 'text';
      this.#text(character);
    } else if (this.#isTooLong(character)) this.#state = 'text';
  }

  #control(final: string, parameters: string): void {
    if (!/^[\d;]*$/.test(parameters)) return; // private sequences
    const numbers = parameters.split(';').map(Number);
    const by = Math.max(1, numbers[0] ?? 0);
    if (final === 'm') this.#selectGraphicRendition(numbers);
    else if (final === 'C') this.#column = Math.min(this.#cells.length, this.#column + by);
    else if (final === 'D') this.#column = Math.max(0, this.#column - by);
    else if (final === 'G') this.#column = Math.min(this.#cells.length, by - 1);
    else if (final === 'K') this.#eraseInLine(numbers[0] ?? 0);
  }

  /** EL. */
  #eraseInLine(part: number): void {
    if (part === 0) this.#cells.length = Math.min(this.#cells.length, this.#column);
    else if (part === 2) this.#cells = this.#cells.slice(0, this.#column).map(blank);
    else this.#cells = this.#cells.map((cell, i) => (i <= this.#column ? blank() : cell));
  }

  /** SGR: bold, inverse and the 16 colours; 256 and true colours are skipped with their arguments. */
  #selectGraphicRendition(numbers: readonly number[]): void {
    let pen = { ...this.#pen };
    for (let i = 0; i < numbers.length; i++) {
      const code = numbers[i] as number;
      if (code === 0) pen = { ...DEFAULT_PEN };
      else if (code === 1) pen.role = 'strong';
      else if (code === 7) pen.role = 'mark';
      else if (code === 22 || code === 27) pen.role = 'plain';
      else if (code >= 30 && code <= 37) pen.foreground = code - 30;
      else if (code >= 90 && code <= 97) pen.foreground = code - 90 + 8;
      else if (code === 39) pen.foreground = undefined;
      else if (code >= 40 && code <= 47) pen.background = code - 40;
      else if (code >= 100 && code <= 107) pen.background = code - 100 + 8;
      else if (code === 49) pen.background = undefined;
      else if (code === 38 || code === 48) i += numbers[i + 1] === 2 ? 4 : 2;
    }
    this.#pen = pen;
  }

  #put(text: string): void {
    this.#cells[this.#column++] = { text, ...this.#pen };
    if (this.#cells.length >= MAX_CELLS) this.#newLine();
  }

  #newLine(): void {
    this.#done.push(toLine(this.#cells));
    this.#cells = [];
    this.#column = 0;
  }
}

const blank = (): Cell => ({ text: ' ', ...DEFAULT_PEN });

/** Cells with the same looks become one span. */
function toLine(line: readonly Cell[]): Line {
  const spans: { -readonly [K in keyof Span]: Span[K] }[] = [];
  let last: Cell | undefined;
  for (const cell of line) {
    const open = spans.at(-1);
    if (
      open !== undefined &&
      last?.role === cell.role &&
      last.foreground === cell.foreground &&
      last.background === cell.background
    ) {
      open.text += cell.text;
    } else {
      spans.push({
        text: cell.text,
        role: cell.role,
        ...(cell.foreground === undefined ? {} : { foreground: cell.foreground }),
        ...(cell.background === undefined ? {} : { background: cell.background }),
      });
    }
    last = cell;
  }
  return spans;
}
