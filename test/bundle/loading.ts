import { openFolder } from "../../lib/bundle/index.ts";
import type { LoadedMigration } from "../../lib/migrator/source.ts";
import type { Project } from "./folders.ts";

export async function loadAll({ dir, cacheDir }: Project): Promise<ReadonlyMap<string, LoadedMigration>> {
  const folder = await openFolder(dir, { cacheDir });
  return folder.load(folder.entries.map(({ name }) => name));
}

export function exportOf(loaded: LoadedMigration | undefined, key: string): unknown {
  if (loaded?.kind !== "module") throw new Error(`no module: ${loaded?.kind}`);
  const { exports } = loaded;
  return typeof exports === "object" && exports !== null ? Reflect.get(exports, key) : undefined;
}
