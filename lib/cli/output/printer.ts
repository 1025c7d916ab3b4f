import { createColors } from "picocolors";
import { isTerminal, type Output, type World } from "../world.ts";

export type Colors = ReturnType<typeof createColors>;

/** Writes lines for people to one of the two outputs. */
export interface Printer {
  readonly colors: Colors;
  line(text?: string): void;
}

export function createPrinter(world: World, output: Output): Printer {
  return {
    colors: colorsFor(world, output),
    line: (text = "") => {
      output.write(`${text}\n`);
    },
  };
}

/** Colours only on a terminal; `NO_COLOR` (any value) switches them off there too. See no-color.org. */
export function colorsFor(world: World, output: Output): Colors {
  return createColors(isTerminal(world, output) && !world.env["NO_COLOR"]);
}
