/** Tables whose less important columns go when there is no room. */
import { fit, span, type Line, type Role, type Span } from '../text.ts';

export interface Column<Row> {
  readonly title: string;
  readonly width: number;
  /** Columns with the highest numbers go first. */
  readonly rank: number;
  readonly align?: 'left' | 'right';
  /** A trailing column that takes the cells left over, `width` being the least it is good for. */
  readonly grows?: boolean;
  readonly text: (row: Row, width: number) => string;
  readonly role?: (row: Row) => Role;
}

interface Placed<Row> {
  readonly column: Column<Row>;
  readonly width: number;
}

const GAP = 1;

/** The columns that fit, in their order. */
function place<Row>(columns: readonly Column<Row>[], width: number): readonly Placed<Row>[] {
  const kept = new Set<Column<Row>>();
  let used = -GAP;
  for (const column of [...columns].sort((a, b) => a.rank - b.rank)) {
    if (used + GAP + column.width > width) break;
    used += GAP + column.width;
    kept.add(column);
  }
  return columns
    .filter((column) => kept.has(column))
    .map((column) => ({
      column,
      width: column.width + (column.grows === true ? width - used : 0),
    }));
}

export interface Table<Row> {
  readonly head: Line;
  readonly row: (row: Row, isSelected: boolean) => Line;
}

export function table<Row>(columns: readonly Column<Row>[], width: number): Table<Row> {
  const placed = place(columns, width);
  const join = (cell: (one: Placed<Row>) => Span): Line =>
    placed.flatMap((one, index) =>
      index === 0 ? [cell(one)] : [span(' '.repeat(GAP)), cell(one)],
    );
  return {
    head: join(({ column, width: cells }) =>
      span(fit(column.title, cells, column.align ?? 'left'), 'head'),
    ),
    row: (row, isSelected) =>
      join(({ column, width: cells }) => {
        const text = fit(column.text(row, cells), cells, column.align ?? 'left');
        const isKey = isSelected && column === placed[0]?.column;
        return span(text, isKey ? 'mark' : (column.role?.(row) ?? 'plain'));
      }),
  };
}
