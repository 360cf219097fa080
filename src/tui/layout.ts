/** Where panes go, as a pure function of the terminal's size. */

/** In the order of their numbers: key `1` is the first. */
export const PANES = ['harts', 'gates', 'events', 'console'] as const;
export type PaneName = (typeof PANES)[number];

/** In cells, borders included. */
export interface Rect {
  readonly left: number;
  readonly top: number;
  readonly width: number;
  readonly height: number;
}

export interface Layout {
  /** Panes that are not here are hidden. */
  readonly panes: Partial<Record<PaneName, Rect>>;
  /** One pane only, because the terminal is too small for all. */
  readonly isSmall: boolean;
}

export const FULL_COLUMNS = 80;
export const FULL_ROWS = 24;
/** Rows below the hart pane from which the console gets the whole width. */
const CONSOLE_ROW_FROM = 20;

/** @param wantedHartRows what the hart pane would fill, borders included */
export function layOut(
  columns: number,
  rows: number,
  focus: PaneName,
  isExpanded: boolean,
  wantedHartRows: number,
): Layout {
  const isSmall = columns < FULL_COLUMNS || rows < FULL_ROWS;
  const top = 1; // the title
  const body = Math.max(1, rows - 2); // and the footer
  if (isSmall || isExpanded) {
    return { panes: { [focus]: { left: 0, top, width: columns, height: body } }, isSmall };
  }
  const harts = Math.min(Math.max(5, wantedHartRows), Math.floor(body / 2));
  const below = top + harts;
  const rest = body - harts;
  const half = Math.floor(columns / 2);
  const place = (left: number, width: number, from: number, height: number): Rect => ({
    left,
    top: from,
    width,
    height,
  });
  const panes: Record<PaneName, Rect> =
    rest >= CONSOLE_ROW_FROM
      ? {
          harts: place(0, columns, top, harts),
          gates: place(0, half, below, Math.floor(rest / 2)),
          events: place(half, columns - half, below, Math.floor(rest / 2)),
          console: place(0, columns, below + Math.floor(rest / 2), rest - Math.floor(rest / 2)),
        }
      : {
          harts: place(0, columns, top, harts),
          gates: place(0, half, below, rest),
          events: place(half, columns - half, below, Math.floor(rest / 2)),
          console: place(
            half,
            columns - half,
            below + Math.floor(rest / 2),
            rest - Math.floor(rest / 2),
          ),
        };
  return { panes, isSmall };
}
