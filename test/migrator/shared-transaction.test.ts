import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, it } from "@jest/globals";
import { type TestDatabase, withDatabase } from "../support/database.ts";
import { addFiles, writeFolder } from "../support/folders.ts";
import { appliedNames, failureOf, openMigrator, userTables } from "../support/migrator.ts";

const FOUR = Object.fromEntries([1, 2, 3, 4].map((n) => [`${n}_t.sql`, `CREATE TABLE t${n} (n int);`]));
const NAMES = Object.keys(FOUR).map((file) => file.slice(0, 3));

/** Which migrations were recorded by the same transaction, in running order. */
async function transactionsOf(db: TestDatabase): Promise<string[][]> {
  const rows = await db.query<{ names: string[] }>(
    `SELECT array_agg(name ORDER BY m.id) AS names FROM pgmigrations AS m
     JOIN pgmigrations_history AS h ON h.applied_id = m.id AND h.migration = m.name AND h.xmin = m.xmin
     GROUP BY m.xmin::text ORDER BY min(m.id)`,
  );
  return rows.map(({ names }) => names);
}

/** A partition by a bound that takes its time to be reckoned: a definition can be slow. */
const slow = (seconds: number): string =>
  `CREATE TABLE p (n int) PARTITION BY LIST (n);
   CREATE TABLE p1 PARTITION OF p FOR VALUES IN (length(pg_sleep(${seconds})::text));`;

describe("migrations that only define, on an empty database", () => {
  it("share a transaction, up to one that does more", () =>
    withDatabase(async (db) => {
      const more = { "3_more.sql": "INSERT INTO t1 VALUES (1);", "5_t.sql": "CREATE TABLE t5 ();" };
      await (await openMigrator(db, writeFolder({ ...FOUR, ...more }))).up();
      expect(await transactionsOf(db)).toEqual([["1_t", "2_t"], ["3_more"], ["3_t", "4_t", "5_t"]]);
    }));

  it("take two messages, and each is recorded as it would be alone", () =>
    withDatabase(async (db) => {
      const { "2_t.sql": _, ...others } = FOUR;
      const dir = writeFolder({
        ...others,
        "2_t.ts": 'export const up = (pgm: any) => pgm.createTable("t2", { n: "int" });',
      });
      await db.enableStatementLog();
      await (await openMigrator(db, dir)).up();
      const logged = await db.logged();
      const defining = logged.findIndex((text) => text.includes("CREATE TABLE t1"));
      expect(logged[defining]).toContain("CREATE TABLE t4");
      expect(logged[defining + 1]).toMatch(/INSERT INTO .*"pgmigrations".*'1_t'.*'4_t'.*COMMIT$/s);
      const rows = await db.query(
        `SELECT migration, state, no_transaction, source_digest IS NOT NULL AS source, length(sql_digest) AS sql,
                up_sql->>0 AS up, down_sql->>0 AS down, duration_ms >= 0 AS timed
         FROM pgmigrations_history AS h JOIN pgmigrations AS m ON m.id = applied_id AND m.name = migration ORDER BY h.id`,
      );
      const alike = { state: "finished", no_transaction: false, source: true, sql: 64, timed: true };
      expect(rows).toEqual(
        NAMES.map((migration, index) => ({
          ...{ migration, ...alike },
          up: expect.stringContaining(`t${index + 1}`),
          down: migration === "2_t" ? expect.stringContaining("DROP TABLE") : null,
        })),
      );
    }));

  it("are told of one by one", () =>
    withDatabase(async (db) => {
      const migrator = await openMigrator(db, writeFolder(FOUR));
      const { completed } = await migrator.up();
      expect(completed.map(({ migration }) => migration)).toEqual(NAMES);
      expect(migrator.events).toMatchObject(
        NAMES.flatMap((migration) => [
          { type: "started", migration },
          { type: "finished", migration },
        ]),
      );
    }));

  it("are timed each", () =>
    withDatabase(async (db) => {
      const { completed } = await (
        await openMigrator(db, writeFolder({ ...FOUR, "2_slow.sql": slow(0.3) }))
      ).up();
      const took = new Map(completed.map(({ migration, durationMs }) => [migration, durationMs]));
      expect(took.get("2_slow")).toBeGreaterThanOrEqual(300);
      expect(took.get("3_t")).toBeLessThan(300);
      expect((await transactionsOf(db)).length).toBe(1);
    }));

  it("keep their own transactions later, and where there are tables", () =>
    withDatabase(async (db) => {
      const dir = writeFolder({ "1_t.sql": "CREATE TABLE t1 ();" });
      await (await openMigrator(db, dir)).up();
      addFiles(dir, FOUR);
      addFiles(dir, { "1_t.sql": "CREATE TABLE t1 ();" });
      await (await openMigrator(db, dir)).up();
      expect(await transactionsOf(db)).toEqual(NAMES.map((name) => [name]));
    }));

  it("keep their own transactions where somebody else has tables", () =>
    withDatabase(async (db) => {
      await db.query("CREATE SCHEMA theirs; CREATE TABLE theirs.t ()");
      await (await openMigrator(db, writeFolder(FOUR))).up();
      expect(await transactionsOf(db)).toEqual(NAMES.map((name) => [name]));
    }));

  it("keep their own transactions when they may take long with rows that are there", () =>
    withDatabase(async (db) => {
      const dir = writeFolder({
        "1_t.sql": "CREATE TABLE t1 (n int);",
        "2_i.sql": "CREATE INDEX ON t1 (n);",
        "3_rows.sql": "INSERT INTO t1 VALUES (1);",
        "4_t.sql": "CREATE TABLE t4 (n int);",
        "5_t.sql": "CREATE TABLE t5 (n int);",
        "6_i.sql": "CREATE INDEX ON t1 (n);",
        "7_a.sql": "ALTER TABLE t1 ADD m int DEFAULT 1;",
      });
      await (await openMigrator(db, dir)).up();
      expect(await transactionsOf(db)).toEqual([
        ["1_t", "2_i"],
        ["3_rows"],
        ["4_t", "5_t"],
        ["6_i"],
        ["7_a"],
      ]);
    }));

  it("are asked once how each is undone, one after the other", () =>
    withDatabase(async (db) => {
      const down = (
        n: number,
      ) => `export const up = (pgm: any) => pgm.sql("CREATE TABLE t${n} (${n === 3 ? "oops" : ""})");
        export const down = async (pgm: any) => {
          globalThis.asked = [...(globalThis.asked ?? []), "in ${n}"];
          await new Promise((resolve) => setTimeout(resolve, 5));
          globalThis.asked.push("out ${n}");
        };`;
      const dir = writeFolder({ "1_t.ts": down(1), "2_t.ts": down(2), "3_t.ts": down(3) });
      await failureOf((await openMigrator(db, dir)).up());
      expect(await appliedNames(db)).toEqual(["1_t", "2_t"]);
      expect(Reflect.get(globalThis, "asked")).toEqual(["in 1", "out 1", "in 2", "out 2", "in 3", "out 3"]);
    }));

  it("are recorded and not run by a fake", () =>
    withDatabase(async (db) => {
      await (await openMigrator(db, writeFolder(FOUR))).up({}, "fake");
      expect(await appliedNames(db)).toEqual(NAMES);
      expect(await userTables(db)).toEqual([]);
    }));
});

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
