import { convertCode } from "./plain-sql.ts";
import type { SourceFolder } from "./source-folder.ts";
import {
  type ForeignMigration,
  type SqlContent,
  type Tool,
  type Unconvertible,
  unconvertible,
} from "./tool.ts";

// knex, sequelize and TypeORM: code that gets a connection. What only sends constant SQL can be converted.

export const knex: Tool = {
  title: "knex",
  folder: "migrations",
  table: {
    name: "knex_migrations",
    columns: ["id", "name"],
    companions: ["knex_migrations_lock"],
    lock: { name: "knex_migrations_lock", column: "is_locked", release: "knex migrate:unlock" },
  },
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

export const sequelize: Tool = {
  title: "Sequelize",
  folder: "migrations",
  table: { name: "SequelizeMeta", columns: ["name"] },
  readFolder: (folder) =>
    readModules(folder, async (file) => ({
      key: withoutExtension(file),
      // With a program of its own, umzug gives the query interface as a part of its parameter.
      content: await convertCode({ file, text: await folder.text(file) }, [
        "sequelize.query",
        "context.sequelize.query",
      ]),
    })),
  readTable: (rows) => rows.map(({ name }) => ({ key: withoutExtension(name ?? "") })),
};

export const typeorm: Tool = {
  title: "TypeORM",
  folder: "src/migrations",
  table: { name: "migrations", columns: ["id", "timestamp", "name"], companions: ["typeorm_metadata"] },
  readFolder: async (folder) => {
    const migrations = await readModules(folder, async (file) => {
      const text = await folder.text(file);
      return { key: timestampOf(file, text), content: await convertCode({ file, text }, ["query"]) };
    });
    return migrations.sort((a, b) => Number(a.key) - Number(b.key));
  },
  readTable: (rows) => rows.map(({ timestamp }) => ({ key: timestamp ?? "" })),
};

/** TypeORM takes the time from the end of a migration's name, which is that of its class unless it says another one. */
function timestampOf(file: string, text: string): string {
  const [, named] = /\bname\s*(?::\s*string\s*)?=\s*["'`]\w*?(\d{13})["'`]/.exec(text) ?? [];
  return named ?? /\bclass\s+\w*?(\d{13})\b/.exec(text)?.[1] ?? /^\d+/.exec(file)?.[0] ?? file;
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
