import { describe, expect, it } from "@jest/globals";
import { baselineHeader } from "../../lib/core/index.ts";
import { withDatabase } from "../support/database.ts";
import { addFiles, removeFiles, writeFolder } from "../support/folders.ts";
import { appliedNames, failureOf, openMigrator } from "../support/migrator.ts";

const FILES = {
  "1_a.sql": "CREATE TABLE a (id int);\n-- Down Migration\nDROP TABLE a;",
  "2_b.sql": "CREATE TABLE b (id int);\n-- Down Migration\nDROP TABLE b;",
};

describe("rename", () => {
  it("rename records the new name of a file, after which nothing is pending, changed or missing, and down undoes it", () =>
    withDatabase(async (db) => {
      const dir = writeFolder(FILES);
      await (await openMigrator(db, dir)).up();
      removeFiles(dir, "2_b.sql");
      addFiles(dir, { "2_better.sql": FILES["2_b.sql"] });
      const migrator = await openMigrator(db, dir);
      expect(await migrator.rename("2_b", "2_better", "a better name")).toEqual({
        migrations: ["2_better"],
        head: expect.any(String),
      });
      expect(await appliedNames(db)).toEqual(["1_a", "2_better"]);
      expect(await migrator.up()).toMatchObject({ completed: [], counts: { applied: 2 } });
      const { entries } = await migrator.history({ limit: 1 });
      expect(entries).toMatchObject([{ migration: "2_better", action: "repair", note: "a better name" }]);
      expect(await migrator.down()).toMatchObject({
        head: "1_a",
        changes: [{ name: "b", change: "removed" }],
      });
    }));

  it("rename leaves a file that was edited too as changed, with the difference", () =>
    withDatabase(async (db) => {
      const dir = writeFolder(FILES);
      await (await openMigrator(db, dir)).up();
      removeFiles(dir, "2_b.sql");
      addFiles(dir, { "2_better.sql": "CREATE TABLE b (id bigint);" });
      const migrator = await openMigrator(db, dir);
      await migrator.rename("2_b", "2_better");
      expect(await failureOf(migrator.up())).toMatchObject({
        code: "CHANGED",
        details: {
          changes: [{ before: ["CREATE TABLE b (id int);"], after: ["CREATE TABLE b (id bigint);"] }],
        },
      });
      expect(await migrator.repair(["2_better"])).toMatchObject({ migrations: ["2_better"] });
      expect(await migrator.up()).toMatchObject({ counts: { applied: 2 } });
    }));

  it("a pending migration with the SQL of one that a baseline replaces is not taken for its renamed file", () =>
    withDatabase(async (db) => {
      const insert = "INSERT INTO a VALUES (1);";
      const dir = writeFolder({ ...FILES, "3_rows.sql": insert });
      await (await openMigrator(db, dir)).up();
      const header = baselineHeader(
        ["1_a", "2_b", "3_rows"].map((name) => ({ name, sqlDigest: undefined, replaces: [] })),
      );
      removeFiles(dir, "1_a.sql", "2_b.sql", "3_rows.sql");
      addFiles(dir, {
        "3_z.sql": `${header.join("\n")}\nSELECT 1;`,
        "4_rows.sql": `${insert}\n-- Down Migration\nDELETE FROM a;`,
      });
      const migrator = await openMigrator(db, dir);
      expect(await migrator.status()).toMatchObject({ refusals: [], counts: { pending: 2 } });
      expect(await migrator.up()).toMatchObject({ counts: { pending: 0 } });
      expect(await db.query("SELECT * FROM a")).toHaveLength(2);
      expect(await migrator.down({ count: 1 })).toMatchObject({ head: "3_z" });
    }));

  it.each([
    ["a name that is not applied", "3_c", "2_b", "migration 3_c is not applied: nothing was renamed"],
    ["a file that is still there", "1_a", "2_b", "the file of 1_a is still there: nothing was renamed"],
    ["a file that does not exist", "2_b", "2_nope", "there is no file for 2_nope: nothing was renamed"],
    ["a name that is applied already", "2_b", "1_a", "migration 1_a is applied already: nothing was renamed"],
  ])("refuses %s", (_, before, now, message) =>
    withDatabase(async (db) => {
      const dir = writeFolder(FILES);
      await (await openMigrator(db, dir)).up();
      if (before === "2_b") removeFiles(dir, "2_b.sql");
      const error = await failureOf((await openMigrator(db, dir)).rename(before, now));
      expect(error).toMatchObject({ code: "USAGE", message });
      expect(await appliedNames(db)).toEqual(["1_a", "2_b"]);
    }),
  );
});
