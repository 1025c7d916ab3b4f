import { describe, expect, it } from "@jest/globals";
import type { MigrationError } from "../../lib/core/index.ts";
import { type TestDatabase, withDatabase } from "../support/database.ts";
import { writeFolder } from "../support/folders.ts";
import { failureOf, openMigrator } from "../support/migrator.ts";

async function failing(db: TestDatabase, files: Record<string, string>): Promise<MigrationError["details"]> {
  return (await failureOf((await openMigrator(db, writeFolder(files))).up())).details;
}

const MANY = Array.from({ length: 500 }, (_, n) => `CREATE TABLE t${n} ();\n`).join("");

describe("the failed statement is named by number, line and text", () => {
  const FUNCTION =
    "CREATE FUNCTION f() RETURNS int LANGUAGE plpgsql AS $$\nBEGIN\n  RAISE 'no %', 1;\nEND $$;\n";
  it.each([
    ["already exists", `${MANY}CREATE TABLE t5 ();\n${MANY}`, "CREATE TABLE t5 ()", 501, 501],
    [
      "a duplicate key",
      "CREATE TABLE t (i int PRIMARY KEY);\n\nINSERT INTO t\n VALUES (1), (1);\nSELECT 1;",
      "INSERT INTO t\n VALUES (1), (1)",
      2,
      3,
    ],
    [
      "RAISE in a DO block",
      "SELECT 1;\nDO $$ BEGIN RAISE 'no'; END $$;\nSELECT 2;",
      "DO $$ BEGIN RAISE 'no'; END $$",
      2,
      2,
    ],
    ["RAISE in a function", `${FUNCTION}SELECT 1;\nSELECT f();`, "SELECT f()", 3, 6],
    ["a syntax error", "SELECT 1;\nSELECT 2;\nSELEC 3;\nSELECT 4;", "SELEC 3", 3, 3],
    [
      "an error in its second line",
      "SELECT 1;\nSELECT 2,\n  nothing;\nSELECT 4;",
      "SELECT 2,\n  nothing",
      2,
      3,
    ],
    ["an end that comes too soon", "SELECT 1;\nSELECT (2", "SELECT (2;", 2, 2],
  ])(
    "the error names the statement, its number and its line after %s",
    (_, sql, statement, statementNumber, line) =>
      withDatabase(async (db) => {
        const details = await failing(db, { "1_x.sql": `-- Up Migration\n${sql}\n` });
        expect(details).toMatchObject({ statement, statementNumber, file: "1_x.sql", line: line + 1 });
      }),
  );

  it("the error names a failed statement outside a transaction, in the up file of a pair", () =>
    withDatabase(async (db) => {
      const head = "-- migrate: no-transaction\n";
      expect(
        await failing(db, { "1_x.up.sql": `${head}SELECT 1;\n\nSELECT 2,\n nothing;\nSELECT 3;` }),
      ).toMatchObject({
        statement: "SELECT 2,\n nothing",
        statementNumber: 2,
        statements: 3,
        file: "1_x.up.sql",
        line: 5,
        position: 12,
      });
    }));

  it("the error names a failed statement behind a down section", () =>
    withDatabase(async (db) => {
      const sql = "-- Down Migration\nSELECT 1;\n-- Up Migration\nSELECT 2;\nDO $$ BEGIN RAISE 'no'; END $$;";
      expect(await failing(db, { "1_x.sql": sql })).toMatchObject({
        file: "1_x.sql",
        line: 5,
        statementNumber: 2,
      });
    }));

  it("the error numbers a failed statement of a migration in code among all that it sends", () =>
    withDatabase(async (db) => {
      const text =
        "export const up = (pgm) => { pgm.createTable('a', {}); pgm.sql('SELECT 1; SELECT 2'); pgm.createTable('a', {}); };";
      expect(await failing(db, { "1_x.js": text })).toMatchObject({
        statement: 'CREATE TABLE "a" (\n  \n)',
        statementNumber: 4,
        statements: 4,
      });
    }));

  it("the error names the failed one of several statements in one text of pgm.db", () =>
    withDatabase(async (db) => {
      const text =
        "export const up = async (pgm) => { await pgm.db.query('CREATE TABLE a (); CREATE TABLE a (); SELECT 1'); };";
      const details = await failing(db, { "1_x.js": text });
      expect(details).toMatchObject({ statement: "CREATE TABLE a ()", sqlstate: "42P07" });
    }));

  it("the error has the context that the server gives, without its secrets", () =>
    withDatabase(async (db) => {
      const sql = `${FUNCTION}DO $$ BEGIN PERFORM f(); END $$;`;
      const details = await failing(db, { "1_x.sql": sql });
      expect(details.context).toContain("PL/pgSQL function f() line 3 at RAISE");
      expect(details.context).toContain("PL/pgSQL function inline_code_block line 1 at PERFORM");
      const secret = "DO $$ BEGIN EXECUTE 'ALTER ROLE nobody_of_that_name PASSWORD ''sesame'''; END $$;";
      expect(JSON.stringify(await failing(db, { "2_x.sql": secret }))).not.toContain("sesame");
    }));
});

describe("the hint that goes with an SQLSTATE", () => {
  it.each([
    ["VACUUM in a transaction", "VACUUM", "25001", "-- migrate: no-transaction"],
    [
      "a concurrent index in a transaction",
      "CREATE TABLE t (i int); CREATE INDEX CONCURRENTLY ON t (i)",
      "25001",
      "pgm.noTransaction()",
    ],
    [
      "an isolation that comes too late",
      "SELECT 1; SET TRANSACTION ISOLATION LEVEL SERIALIZABLE",
      "25001",
      "first statement",
    ],
    ["commands of psql", "SELECT 1;\n\\restrict abc\nSELECT 2", "42601", "psql"],
    ["data of COPY", "CREATE TABLE t (i int, j int);\nCOPY t FROM stdin;\n1\t2\n\\.\n", "42601", "INSERT"],
    ["COPY without data", "CREATE TABLE t (i int);\nCOPY t FROM stdin", "57014", "INSERT"],
    ["what is there already", "CREATE TABLE t (); CREATE TABLE t ()", "42P07", "--fake"],
    ["what is not there", "ALTER TABLE nothing ADD i int", "42P01", "--schema"],
    [
      "rows that are there twice",
      "CREATE TABLE t AS SELECT 1 AS i FROM generate_series(1, 2); ALTER TABLE t ADD UNIQUE (i)",
      "23505",
      "The rows that are there",
    ],
    [
      "rows without a value",
      "CREATE TABLE t AS SELECT 1 AS i; ALTER TABLE t ADD j int NOT NULL",
      "23502",
      "DEFAULT",
    ],
    [
      "rows that break a check",
      "CREATE TABLE t AS SELECT 1 AS i; ALTER TABLE t ADD CHECK (i > 1)",
      "23514",
      "NOT VALID",
    ],
    [
      "a row of its own that breaks one",
      "CREATE TABLE t (i int CHECK (i > 1)); INSERT INTO t VALUES (1)",
      "23514",
      "that the migration writes",
    ],
    [
      "a new value of an enum",
      "CREATE TYPE e AS ENUM ('a'); COMMIT_HERE ALTER TYPE e ADD VALUE 'b'; SELECT 'b'::e",
      "55P04",
      "ADD VALUE",
    ],
    [
      "a column that a view shows",
      "CREATE TABLE t (i int); CREATE VIEW v AS SELECT i FROM t; ALTER TABLE t ALTER i TYPE text",
      "0A000",
      "view",
    ],
  ])("the error hints at the remedy for %s", (_, sql, sqlstate, hint) =>
    withDatabase(async (db) => {
      const [first = "", second] = sql.split("COMMIT_HERE");
      const details = await failing(
        db,
        second === undefined ? { "1_x.sql": first } : { "1_x.sql": first, "2_x.sql": second },
      );
      expect([details.sqlstate, String(details.hint)]).toEqual([sqlstate, expect.stringContaining(hint)]);
    }),
  );
});
