import { extname } from "node:path";
import type { Loader } from "esbuild";
import { refersToItself } from "../source-text.ts";
import { SELF, SELF_REFERENCES } from "./adapt.ts";

/** Where a module asks for its own place. */
export interface SelfReference {
  readonly what: string;
  /** 1-based. */
  readonly line: number;
  /** 0-based, as esbuild counts. */
  readonly column: number;
}

const LOADERS: Readonly<Record<string, Loader>> = {
  ".ts": "ts",
  ".mts": "ts",
  ".cts": "ts",
  ".tsx": "tsx",
  ".jsx": "jsx",
};
const MENTION = /\b__(?:dirname|filename)\b|\bimport\s*\.\s*meta\s*\.\s*(?:url|dirname|filename|resolve)\b/g;
/** A `require` that can reach what is built into Node wherever the code is. */
const OWN_REQUIRE = /\b(createRequire\w*\s*\(\s*)import\s*\.\s*meta\s*\.\s*url(?=\s*\))/g;

/** The first place where a module's code, not a comment or a text of it, depends on where the module is. */
export async function findSelfReference(path: string, text: string): Promise<SelfReference | undefined> {
  if (!refersToItself(text)) return undefined;
  const rest = text.replace(OWN_REQUIRE, (found, head: string) => head.padEnd(found.length));
  const mentions = [...rest.matchAll(MENTION)];
  const mention = mentions.find(({ index }) => !inComment(rest, index)) ?? mentions[0];
  if (mention === undefined || !(await isMeant(path, rest))) return undefined;
  const before = rest.slice(0, mention.index).split("\n");
  return { what: mention[0], line: before.length, column: before.at(-1)?.length ?? 0 };
}

/** Asks the parser; a file that does not compile is complained about elsewhere. */
async function isMeant(path: string, text: string): Promise<boolean> {
  const { transform } = await import("esbuild");
  const loader = LOADERS[extname(path).toLowerCase()] ?? "js";
  const options = { loader, define: { ...SELF_REFERENCES }, legalComments: "none" } as const;
  const code = await transform(text, { ...options, logLevel: "silent", tsconfigRaw: "{}" }).then(
    (result) => result.code,
    () => "",
  );
  return Object.values(SELF).some((name) => code.includes(name));
}

function inComment(text: string, index: number): boolean {
  const line = text.slice(text.lastIndexOf("\n", index - 1) + 1, index);
  return /^\s*(?:\/?\*|\/\/)|\s\/\/\s/.test(line);
}
