import { readdirSync, statSync } from "node:fs";
import { dirname, join, resolve, sep } from "node:path";
import { nearest } from "./cache-dir.ts";
import { isJunk } from "./file-names.ts";
import { placeOf } from "./stamps.ts";

/** More is not looked for. */
const MOST_FILES = 500;

/** What a migration may read while it runs. */
export interface DataFiles {
  /** Absolute paths, sorted. */
  readonly files: readonly string[];
  /** Folders that were looked through: a file that is added there may be read too. */
  readonly folders: readonly string[];
}

/**
 * The files that texts in a module name, beside the module or from the root of its package: what it may read. A false
 * "yes" costs a comparison of its SQL when that file changes; a path that is put together from variables is not seen.
 */
export function dataFilesOf(dir: string, module: string, mentions: readonly string[]): DataFiles {
  const own = placeOf(dir, module);
  const manifest = nearest(dir, "package.json");
  const files = new Set<string>();
  const folders = new Set<string>();
  for (const mention of mentions) {
    const beside = resolve(dirname(own), `.${sep}${mention}`);
    // The folder itself, or one above it, is no data.
    if (!`${dir}${sep}`.startsWith(`${beside}${sep}`)) collect(beside, files, folders);
    const fromRoot = manifest === undefined ? beside : resolve(dirname(manifest), `.${sep}${mention}`);
    if (isFile(fromRoot)) files.add(fromRoot);
  }
  files.delete(own);
  return { files: [...files].toSorted(), folders: [...folders] };
}

function isFile(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isFile() ?? false;
}

/** A file, or all files in a folder and those below it. */
function collect(path: string, files: Set<string>, folders: Set<string>): void {
  if (isFile(path)) files.add(path);
  const isFolder = statSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false;
  if (!isFolder || folders.has(path) || files.size > MOST_FILES) return;
  folders.add(path);
  for (const name of readdirSync(path)) {
    if (!isJunk(name) && name !== "node_modules") collect(join(path, name), files, folders);
  }
}
