import { lstatSync, realpathSync } from "node:fs";
import { dirname, resolve } from "node:path";
import type { Migration } from "../../core/index.ts";
import { absolutePath } from "../file-stats.ts";
import { besideProject } from "./beside-project.ts";
import { runEsbuild } from "./esbuild.ts";
import type { ModuleFile, OnImport } from "./plugin.ts";

/** The modules of entries; a symbolic link is the file it leads to, so that its relative imports work. */
export function modulesOf(dir: string, entries: readonly Migration[]): ModuleFile[] {
  return entries.flatMap(({ name, files }) =>
    files.map((file) => ({ name, path: realPath(absolutePath(dir, file)) })),
  );
}

/** The folder is real already; to ask for the real path looks at each folder above the file, for each file. */
function realPath(path: string): string {
  try {
    return lstatSync(path).isSymbolicLink() ? realpathSync(path) : path;
  } catch {
    return path;
  }
}

/**
 * The local files each migration imports, directly or through others, by its name. A file that does not
 * compile is no obstacle: whether it is needed at all is not known yet.
 */
export async function findLocalImports(
  dir: string,
  entries: readonly Migration[],
): Promise<ReadonlyMap<string, ReadonlySet<string>>> {
  const modules = modulesOf(dir, entries);
  const edges = new Map<string, Set<string>>();
  const onImport: OnImport = (importer, path, target) => {
    const imported = edges.get(importer) ?? new Set();
    edges.set(importer, imported);
    if (target.kind === "local" && target.own) imported.add(target.path);
    // Named where it should be, so that its coming and going is a change.
    if (target.kind === "missing" && path.startsWith(".")) imported.add(resolve(dirname(importer), path));
  };
  await runEsbuild({ dir, modules }, besideProject(dir), onImport);
  return new Map(modules.map(({ name, path }) => [name, reachable(edges, path)]));
}

function reachable(edges: ReadonlyMap<string, ReadonlySet<string>>, from: string): ReadonlySet<string> {
  const reached = new Set<string>();
  const open = [from];
  for (let path = open.pop(); path !== undefined; path = open.pop()) {
    for (const next of edges.get(path) ?? []) {
      if (next === from || reached.has(next)) continue;
      reached.add(next);
      open.push(next);
    }
  }
  return reached;
}
