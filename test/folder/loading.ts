import type { LoadedMigration } from "../../lib/core/index.ts";
import { openFolder } from "../../lib/folder/index.ts";
import type { Files, Project } from "./folders.ts";

/** What migrations import: helpers, a file of SQL, and packages of every kind. */
export const PROJECT: Files = {
  "helpers/h.ts": "export const h: string = 'h'; export const state = { uses: 0 };",
  "helpers/c.cjs": "module.exports = { c: 'c', file: __filename };",
  "helpers/j.json": '{ "j": 1 }',
  "migrations/sql/x.sql": "SELECT 1",
  "node_modules/old/index.js":
    "const all = {}; for (const k of ['x', 'y']) all[k] = k; module.exports = all;",
  "node_modules/babel/index.js": "exports.__esModule = true; exports.default = 'd'; exports.x = 'x';",
  "node_modules/esm/package.json": '{"type":"module","exports":{"import":"./i.js"}}',
  "node_modules/esm/i.js": "export const x = 'x'; export default 'd';",
  "node_modules/mjs/index.mjs": "export const x = 'x';",
};

export async function loadAll({ dir, cacheDir }: Project): Promise<ReadonlyMap<string, LoadedMigration>> {
  const folder = await openFolder(dir, { cacheDir });
  return folder.load(folder.entries.map(({ name }) => name));
}

export function exportOf(loaded: LoadedMigration | undefined, key: string): unknown {
  if (loaded?.kind !== "module") throw new Error(`no module: ${loaded?.kind}`);
  const { exports } = loaded;
  return typeof exports === "object" && exports !== null ? Reflect.get(exports, key) : undefined;
}
