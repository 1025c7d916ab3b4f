import { existsSync } from "node:fs";
import { basename, join, resolve } from "node:path";
import { parseArgs } from "node:util";
import type { Tree } from "./commands.ts";

export const PARTS = ["fresh", "no-op", "deploy", "testing", "backfill", "fleet"] as const;
export type Part = (typeof PARTS)[number];

export const USAGE = `npm run bench -- [options]
  --short          up to 100 migrations, fewer rounds
  --only <part>    ${PARTS.join(", ")}; may be repeated
  --tree <folder>  a checkout to measure in place of this one; may be repeated, then they take turns`;

export interface Options {
  readonly short: boolean;
  readonly parts: readonly Part[];
  readonly trees: readonly Tree[];
}

const THIS_TREE = join(import.meta.dirname, "..");

/** @throws Error for options that do not exist, and for a tree that has not been built */
export function parseOptions(args: readonly string[]): Options {
  const { values } = parseArgs({
    args: [...args],
    options: {
      short: { type: "boolean", default: false },
      only: { type: "string", multiple: true },
      tree: { type: "string", multiple: true },
    },
  });
  const { short, only = PARTS, tree: folders = [THIS_TREE] } = values;
  return {
    short,
    parts: only.map(toPart),
    trees: folders.map((folder) => ({
      root: builtTree(folder),
      label: folders.length === 1 ? "cdk-pg-migrate" : `cdk-pg-migrate (${basename(resolve(folder))})`,
    })),
  };
}

function toPart(name: string): Part {
  const part = PARTS.find((one) => one === name);
  if (part !== undefined) return part;
  throw new Error(`--only ${name}: must be one of ${PARTS.join(", ")}`);
}

function builtTree(folder: string): string {
  const root = resolve(folder);
  if (existsSync(join(root, "dist", "api", "index.mjs"))) return root;
  throw new Error(`${root} has no dist/: run \`npm run build\` there first`);
}
