import { describe, expect, it } from "@jest/globals";
import { withDatabase } from "../support/database.ts";
import { writeFolder } from "../support/folders.ts";
import { appliedNames, failureOf, openMigrator } from "../support/migrator.ts";

const ONE = { "1_a.sql": "CREATE TABLE a ();" };

describe("schemas and tables", () => {
  it("migrations run in the first schema, and the tables may be in another schema under another name", () =>
    withDatabase(async (db) => {
      const options = {
        schema: ["My App", "public"],
        migrationsSchema: "meta",
        migrationsTable: "Done",
        createSchema: true,
      };
      const migrator = await openMigrator(db, writeFolder(ONE), options);
      await migrator.up();
      const tables = await db.query(
        "SELECT schemaname AS s, tablename AS t FROM pg_tables WHERE schemaname IN ('My App', 'meta') ORDER BY 1, 2",
      );
      expect(tables).toEqual([
        { s: "My App", t: "a" },
        { s: "meta", t: "Done" },
        { s: "meta", t: "Done_history" },
      ]);
      expect(await appliedNames(db, 'meta."Done"')).toEqual(["1_a"]);
      expect((await migrator.status()).counts).toMatchObject({ applied: 1, pending: 0 });
    }));

  it("a schema that does not exist is refused by name", () =>
    withDatabase(async (db) => {
      const error = await failureOf((await openMigrator(db, writeFolder(ONE), { schema: ["nowhere"] })).up());
      expect(error).toMatchObject({ code: "SCHEMA_NOT_FOUND", message: 'schema "nowhere" does not exist' });
      expect(String(error.details.hint)).toContain("--create-schema");
    }));

  it.each(["", "x".repeat(60), "a\0b"])("the name %j of a table is refused", (migrationsTable) =>
    withDatabase(async (db) => {
      const opening = openMigrator(db, writeFolder(ONE), { migrationsTable });
      expect(await failureOf(opening)).toMatchObject({ code: "USAGE" });
    }),
  );

  it("names with quotes are treated as plain names", () =>
    withDatabase(async (db) => {
      const dir = writeFolder({ "1_it's.sql": "SELECT 1;", '2_"b".sql': "SELECT 2;" });
      await (await openMigrator(db, dir, { migrationsTable: "o'\"clock" })).up();
      expect(await appliedNames(db, `"o'""clock"`)).toEqual(["1_it's", '2_"b"']);
    }));

  it("the option decamelize writes snake_case", () =>
    withDatabase(async (db) => {
      const dir = writeFolder({
        "1_a.js": "exports.up = (pgm) => pgm.createTable('userAccounts', { firstName: 'text' });",
      });
      await (await openMigrator(db, dir, { decamelize: true })).up();
      expect(await db.query("SELECT first_name FROM user_accounts")).toEqual([]);
    }));
});

describe("the session", () => {
  const SHOW = [
    "TimeZone",
    "lock_timeout",
    "statement_timeout",
    "idle_in_transaction_session_timeout",
    "client_connection_check_interval",
    "application_name",
    "search_path",
  ];

  it("the session has the same settings whatever the role, the database and PG* say", () =>
    withDatabase(async (db) => {
      await db.query(`ALTER DATABASE ${db.name} SET search_path = 'pg_catalog'`);
      await db.query(`ALTER DATABASE ${db.name} SET TimeZone = 'Asia/Tokyo'`);
      await db.query(`ALTER DATABASE ${db.name} SET lock_timeout = '1h'`);
      const dir = writeFolder({
        "1_a.sql": `CREATE TABLE a AS SELECT name, setting FROM pg_settings WHERE name IN (${SHOW.map((name) => `'${name}'`).join(", ")});`,
      });
      process.env["PGOPTIONS"] = "-c TimeZone=Europe/Paris";
      process.env["PGAPPNAME"] = "from the environment";
      try {
        await (await openMigrator(db, dir, { lockTimeoutMs: 1234, statementTimeoutMs: 56_789 })).up();
      } finally {
        delete process.env["PGOPTIONS"];
        delete process.env["PGAPPNAME"];
      }
      const rows = await db.query<{ name: string; setting: string }>("SELECT name, setting FROM public.a");
      expect(Object.fromEntries(rows.map((row) => [row.name, row.setting]))).toEqual({
        TimeZone: "UTC",
        lock_timeout: "1234",
        statement_timeout: "56789",
        idle_in_transaction_session_timeout: "300000",
        client_connection_check_interval: "2000",
        application_name: "cdk-pg-migrate test",
        search_path: "public",
      });
    }));
});

describe("what a migration does to its session", () => {
  it("a changed setting reaches neither the next migration nor the engine's own statements", () =>
    withDatabase(async (db) => {
      await db.query("CREATE ROLE weak_role");
      try {
        const dir = writeFolder({
          "1_a.sql":
            "SELECT pg_catalog.set_config('search_path', '', false); SET statement_timeout = '1s'; SET TimeZone = 'Asia/Tokyo';",
          "2_b.sql":
            "CREATE TABLE b AS SELECT current_setting('search_path') AS path, current_setting('statement_timeout') AS timeout, current_setting('TimeZone') AS zone;",
          "3_c.sql": "SET ROLE weak_role;",
          "4_d.sql": "CREATE TABLE d AS SELECT current_user::text AS who;",
        });
        await (await openMigrator(db, dir)).up();
        expect(await db.query("SELECT * FROM b")).toEqual([{ path: "public", timeout: "0", zone: "UTC" }]);
        expect(await db.query("SELECT who FROM d")).toEqual([{ who: db.connection.user }]);
        expect(await appliedNames(db)).toHaveLength(4);
      } finally {
        await db.query("DROP ROLE weak_role");
      }
    }));
});

describe("applied migrations", () => {
  it("applied migrations are not loaded when nothing is pending", () =>
    withDatabase(async (db) => {
      const dir = writeFolder({
        "1_a.ts": "export const up = (pgm: any) => { pgm.sql('SELECT 1'); };",
      });
      await (await openMigrator(db, dir)).up();
      const spied = await openSpied(dir);
      await (await openMigrator(db, dir, {}, { source: spied.source })).up();
      await (await openMigrator(db, dir, {}, { source: spied.source })).status();
      expect(spied.loaded).toEqual([]);
    }));
});

async function openSpied(dir: string) {
  const { openFolder } = await import("../../lib/folder/index.ts");
  const folder = await openFolder(dir, { cacheDir: `${dir}/.cache` });
  const loaded: string[] = [];
  const load: typeof folder.load = (names) => {
    loaded.push(...names);
    return folder.load(names);
  };
  return { source: { ...folder, load }, loaded };
}
