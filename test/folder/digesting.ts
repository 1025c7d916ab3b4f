import type { MigrationSource } from "../../lib/core/index.ts";
import { openFolder } from "../../lib/folder/index.ts";
import type { Project } from "./folders.ts";

export async function digestsOf({
  dir,
  cacheDir,
}: Pick<Project, "dir" | "cacheDir">): Promise<ReadonlyMap<string, string>> {
  const source: MigrationSource = await openFolder(dir, { cacheDir });
  return source.digests(source.entries.map(({ name }) => name));
}

export async function digestOf(
  project: Pick<Project, "dir" | "cacheDir">,
  name = "001_a",
): Promise<string | undefined> {
  return (await digestsOf(project)).get(name);
}
