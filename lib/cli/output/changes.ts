import { structuredPatch } from "diff";
import type { SqlChange } from "../../core/index.ts";
import type { Colors } from "./printer.ts";

const CONTEXT_LINES = 2;
const SHOWN_LINES = 40;

/** What differs between the SQL that was applied and that of the file now, as a diff of lines. */
export function describeChange({ migration, before, after }: SqlChange, colors: Colors): string[] {
  if (before === null)
    return [`  ${migration}: what was applied is not on record, so that no difference can be shown.`];
  const { hunks } = structuredPatch("", "", text(before), text(after), "", "", { context: CONTEXT_LINES });
  const lines = hunks.flatMap((hunk, index) => (index > 0 ? ["…", ...hunk.lines] : hunk.lines));
  const shown = lines.filter((line) => !line.startsWith("\\")).slice(0, SHOWN_LINES);
  const more = lines.length - SHOWN_LINES;
  return [
    `  ${colors.bold(migration)}: ${colors.red("- as applied")}  ${colors.green("+ as it is now")}`,
    ...shown.map((line) => `    ${paint(line, colors)}`),
    ...(more > 0 ? [colors.dim(`    … ${more} more lines`)] : []),
  ];
}

function text(steps: readonly string[]): string {
  return `${steps.join("\n").replaceAll("\r\n", "\n").trim()}\n`;
}

function paint(line: string, colors: Colors): string {
  if (line.startsWith("-")) return colors.red(line);
  return line.startsWith("+") ? colors.green(line) : line;
}
