import { describe, expect, it } from "@jest/globals";
import type { TestDatabase } from "../support/database.ts";
import { withDatabase } from "../support/database.ts";
import { writeFolder } from "../support/folders.ts";
import { appliedNames, failureOf, openMigrator, userTables } from "../support/migrator.ts";

const rowsOf = (db: TestDatabase) => db.query<{ i: number }>("SELECT i FROM t ORDER BY i");

/** A migration whose `up` has this body. */
const up = (body: string): string => `export const up = async (pgm: any) => { ${body} };`;
const TABLE = { "1_table.sql": "CREATE TABLE t (i int);" };

describe("pgm.db in a migration's transaction", () => {
  it.each([
    [
      "a text that opens and commits",
      "await pgm.db.query('SET TimeZone = 1; BEGIN; INSERT INTO t VALUES (1); COMMIT')",
    ],
    ["COMMIT behind another statement", "await pgm.db.query('INSERT INTO t VALUES (1); COMMIT; BEGIN')"],
    ["COMMIT behind a comment", "await pgm.db.query('INSERT INTO t VALUES (1); /* ; */ -- ;\\nEND')"],
    [
      "the same with the engine's savepoint",
      "await pgm.db.query('INSERT INTO t VALUES (1); COMMIT; BEGIN; SAVEPOINT cdk_pg_migrate_query')",
    ],
    [
      "COMMIT AND CHAIN",
      "await pgm.db.query('INSERT INTO t VALUES (1)'); await pgm.db.query({ text: 'COMMIT AND CHAIN' })",
    ],
    ["ROLLBACK", "await pgm.db.query('INSERT INTO t VALUES (1); ROLLBACK')"],
    [
      "PREPARE TRANSACTION",
      "await pgm.db.query('INSERT INTO t VALUES (1)'); await pgm.db.query(\"PREPARE TRANSACTION 'x'\")",
    ],
    [
      "a named query",
      "await pgm.db.query('INSERT INTO t VALUES (1)'); await pgm.db.query({ name: 'x', text: 'COMMIT', values: [] })",
    ],
    [
      "a callback",
      "await new Promise((resolve, reject) => pgm.db.query('INSERT INTO t VALUES (1); COMMIT', (error: any, rows: any) => error ? reject(error) : resolve(rows)))",
    ],
    ["select", "await pgm.db.select('INSERT INTO t VALUES (1); COMMIT')"],
    [
      "a text that is another one when it is read again",
      "let n = 0; await pgm.db.query({ get text() { return n++ === 0 ? 'SELECT 1' : 'INSERT INTO t VALUES (1); COMMIT'; } }); throw new Error('read once')",
    ],
    [
      "COMMIT in a DO block",
      "await pgm.db.query('INSERT INTO t VALUES (1)'); await pgm.db.query('DO $$ BEGIN COMMIT; END $$')",
    ],
    [
      "COMMIT in a procedure",
      "await pgm.db.query('CREATE PROCEDURE p() LANGUAGE plpgsql AS $$ BEGIN INSERT INTO t VALUES (1); COMMIT; END $$'); await pgm.db.query('CALL p()')",
    ],
  ])("pgm.db cannot commit a part of the migration: %s [G30]", (_, body) =>
    withDatabase(async (db) => {
      const dir = writeFolder({ ...TABLE, "2_x.ts": up(`${body}; pgm.sql('INSERT INTO t VALUES (2)');`) });
      const migrator = await openMigrator(db, dir);
      const error = await failureOf(migrator.up());
      expect(error.details).toMatchObject({ migration: "2_x", applied: ["1_table"], remaining: ["2_x"] });
      expect(error.details.partial).toBeUndefined();
      expect(await rowsOf(db)).toEqual([]);
      expect((await migrator.status()).counts).toMatchObject({ applied: 1, pending: 1, partial: 0 });
      expect(await db.query("SELECT 1 FROM pg_prepared_xacts WHERE database = current_database()")).toEqual(
        [],
      );
    }),
  );

  it("a transaction that ends behind a changed reading of backslashes is noticed and reported as partly applied", () =>
    withDatabase(async (db) => {
      const dir = writeFolder({
        ...TABLE,
        "2_x.ts": up(`
          await pgm.db.query('SET LOCAL standard_conforming_strings = off');
          await pgm.db.query("INSERT INTO t VALUES (1); SELECT '\\\\''; COMMIT; BEGIN; SELECT ' '");
          pgm.sql('SELECT 1');`),
      });
      const migrator = await openMigrator(db, dir);
      const error = await failureOf(migrator.up());
      const rows = await rowsOf(db);
      const { counts } = await migrator.status();
      // Either nothing of it is there and it is pending, or something is and it is partly applied.
      expect([rows.length, counts.partial, error.details.partial !== undefined]).toEqual(
        rows.length === 0 ? [0, 0, false] : [1, 1, true],
      );
    }));

  it("pgm.db keeps the migration's own savepoints, as plain node-pg-migrate does", () =>
    withDatabase(async (db) => {
      const dir = writeFolder({
        ...TABLE,
        "2_x.ts": up(`
          await pgm.db.query('SAVEPOINT a');
          await pgm.db.query('INSERT INTO t VALUES (1)');
          await pgm.db.query('ROLLBACK TO SAVEPOINT a');
          await pgm.db.query('INSERT INTO t VALUES (2); SAVEPOINT b');
          await pgm.db.query('INSERT INTO nowhere VALUES (1)').catch(() => {});
          await pgm.db.query('ROLLBACK WORK TO b');
          await pgm.db.query('SAVEPOINT c; INSERT INTO nowhere VALUES (1)').catch(() => {});
          const { code } = await pgm.db.query('SELECT 1').catch((error: any) => error);
          await pgm.db.query('ROLLBACK TO a');
          await pgm.db.query('RELEASE a');
          await pgm.db.query("INSERT INTO t SELECT 3 WHERE '" + code + "' = '25P02'");`),
      });
      await (await openMigrator(db, dir)).up();
      expect(await rowsOf(db)).toEqual([{ i: 3 }]);
      expect(await appliedNames(db)).toEqual(["1_table", "2_x"]);
    }));

  it("pgm.db may set the isolation of the transaction", () =>
    withDatabase(async (db) => {
      const dir = writeFolder({
        "1_x.ts": up(`
          await pgm.db.query('SET TRANSACTION ISOLATION LEVEL SERIALIZABLE');
          const [row] = await pgm.db.select("SELECT current_setting('transaction_isolation') AS level");
          pgm.createTable(row.level, {});`),
      });
      await (await openMigrator(db, dir)).up();
      expect(await userTables(db)).toEqual(["serializable"]);
    }));

  it("pgm.db takes named queries, arrays of rows and callbacks, and the same name in a later migration", () =>
    withDatabase(async (db) => {
      const body = (table: string) => `
        const query = { name: 'n', text: 'SELECT $1::int AS n', values: [4] };
        const first = await pgm.db.query(query);
        const second = await pgm.db.query({ name: 'n', values: [5] });
        const [[third]] = (await pgm.db.query({ text: 'SELECT 6', rowMode: 'array' })).rows;
        const fourth = await new Promise<any>((resolve) => pgm.db.query('SELECT $1::int AS n', [7], (_: any, r: any) => resolve(r)));
        pgm.createTable('${table}_' + [first.rows[0].n, second.rows[0].n, third, fourth.rows[0].n].join('_'), {});`;
      const dir = writeFolder({ "1_x.ts": up(body("a")), "2_y.ts": up(body("b")) });
      await (await openMigrator(db, dir)).up();
      expect(await userTables(db)).toEqual(["a_4_5_6_7", "b_4_5_6_7"]);
    }));

  it.each([
    ["a stream", "await pgm.db.query({ text: 'SELECT 1', submit: () => {} })"],
    ["nothing", "await pgm.db.query()"],
  ])("pgm.db refuses %s with a clear message", (_, body) =>
    withDatabase(async (db) => {
      const error = await failureOf((await openMigrator(db, writeFolder({ "1_x.ts": up(body) }))).up());
      expect(error).toMatchObject({
        code: "MIGRATION",
        message: expect.stringContaining("that is no query"),
      });
    }),
  );
});

describe("pgm.noTransaction() after a query", () => {
  const WRITES = up(
    "await pgm.db.query('INSERT INTO t VALUES (1)'); pgm.noTransaction(); await pgm.db.query('INSERT INTO t VALUES (2)'); throw new Error('stop');",
  );

  it.each(["each", "all"] as const)(
    "with --transaction %s, noTransaction commits what was written together with the record of the start",
    (transaction) =>
      withDatabase(async (db) => {
        await db.enableStatementLog();
        const migrator = await openMigrator(db, writeFolder({ ...TABLE, "2_x.ts": WRITES }), { transaction });
        const error = await failureOf(migrator.up());
        expect(error.details).toMatchObject({ migration: "2_x", applied: ["1_table"], partial: 2 });
        expect(await rowsOf(db)).toEqual([{ i: 1 }, { i: 2 }]);
        expect((await migrator.status()).migrations).toMatchObject([
          { state: "applied" },
          { state: "partial", statement: 2 },
        ]);
        const logged = (await db.logged()).join("\n");
        expect(logged).toMatch(/INSERT INTO \S+history"? \(.*'started'.*COMMIT/);
      }),
  );

  it("noTransaction keeps and records nothing when what was written cannot be committed", () =>
    withDatabase(async (db) => {
      const dir = writeFolder({
        "1_table.sql":
          "CREATE TABLE p (i int PRIMARY KEY); CREATE TABLE t (i int REFERENCES p DEFERRABLE INITIALLY DEFERRED);",
        "2_x.ts": WRITES,
      });
      const migrator = await openMigrator(db, dir);
      expect((await failureOf(migrator.up())).details).toMatchObject({ migration: "2_x", sqlstate: "23503" });
      expect(await rowsOf(db)).toEqual([]);
      expect((await migrator.status()).counts).toMatchObject({ pending: 1, partial: 0 });
    }));

  it("a refused first query leaves nothing partly applied when nothing was done before it", () =>
    withDatabase(async (db) => {
      const dir = writeFolder({
        "1_x.ts": up(
          "pgm.noTransaction(); await pgm.db.query('CREATE INDEX CONCURRENTLY i ON nowhere (a)');",
        ),
      });
      const migrator = await openMigrator(db, dir);
      const error = await failureOf(migrator.up());
      expect(error).toMatchObject({ code: "SQL", details: { sqlstate: "42P01" } });
      expect(error.details.partial).toBeUndefined();
      expect((await migrator.status()).counts).toMatchObject({ pending: 1, partial: 0 });
    }));
});
