import { describe, expect, it } from "@jest/globals";
import { type TestDatabase, withDatabase } from "../support/database.ts";
import { addFiles, removeFiles, writeFolder } from "../support/folders.ts";
import { failureOf, openMigrator } from "../support/migrator.ts";

const RECREATE =
  "DROP TABLE pgmigrations; CREATE TABLE pgmigrations (id serial PRIMARY KEY, name varchar(255) NOT NULL, run_on timestamp NOT NULL)";

/** As plain node-pg-migrate records migrations: local time of its session, which is the same for a whole transaction. */
async function applyByPlain(db: TestDatabase, zone: string, ...names: string[]): Promise<void> {
  const values = names.map((name) => `('${name}', timezone('${zone}', now()))`);
  await db.query(`INSERT INTO pgmigrations (name, run_on) VALUES ${values.join(", ")}`);
}

const states = async (db: TestDatabase, dir: string): Promise<string[]> =>
  (await (await openMigrator(db, dir)).status()).migrations.map(({ name, state }) => `${name} ${state}`);

const table = (name: string, column = "id"): string =>
  `CREATE TABLE ${name} (${column} int);\n-- Down Migration\nDROP TABLE ${name};`;

describe("the history of a table of applied migrations that was dropped and recreated", () => {
  it.each([
    ["UTC", "in one transaction"],
    ["Asia/Tokyo", "in one transaction"],
    ["America/New_York", "in one transaction"],
    ["UTC", "one by one"],
  ])("old history counts for none of the rows that node-pg-migrate has written since (%s, %s)", (zone, how) =>
    withDatabase(async (db) => {
      const dir = writeFolder({ "1_a.sql": table("a"), "2_b.sql": table("b") });
      await (await openMigrator(db, dir)).up();
      await db.query(RECREATE);
      addFiles(dir, { "1_a.sql": table("a", "other"), "2_b.sql": table("b", "other") });
      for (const names of how === "one by one" ? [["1_a"], ["2_b"]] : [["1_a", "2_b"]])
        await applyByPlain(db, zone, ...names);
      expect(await states(db, dir)).toEqual(["1_a applied", "2_b applied"]);

      removeFiles(dir, "2_b.sql");
      expect(await failureOf((await openMigrator(db, dir)).planDown())).toMatchObject({ code: "MISSING" });
      addFiles(dir, { "2_b.sql": table("b", "other") });

      await (await openMigrator(db, dir)).up();
      expect(
        await db.query("SELECT migration FROM pgmigrations_history WHERE action = 'baseline' ORDER BY id"),
      ).toEqual([{ migration: "1_a" }, { migration: "2_b" }]);
      addFiles(dir, { "2_b.sql": table("b", "third") });
      expect(await states(db, dir)).toEqual(["1_a applied", "2_b changed"]);
    }),
  );

  it("old history counts for none of the rows that this engine has written since", () =>
    withDatabase(async (db) => {
      const dir = writeFolder({ "1_a.sql": table("a") });
      await (await openMigrator(db, dir)).up();
      await db.query(`${RECREATE}; DROP TABLE a`);
      const asked = `export const up = async (pgm: any) => { await pgm.db.query("SELECT 1"); pgm.sql("CREATE TABLE a ()"); };`;
      removeFiles(dir, "1_a.sql");
      addFiles(dir, { "1_a.ts": asked });
      await (await openMigrator(db, dir)).up();
      removeFiles(dir, "1_a.ts");
      addFiles(dir, { "0_z.sql": "SELECT 1;" });
      expect(await failureOf((await openMigrator(db, dir)).planDown())).toMatchObject({ code: "MISSING" });
    }));
});

describe("the history of migrations that were applied after others in a zone ahead of UTC", () => {
  it("the history counts, although its rows repeat the newest local time", () =>
    withDatabase(async (db) => {
      const dir = writeFolder({ "1_a.sql": table("a"), "2_b.sql": table("b") });
      await (await openMigrator(db, dir)).up({ count: 1 });
      await db.query(`${RECREATE}`);
      await db.query("DROP TABLE pgmigrations_history");
      await applyByPlain(db, "Asia/Tokyo", "1_a");
      await (await openMigrator(db, dir)).up();
      addFiles(dir, { "1_a.sql": table("a", "other"), "2_b.sql": table("b", "other") });
      expect(await states(db, dir)).toEqual(["1_a changed", "2_b changed"]);
    }));

  it("the history of a migration without a transaction counts, although it begins before the row of the migration", () =>
    withDatabase(async (db) => {
      const slow = "-- migrate: no-transaction\nSELECT pg_sleep(1.5);";
      const dir = writeFolder({ "1_a.sql": slow });
      await (await openMigrator(db, dir)).up();
      addFiles(dir, { "1_a.sql": `${slow} SELECT 1;` });
      expect(await states(db, dir)).toEqual(["1_a changed"]);
    }));
});
