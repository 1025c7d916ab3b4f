import { describe, expect, it } from "@jest/globals";
import pg from "pg";
import { assertMigrated, migrationNames, migrationState } from "../../lib/client/index.ts";
import { baselineHeader } from "../../lib/core/index.ts";
import { withDatabase } from "../support/database.ts";
import { addFiles, removeFiles, writeFolder } from "../support/folders.ts";
import { failureOf, openMigrator } from "../support/migrator.ts";

const TWO = { "1_a.sql": "CREATE TABLE a (id int);", "2_b.sql": "CREATE TABLE b (id int);" };

describe("an application asks whether its database is migrated", () => {
  it("an application is told what is pending on an empty database, and nothing is created", () =>
    withDatabase(async (db) => {
      const dir = writeFolder(TWO);
      const client = await db.client();
      expect(await migrationState(client, dir)).toEqual({
        migrated: false,
        pending: ["1_a", "2_b"],
        unknown: [],
      });
      const error = await failureOf(assertMigrated(client, dir));
      expect(error).toMatchObject({
        code: "NOT_MIGRATED",
        message: "2 migrations are pending: 1_a, 2_b",
        details: { remaining: ["1_a", "2_b"] },
      });
      expect(await db.query("SELECT relname FROM pg_class WHERE relname LIKE 'pgmigrations%'")).toEqual([]);
    }));

  it("the question for the state of the migrations is one query and takes no advisory lock", () =>
    withDatabase(async (db) => {
      const dir = writeFolder(TWO);
      await (await openMigrator(db, dir)).up({ count: 1 });
      await db.enableStatementLog();
      const client = await db.client();
      expect((await migrationState(client, dir)).pending).toEqual(["2_b"]);
      expect(await db.logged()).toEqual(['SELECT name FROM "public"."pgmigrations" ORDER BY id']);
    }));

  it("an assertion through a pool passes once all is applied, also where the database is newer", () =>
    withDatabase(async (db) => {
      const dir = writeFolder(TWO);
      await (await openMigrator(db, dir)).up();
      const { tls: _, ...connection } = db.connection;
      const pool = new pg.Pool(connection);
      // Its sessions may still be closing when the database is dropped.
      pool.on("error", () => {});
      // The pool's end does not wait for the server's end of its sessions: dropping the database may cut them.
      pool.on("error", () => {});
      try {
        await assertMigrated(pool, dir);
        removeFiles(dir, "2_b.sql");
        await assertMigrated(pool, dir);
        expect(await migrationState(pool, dir)).toEqual({ migrated: true, pending: [], unknown: ["2_b"] });
      } finally {
        await pool.end();
      }
    }));

  it("migrations that a baseline of the application's folder replaces are not unknown to it", () =>
    withDatabase(async (db) => {
      const dir = writeFolder(TWO);
      await (await openMigrator(db, dir)).up();
      const replaced = [...Object.keys(TWO)].map((file) => ({
        name: file.replace(".sql", ""),
        sqlDigest: undefined,
        replaces: [],
      }));
      removeFiles(dir, "1_a.sql", "2_b.sql");
      addFiles(dir, {
        "2_b-baseline.sql": `${baselineHeader(replaced).join("\n")}\nCREATE TABLE a (id int);`,
      });
      const client = await db.client();
      expect(await migrationState(client, dir)).toEqual({
        migrated: false,
        pending: ["2_b-baseline"],
        unknown: [],
      });
      await (await openMigrator(db, dir)).up();
      await db.query("INSERT INTO pgmigrations (name, run_on) VALUES ('3_newer', now())");
      expect(await migrationState(client, dir)).toEqual({
        migrated: true,
        pending: [],
        unknown: ["3_newer"],
      });
    }));

  it("an application starts although a contract of its folder waits", () =>
    withDatabase(async (db) => {
      const dir = writeFolder(TWO);
      await (await openMigrator(db, dir)).up();
      const contract = { "3_c.sql": "-- migrate: contract after 2_b\nDROP TABLE a;" };
      const client = await db.client();
      addFiles(dir, { ...contract, "4_d.ts": 'export const contractAfter = "3_c";' });
      await assertMigrated(client, dir);
      expect(await migrationNames(dir)).toEqual(["1_a", "2_b"]);
      addFiles(dir, { "5_e.sql": "SELECT 5;" });
      expect((await migrationState(client, dir)).pending).toEqual(["5_e"]);
    }));

  it("an application that has the names of the migrations needs no folder", () =>
    withDatabase(async (db) => {
      const names = await migrationNames(writeFolder(TWO));
      expect(names).toEqual(["1_a", "2_b"]);
      expect(await migrationState(await db.client(), names)).toMatchObject({ pending: names });
    }));

  it("the state is read from the table of the configured name and schema", () =>
    withDatabase(async (db) => {
      const dir = writeFolder(TWO);
      const table = { migrationsSchema: 'odd "schema', migrationsTable: "applied here" };
      await db.query('CREATE SCHEMA "odd ""schema"');
      await (await openMigrator(db, dir, table)).up();
      const client = await db.client();
      expect(await migrationState(client, dir, table)).toMatchObject({ migrated: true });
      expect(await migrationState(client, dir)).toMatchObject({ migrated: false });
    }));

  it("an application without rights to the table is told which it lacks", () =>
    withDatabase(async (db) => {
      const dir = writeFolder(TWO);
      await (await openMigrator(db, dir)).up();
      const client = await db.client();
      await client.query("REVOKE ALL ON pgmigrations FROM PUBLIC; SET ROLE pg_monitor");
      expect(await failureOf(assertMigrated(client, dir))).toMatchObject({
        code: "SQL",
        message: "the table of applied migrations cannot be read: permission denied for table pgmigrations",
        details: {
          sqlstate: "42501",
          hint: expect.stringContaining('GRANT SELECT ON "public"."pgmigrations"'),
        },
      });
    }));

  it("an application is told that the folder is missing, and never that all is well", () =>
    withDatabase(async (db) => {
      const error = await failureOf(assertMigrated(await db.client(), "no-such-folder"));
      expect(error).toMatchObject({
        code: "USAGE",
        message: expect.stringMatching(/folder not found: .*no-such-folder/),
      });
    }));

  it("an application that does not get to the database is told so, without a SQLSTATE of Node", () =>
    withDatabase(async ({ connection: { host, port, user, password, database } }) => {
      const ask = async (config: pg.PoolConfig) => {
        const pool = new pg.Pool({ host, port, user, password, database, ...config });
        const { code, details } = await failureOf(assertMigrated(pool, ["1_a"]));
        await pool.end();
        return [code, details.sqlstate];
      };
      expect(await ask({ host: "127.0.0.1", port: 1 })).toEqual(["CONNECTION", undefined]);
      expect(await ask({ database: "nowhere" })).toEqual(["DATABASE_NOT_FOUND", "3D000"]);
      expect(await ask({ password: "wrong" })).toEqual(["AUTH", "28P01"]);
    }));

  it("an assertion fails when the connection is lost", () =>
    withDatabase(async (db) => {
      const client = await db.client();
      client.on("error", () => {});
      await client.end();
      expect(await failureOf(assertMigrated(client, ["1_a"]))).toMatchObject({ code: "CONNECTION" });
    }));
});
