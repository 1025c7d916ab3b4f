import { stripVTControlCharacters } from "node:util";

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

/**
 * Prose for a terminal that is so wide, broken between words; a line goes on under its own indent.
 * Where the width is not known, in a file or a pipe, lines stay whole: they can be searched and copied.
 */
export function fold(text: string, columns: number | undefined): string {
  // A terminal that does not know its width says 0.
  if (columns === undefined || columns === 0) return text;
  return text
    .split("\n")
    .flatMap((line) => {
      const indent = /^ */.exec(line)?.[0] ?? "";
      return wrap(line.slice(indent.length), columns - indent.length).map((part) => indent + part);
    })
    .join("\n");
}

/** Lines of at most so many columns; a longer word has a line of its own. */
export function wrap(text: string, columns: number): string[] {
  if (columnsOf(text) <= columns) return [text];
  const lines: string[] = [];
  let line = "";
  for (const word of text.split(/\s+/)) {
    const longer = line === "" ? word : `${line} ${word}`;
    if (line !== "" && columnsOf(longer) > columns) {
      lines.push(line);
      line = word;
    } else {
      line = longer;
    }
  }
  return [...lines, line];
}

function columnsOf(text: string): number {
  return widthOfCells(cellsOf(stripVTControlCharacters(text)));
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
