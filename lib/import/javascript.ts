import { convertCode } from "./plain-sql.ts";
import type { SourceFolder } from "./source-folder.ts";
import {
  type ForeignMigration,
  type SqlContent,
  type Tool,
  type Unconvertible,
  unconvertible,
} from "./tool.ts";

/** Code that gets a connection. What only sends constant SQL can be converted. */
export const knex: Tool = {
  title: "knex",
  folder: "migrations",
  table: { name: "knex_migrations", columns: ["id", "name"], companions: ["knex_migrations_lock"] },
  readFolder: (folder) =>
    readModules(folder, async (file) => {
      const content = await convertCode({ file, text: await folder.text(file) }, ["raw", "schema.raw"]);
      return { key: withoutExtension(file), content: withoutPlaceholders(content) };
    }),
  readTable: (rows) => rows.map(({ name }) => ({ key: withoutExtension(name ?? "") })),
};

/** To knex a question mark is the place of a value, also if none is given. */
function withoutPlaceholders(content: SqlContent | Unconvertible): SqlContent | Unconvertible {
  if (content.kind !== "sql") return content;
  const hasMark = [content.up, content.down].some((one) => one?.sql.includes("?"));
  return hasMark ? unconvertible("its SQL has a question mark, which knex replaces") : content;
}

/** The modules of a folder in the order of their names. A compiled file may be recorded under another extension. */
function readModules(
  folder: SourceFolder,
  read: (file: string) => Promise<Pick<ForeignMigration, "key" | "content">>,
): Promise<ForeignMigration[]> {
  const files = folder.topFiles.filter(
    (file) => /\.[cm]?[jt]s$/.test(file) && !file.endsWith(".d.ts") && !/^index\./.test(file),
  );
  return Promise.all(
    files.map(async (file) => ({ file, title: withoutExtension(file), ...(await read(file)) })),
  );
}

function withoutExtension(file: string): string {
  return file.replace(/\.\w+$/, "");
}
