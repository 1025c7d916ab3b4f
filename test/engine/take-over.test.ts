import { existsSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "@jest/globals";
import { MigrationError } from "../../lib/core/index.ts";
import { openFolder } from "../../lib/folder/index.ts";
import { type TestDatabase, withDatabase } from "../support/database.ts";
import { addFiles, removeFiles, writeFolder } from "../support/folders.ts";
import { appliedNames, failureOf, openMigrator, userTables } from "../support/migrator.ts";

const MADE_BY_PLAIN =
  "CREATE TABLE IF NOT EXISTS pgmigrations (id serial PRIMARY KEY, name varchar(255) NOT NULL, run_on timestamp NOT NULL)";

/** As plain node-pg-migrate has recorded them. */
async function appliedByPlain(db: TestDatabase, ...names: string[]): Promise<void> {
  await db.query(MADE_BY_PLAIN);
  for (const name of names)
    await db.query("INSERT INTO pgmigrations (name, run_on) VALUES ($1, now())", [name]);
}

const states = async (db: TestDatabase, dir: string): Promise<string[]> =>
  (await (await openMigrator(db, dir)).status()).migrations.map(({ name, state }) => `${name} ${state}`);

/** A module that leaves a file behind when one of its functions is called. */
const witness = (dir: string): string => `import { writeFileSync } from "node:fs";
export const up = (pgm: any) => { writeFileSync(${JSON.stringify(join(dir, "called"))}, "up"); pgm.sql("SELECT 1"); };
export const down = (pgm: any) => { writeFileSync(${JSON.stringify(join(dir, "called"))}, "down"); };`;

describe("taking over a database that plain node-pg-migrate has migrated", () => {
  it("taking over, baseline and repair call no function of a migration", () =>
    withDatabase(async (db) => {
      const outside = writeFolder({});
      const called = () => existsSync(join(outside, "called"));
      const dir = writeFolder({ "1_a.ts": witness(outside) });
      await appliedByPlain(db, "1_a");
      const migrator = await openMigrator(db, dir);
      expect((await migrator.up()).counts).toMatchObject({ applied: 1 });
      addFiles(dir, { "1_a.ts": `${witness(outside)}\n// edited` });
      expect(await states(db, dir)).toEqual(["1_a changed"]);
      await (await openMigrator(db, dir)).repair();
      expect(await states(db, dir)).toEqual(["1_a applied"]);
      await db.query("DROP TABLE pgmigrations, pgmigrations_history");
      await (await openMigrator(db, dir)).baseline("1_a");
      expect(called()).toBe(false);
    }));

  it("taking over records each file for itself, also those that cannot be loaded or built", () =>
    withDatabase(async (db) => {
      const dir = writeFolder({
        "1_a.sql": "CREATE TABLE a ();\n-- Down Migration\nDROP TABLE a;",
        "2_b.ts": "throw new Error('gone'); export const up = () => {};",
        "3_c.sql": "SELECT 1; COMMIT; SELECT 2;",
        "4_d.ts": "export const up = () => { throw new Error('today'); };",
      });
      await db.query("CREATE TABLE a ()");
      await appliedByPlain(db, "1_a", "2_b", "3_c", "4_d");
      await (await openMigrator(db, dir)).up();
      addFiles(dir, {
        "2_b.ts": "export const up = () => {};",
        "3_c.sql": "SELECT 1; COMMIT; SELECT 3;",
        "4_d.ts": "export const up = () => { throw new Error('tomorrow'); };",
      });
      expect(await states(db, dir)).toEqual(["1_a applied", "2_b changed", "3_c changed", "4_d changed"]);
    }));

  it("taking over leaves out a file whose text cannot be read, and says which", () =>
    withDatabase(async (db) => {
      const dir = writeFolder({
        "1_a.sql": "SELECT 1;",
        "2_b.sql": "SELECT 2;",
      });
      await appliedByPlain(db, "1_a", "2_b");
      const source = {
        ...(await openFolder(dir)),
        digests: async (names: readonly string[]) => {
          if (names.includes("2_b")) throw new MigrationError("MIGRATION", "2_b cannot be read");
          return new Map(names.map((name) => [name, "0".repeat(64)]));
        },
      };
      const migrator = await openMigrator(db, dir, {}, { source });
      await migrator.up();
      expect(migrator.events).toContainEqual({
        type: "warning",
        message: expect.stringContaining("changes to 2_b cannot be noticed"),
      });
      const rows = await db.query("SELECT migration, action FROM pgmigrations_history");
      expect(rows).toEqual([{ migration: "1_a", action: "baseline" }]);
    }));

  it("taking over also covers what plain node-pg-migrate applies later", () =>
    withDatabase(async (db) => {
      const dir = writeFolder({ "1_a.sql": "SELECT 1;" });
      await (await openMigrator(db, dir)).up();
      addFiles(dir, { "2_b.sql": "SELECT 2;" });
      await appliedByPlain(db, "2_b");
      await (await openMigrator(db, dir)).up();
      addFiles(dir, { "2_b.sql": "SELECT 22;" });
      expect(await states(db, dir)).toEqual(["1_a applied", "2_b changed"]);
    }));
});

describe("a migration with only its text on record", () => {
  const adopted = async (db: TestDatabase): Promise<string> => {
    const dir = writeFolder({ "1_a.ts": "export const up = (pgm: any) => { pgm.createTable('a', {}); };" });
    await db.query("CREATE TABLE a ()");
    await appliedByPlain(db, "1_a");
    await (await openMigrator(db, dir)).up();
    return dir;
  };

  it("any edit of the text is a change, which up refuses and repair accepts", () =>
    withDatabase(async (db) => {
      const dir = await adopted(db);
      addFiles(dir, { "1_a.ts": "export const up = (pgm: any) => { pgm.createTable('b', {}); };" });
      expect(await failureOf((await openMigrator(db, dir)).up())).toMatchObject({
        code: "CHANGED",
        details: { changes: [{ migration: "1_a", before: null }] },
      });
      await (await openMigrator(db, dir)).repair();
      expect(await states(db, dir)).toEqual(["1_a applied"]);
    }));

  it("the file from before a repair is recognized when it comes back", () =>
    withDatabase(async (db) => {
      const dir = await adopted(db);
      const before = "export const up = (pgm: any) => { pgm.createTable('a', {}); };";
      addFiles(dir, { "1_a.ts": `${before} // reviewed` });
      await (await openMigrator(db, dir)).repair();
      addFiles(dir, { "1_a.ts": before });
      expect((await (await openMigrator(db, dir)).up()).warnings).toMatchObject([
        { code: "CHANGED", migrations: ["1_a"] },
      ]);
    }));

  it("down undoes the migration by its file", () =>
    withDatabase(async (db) => {
      const dir = await adopted(db);
      await (await openMigrator(db, dir)).down();
      expect(await userTables(db)).toEqual([]);
      expect(await appliedNames(db)).toEqual([]);
    }));
});

describe("undoing a module that repair has accepted", () => {
  const UP = "export const up = (pgm: any) => { pgm.sql('CREATE TABLE a ()'); };";
  const down = (sql: string) => `export const down = (pgm: any) => { pgm.sql(${JSON.stringify(sql)}); };`;

  const repaired = async (db: TestDatabase): Promise<string> => {
    const dir = writeFolder({ "1_a.ts": `${UP}\n${down("DROP TABLE a")}` });
    await (await openMigrator(db, dir)).up();
    addFiles(dir, { "1_a.ts": `${UP.replace("()'", "(); SELECT 1'")}\n${down("DROP TABLE a; SELECT 2")}` });
    await (await openMigrator(db, dir)).repair();
    return dir;
  };

  it("down follows the file that repair has accepted", () =>
    withDatabase(async (db) => {
      const { steps } = await (await openMigrator(db, await repaired(db))).planDown();
      expect(steps).toMatchObject([{ source: "file", sql: ["DROP TABLE a; SELECT 2;"] }]);
    }));

  it("down follows what was recorded when it was applied, where there is no file", () =>
    withDatabase(async (db) => {
      const dir = await repaired(db);
      removeFiles(dir, "1_a.ts");
      addFiles(dir, { "0_z.sql": "SELECT 0;" });
      const { steps } = await (await openMigrator(db, dir)).planDown();
      expect(steps).toMatchObject([{ source: "history", sql: ["DROP TABLE a;"] }]);
    }));
});
