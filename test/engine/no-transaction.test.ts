import { describe, expect, it } from "@jest/globals";
import { withDatabase } from "../support/database.ts";
import { addFiles, writeFolder } from "../support/folders.ts";
import { appliedNames, failureOf, openMigrator } from "../support/migrator.ts";

const TABLE = {
  "1_table.sql": "CREATE TABLE t (a int, b int); INSERT INTO t SELECT 1, n FROM generate_series(1, 3) n;",
};

const INDEXES = `-- migrate: no-transaction
CREATE INDEX CONCURRENTLY t_a ON t (a);
-- a comment; with a semicolon
CREATE INDEX CONCURRENTLY t_b ON t (b);
-- Down Migration
DROP INDEX CONCURRENTLY t_a;
DROP INDEX CONCURRENTLY t_b;
`;

describe("migrations outside a transaction", () => {
  it.each(["each", "all"] as const)(
    "one SQL file may have several CREATE INDEX CONCURRENTLY, up and down, with --transaction %s",
    (transaction) =>
      withDatabase(async (db) => {
        const dir = writeFolder({
          ...TABLE,
          "2_indexes.sql": INDEXES,
          "3_after.sql": "CREATE TABLE after ();",
        });
        const migrator = await openMigrator(db, dir, { transaction });
        await migrator.up();
        const indexes = await db.query(
          "SELECT indexrelid::regclass::text AS name, indisvalid FROM pg_index WHERE indrelid = 't'::regclass ORDER BY 1",
        );
        expect(indexes).toEqual([
          { name: "t_a", indisvalid: true },
          { name: "t_b", indisvalid: true },
        ]);
        const rows = await db.query(
          "SELECT state, statement, no_transaction, down_sql->>0 AS first FROM pgmigrations_history WHERE migration = '2_indexes'",
        );
        expect(rows).toEqual([
          { state: "finished", statement: 2, no_transaction: true, first: "-- migrate: no-transaction" },
        ]);
        expect(await appliedNames(db)).toEqual(["1_table", "2_indexes", "3_after"]);
        await failureOf(migrator.down({ count: 2 }));
      }),
  );

  it("each file of an up/down pair asks for no transaction on its own", () =>
    withDatabase(async (db) => {
      const dir = writeFolder({
        ...TABLE,
        "2_i.up.sql": "-- migrate: no-transaction\nCREATE INDEX CONCURRENTLY t_a ON t (a);",
        "2_i.down.sql": "DROP INDEX t_a;",
      });
      const migrator = await openMigrator(db, dir);
      await migrator.up();
      await migrator.down();
      const rows = await db.query(
        "SELECT action, no_transaction FROM pgmigrations_history WHERE migration = '2_i' ORDER BY id",
      );
      expect(rows).toEqual([
        { action: "up", no_transaction: true },
        { action: "down", no_transaction: false },
      ]);
    }));

  it("pgm.noTransaction() allows several statements in one pgm.sql", () =>
    withDatabase(async (db) => {
      const dir = writeFolder({
        ...TABLE,
        "2_i.ts":
          "export const up = (pgm: any) => { pgm.noTransaction(); pgm.sql('CREATE INDEX CONCURRENTLY t_a ON t (a); CREATE INDEX CONCURRENTLY t_b ON t (b)'); };\nexport const down = false;",
      });
      await (await openMigrator(db, dir)).up();
      expect(
        await db.query("SELECT 1 FROM pg_index WHERE indrelid = 't'::regclass AND indisvalid"),
      ).toHaveLength(2);
    }));

  it.each([
    ["SET standard_conforming_strings = off", "off"],
    ["SET standard_conforming_strings TO 'off'", "off"],
    ["SELECT set_config('standard_conforming_strings', 'off', false)", "off"],
    ["SET standard_conforming_strings = on", "on"],
  ])(
    "a migration outside a transaction that changes how a backslash is read is refused before it runs: %s",
    (set, value) =>
      withDatabase(async (db) => {
        const literal = value === "on" ? String.raw`'c:\temp'` : String.raw`'it\'s; fine'`;
        const dir = writeFolder({
          "1_a.sql": `-- migrate: no-transaction\nCREATE TABLE a ();\n${set};\nSELECT ${literal};`,
        });
        const migrator = await openMigrator(db, dir);
        if (value === "on") {
          expect((await migrator.up()).head).toBe("1_a");
          return;
        }
        const error = await failureOf(migrator.up());
        expect(error).toMatchObject({
          code: "MIGRATION",
          message: expect.stringContaining("standard_conforming_strings"),
        });
        expect((await migrator.status()).counts).toMatchObject({ pending: 1, partial: 0 });
      }),
  );

  it("with --transaction all, such a migration commits what came before, and a later failure keeps it", () =>
    withDatabase(async (db) => {
      const dir = writeFolder({
        ...TABLE,
        "2_indexes.sql": INDEXES,
        "3_c.sql": "CREATE TABLE c ();",
        "4_fails.sql": "SELECT 1/0;",
      });
      const error = await failureOf((await openMigrator(db, dir, { transaction: "all" })).up());
      expect(error.details).toMatchObject({
        migration: "4_fails",
        applied: ["1_table", "2_indexes"],
        remaining: ["3_c", "4_fails"],
      });
      expect(await appliedNames(db)).toEqual(["1_table", "2_indexes"]);
    }));

  describe("one that stops part-way", () => {
    const BROKEN =
      "-- migrate: no-transaction\nCREATE TABLE one ();\nCREATE TABLE two ();\nSELECT 1/0;\nCREATE TABLE four ();";

    it("a migration that stops part-way says how far it came, shows as partial, and blocks the next ones", () =>
      withDatabase(async (db) => {
        const dir = writeFolder({ "1_broken.sql": BROKEN, "2_next.sql": "CREATE TABLE next ();" });
        const error = await failureOf((await openMigrator(db, dir)).up());
        expect(error).toMatchObject({
          code: "SQL",
          details: { migration: "1_broken", partial: 2, applied: [] },
        });
        const migrator = await openMigrator(db, dir);
        const status = await migrator.status();
        expect(status.migrations).toEqual([
          { name: "1_broken", state: "partial", appliedAt: null, statement: 2, statements: 4 },
          { name: "2_next", state: "pending", appliedAt: null },
        ]);
        expect(await failureOf(migrator.up())).toMatchObject({
          code: "PARTIAL",
          details: { migration: "1_broken" },
        });
        expect(await failureOf(migrator.down())).toMatchObject({ code: "PARTIAL" });
        const rows = await db.query("SELECT state, statement, error_code FROM pgmigrations_history");
        expect(rows).toEqual([{ state: "failed", statement: 2, error_code: "SQL" }]);
      }));

    it("a first statement that fails cleanly leaves nothing to settle", () =>
      withDatabase(async (db) => {
        const dir = writeFolder({ "1_a.sql": "-- migrate: no-transaction\nSELECT 1/0;" });
        const error = await failureOf((await openMigrator(db, dir)).up());
        expect(error.details.partial).toBeUndefined();
        addFiles(dir, { "1_a.sql": "-- migrate: no-transaction\nSELECT 1;" });
        await (await openMigrator(db, dir)).up();
        expect(await appliedNames(db)).toEqual(["1_a"]);
      }));

    it("a first CREATE INDEX CONCURRENTLY that fails may leave an invalid index", () =>
      withDatabase(async (db) => {
        const dir = writeFolder({
          ...TABLE,
          "2_i.sql": "-- migrate: no-transaction\nCREATE UNIQUE INDEX CONCURRENTLY t_a ON t (a);",
        });
        const error = await failureOf((await openMigrator(db, dir)).up());
        expect(error.details).toMatchObject({ sqlstate: "23505", partial: 0 });
        expect((await (await openMigrator(db, dir)).status()).counts).toMatchObject({
          applied: 1,
          partial: 1,
        });
      }));
  });
});
