import { describe, expect, it } from "@jest/globals";
import { openFolder } from "../../lib/folder/index.ts";
import { type LintReport, lintMigrations } from "../../lib/review/lint/index.ts";
import { type TestDatabase, withDatabase } from "../support/database.ts";
import { addFiles, writeFolder } from "../support/folders.ts";
import { openMigrator } from "../support/migrator.ts";

/** As the command does it: what `up` would run on this database. */
async function lintPending(db: TestDatabase, dir: string): Promise<LintReport> {
  const migrator = await openMigrator(db, dir);
  const folder = await openFolder(dir);
  const forecast = await migrator.forecast();
  return lintMigrations({
    forecast: { ...forecast, downs: new Map() },
    folder,
    relativeTo: folder.dir,
    newestApplied: forecast.head,
  });
}

async function lintAsCommand(db: TestDatabase, dir: string, all = false): Promise<LintReport> {
  const forecast = await (await openMigrator(db, dir)).forecast({ all });
  const folder = await openFolder(dir);
  return lintMigrations({
    forecast,
    all,
    folder,
    relativeTo: folder.dir,
    newestApplied: all ? null : forecast.head,
  });
}

describe("lint against a database", () => {
  it("lint checks pending migrations and no applied ones", () =>
    withDatabase(async (db) => {
      const dir = writeFolder({
        "5_a.sql": "CREATE TABLE a (id int); CREATE TABLE b (id int); DROP TABLE b;",
      });
      await (await openMigrator(db, dir)).up();
      expect(await lintPending(db, dir)).toEqual({ findings: [], accepted: [], migrations: 0, ok: true });
      addFiles(dir, { "4_old.sql": "SELECT 1;", "6_new.sql": "CREATE INDEX i ON a (id);" });
      const { findings } = await lintPending(db, dir);
      expect(findings.map(({ rule, file }) => `${rule} ${file}`)).toEqual([
        "older-than-applied 4_old.sql",
        "require-concurrent-index-creation 6_new.sql",
      ]);
    }));

  it("lint reports a migration that throws together with the findings of the others", () =>
    withDatabase(async (db) => {
      const up = "export const up = (pgm: any) => pgm.sql('DROP TABLE a');";
      const dir = writeFolder({
        "1_fine.ts": `${up} export const down = (pgm: any) => pgm.sql('SELECT 1');`,
        "2_throws.ts": "export const up = () => { throw new Error('no luck'); };",
        "3_not_loaded.ts": "export const shorthands = {}; throw new Error('not even loaded');",
        "4_down_throws.ts": `${up} export const down = () => { throw new Error('no way'); };`,
        "5_syntax.ts": "export const up = (;",
        "6_broken.sql": "CREATE TABEL x ();\n-- Down Migration\nSELECT 1;",
      });
      const { findings, migrations, ok } = await lintAsCommand(db, dir);
      expect(findings.map(({ rule, file }) => `${rule} ${file}`)).toEqual([
        "ban-drop-table 1_fine.ts",
        "cannot-build 2_throws.ts",
        "cannot-build 3_not_loaded.ts",
        "ban-drop-table 4_down_throws.ts",
        "cannot-build 4_down_throws.ts",
        "cannot-build 5_syntax.ts",
        "syntax-error 6_broken.sql",
      ]);
      expect(findings[1]?.message).toContain("no luck");
      expect({ migrations, ok }).toEqual({ migrations: 6, ok: false });
    }));

  it("lint with `all` checks applied migrations too", () =>
    withDatabase(async (db) => {
      const dir = writeFolder({ "5_a.sql": "DROP TABLE IF EXISTS a;" });
      await (await openMigrator(db, dir)).up();
      addFiles(dir, { "4_old.sql": "SELECT 1;" });
      const { findings, migrations } = await lintAsCommand(db, dir, true);
      expect(findings.map(({ rule, file }) => `${rule} ${file}`)).toEqual([
        "missing-down 4_old.sql",
        "missing-down 5_a.sql",
        "ban-drop-table 5_a.sql",
      ]);
      expect(migrations).toBe(2);
    }));

  it("lint checks a dynamic migration against the current database, and reports if it cannot", () =>
    withDatabase(async (db) => {
      await db.query("CREATE TABLE names AS SELECT 'x' AS name");
      const dir = writeFolder({
        "1_now.ts":
          "export const up = async (pgm: any) => { for (const { name } of await pgm.db.select('SELECT name FROM names')) pgm.dropTable(name); };\nexport const down = false;",
        "2_later.ts":
          "export const up = async (pgm: any) => { await pgm.db.query('SELECT id FROM y'); pgm.sql('SELECT 2'); };",
      });
      const { findings } = await lintPending(db, dir);
      expect(findings.map(({ rule, file, statement }) => [rule, file, statement])).toEqual([
        ["ban-drop-table", "1_now.ts", 'DROP TABLE "x"'],
        ["not-linted", "2_later.ts", undefined],
      ]);
    }));
});
