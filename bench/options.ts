import { parseArgs } from "node:util";

export const PARTS = ["local", "network", "lambda", "synth"] as const;
export type Part = (typeof PARTS)[number];

export interface Options {
  /** Small sizes: a few minutes instead of half an hour. */
  readonly short: boolean;
  readonly parts: readonly Part[];
  /** Runs of each tool; large sizes get fewer. */
  readonly runs: number;
  /** Numbers of migrations, in place of the usual ones of the local part. */
  readonly sizes: readonly number[] | undefined;
  /** Names of tools, in place of all. */
  readonly tools: readonly string[] | undefined;
  /** File for the rows and goals as JSON. */
  readonly json: string | undefined;
  /** Instead of comparing: where our own command spends its time. */
  readonly profile: boolean;
}

export const USAGE = `npm run bench -- [options]
  --short         small sizes, few runs
  --only <part>   ${PARTS.join(", ")}; may be repeated
  --runs <n>      runs of each tool (default: 5, short: 3); 1,000 and more migrations get fewer
  --sizes <n,…>   numbers of migrations of the local part
  --tool <name>   only this tool; may be repeated
  --json <file>   write the rows and goals there as well
  --profile       instead, say in which modules the time of our own command goes`;

/** @throws Error for what is no option */
export function parseOptions(args: readonly string[]): Options {
  const { values } = parseArgs({
    args: [...args],
    options: {
      short: { type: "boolean", default: false },
      only: { type: "string", multiple: true },
      runs: { type: "string" },
      sizes: { type: "string" },
      tool: { type: "string", multiple: true },
      json: { type: "string" },
      profile: { type: "boolean", default: false },
    },
  });
  const { short, only = PARTS, runs = short ? "3" : "5", sizes, tool: tools, json, profile } = values;
  return {
    ...{ short, tools, json, profile },
    parts: only.map(toPart),
    runs: toCount("--runs", runs),
    sizes: sizes?.split(",").map((size) => toCount("--sizes", size)),
  };
}

function toPart(name: string): Part {
  const part = PARTS.find((one) => one === name);
  if (part !== undefined) return part;
  throw new Error(`--only ${name}: is none of ${PARTS.join(", ")}`);
}

function toCount(flag: string, text: string): number {
  const count = Number(text);
  if (Number.isInteger(count) && count > 0) return count;
  throw new Error(`${flag} ${text}: is no whole number above 0`);
}
