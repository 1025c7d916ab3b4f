import { createColors } from "picocolors";
import { isTerminal, type Output, type World } from "../world.ts";
import { fold } from "./width.ts";

export type Colors = ReturnType<typeof createColors>;

/** Writes lines for people to one of the two outputs. */
export interface Printer {
  readonly colors: Colors;
  /** A line of prose: a terminal that is narrower gets it in several, broken between words. */
  line(text?: string): void;
  /** SQL, a table, a difference: printed as it is. */
  verbatim(text: string): void;
}

export function createPrinter(world: World, output: Output): Printer {
  return {
    colors: colorsFor(world, output),
    line: (text = "") => {
      output.write(`${fold(text, isTerminal(world, output) ? output.columns : undefined)}\n`);
    },
    verbatim: (text) => {
      output.write(`${text}\n`);
    },
  };
}

/**
 * Colours only on a terminal; `NO_COLOR` (any value) switches them off there too. See no-color.org. `FORCE_COLOR`, which
 * many pipelines set for all they run, does not count: `plan > file.sql` would no longer be SQL.
 */
export function colorsFor(world: World, output: Output): Colors {
  return createColors(isTerminal(world, output) && !world.env["NO_COLOR"]);
}
