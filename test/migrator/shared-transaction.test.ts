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

  it("are recorded and not run by a fake", () =>
    withDatabase(async (db) => {
      await (await openMigrator(db, writeFolder(FOUR))).up({}, "fake");
      expect(await appliedNames(db)).toEqual(NAMES);
      expect(await userTables(db)).toEqual([]);
    }));
});

describe("one that the server refuses in a transaction with others", () => {
  it("runs alone when only that is the matter", () =>
    withDatabase(async (db) => {
      const dir = writeFolder({
        "1_type.sql": "CREATE TYPE mood AS ENUM ('sad');",
        "2_data.sql": "SELECT 1;",
        "3_value.sql": "ALTER TYPE mood ADD VALUE 'ok';",
        "4_use.sql": "CREATE TABLE t (m mood DEFAULT 'ok');",
      });
      const migrator = await openMigrator(db, dir);
      await migrator.up();
      expect(await appliedNames(db)).toEqual(["1_type", "2_data", "3_value", "4_use"]);
      expect(await transactionsOf(db)).toHaveLength(4);
      expect(migrator.events.filter(({ type }) => type === "failed")).toEqual([]);
    }));

  it("is told with its own error; what came before it stays", () =>
    withDatabase(async (db) => {
      const dir = writeFolder({
        ...FOUR,
        "3_bad.sql": "CREATE TABLE bad (n int);\nALTER TABLE bad ADD nothing;",
      });
      const error = await failureOf((await openMigrator(db, dir)).up());
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
      await db.query("CREATE TYPE theirs AS ENUM ('a')");
      await db.query("BEGIN; ALTER TYPE theirs OWNER TO CURRENT_USER; LOCK pg_catalog.pg_enum");
      const dir = writeFolder({ ...FOUR, "3_a_value.sql": "ALTER TYPE theirs ADD VALUE 'b';" });
      const migrator = await openMigrator(db, dir, {
        lockTimeoutMs: 100,
        lockRetries: 1,
        lockRetryDelayMs: 10,
      });
      const error = await failureOf(migrator.up());
      expect(error).toMatchObject({ code: "LOCK_TIMEOUT", details: { migration: "3_a_value" } });
      expect(await appliedNames(db)).toEqual(["1_t", "2_t"]);
      await db.query("ROLLBACK");
      await (await openMigrator(db, dir)).up();
      expect(await appliedNames(db)).toHaveLength(5);
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
      const failing = failureOf((await openMigrator(db, dir, {}, stop)).up());
      await sleep(500);
      cancel.abort();
      expect(await failing).toMatchObject({ code, details: { applied: [], remaining: { length: 5 } } });
      expect(await userTables(db)).toEqual([]);
      addFiles(dir, { "3_slow.sql": slow(0) });
      await (await openMigrator(db, dir)).up();
      expect(await appliedNames(db)).toHaveLength(5);
    }),
  );
});
