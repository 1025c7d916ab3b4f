import { OURS, type Row, valuesOf } from "./rows.ts";
import { median, ratio, spread } from "./statistics.ts";

const HEADER = [
  "Work",
  "Tool",
  "Wall ms",
  "min–max",
  "ours ÷ it",
  "CPU ms",
  "ours ÷ it",
  "Peak MB",
  "ours ÷ it",
  "Statements",
  "Round trips",
  "Remark",
];
/** The first two columns and the last are words. */
const WORDS = new Set([0, 1, HEADER.length - 1]);

/** The rows as a Markdown table that reads well on a terminal too. Ratios are to our row of the same work. */
export function renderTable(rows: readonly Row[]): string {
  const cells = rows.map((row) =>
    cellsOf(
      row,
      rows.find(({ work, tool }) => work === row.work && tool === OURS),
    ),
  );
  const widths = HEADER.map((title, column) =>
    Math.max(title.length, ...cells.map((row) => row[column]?.length ?? 0)),
  );
  const line = (row: readonly string[]) =>
    `| ${row.map((cell, column) => pad(cell, widths[column] ?? 0, column)).join(" | ")} |`;
  const rule = widths.map((width, column) =>
    WORDS.has(column) ? "-".repeat(width) : `${"-".repeat(width - 1)}:`,
  );
  return [line(HEADER), `| ${rule.join(" | ")} |`, ...cells.map(line)].join("\n");
}

function cellsOf(row: Row, ours: Row | undefined): string[] {
  const of = (measure: "wallMs" | "cpuMs" | "peakMb", from: Row | undefined) =>
    from === undefined ? undefined : median(valuesOf(from, measure));
  const against = (measure: "wallMs" | "cpuMs" | "peakMb") =>
    row.tool === OURS ? "" : decimal(ratio(of(measure, ours), of(measure, row)));
  return [
    row.work,
    row.tool,
    whole(of("wallMs", row)),
    spread(valuesOf(row, "wallMs"))?.map(whole).join("–") ?? "",
    against("wallMs"),
    whole(of("cpuMs", row)),
    against("cpuMs"),
    whole(of("peakMb", row)),
    against("peakMb"),
    whole(row.statements),
    whole(row.roundTrips),
    row.remark ?? "",
  ];
}

function whole(value: number | undefined): string {
  if (value === undefined) return "";
  return value.toLocaleString("en", { maximumFractionDigits: value < 10 ? 1 : 0 });
}

function decimal(value: number | undefined): string {
  return value === undefined ? "" : value.toFixed(2);
}

function pad(cell: string, width: number, column: number): string {
  return WORDS.has(column) ? cell.padEnd(width) : cell.padStart(width);
}
