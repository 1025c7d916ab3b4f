import { describe, expect, it } from "@jest/globals";
import { withDatabase } from "../support/database.ts";
import { addFiles, writeFolder } from "../support/folders.ts";
import { appliedNames, failureOf, openMigrator, userTables } from "../support/migrator.ts";
import { FOUR, NAMES, slow, transactionsOf } from "./sharing.ts";

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
