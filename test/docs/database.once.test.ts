import { dirname, join } from "node:path";
import { describe, expect, test } from "@jest/globals";
import { MIGRATION_LOCK_ID } from "../../lib/core/index.ts";
import { environmentOf, runCommand } from "../cli/command.ts";
import { type TestDatabase, withDatabase } from "../support/database.ts";
import { writeFolder } from "../support/folders.ts";
import { appliedNames, openMigrator, userTables } from "../support/migrator.ts";
import { blocks, firstBlock, REPOSITORY, readPage, section, tableRows } from "./markdown.ts";

const readme = readPage("README.md").text;
const runbook = readPage("docs/runbook.md").text;
const MIGRATIONS = join(REPOSITORY, "migrations");

describe("the README on the database", () => {
  test("the README shows every column of the first migration with its type and nullability", async () => {
    await withMigrated(async (db) => {
      const rows = await db.query<{ line: string }>(
        `SELECT concat_ws(' ', attrelid::regclass, attname, format_type(atttypid, atttypmod),
                          CASE WHEN NOT attnotnull THEN 'null' END) AS line
         FROM pg_attribute WHERE attnum > 0 AND NOT attisdropped AND attrelid = ANY ($1::regclass[])`,
        [await userTables(db)],
      );
      const columns = describedColumns();
      const types = await db.query<{ full: string }>(
        "SELECT type::regtype::text AS full FROM unnest($1::text[]) WITH ORDINALITY AS t (type, n) ORDER BY n",
        [columns.map(({ type }) => type)],
      );
      const shown = columns.map(({ relation, name, nullable }, index) =>
        [relation, name, types[index]?.full, ...(nullable ? ["null"] : [])].join(" "),
      );
      expect(shown.toSorted()).toEqual(rows.map(({ line }) => line).toSorted());
    });
  });

  test("the query in the README gives the shown result, and its tables exist", async () => {
    const text = section(readme, "Look at the result with psql");
    await withMigrated(async (db) => {
      const client = await db.client();
      const { fields, rows } = await client.query<{ id: number; name: string }>(firstBlock(text, "sql"));
      const [head = "", , first = ""] = firstBlock(text, "text").split("\n");
      expect(cells(head)).toEqual(fields.map(({ name }) => name));
      expect(rows.map(({ id, name }) => [String(id), name])).toEqual([cells(first).slice(0, 2)]);
      const described = [...text.matchAll(/\\d (\w+)/g)].map(([, table = ""]) => table);
      expect(described).toEqual(["field_definitions"]);
      expect(await userTables(db)).toEqual(expect.arrayContaining(described));
    });
  });
});

test("docs/schema.md is the diagram that `npm run docs` makes of the migrations", async () => {
  await withMigrated(async (db) => {
    const args = ["dump", "--format", "mermaid", "--output", "docs/schema.md", "--check"];
    const { code, stdout } = await runCommand(REPOSITORY, args, environmentOf(db.connection));
    expect({ code, stdout }).toEqual({ code: 0, stdout: "docs/schema.md is up to date.\n" });
  });
});

test.each([
  ["the lock of the table", `hashtextextended('"public"."pgmigrations"', ${MIGRATION_LOCK_ID})`],
  ["node-pg-migrate's lock", String(MIGRATION_LOCK_ID)],
])("the runbook's query finds the session of this database that holds %s", async (_, id) => {
  const query = firstBlock(section(runbook, "Stuck lock"), "sql");
  const hold = async (db: TestDatabase) => {
    const holder = await db.client();
    await holder.query(`SELECT pg_advisory_lock(${id})`);
    return (await holder.query<{ pid: number }>("SELECT pg_backend_pid() AS pid")).rows;
  };
  await withDatabase((other) =>
    withDatabase(async (db) => {
      await hold(other);
      expect(await db.query(query)).toEqual([]);
      const rows = await hold(db);
      expect(await db.query(query)).toMatchObject(rows);
    }),
  );
});

test.each(["docs/migrations.md", "docs/backfills.md"])(
  "every example of %s can be applied, undone and applied again",
  async (page) => {
    const files = examples(page);
    const names = Object.keys(files).filter((name) => dirname(name) === ".");
    const migrations = [...new Set(names.map((name) => name.replace(/(?:\.(?:up|down))?\.\w+$/, "")))];
    await withDatabase(async (db) => {
      const migrator = await openMigrator(db, writeFolder(files));
      const { completed } = await migrator.up();
      expect(completed.map(({ migration }) => migration)).toEqual(migrations.toSorted());
      await migrator.redo({ count: migrations.length });
      await migrator.down({ count: migrations.length });
      expect(await appliedNames(db)).toEqual([]);
      expect(await userTables(db)).toEqual([]);
    });
  },
);

async function withMigrated(test: (db: TestDatabase) => Promise<void>): Promise<void> {
  await withDatabase(async (db) => {
    await (await openMigrator(db, MIGRATIONS)).up();
    await test(db);
  });
}

interface DescribedColumn {
  readonly relation: string;
  readonly name: string;
  readonly type: string;
  readonly nullable: boolean;
}

/** Rows of the schema's tables, each under a line that begins with the table's name. */
function describedColumns(): DescribedColumn[] {
  const parts = section(readme, "The schema").split(/^(?=`\w+`:)/m);
  return parts.flatMap((part) => {
    const [, relation] = /^`(\w+)`:/.exec(part) ?? [];
    if (relation === undefined) return [];
    return tableRows(part).map(([name = "", type = "", notes = ""]) => ({
      relation,
      name: name.replaceAll("`", ""),
      type: type.replaceAll("`", ""),
      nullable: notes.includes("null"),
    }));
  });
}

function cells(line: string): string[] {
  return line.split("|").map((cell) => cell.trim());
}

/** Blocks that say under which name they are a file. */
function examples(page: string): Record<string, string> {
  const found = blocks(readPage(page).text).flatMap(({ lead, text }) => {
    const name = /(?:^|\n)`([\w./-]+)`:$/.exec(lead)?.[1];
    return name === undefined ? [] : [[name, text] as const];
  });
  return Object.fromEntries(found);
}
