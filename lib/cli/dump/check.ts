import { createTwoFilesPatch } from "diff";
import type { Colors } from "../output/printer.ts";

/** How a file differs from the schema as it is, as a unified diff; undefined when it does not. */
export function compareDump(path: string, file: string, sql: string): string | undefined {
  if (file === sql) return undefined;
  return createTwoFilesPatch(path, path, file, sql, "as it is", "as it should be");
}

export function colorDifference(difference: string, colors: Colors): string {
  return difference
    .split("\n")
    .map((line) => {
      if (/^(?:\+\+\+|---|===)/.test(line)) return colors.bold(line);
      if (line.startsWith("+")) return colors.green(line);
      if (line.startsWith("-")) return colors.red(line);
      return line.startsWith("@@") ? colors.cyan(line) : line;
    })
    .join("\n");
}
