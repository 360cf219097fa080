/** The guest's console: what it prints, wrapped, the newest line last. */
import type { Model } from '../model.ts';
import { wrap, span, type Line } from '../text.ts';
import type { PaneView } from './pane.ts';

/** The last `rows` rows before the last `back`, and whether there are any above. */
function tail(lines: readonly Line[], width: number, rows: number, back: number): Line[] {
  const found: Line[] = [];
  let skip = back;
  for (let i = lines.length - 1; i >= 0 && found.length < rows; i--) {
    const wrapped = wrap(lines[i] as Line, width);
    for (let row = wrapped.length - 1; row >= 0 && found.length < rows; row--) {
      if (skip > 0) skip--;
      else found.push(wrapped[row] as Line);
    }
  }
  return found.reverse();
}

/** The lines that have something to show: an empty last one is only where the guest will go on. */
function shownLines(model: Model, isTyping: boolean): readonly Line[] {
  const { lines } = model.console;
  return !isTyping && lines.at(-1)?.length === 0 ? lines.slice(0, -1) : lines;
}

/** How many rows the console can be scrolled back; lines wrapped count as they are shown. */
export function consoleBack(model: Model, width: number, height: number): number {
  const rows = shownLines(model, false).reduce((sum, line) => sum + wrap(line, width).length, 0);
  return Math.max(0, rows - height);
}

export const consoleView: PaneView = (model, choices, size) => {
  // Lines may have gone out of the top since it was scrolled.
  const wanted = choices.back.console;
  const back = wanted === 0 ? 0 : Math.min(wanted, consoleBack(model, size.width, size.height));
  const lines = shownLines(model, choices.isTyping);
  const shown = tail(lines, size.width, size.height, back);
  if (choices.isTyping) {
    const last = shown.pop() ?? [];
    shown.push([...last, span(' ', 'mark')]); // where typing goes
  }
  const notes = [
    ...(choices.isTyping ? ['TYPING, Esc ends'] : []),
    ...(back > 0 ? [`${back} below`] : []),
    ...(model.console.dropped > 0 ? [`${model.console.dropped} lines gone`] : []),
  ];
  return {
    note: notes.join(', '),
    lines: shown.length === 0 ? [[span('The guest has printed nothing.', 'dim')]] : shown,
  };
};
