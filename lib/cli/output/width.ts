/** Characters that take two columns of a terminal. */
const WIDE =
  /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Hangul}\p{Emoji_Presentation}\uff01-\uff60]/u;

/** One thing that a terminal shows as a unit: a letter with its accents, an emoji. */
export interface Cell {
  readonly text: string;
  /** Columns it takes. */
  readonly width: number;
}

/** A line as a terminal shows it; a tab counts as one blank. */
export function cellsOf(line: string): Cell[] {
  return [...new Intl.Segmenter("en").segment(line)].map(({ segment }) => {
    const text = segment === "\t" ? " " : segment;
    return { text, width: WIDE.test(text) ? 2 : 1 };
  });
}

export function widthOfCells(cells: readonly Cell[]): number {
  return cells.reduce((sum, { width }) => sum + width, 0);
}

/** The line, or as much of it as fits into `columns` with an ellipsis. */
export function clip(line: string, columns: number): string {
  const cells = cellsOf(line);
  if (widthOfCells(cells) <= columns) return line;
  const kept = takeColumns(cells, columns - 1);
  return `${kept}…`;
}

/** The first cells that fit into `columns`. */
export function takeColumns(cells: readonly Cell[], columns: number): string {
  let room = columns;
  const end = cells.findIndex(({ width }) => {
    room -= width;
    return room < 0;
  });
  return (end < 0 ? cells : cells.slice(0, end)).map(({ text }) => text).join("");
}
