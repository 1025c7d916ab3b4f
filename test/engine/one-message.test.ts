import { describe, expect, it } from "@jest/globals";
import { DEFAULTS, type MigrationError } from "../../lib/core/index.ts";
import { type TestDatabase, withDatabase } from "../support/database.ts";
import { writeFolder } from "../support/folders.ts";
import { appliedNames, failureOf, openMigrator, userTables } from "../support/migrator.ts";
import { openSession } from "../support/session.ts";

const steps = (...texts: string[]): string =>
  `export const up = (pgm: any) => { for (const text of ${JSON.stringify(texts)}) pgm.sql(text); };`;

/** What `up` fails with on a folder whose second migration is this file. */
async function failureAt(db: TestDatabase, file: string, text: string): Promise<MigrationError> {
  const dir = writeFolder({ "1_a.sql": "CREATE TABLE a ();", [file]: text, "3_c.sql": "CREATE TABLE c ();" });
  const error = await failureOf((await openMigrator(db, dir)).up());
  expect(await userTables(db)).toEqual(["a"]);
  expect(await appliedNames(db)).toEqual(["1_a"]);
  expect(await db.query("SELECT migration FROM pgmigrations_history WHERE state = 'failed'")).toEqual([
    { migration: "2_b" },
  ]);
  return error;
}

/** The text from the position that the error tells, and a bit more. */
function pointedAt({ details }: MigrationError): string | undefined {
  const { statement = "", position } = details;
  return position === undefined ? undefined : [...statement].slice(position - 1, position + 7).join("");
}

describe("a failure in a message of many statements", () => {
  const FIRST = "CREATE TABLE b (n int)";
  const LAST = "CREATE TABLE b3 ()";

  it.each([
    ["a word that is no SQL", "SELECT 1; SELEKT 'x'", "SELEKT '"],
    ["a column that is not there", "SELECT 'ä', '😀', nothing FROM b", "nothing "],
    ["a value that does not fit", "INSERT INTO b VALUES (1); INSERT INTO b VALUES ('x')", "'x')"],
    ["a quote that nothing closes", "SELECT 1; SELECT 'abc", "'abc;"],
    ["a name that nothing closes", 'SELECT 1; SELECT "abc', '"abc;'],
    ["a body that nothing closes", "DO $body$ BEGIN END", "$body$ B"],
    ["a comment that nothing closes", "SELECT 1 /* and", "/* and;"],
    ["an end that comes too soon", "CREATE TABLE b2 (n int", ";"],
    ["a body that ends too soon", "CREATE FUNCTION f() RETURNS int LANGUAGE sql BEGIN ATOMIC SELECT 1;", ""],
    ["code inside of a body", "DO $$ begin foo bar; end $$", "foo bar;"],
  ])("the error points to the statement and the place in it: %s", (_, bad, at) =>
    withDatabase(async (db) => {
      const error = await failureAt(db, "2_b.ts", steps(FIRST, bad, LAST));
      const statement = bad.replace(/^SELECT 1; |^INSERT INTO b VALUES \(1\); /, "");
      expect(error).toMatchObject({ code: "SQL", details: { migration: "2_b" } });
      expect(`${error.details.statement};`.startsWith(statement)).toBe(true);
      expect(pointedAt(error)).toBe(at);
    }),
  );

  it("an error without a position names the statement that the server had come to", () =>
    withDatabase(async (db) => {
      const bad = "SELECT 1; SELECT 1 / count(*) FROM b; SELECT 2";
      const error = await failureAt(db, "2_b.ts", steps(FIRST, bad, LAST));
      expect(error).toMatchObject({
        code: "SQL",
        details: { sqlstate: "22012", statement: "SELECT 1 / count(*) FROM b" },
      });
      expect(error.details).toMatchObject({ statementNumber: 3, statements: 5 });
      expect(error.details.position).toBeUndefined();
    }));

  it("an error with a position in the server's own SQL names the statement, without a position", () =>
    withDatabase(async (db) => {
      const first = "CREATE TABLE b (n int); CREATE INDEX ON b (n) WHERE n = 1";
      const bad = "ALTER TABLE b ALTER n TYPE text";
      const error = await failureAt(db, "2_b.ts", steps(first, bad, LAST));
      expect(error).toMatchObject({ code: "SQL", details: { sqlstate: "42883", statement: bad } });
      expect(error.details.position).toBeUndefined();
    }));

  it("an error in an SQL file gives the line of the file", () =>
    withDatabase(async (db) => {
      const text = "-- Up Migration\nCREATE TABLE b ();\nSELECT oops();\n-- Down Migration\nDROP TABLE b;";
      const error = await failureAt(db, "2_b.sql", text);
      expect(pointedAt(error)).toBe("oops()");
      expect(error.details).toMatchObject({ file: "2_b.sql", line: 3, statementNumber: 2, statements: 2 });
    }));

  it("an error of a deferred constraint at COMMIT names no statement", () =>
    withDatabase(async (db) => {
      const text =
        "CREATE TABLE b (n int UNIQUE DEFERRABLE INITIALLY DEFERRED); INSERT INTO b VALUES (1), (1);";
      const error = await failureAt(db, "2_b.sql", text);
      expect(error.message).toMatch(/^at commit: duplicate key/);
      expect(error.details).not.toHaveProperty("statement");
    }));
});

describe("what one migration leaves for the next", () => {
  it("comments and quotes at the end of a migration do not change how the next one is read", () =>
    withDatabase(async (db) => {
      const dir = writeFolder({
        "1_a.sql": "CREATE TABLE a (n text) -- no semicolon, and a quote: '",
        "2_b.ts": steps("CREATE TABLE b () -- '", "INSERT INTO a VALUES ('/*')", "CREATE TABLE c () /* */"),
      });
      await (await openMigrator(db, dir)).up();
      expect(await userTables(db)).toEqual(["a", "b", "c"]);
    }));

  it("a backslash setting that a migration leaves behind does not change how the next one is read", () =>
    withDatabase(async (db) => {
      const dir = writeFolder({
        "1_a.sql": "SET standard_conforming_strings = off; SET backslash_quote = on;",
        "2_b.sql": "CREATE TABLE b AS SELECT 'C:\\' AS path, 1 AS n; -- ' AS path",
        "3_c.sql": "CREATE TABLE c AS SELECT current_setting('standard_conforming_strings') AS s;",
      });
      await (await openMigrator(db, dir)).up();
      expect(await db.query("SELECT path, s FROM b, c")).toEqual([{ path: "C:\\", s: "on" }]);
    }));

  it("the next step of a migration is read with the settings that the migration has made", () =>
    withDatabase(async (db) => {
      const text = steps(
        "CREATE TABLE a (text text)",
        "SET standard_conforming_strings = off",
        "INSERT INTO a VALUES ('1\\n2')",
      );
      await (await openMigrator(db, writeFolder({ "1_a.ts": text }))).up();
      expect(await db.query("SELECT text FROM a")).toEqual([{ text: "1\n2" }]);
    }));
});

describe("a migration's transaction", () => {
  it("a transaction may begin with statements that have to come first in it", () =>
    withDatabase(async (db) => {
      const text =
        "SET TRANSACTION ISOLATION LEVEL SERIALIZABLE; CREATE TABLE a AS SELECT current_setting('transaction_isolation') AS level;";
      await (await openMigrator(db, writeFolder({ "1_a.sql": text }))).up();
      expect(await db.query("SELECT level FROM a")).toEqual([{ level: "serializable" }]);
    }));

  it("a migration whose transaction is not open any more is not recorded", () =>
    withDatabase(async (db) => {
      const { session, transactions } = await openSession(db);
      const work = { name: "1_a", title: "", reset: [], record: "CREATE TABLE public.recorded ()" };
      const error = await failureOf(
        transactions.run({ ...work, steps: [{ text: "CREATE TABLE public.a (); COMMIT", by: "migration" }] }),
      );
      expect(error).toMatchObject({ code: "MIGRATION", details: { migration: "1_a" } });
      await session.end();
      expect(await userTables(db)).toEqual(["a"]);
    }));
});

describe("a deadline that passes while a message is under way", () => {
  it("the server itself rolls back a message whose deadline has passed", () =>
    withDatabase(async (db) => {
      const { session, transactions } = await openSession(db, Date.now() + 500);
      const sleep = { text: "SELECT pg_catalog.pg_sleep(0.3)", by: "migration" } as const;
      const work = { name: "1_a", title: "", reset: [], record: "CREATE TABLE public.recorded ()" };
      const error = await failureOf(transactions.run({ ...work, steps: [sleep, sleep] }));
      expect(error).toMatchObject({ code: "DEADLINE" });
      await session.end();
      expect(await userTables(db)).toEqual([]);
    }));
});

describe("what the server shows of a run", () => {
  it("the server shows the name of the migration and its SQL, without secrets", () =>
    withDatabase(async (db) => {
      const dir = writeFolder({
        "1_a.sql": `/* CREATE ROLE nobody PASSWORD 'sesame' */ CREATE TABLE a AS SELECT query
          FROM pg_stat_activity WHERE pid = pg_backend_pid() AND $$PASSWORD 'sesame'$$ <> 'x'; -- sesame`,
      });
      await (await openMigrator(db, dir)).up();
      const [row] = await db.query<{ query: string }>("SELECT query FROM a");
      const [title = ""] = row?.query.split("\n") ?? [];
      expect(title).toMatch(/^\/\* 1_a: CREATE TABLE a AS SELECT query FROM .*\*\/$/);
      expect(title).not.toContain("sesame");
    }));
});

describe("the number of messages and commits", () => {
  const FOUR = Object.fromEntries(
    [1, 2, 3, 4].map((n) => [`${n}_t.sql`, `CREATE TABLE t${n} (); INSERT INTO t${n} DEFAULT VALUES;`]),
  );
  /** The messages that record a migration. */
  const recording = (logged: readonly string[]) =>
    logged.filter((text) => /INSERT INTO .*pgmigrations/.test(text));

  it.each(["each", "all"] as const)("with --transaction %s, a migration takes one message", (transaction) =>
    withDatabase(async (db) => {
      await db.enableStatementLog();
      await (await openMigrator(db, writeFolder(FOUR), { transaction })).up();
      const logged = await db.logged();
      const first = logged.findIndex((text) => text.includes("CREATE TABLE t1"));
      const last = logged.findIndex((text) => text.includes("CREATE TABLE t4"));
      expect(last - first).toBe(3);
      expect(recording(logged)).toHaveLength(4);
    }),
  );

  it("the engine asks each migration once how it is undone", () =>
    withDatabase(async (db) => {
      const files = [1, 2, 3, 4].map((n) => [
        `${n}_t.ts`,
        `export const up = (pgm: any) => pgm.sql("CREATE TABLE t${n} ()");
         export const down = (pgm: any) => { globalThis.downs = [...(globalThis.downs ?? []), ${n}]; };`,
      ]);
      await (await openMigrator(db, writeFolder(Object.fromEntries(files)))).up();
      expect(Reflect.get(globalThis, "downs")).toEqual([1, 2, 3, 4]);
    }));

  it("the history has how long the server took", () =>
    withDatabase(async (db) => {
      const options = { transaction: DEFAULTS.transaction };
      await (
        await openMigrator(db, writeFolder({ "1_a.sql": "SELECT pg_sleep(0.2);", "2_b.sql": "" }), options)
      ).up();
      const rows = await db.query<{ ms: number }>(
        "SELECT duration_ms::int AS ms FROM pgmigrations_history ORDER BY id",
      );
      expect(rows[0]?.ms).toBeGreaterThanOrEqual(200);
      expect(rows[1]?.ms).toBeLessThan(rows[0]?.ms ?? 0);
    }));
});
