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
  it("applies everything in order and says so", () =>
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

  it("applies a count, then as far as a name, then nothing", () =>
    withDatabase(async (db) => {
      const dir = writeFolder(THREE);
      const migrator = await openMigrator(db, dir);
      expect(await migrator.up({ count: 1 })).toMatchObject({ head: "1_a", pending: ["2_b", "3_c"] });
      expect(await migrator.up({ to: "2_b" })).toMatchObject({ head: "2_b", pending: ["3_c"] });
      await migrator.up();
      expect(await migrator.up()).toMatchObject({ run: null, completed: [], head: "3_c" });
    }));

  it("refuses an unknown name before anything runs", () =>
    withDatabase(async (db) => {
      const migrator = await openMigrator(db, writeFolder(THREE));
      expect(await failureOf(migrator.up({ to: "4_d" }))).toMatchObject({ code: "USAGE" });
      expect(await userTables(db)).toEqual([]);
    }));

  it("writes history rows with digests and the SQL to undo", () =>
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
        down_sql: ["-- Down Migration\nDROP TABLE a;"],
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

  it("lets nobody else read or write the history, whatever the default privileges say", () =>
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

describe("a failing migration", () => {
  const FAILING = {
    "1_a.sql": "CREATE TABLE a (id int);",
    "2_b.sql": "CREATE TABLE b (id int);\nINSERT INTO nowhere VALUES (1);",
    "3_c.sql": "CREATE TABLE c (id int);",
  };

  it("each: keeps what came before, undoes itself, says where and what", () =>
    withDatabase(async (db) => {
      const migrator = await openMigrator(db, writeFolder(FAILING));
      const error = await failureOf(migrator.up());
      expect(error).toMatchObject({
        code: "SQL",
        message: 'relation "nowhere" does not exist',
        details: { migration: "2_b", sqlstate: "42P01", applied: ["1_a"], remaining: ["2_b", "3_c"] },
      });
      const { statement = "", position = 0 } = error.details;
      expect(statement.slice(position - 1)).toMatch(/^nowhere/);
      expect(await userTables(db)).toEqual(["a"]);
      expect(await appliedNames(db)).toEqual(["1_a"]);
      const rows = await db.query(
        "SELECT migration, state, error_code FROM pgmigrations_history ORDER BY id",
      );
      expect(rows).toEqual([
        { migration: "1_a", state: "finished", error_code: null },
        { migration: "2_b", state: "failed", error_code: "SQL" },
      ]);
      expect(migrator.events.at(-1)).toEqual({ type: "failed", migration: "2_b", direction: "up" });
    }));

  it("all: keeps nothing", () =>
    withDatabase(async (db) => {
      const error = await failureOf(
        (await openMigrator(db, writeFolder(FAILING), { transaction: "all" })).up(),
      );
      expect(error.details).toMatchObject({
        migration: "2_b",
        applied: [],
        remaining: ["1_a", "2_b", "3_c"],
      });
      expect(await userTables(db)).toEqual([]);
      expect(await appliedNames(db)).toEqual([]);
    }));

  it.each(["each", "all"] as const)(
    "%s: leaves no lock and no open transaction, and a repaired file goes on",
    (transaction) =>
      withDatabase(async (db) => {
        const dir = writeFolder(FAILING);
        await failureOf((await openMigrator(db, dir, { transaction })).up());
        const left = await db.query(
          "SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND database = (SELECT oid FROM pg_database WHERE datname = current_database())",
        );
        expect(left).toEqual([]);
        addFiles(dir, { "2_b.sql": "CREATE TABLE b (id int);" });
        await (await openMigrator(db, dir, { transaction })).up();
        expect(await appliedNames(db)).toEqual(["1_a", "2_b", "3_c"]);
      }),
  );

  it("a deferred constraint that fails at commit is the migration's failure", () =>
    withDatabase(async (db) => {
      const dir = writeFolder({
        "1_a.sql":
          "CREATE TABLE p (id int PRIMARY KEY); CREATE TABLE q (p int REFERENCES p DEFERRABLE INITIALLY DEFERRED);",
        "2_b.sql": "INSERT INTO q VALUES (7);",
      });
      const error = await failureOf((await openMigrator(db, dir)).up());
      expect(error).toMatchObject({ code: "SQL", details: { migration: "2_b", sqlstate: "23503" } });
      expect(error.message).toMatch(/^at commit: /);
      expect(error.details.statement).toBeUndefined();
      expect(await appliedNames(db)).toEqual(["1_a"]);
    }));

  it("an error in the code of any pending migration stops the run before it begins", () =>
    withDatabase(async (db) => {
      const dir = writeFolder({
        "1_a.sql": "CREATE TABLE a ();",
        "2_b.ts": "export const up = () => { throw new TypeError('oops'); };",
      });
      const error = await failureOf((await openMigrator(db, dir)).up());
      expect(error).toMatchObject({ code: "MIGRATION", details: { migration: "2_b" } });
      expect(error.message).toContain("oops");
      expect(await userTables(db)).toEqual([]);
    }));

  it("never shows a password", () =>
    withDatabase(async (db) => {
      const dir = writeFolder({ "1_a.sql": "CREATE ROLE x LOGIN PASSWORD 'open sesame' NO SUCH WORD;" });
      const error = await failureOf((await openMigrator(db, dir)).up());
      expect(error.details.statement).toContain("PASSWORD '***********'");
      expect(JSON.stringify([error.message, error.details])).not.toContain("open sesame");
    }));
});

describe("down", () => {
  it("undoes the last one, a count, and what came after a name", () =>
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
      expect(await migrator.down({ count: 10 })).toMatchObject({
        head: null,
        pending: ["1_a", "2_b", "3_c"],
      });
      expect(await userTables(db)).toEqual([]);
    }));

  it.each([0, -1, 1.5])("refuses a count of %p and undoes nothing", (count) =>
    withDatabase(async (db) => {
      const migrator = await openMigrator(db, writeFolder(THREE));
      await migrator.up();
      expect(await failureOf(migrator.down({ count }))).toMatchObject({ code: "USAGE" });
      expect(await appliedNames(db)).toEqual(["1_a", "2_b", "3_c"]);
    }),
  );

  it("names an irreversible migration before it undoes any", () =>
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

  it("in an empty database undoes nothing", () =>
    withDatabase(async (db) => {
      expect(await (await openMigrator(db, writeFolder(THREE))).down()).toMatchObject({
        completed: [],
        head: null,
      });
    }));
});

describe("redo", () => {
  it("undoes the last ones and applies the same again, and no other", () =>
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

  it("all: when applying again fails, the undoing is undone", () =>
    withDatabase(async (db) => {
      const dir = writeFolder(THREE);
      await (await openMigrator(db, dir)).up();
      addFiles(dir, { "3_c.sql": "SELECT 1/0;\n-- Down Migration\nDROP TABLE c;" });
      await failureOf((await openMigrator(db, dir, { transaction: "all" })).redo());
      expect(await userTables(db)).toEqual(["a", "b", "c"]);
      expect(await appliedNames(db)).toEqual(["1_a", "2_b", "3_c"]);
    }));
});

describe("fake", () => {
  it("records and forgets without running SQL", () =>
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

describe("what a migration does to its session", () => {
  it("does not reach the next one, nor the bookkeeping", () =>
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
