import { locate } from "../../sql/index.ts";
import type { Colors } from "./printer.ts";
import { visible } from "./visible.ts";
import { cellsOf, takeColumns, widthOfCells } from "./width.ts";

const AROUND = 2;

/** The lines around a position in SQL, with a caret under it. */
export function excerpt(sql: string, position: number, width: number, colors: Colors): string[] {
  const { line, column, lineText } = locate(sql, position);
  const lines = sql.trimEnd().split(/\r\n|\r|\n/);
  const from = Math.max(0, line - 1 - AROUND);
  const gutter = String(line + AROUND).length + 2;
  const room = Math.max(10, width - gutter - 3);
  const before = cellsOf(lineText.slice(0, column - 1));
  // A long line is cut around the caret, so that both stay on the screen.
  const cut = widthOfCells(before) < room ? 0 : before.length - Math.floor(room / 4);
  const caret = " ".repeat(widthOfCells(before.slice(cut)));
  const margin = (text: string | number) => colors.dim(`${String(text).padStart(gutter)} |`);
  const shown = lines.slice(from, line + AROUND).map((text, index) => {
    const part = visible(takeColumns(cellsOf(text).slice(cut), room));
    return `${margin(from + index + 1)} ${part}`.trimEnd();
  });
  return shown.toSpliced(line - from, 0, `${margin("")} ${caret}${colors.red("^")}`);
}
