import type { SourceFolder } from "./source-folder.ts";
import { type ForeignMigration, type Tool, unconvertible } from "./tool.ts";

/** Its migrations are Ruby code, so that all that is applied can only become a baseline. */
export const rails: Tool = {
  title: "Rails",
  folder: "db/migrate",
  table: {
    name: "schema_migrations",
    columns: ["version"],
    foreignColumns: { dirty: "golang-migrate" },
    companions: ["ar_internal_metadata"],
  },
  readFolder,
  readTable: (rows) => rows.map(({ version }) => ({ key: normalVersion(version ?? "") })),
};

async function readFolder(folder: SourceFolder): Promise<ForeignMigration[]> {
  const files = folder.files.filter((file) => /(?:^|\/)\d+_[^/]*\.rb$/.test(file));
  const migrations = await Promise.all(files.map((file) => readFile(folder, file)));
  return migrations.sort((a, b) => (BigInt(a.key) < BigInt(b.key) ? -1 : 1));
}

async function readFile(folder: SourceFolder, file: string): Promise<ForeignMigration> {
  // The engine that a migration came from stands behind a second dot.
  const title = file.slice(file.lastIndexOf("/") + 1).replace(/\..*$/, "");
  const outside = /^\s*disable_ddl_transaction!/m.test(await folder.text(file));
  const reason = outside ? "it is Ruby code that runs outside a transaction" : "it is Ruby code";
  return { key: normalVersion(title), file, title, content: unconvertible(reason) };
}

/** To Rails 001 and 1 are the same version. */
function normalVersion(text: string): string {
  return String(BigInt(/^\d+/.exec(text)?.[0] ?? 0));
}
