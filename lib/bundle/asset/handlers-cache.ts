import { readFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { property } from "../../core/index.ts";
import { sweep, writeAtomically } from "../cache-dir.ts";
import { type AssetFiles, sha256 } from "./asset-files.ts";

const UNUSED_AFTER_MS = 7 * 24 * 60 * 60 * 1000;

/** One file for each set of circumstances under which the same sources give the same handlers. */
export function handlersCacheFile(cacheDir: string, circumstances: readonly string[]): string {
  return join(cacheDir, "handlers", `${sha256(JSON.stringify(circumstances)).slice(0, 16)}.json`);
}

/** Handlers as they were compiled last, if none of the files they were made of has changed since. */
export function readHandlersCache(path: string): AssetFiles | undefined {
  try {
    const content: unknown = JSON.parse(readFileSync(path, "utf8"));
    const inputs = texts(property(content, "inputs"));
    const files = texts(property(content, "files"));
    if (files.length === 0 || inputs.some(([input, digest]) => sha256(readFileSync(input)) !== digest))
      return undefined;
    return new Map(files.map(([name, text]) => [name, Buffer.from(text)]));
  } catch {
    return undefined;
  }
}

/** A cache that cannot be written is only slow. */
export function writeHandlersCache(
  path: string,
  dir: string,
  { files, inputs }: { readonly files: AssetFiles; readonly inputs: readonly string[] },
): void {
  try {
    const real = inputs
      .filter((input) => !/^(?:stub|builtin):/.test(input))
      .map((input) => resolve(dir, input));
    const digests = real.map((input) => [input, sha256(readFileSync(input))]);
    const contents = [...files].map(([name, bytes]) => [name, Buffer.from(bytes).toString()]);
    writeAtomically(path, JSON.stringify({ inputs: digests, files: contents }));
    sweep(dirname(path), UNUSED_AFTER_MS);
  } catch {
    // Compiled again the next time.
  }
}

function texts(value: unknown): [string, string][] {
  return Array.isArray(value) ? value.map(([first, second]) => [String(first), String(second)]) : [];
}
