import { readFile } from "node:fs/promises";
import { join, relative, sep } from "node:path";
import type { Migration } from "../../core/index.ts";
import type { LintRequest } from "./request.ts";

/** One file of a migration. */
export interface MigrationFile {
  /** As it is shown: relative, with slashes. */
  readonly path: string;
  readonly text: string;
}

export async function readFiles(
  { folder, relativeTo }: Pick<LintRequest, "folder" | "relativeTo">,
  entry: Migration,
): Promise<MigrationFile[]> {
  return Promise.all(
    entry.files.map(async (file) => {
      const path = join(folder.dir, file);
      const text = (await readFile(path, "utf8")).replace(/^\ufeff/, "");
      return { path: relative(relativeTo, path).split(sep).join("/"), text };
    }),
  );
}
