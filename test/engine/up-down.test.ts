import { describe, expect, it } from "@jest/globals";
import { withDatabase } from "../support/database.ts";
import { addFiles, writeFolder } from "../support/folders.ts";
import { appliedNames, failureOf, openMigrator, userTables } from "../support/migrator.ts";

const THREE = {
  "1_a.sql": "CREATE TABLE a (id int);\n-- Down Migration\nDROP TABLE a;",
  "2_b.sql": "CREATE TABLE b (id int);\n-- Down Migration\nDROP TABLE b;",
  "3_c.sql": "CREATE TABLE c (id int);\n-- Down Migration\nDROP TABLE c;",
};

describe("up", () => {
  it("up applies everything in order and says so", () =>
    withDatabase(async (db) => {
      const migrator = await openMigrator(db, writeFolder(THREE));
      const report = await migrator.up();
      expect(report.completed.map(({ migration, direction }) => `${direction} ${migration}`)).toEqual([
        "up 1_a",
        "up 2_b",
        "up 3_c",
      ]);
      expect(report).toMatchObject({ head: "3_c", pending: [], tables: ["a", "b", "c"], warnings: [] });
      expect(await appliedNames(db)).toEqual(["1_a", "2_b", "3_c"]);
      expect(await userTables(db)).toEqual(["a", "b", "c"]);
      expect(migrator.events.map((event) => event.type)).toEqual([
        "started",
        "finished",
        "started",
        "finished",
        "started",
        "finished",
      ]);
    }));

  it("up applies a count, then as far as a name, then nothing", () =>
    withDatabase(async (db) => {
      const dir = writeFolder(THREE);
      const migrator = await openMigrator(db, dir);
      expect(await migrator.up({ count: 1 })).toMatchObject({ head: "1_a", pending: ["2_b", "3_c"] });
      expect(await migrator.up({ to: "2_b" })).toMatchObject({ head: "2_b", pending: ["3_c"] });
      await migrator.up();
      expect(await migrator.up()).toMatchObject({ run: null, completed: [], head: "3_c" });
    }));

  it("up refuses an unknown name before anything runs", () =>
    withDatabase(async (db) => {
      const migrator = await openMigrator(db, writeFolder(THREE));
      expect(await failureOf(migrator.up({ to: "4_d" }))).toMatchObject({ code: "USAGE" });
      expect(await userTables(db)).toEqual([]);
    }));

  it("up runs what stands before the first marker, and down runs nothing of it", () =>
    withDatabase(async (db) => {
      const text =
        "CREATE TABLE head ();\n-- Up Migration\nCREATE TABLE a ();\n-- Down Migration\nDROP TABLE a;";
      const dir = writeFolder({ "1_a.sql": text });
      await (await openMigrator(db, dir)).up();
      expect(await userTables(db)).toEqual(["a", "head"]);
      await (await openMigrator(db, dir)).down();
      expect(await userTables(db)).toEqual(["head"]);
    }));

  it("up refuses a file of another tool before anything of it runs", () =>
    withDatabase(async (db) => {
      const dir = writeFolder({
        "1_a.sql": "-- migrate:up\nCREATE TABLE a ();\n-- migrate:down\nDROP TABLE users;",
      });
      const error = await failureOf((await openMigrator(db, dir)).up());
      expect(error).toMatchObject({ code: "MIGRATION", message: expect.stringContaining("1_a.sql:1") });
      expect(await userTables(db)).toEqual([]);
    }));

  it("up writes history rows with digests and the SQL to undo", () =>
    withDatabase(async (db) => {
      const migrator = await openMigrator(db, writeFolder(THREE));
      const { run } = await migrator.up();
      await migrator.down();
      const rows = await db.query(
        `SELECT format, run::text, migration, action, state, statement, length(source_digest) AS source, length(sql_digest) AS sql,
                digest_version, down_sql, no_transaction, error_code, actor, origin, tool, at IS NOT NULL AS at
         FROM pgmigrations_history ORDER BY id`,
      );
      expect(rows).toHaveLength(4);
      expect(rows[0]).toEqual({
        format: 1,
        run,
        migration: "1_a",
        action: "up",
        state: "finished",
        statement: null,
        source: 64,
        sql: 64,
        digest_version: 1,
        down_sql: ["DROP TABLE a;"],
        no_transaction: false,
        error_code: null,
        actor: "tester",
        origin: "cli",
        tool: "cdk-pg-migrate test",
        at: true,
      });
      expect(rows[3]).toMatchObject({ migration: "3_c", action: "down", state: "finished" });
      expect(rows[3]?.["run"]).not.toBe(run);
    }));

  it("up lets nobody else read or write the history, whatever the default privileges say", () =>
    withDatabase(async (db) => {
      await db.query("CREATE ROLE reader_of_everything");
      try {
        await db.query("ALTER DEFAULT PRIVILEGES GRANT ALL ON TABLES TO PUBLIC, reader_of_everything");
        await db.query("ALTER DEFAULT PRIVILEGES GRANT ALL ON SEQUENCES TO PUBLIC, reader_of_everything");
        await (await openMigrator(db, writeFolder(THREE))).up();
        const others = await db.query(
          `SELECT c.relname, a.grantee::regrole::text FROM pg_class c, aclexplode(c.relacl) a
           WHERE c.relname LIKE 'pgmigrations_history%' AND a.grantee <> c.relowner`,
        );
        expect(others).toEqual([]);
        const visible = await db.query(
          `SELECT count(*)::int AS n FROM pg_class c, aclexplode(c.relacl) a
           WHERE c.relname = 'a' AND a.grantee <> c.relowner`,
        );
        expect(visible[0]?.["n"]).toBeGreaterThan(0);
      } finally {
        await db.query("DROP OWNED BY reader_of_everything; DROP ROLE reader_of_everything");
      }
    }));
});

describe("down", () => {
  it("down undoes the last migration, a count, or everything after a name", () =>
    withDatabase(async (db) => {
      const migrator = await openMigrator(db, writeFolder(THREE));
      await migrator.up();
      await migrator.down();
      expect(await userTables(db)).toEqual(["a", "b"]);
      await migrator.up();
      await migrator.down({ count: 2 });
      expect(await appliedNames(db)).toEqual(["1_a"]);
      await migrator.up();
      await migrator.down({ to: "2_b" });
      expect(await appliedNames(db)).toEqual(["1_a", "2_b"]);
      expect(await migrator.down({ count: 2 })).toMatchObject({
        head: null,
        pending: ["1_a", "2_b", "3_c"],
      });
      expect(await userTables(db)).toEqual([]);
    }));

  it.each([0, -1, 1.5])("down refuses a count of %p and undoes nothing", (count) =>
    withDatabase(async (db) => {
      const migrator = await openMigrator(db, writeFolder(THREE));
      await migrator.up();
      expect(await failureOf(migrator.down({ count }))).toMatchObject({ code: "USAGE" });
      expect(await appliedNames(db)).toEqual(["1_a", "2_b", "3_c"]);
    }),
  );

  it("down names an irreversible migration before it undoes any", () =>
    withDatabase(async (db) => {
      const dir = writeFolder({ ...THREE, "2_b.sql": "CREATE TABLE b (id int);" });
      const migrator = await openMigrator(db, dir);
      await migrator.up();
      expect(await failureOf(migrator.down({ count: 3 }))).toMatchObject({
        code: "IRREVERSIBLE",
        details: { migration: "2_b" },
      });
      expect(await userTables(db)).toEqual(["a", "b", "c"]);
    }));

  it("down undoes nothing in an empty database", () =>
    withDatabase(async (db) => {
      expect(await (await openMigrator(db, writeFolder(THREE))).down()).toMatchObject({
        completed: [],
        head: null,
      });
    }));
});

describe("redo", () => {
  it("redo undoes the last migrations and applies exactly those again", () =>
    withDatabase(async (db) => {
      const migrator = await openMigrator(db, writeFolder(THREE));
      await migrator.up({ count: 2 });
      const { completed } = await migrator.redo({ count: 2 });
      expect(completed.map(({ migration, direction }) => `${direction} ${migration}`)).toEqual([
        "down 2_b",
        "down 1_a",
        "up 1_a",
        "up 2_b",
      ]);
      expect(await appliedNames(db)).toEqual(["1_a", "2_b"]);
    }));

  it("redo with --transaction all rolls back the undo when applying again fails", () =>
    withDatabase(async (db) => {
      const dir = writeFolder(THREE);
      await (await openMigrator(db, dir)).up();
      addFiles(dir, { "3_c.sql": "SELECT 1/0;\n-- Down Migration\nDROP TABLE c;" });
      await failureOf((await openMigrator(db, dir, { transaction: "all" })).redo());
      expect(await userTables(db)).toEqual(["a", "b", "c"]);
      expect(await appliedNames(db)).toEqual(["1_a", "2_b", "3_c"]);
    }));
});

describe("--fake", () => {
  it("up and down with --fake write the record without running SQL", () =>
    withDatabase(async (db) => {
      const migrator = await openMigrator(db, writeFolder(THREE));
      await migrator.up({}, "fake");
      expect(await appliedNames(db)).toEqual(["1_a", "2_b", "3_c"]);
      expect(await userTables(db)).toEqual([]);
      await migrator.down({ count: 3 }, "fake");
      expect(await appliedNames(db)).toEqual([]);
      const rows = await db.query("SELECT DISTINCT action, state FROM pgmigrations_history");
      expect(rows).toEqual([{ action: "fake", state: "finished" }]);
    }));
});
