import { describe, expect, it } from "@jest/globals";
import { withDatabase } from "../support/database.ts";
import { writeFolder } from "../support/folders.ts";
import { failureOf, openMigrator } from "../support/migrator.ts";

describe("dynamic migrations", () => {
  it("a failing dynamic migration rolls back what its queries wrote while it was being built", () =>
    withDatabase(async (db) => {
      const dir = writeFolder({
        "1_a.ts":
          "export const up = async (pgm: any) => { await pgm.db.query('CREATE TABLE built ()'); pgm.sql('SELECT 1/0'); };",
      });
      await failureOf((await openMigrator(db, dir)).up());
      expect(await db.query("SELECT 1 FROM pg_class WHERE relname = 'built'")).toEqual([]);
    }));

  it("a dynamic migration may catch a failed query, sees the driver's own error, and goes on", () =>
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

  it("a failing query of a dynamic migration is reported with its statement", () =>
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

  it("a dynamic migration may call noTransaction before its first query", () =>
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
