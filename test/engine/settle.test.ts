import { describe, expect, it } from "@jest/globals";
import { withDatabase } from "../support/database.ts";
import { addFiles, removeFiles, writeFolder } from "../support/folders.ts";
import { appliedNames, failureOf, openMigrator, userTables } from "../support/migrator.ts";

const file = (table: string): string =>
  `-- Up Migration\nCREATE TABLE ${table} ();\n-- Down Migration\nDROP TABLE ${table};`;

const edited = (value: number): string => file("a").replace("();", `(); SELECT ${value};`);

describe("repair", () => {
  it("repair accepts a changed file and records who and why, and down then follows the new file", () =>
    withDatabase(async (db) => {
      const dir = writeFolder({ "1_a.sql": file("a") });
      await (await openMigrator(db, dir)).up();
      addFiles(dir, {
        "1_a.sql":
          "-- Up Migration\nCREATE TABLE a (); SELECT 1;\n-- Down Migration\nDROP TABLE a; SELECT 2;",
        "2_b.sql": file("b"),
      });
      expect(await failureOf((await openMigrator(db, dir)).up())).toMatchObject({ code: "CHANGED" });
      expect(await (await openMigrator(db, dir)).repair([], "harmless")).toEqual({
        migrations: ["1_a"],
        head: "1_a",
      });
      const rows = await db.query(
        "SELECT action, state, note, actor FROM pgmigrations_history ORDER BY id DESC LIMIT 1",
      );
      expect(rows).toEqual([{ action: "repair", state: "finished", note: "harmless", actor: "tester" }]);
      await (await openMigrator(db, dir)).up();
      await (await openMigrator(db, dir)).down({ count: 2 });
      expect(await userTables(db)).toEqual([]);
    }));

  it("the file of an earlier commit is recognized and does not stop a run", () =>
    withDatabase(async (db) => {
      const dir = writeFolder({ "1_a.sql": file("a") });
      await (await openMigrator(db, dir)).up();
      addFiles(dir, { "1_a.sql": edited(2) });
      await (await openMigrator(db, dir)).repair();
      addFiles(dir, { "1_a.sql": file("a"), "2_b.sql": file("b") });
      const report = await (await openMigrator(db, dir)).up();
      expect(report.warnings).toMatchObject([{ code: "CHANGED", migrations: ["1_a"] }]);
      expect(report.counts).toMatchObject({ changed: 1, applied: 1, pending: 0 });
      addFiles(dir, { "1_a.sql": edited(3) });
      expect(await failureOf((await openMigrator(db, dir)).up())).toMatchObject({ code: "CHANGED" });
    }));

  it("repair does nothing when nothing changed, and refuses names that are not changed", () =>
    withDatabase(async (db) => {
      const dir = writeFolder({ "1_a.sql": file("a") });
      await (await openMigrator(db, dir)).up();
      expect(await (await openMigrator(db, dir)).repair()).toMatchObject({ migrations: [] });
      expect(await failureOf((await openMigrator(db, dir)).repair(["1_a"]))).toMatchObject({ code: "USAGE" });
      expect(await failureOf((await openMigrator(db, dir)).repair(["nope"]))).toMatchObject({
        code: "USAGE",
      });
    }));
});

describe("a renamed file", () => {
  const MODULE = (table: string): string =>
    `export const up = (pgm: any) => { pgm.createTable("${table}", {}); };`;

  it.each([
    ["SQL", ".sql", file],
    ["a module", ".ts", MODULE],
  ])("a renamed file is recognized, and repair records its new name (%s)", (_kind, extension, text) =>
    withDatabase(async (db) => {
      const dir = writeFolder({ [`1_a${extension}`]: text("a"), [`2_b${extension}`]: text("b") });
      await (await openMigrator(db, dir)).up();
      removeFiles(dir, `1_a${extension}`);
      addFiles(dir, { [`15_a${extension}`]: text("a") });
      for (const order of ["strict", "warn"] as const) {
        const refused = await failureOf((await openMigrator(db, dir, { order })).up());
        expect(refused).toMatchObject({
          code: "MISSING",
          message: "applied under another name: 1_a, whose file is now 15_a",
        });
        expect(String(refused.details.hint)).toContain("`repair`");
      }
      const { refusals } = await (await openMigrator(db, dir)).status();
      expect(refusals.map(({ code, migrations }) => [code, migrations])).toEqual([["MISSING", ["1_a"]]]);

      const migrator = await openMigrator(db, dir);
      expect(await migrator.repair()).toMatchObject({ migrations: ["15_a"] });
      expect((await migrator.history({ limit: 1 })).entries).toMatchObject([
        { migration: "15_a", action: "repair", note: "renamed from 1_a" },
      ]);
      expect(await (await openMigrator(db, dir)).up()).toMatchObject({
        completed: [],
        counts: { applied: 2, pending: 0, missing: 0 },
      });
      expect(await appliedNames(db)).toEqual(["15_a", "2_b"]);
      addFiles(dir, { [`15_a${extension}`]: text("z") });
      expect((await (await openMigrator(db, dir)).status()).counts).toMatchObject({ changed: 1 });
      removeFiles(dir, `15_a${extension}`);
      await (await openMigrator(db, dir)).down({ count: 2 });
      expect(await userTables(db)).toEqual([]);
    }),
  );

  it("a file is not taken for renamed where its SQL differs or two files have the same SQL", () =>
    withDatabase(async (db) => {
      const dir = writeFolder({ "1_a.sql": "SELECT 1;", "2_b.sql": "SELECT 2;" });
      await (await openMigrator(db, dir)).up();
      removeFiles(dir, "1_a.sql");
      addFiles(dir, { "3_a.sql": "SELECT 11;", "4_x.sql": "SELECT 2;" });
      expect(await failureOf((await openMigrator(db, dir)).up())).toMatchObject({
        code: "MISSING",
        details: { migration: "1_a" },
        message: "applied to the database, but the file is gone: 1_a",
      });
      addFiles(dir, { "3_a.sql": "SELECT 1;", "4_x.sql": "SELECT 1;" });
      expect((await failureOf((await openMigrator(db, dir)).up())).message).toContain(
        "the file is gone: 1_a",
      );
    }));
});

describe("baseline", () => {
  it("baseline declares a database to be at a migration, leaves the rest pending, and can be undone", () =>
    withDatabase(async (db) => {
      await db.query("CREATE TABLE a ()");
      const dir = writeFolder({ "1_a.sql": file("a"), "2_b.sql": file("b") });
      const migrator = await openMigrator(db, dir);
      expect(await migrator.baseline("1_a", "made by hand in 2019")).toEqual({
        migrations: ["1_a"],
        head: "1_a",
      });
      expect(await migrator.up()).toMatchObject({ head: "2_b" });
      await migrator.down({ count: 2 });
      expect(await userTables(db)).toEqual([]);
    }));

  it("baseline allows up on a database with tables, with or without migrations", () =>
    withDatabase(async (db) => {
      await db.query("CREATE TABLE theirs ()");
      const migrator = await openMigrator(db, writeFolder({ "1_a.sql": file("a") }));
      const error = await failureOf(migrator.up());
      expect(error.code).toBe("UNMANAGED");
      expect(String(error.details.hint)).toContain("baseline");
      expect(await migrator.baseline()).toEqual({ migrations: [], head: null });
      await migrator.up();
      expect(await userTables(db)).toEqual(["a", "theirs"]);
    }));

  it("objects of extensions do not make a baseline necessary", () =>
    withDatabase(async (db) => {
      await db.query("CREATE EXTENSION hstore; CREATE EXTENSION citext");
      await (await openMigrator(db, writeFolder({ "1_a.sql": file("a") }))).up();
      expect(await appliedNames(db)).toEqual(["1_a"]);
    }));

  it("baseline is refused in a managed database and for an unknown name", () =>
    withDatabase(async (db) => {
      const dir = writeFolder({ "1_a.sql": file("a") });
      const migrator = await openMigrator(db, dir);
      expect(await failureOf(migrator.baseline("9_z"))).toMatchObject({ code: "USAGE" });
      await migrator.up();
      expect(await failureOf(migrator.baseline("1_a"))).toMatchObject({ code: "USAGE" });
    }));
});

describe("resolve", () => {
  const BROKEN = "-- migrate: no-transaction\nCREATE TABLE one ();\nSELECT 1/0;\nCREATE TABLE three ();";

  it("resolve --retry goes on after the last finished statement of the corrected file", () =>
    withDatabase(async (db) => {
      const dir = writeFolder({ "1_a.sql": BROKEN });
      await failureOf((await openMigrator(db, dir)).up());
      expect(await failureOf((await openMigrator(db, dir)).resolve("1_a", "retry"))).toMatchObject({
        code: "SQL",
      });
      expect((await (await openMigrator(db, dir)).status()).migrations).toMatchObject([
        { state: "partial", statement: 1, statements: 3 },
      ]);
      addFiles(dir, { "1_a.sql": BROKEN.replace("1/0", "1/1") });
      await (await openMigrator(db, dir)).resolve("1_a", "retry");
      expect(await userTables(db)).toEqual(["one", "three"]);
      expect(await appliedNames(db)).toEqual(["1_a"]);
    }));

  it.each([
    ["applied", ["1_a"], "applied"],
    ["reverted", [], "pending"],
  ] as const)("resolve --%s records how a person ended the migration", (outcome, applied, state) =>
    withDatabase(async (db) => {
      const dir = writeFolder({ "1_a.sql": BROKEN });
      await failureOf((await openMigrator(db, dir)).up());
      await (await openMigrator(db, dir)).resolve("1_a", outcome, "by hand");
      expect(await appliedNames(db)).toEqual(applied);
      expect((await (await openMigrator(db, dir)).status()).migrations).toMatchObject([{ state }]);
    }),
  );

  it.each([
    ["applied", ["1_a"]],
    ["reverted", []],
  ] as const)("resolve --%s ends a partly applied down", (outcome, applied) =>
    withDatabase(async (db) => {
      const dir = writeFolder({
        "1_a.sql":
          "-- migrate: no-transaction\n-- Up Migration\nCREATE TABLE one ();\n-- Down Migration\nDROP TABLE one; SELECT 1/0;",
      });
      await (await openMigrator(db, dir)).up();
      expect(await failureOf((await openMigrator(db, dir)).down())).toMatchObject({
        details: { partial: 1 },
      });
      expect(await failureOf((await openMigrator(db, dir)).resolve("1_a", "retry"))).toMatchObject({
        code: "USAGE",
      });
      await (await openMigrator(db, dir)).resolve("1_a", outcome);
      expect(await appliedNames(db)).toEqual(applied);
      expect((await (await openMigrator(db, dir)).status()).counts).toMatchObject({ partial: 0, changed: 0 });
    }),
  );

  it("resolve is refused for a migration that is not partly applied", () =>
    withDatabase(async (db) => {
      const dir = writeFolder({ "1_a.sql": file("a") });
      await (await openMigrator(db, dir)).up();
      expect(await failureOf((await openMigrator(db, dir)).resolve("1_a", "applied"))).toMatchObject({
        code: "USAGE",
      });
    }));
});

describe("history", () => {
  it("history lists the actions, newest first, and takes filters", () =>
    withDatabase(async (db) => {
      const dir = writeFolder({ "1_a.sql": file("a"), "2_b.sql": file("b"), "3_x.sql": "SELECT 1/0;" });
      const migrator = await openMigrator(db, dir);
      expect(await migrator.history()).toEqual({ entries: [] });
      await failureOf(migrator.up());
      await migrator.down();
      const { entries } = await migrator.history();
      expect(
        entries.map(({ migration, action, state, errorCode }) => [migration, action, state, errorCode]),
      ).toEqual([
        ["2_b", "down", "finished", null],
        ["3_x", "up", "failed", "SQL"],
        ["2_b", "up", "finished", null],
        ["1_a", "up", "finished", null],
      ]);
      expect((await migrator.history({ state: "failed" })).entries).toHaveLength(1);
      expect((await migrator.history({ migration: "2_b", action: "up" })).entries).toHaveLength(1);
      expect((await migrator.history({ limit: 2 })).entries).toHaveLength(2);
    }));
});
