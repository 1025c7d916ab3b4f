import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, it } from "@jest/globals";
import { type TestDatabase, withDatabase } from "../support/database.ts";
import { addFiles, writeFolder } from "../support/folders.ts";
import { appliedNames, failureOf, openMigrator, userTables } from "../support/migrator.ts";
import { FOUR, slow, transactionsOf } from "./sharing.ts";

/** Whether the server was sent these two texts in one message, refused or not. */
async function sentTogether(db: TestDatabase, one: string, other: string): Promise<boolean> {
  return (await db.logged()).some((text) => text.includes(one) && text.includes(other));
}

describe("one that the server refuses in a transaction with others", () => {
  it("runs alone when only that is the matter", () =>
    withDatabase(async (db) => {
      const long = `-- ${"x".repeat(40_000)}\n`;
      const dir = writeFolder({
        "1_type.sql": `${long}CREATE TYPE mood AS ENUM ('sad');`,
        "2_t.sql": `${long}CREATE TABLE t2 ();`,
        "3_value.sql": `${long}ALTER TYPE mood ADD VALUE 'ok';`,
        "4_use.sql": "CREATE TABLE t (m mood DEFAULT 'ok');",
      });
      await db.enableStatementLog();
      const migrator = await openMigrator(db, dir);
      await migrator.up();
      const started = migrator.events.flatMap((event) => (event.type === "started" ? event.migration : []));
      expect(started).toEqual(["1_type", "2_t", "3_value", "4_use"]);
      expect(await sentTogether(db, "ADD VALUE 'ok'", "DEFAULT 'ok'")).toBe(true);
      expect(await transactionsOf(db)).toEqual([["1_type", "2_t"], ["3_value"], ["4_use"]]);
      expect(migrator.events.filter(({ type }) => type === "failed")).toEqual([]);
    }));

  it("is told with its own error; what came before it stays", () =>
    withDatabase(async (db) => {
      const dir = writeFolder({
        ...FOUR,
        "3_bad.sql": "CREATE TABLE bad (n int);\nALTER TABLE bad ADD n int;",
      });
      await db.enableStatementLog();
      const error = await failureOf((await openMigrator(db, dir)).up());
      expect(await sentTogether(db, "TABLE t1", "ADD n int")).toBe(true);
      expect(error).toMatchObject({
        code: "SQL",
        details: { migration: "3_bad", applied: ["1_t", "2_t"], remaining: ["3_bad", "3_t", "4_t"] },
      });
      expect(await userTables(db)).toEqual(["t1", "t2"]);
      expect(await db.query("SELECT migration FROM pgmigrations_history WHERE state = 'failed'")).toEqual([
        { migration: "3_bad" },
      ]);
    }));

  it("is told when it cannot have what somebody else holds", () =>
    withDatabase(async (db) => {
      await db.enableStatementLog();
      await db.query("CREATE TYPE theirs AS ENUM ('a')");
      await db.query("BEGIN; ALTER TYPE theirs OWNER TO CURRENT_USER; LOCK pg_catalog.pg_enum");
      const dir = writeFolder({ ...FOUR, "3_a_value.sql": "ALTER TYPE theirs ADD VALUE 'b';" });
      const migrator = await openMigrator(db, dir, {
        lockTimeoutMs: 100,
        lockRetries: 1,
        lockRetryDelayMs: 10,
      });
      const error = await failureOf(migrator.up());
      expect(await sentTogether(db, "TABLE t1", "ADD VALUE 'b'")).toBe(true);
      expect(error).toMatchObject({ code: "LOCK_TIMEOUT", details: { migration: "3_a_value" } });
      expect(await appliedNames(db)).toEqual(["1_t", "2_t"]);
      await db.query("ROLLBACK");
      await (await openMigrator(db, dir)).up();
      expect(await appliedNames(db)).toHaveLength(5);
    }));
});

describe("one that does something to its session after all", () => {
  const partition = (bound: string) =>
    `CREATE TABLE p (n int) PARTITION BY LIST (n); CREATE TABLE p1 PARTITION OF p FOR VALUES IN (length(${bound}));`;

  it.each([
    ["a setting", partition("set_config('search_path', 'other', false)")],
    ["a setting of its transaction", partition("set_config('search_path', 'other', true)")],
    ["a role", partition("set_config('role', 'pg_database_owner', true)")],
  ])("%s: none of it is there for the next", (_, text) =>
    withDatabase(async (db) => {
      const dir = writeFolder({
        "1_s.sql": "CREATE SCHEMA other;",
        "2_p.sql": text,
        "3_t.sql": "CREATE TABLE t3 ();",
        "4_t.sql": "CREATE TABLE t4 ();",
      });
      await (await openMigrator(db, dir)).up();
      expect(await userTables(db)).toEqual(["p", "p1", "t3", "t4"]);
      expect(
        await db.query(
          "SELECT DISTINCT tableowner = session_user AS ours FROM pg_tables WHERE schemaname = 'public'",
        ),
      ).toEqual([{ ours: true }]);
      expect(await transactionsOf(db)).toHaveLength(4);
    }),
  );

  it("no trace is what a library brings that is loaded meanwhile", () =>
    withDatabase(async (db) => {
      const dir = writeFolder({ ...FOUR, "2_u.sql": "LOAD 'auto_explain';" });
      await (await openMigrator(db, dir)).up();
      expect(await transactionsOf(db)).toEqual([["1_t", "2_t"], ["2_u"], ["3_t", "4_t"]]);
    }));

  it("by an event trigger: each has its own transaction", () =>
    withDatabase(async (db) => {
      await db.query(
        `CREATE SCHEMA other; CREATE FUNCTION leave() RETURNS event_trigger LANGUAGE plpgsql AS
         $$ BEGIN PERFORM set_config('search_path', 'other', true); END $$;
         CREATE EVENT TRIGGER leave ON ddl_command_end WHEN TAG IN ('CREATE TABLE') EXECUTE FUNCTION leave()`,
      );
      await (await openMigrator(db, writeFolder(FOUR))).up();
      expect(await userTables(db)).toEqual(["t1", "t2", "t3", "t4"]);
      expect(await transactionsOf(db)).toHaveLength(4);
    }));
});

describe("a run that is stopped among migrations in one transaction", () => {
  it.each([
    ["by a cancel", "CANCELLED"],
    ["by its deadline", "DEADLINE"],
  ])("%s: keeps none of them, and a second run does all", (_, code) =>
    withDatabase(async (db) => {
      const dir = writeFolder({ ...FOUR, "3_slow.sql": slow(60) });
      const cancel = new AbortController();
      const stop = code === "CANCELLED" ? { signal: cancel.signal } : { deadline: Date.now() + 700 };
      const migrator = await openMigrator(db, dir, {}, stop);
      const failing = failureOf(migrator.up());
      await sleep(500);
      cancel.abort();
      const remaining = ["1_t", "2_t", "3_slow", "3_t", "4_t"];
      expect(await failing).toMatchObject({ code, details: { migration: "3_slow", applied: [], remaining } });
      expect(migrator.events.at(-1)).toMatchObject({ type: "failed", migration: "3_slow" });
      const failed = "SELECT migration, error_code AS code FROM pgmigrations_history WHERE state = 'failed'";
      expect(await db.query(failed)).toEqual([{ migration: "3_slow", code }]);
      expect(await userTables(db)).toEqual([]);
      addFiles(dir, { "3_slow.sql": slow(0) });
      await (await openMigrator(db, dir)).up();
      expect(await appliedNames(db)).toHaveLength(5);
    }),
  );
});
