import { rmSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "@jest/globals";
import { type TestDatabase, withDatabase } from "../support/database.ts";
import { addFiles, writeFolder } from "../support/folders.ts";
import { failureOf, openMigrator } from "../support/migrator.ts";

const FILES = {
  "1_a.sql": "CREATE TABLE a ();",
  "2_ä😀.sql": "CREATE TABLE b ();",
  "10_c, d.sql": "CREATE TABLE c ();",
};

/** Runs `up` and tells whether it read the rows of what is applied. */
async function readsRows(db: TestDatabase, work: () => Promise<unknown>): Promise<boolean> {
  const before = (await db.logged()).length;
  await work();
  return (await db.logged()).slice(before).some((text) => text.includes("json_agg"));
}

describe("a run with nothing to do", () => {
  it("one stored value shows that nothing is pending, and gives the same report as a full read", () =>
    withDatabase(async (db) => {
      const dir = writeFolder(FILES);
      await (await openMigrator(db, dir)).up();
      await db.enableStatementLog();
      const up = async () => (await openMigrator(db, dir)).up();
      expect(await readsRows(db, up)).toBe(false);
      const byRows = await (await openMigrator(db, dir)).up({ to: "10_c, d" });
      expect(await up()).toEqual(byRows);
      expect(byRows).toMatchObject({ run: null, completed: [], head: "10_c, d", counts: { applied: 3 } });
    }));

  it("the stored value also fits migrations that were applied in another order", () =>
    withDatabase(async (db) => {
      const dir = writeFolder({ "2_b.sql": "CREATE TABLE b ();" });
      await (await openMigrator(db, dir)).up();
      addFiles(dir, { "1_a.sql": "CREATE TABLE a ();" });
      await (await openMigrator(db, dir, { order: "allow" })).up();
      await db.enableStatementLog();
      const up = async () => (await openMigrator(db, dir)).up();
      expect(await readsRows(db, up)).toBe(false);
      expect((await up()).head).toBe("2_b");
    }));

  it("a run on an empty folder and an empty database has not begun", () =>
    withDatabase(async (db) => {
      const report = await (await openMigrator(db, writeFolder({}))).up();
      expect(report).toMatchObject({ run: null, head: null, counts: { applied: 0 } });
      expect(await db.query("SELECT to_regclass('pgmigrations') AS made")).toEqual([{ made: null }]);
    }));
});

describe("when one value is not enough", () => {
  const applied = (work: (db: TestDatabase, dir: string) => Promise<void>) =>
    withDatabase(async (db) => {
      const dir = writeFolder(FILES);
      await (await openMigrator(db, dir)).up();
      await work(db, dir);
    });

  it("the run reads everything for a file that differs in its comments only", () =>
    applied(async (db, dir) => {
      addFiles(dir, { "1_a.sql": "CREATE TABLE a (); -- more" });
      await db.enableStatementLog();
      expect(await readsRows(db, async () => (await openMigrator(db, dir)).up())).toBe(true);
    }));

  it("the run reads everything for a file that differs", () =>
    applied(async (db, dir) => {
      addFiles(dir, { "1_a.sql": "CREATE TABLE a (n int);" });
      expect(await failureOf((await openMigrator(db, dir)).up())).toMatchObject({ code: "CHANGED" });
    }));

  it("the run reads everything for a missing file", () =>
    applied(async (db, dir) => {
      rmSync(join(dir, "2_ä😀.sql"));
      expect(await failureOf((await openMigrator(db, dir)).up())).toMatchObject({ code: "MISSING" });
    }));

  it("the run reads everything for a migration of newer code", () =>
    applied(async (db, dir) => {
      rmSync(join(dir, "10_c, d.sql"));
      const { warnings, counts } = await (await openMigrator(db, dir)).up();
      expect({ warnings, counts }).toMatchObject({ warnings: { length: 1 }, counts: { ahead: 1 } });
    }));

  it("the run reads everything for a new file", () =>
    applied(async (db, dir) => {
      addFiles(dir, { "11_e.sql": "CREATE TABLE e ();" });
      expect((await (await openMigrator(db, dir)).up()).completed).toHaveLength(1);
    }));

  it("the run reads everything after a migration and its record were undone by hand", () =>
    applied(async (db, dir) => {
      await db.query("DROP TABLE c; DELETE FROM pgmigrations WHERE name = '10_c, d'");
      expect((await (await openMigrator(db, dir)).up()).completed).toHaveLength(1);
    }));

  it("the run reads everything for a migration whose second try stopped part-way", () =>
    applied(async (db, dir) => {
      await db.query(
        `INSERT INTO pgmigrations_history (run, migration, action, state, statement, no_transaction, actor, origin, tool)
         VALUES (gen_random_uuid(), '1_a', 'down', 'failed', 1, true, 'x', 'cli', 'x')`,
      );
      expect(await failureOf((await openMigrator(db, dir)).up())).toMatchObject({ code: "PARTIAL" });
    }));

  it("the run reads everything for an unknown name to stop at", () =>
    applied(async (db, dir) => {
      expect(await failureOf((await openMigrator(db, dir)).up({ to: "x" }))).toMatchObject({ code: "USAGE" });
    }));

  it("the run reads everything for a database that plain node-pg-migrate has migrated", () =>
    applied(async (db, dir) => {
      await db.query("DROP TABLE pgmigrations_history");
      await (await openMigrator(db, dir)).up();
      expect(await db.query("SELECT DISTINCT action FROM pgmigrations_history")).toEqual([
        { action: "baseline" },
      ]);
    }));
});
