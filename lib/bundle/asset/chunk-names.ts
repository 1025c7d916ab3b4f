import { basename } from "node:path";
import type { Metafile } from "esbuild";
import { partName } from "./handler-names.ts";

/**
 * Output files with numbers in the names of shared parts. esbuild names them by a hash that also counts where packages
 * were installed; the numbers count in the order of imports. What nothing imports any more is left out: a dynamic import
 * in code that was dropped leaves its target behind.
 */
export function withPlainNames(
  files: ReadonlyMap<string, string>,
  { outputs }: Metafile,
): ReadonlyMap<string, Uint8Array> {
  const names = plainNames(outputs);
  const hashed = /[\w.-]+-[A-Z0-9]{8}\.mjs/g;
  const rename = (text: string) => text.replace(hashed, (name) => names.get(name) ?? name);
  const reached = [...files].filter(([name]) => names.has(name) || !isShared(name));
  return new Map(reached.map(([name, text]) => [rename(name), Buffer.from(rename(text))]));
}

function plainNames(outputs: Metafile["outputs"]): ReadonlyMap<string, string> {
  const entries = Object.keys(outputs).filter((path) => !isShared(path));
  const names = new Map<string, string>();
  const visit = (path: string): void => {
    if (names.has(basename(path)) || outputs[path] === undefined) return;
    if (isShared(path)) names.set(basename(path), partName(names.size + 1));
    for (const { path: imported, external } of outputs[path].imports) if (external !== true) visit(imported);
  };
  for (const path of entries.toSorted()) visit(path);
  return names;
}

function isShared(path: string): boolean {
  return /-[A-Z0-9]{8}\.mjs$/.test(path);
}
