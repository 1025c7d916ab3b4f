import { describe, expect, it } from "@jest/globals";
import { withDatabase } from "../support/database.ts";
import { writeFolder } from "../support/folders.ts";
import { failureOf, openMigrator } from "../support/migrator.ts";

describe("dynamic migrations", () => {
  it("run in their transaction: a failure takes what they wrote while being built with it", () =>
    withDatabase(async (db) => {
      const dir = writeFolder({
        "1_a.ts":
          "export const up = async (pgm: any) => { await pgm.db.query('CREATE TABLE built ()'); pgm.sql('SELECT 1/0'); };",
      });
      await failureOf((await openMigrator(db, dir)).up());
      expect(await db.query("SELECT 1 FROM pg_class WHERE relname = 'built'")).toEqual([]);
    }));

  it("may catch a failed query and go on, seeing the driver's own error", () =>
    withDatabase(async (db) => {
      const dir = writeFolder({
        "1_a.ts": `export const up = async (pgm: any) => {
          let code = 'none';
          try { await pgm.db.query('SELECT * FROM nowhere'); } catch (error) { code = (error as { code: string }).code; }
          pgm.createTable('caught_' + code.toLowerCase(), {});
        };`,
      });
      await (await openMigrator(db, dir)).up();
      expect(await db.query("SELECT 1 FROM pg_class WHERE relname = 'caught_42p01'")).toHaveLength(1);
    }));

  it("fail with the statement of their query", () =>
    withDatabase(async (db) => {
      const dir = writeFolder({
        "1_a.ts":
          "export const up = async (pgm: any) => { await pgm.db.select('SELECT broken FROM nowhere'); };",
      });
      const error = await failureOf((await openMigrator(db, dir)).up());
      expect(error).toMatchObject({
        code: "SQL",
        details: { migration: "1_a", sqlstate: "42P01", statement: "SELECT broken FROM nowhere" },
      });
    }));

  it("may ask for no transaction before they query", () =>
    withDatabase(async (db) => {
      const dir = writeFolder({
        "1_a.sql": "CREATE TABLE t (a int);",
        "2_b.ts":
          "export const up = async (pgm: any) => { pgm.noTransaction(); await pgm.db.query('CREATE INDEX CONCURRENTLY t_a ON t (a)'); pgm.sql('SELECT 1'); };",
      });
      await (await openMigrator(db, dir)).up();
      expect(await db.query("SELECT 1 FROM pg_class WHERE relname = 't_a'")).toHaveLength(1);
      const rows = await db.query(
        "SELECT no_transaction, state, sql_digest, statement FROM pgmigrations_history WHERE migration = '2_b'",
      );
      expect(rows).toEqual([{ no_transaction: true, state: "finished", sql_digest: null, statement: 2 }]);
    }));
});
