import { describe, expect, it } from "@jest/globals";
import { withDatabase } from "../support/database.ts";
import { addFiles, writeFolder } from "../support/folders.ts";
import { appliedNames, failureOf, openMigrator, userTables } from "../support/migrator.ts";

const file = (...statements: string[]): Record<string, string> => ({
  "1_x.sql": `-- migrate: no-transaction\n${statements.map((text) => `${text};\n`).join("")}`,
});
const A = "CREATE TABLE a (i int)";
const ROWS = "INSERT INTO a VALUES (1), (1)";
const INDEX = "CREATE UNIQUE INDEX u ON a (i)";
const ROLE = "DO $$ BEGIN PERFORM 'PASSWORD ''x'''; END $$";

describe("resolve --retry of a file that was edited after the failure", () => {
  it.each([
    ["a statement was put in front", file("CREATE TABLE audit ()", A, ROWS, INDEX)],
    ["a statement was taken out in front", file(ROWS, INDEX)],
    ["a statement that has run is another one now", file("CREATE TABLE a (i int, j int)", ROWS, INDEX)],
    ["two statements that have run changed places", file(ROWS, A, INDEX)],
    ["there are fewer statements than have run", file(A)],
  ])("a retry is refused when %s [G28]", (_, edited) =>
    withDatabase(async (db) => {
      const dir = writeFolder(file(A, ROWS, INDEX));
      await failureOf((await openMigrator(db, dir)).up());
      addFiles(dir, edited);
      const error = await failureOf((await openMigrator(db, dir)).resolve("1_x", "retry"));
      expect(error).toMatchObject({ code: "CHANGED", details: { migration: "1_x" } });
      expect(String(error.details.hint)).toContain("`resolve 1_x --reverted`");
      expect(error.details.changes).toMatchObject([{ before: [A, ROWS] }]);
      expect(await userTables(db)).toEqual(["a"]);
      expect((await (await openMigrator(db, dir)).status()).migrations).toMatchObject([
        { state: "partial", statement: 2 },
      ]);
    }),
  );

  it.each([
    ["what comes after is another", file(A, ROWS, "CREATE INDEX u ON a (i)", "CREATE TABLE b ()")],
    [
      "comments and white space differ",
      file(`-- more\n  ${A}`, "INSERT INTO a\n  VALUES (1), (1)", "CREATE TABLE b ()"),
    ],
  ])("a retry goes on when only %s", (_, edited) =>
    withDatabase(async (db) => {
      const dir = writeFolder(file(A, ROWS, INDEX));
      await failureOf((await openMigrator(db, dir)).up());
      addFiles(dir, edited);
      expect(await (await openMigrator(db, dir)).resolve("1_x", "retry")).toEqual({
        migrations: ["1_x"],
        head: "1_x",
      });
      expect(await userTables(db)).toEqual(["a", "b"]);
      expect(await db.query("SELECT i FROM a")).toHaveLength(2);
      // The file is what was applied.
      expect((await (await openMigrator(db, dir)).status()).counts).toMatchObject({ applied: 1, changed: 0 });
    }),
  );

  it("a retry compares secrets by their masks", () =>
    withDatabase(async (db) => {
      const dir = writeFolder(file(ROLE, "SELECT 1/0"));
      await failureOf((await openMigrator(db, dir)).up());
      addFiles(dir, file(ROLE, "SELECT 1"));
      await (await openMigrator(db, dir)).resolve("1_x", "retry");
      expect(await appliedNames(db)).toEqual(["1_x"]);
    }));

  it("a retry is refused when the file depends on the database, or did", () =>
    withDatabase(async (db) => {
      const body = (more: string) =>
        `export const up = async (pgm: any) => { pgm.noTransaction(); await pgm.db.query('CREATE TABLE a ()'); pgm.sql('${more}'); };`;
      const dir = writeFolder({ "1_x.ts": body("SELECT 1/0") });
      const error = await failureOf((await openMigrator(db, dir)).up());
      expect(error.details).toMatchObject({ partial: 1, statements: 2 });
      addFiles(dir, {
        "1_x.ts": "export const up = (pgm: any) => { pgm.noTransaction(); pgm.sql('SELECT 1'); };",
      });
      expect(await failureOf((await openMigrator(db, dir)).resolve("1_x", "retry"))).toMatchObject({
        code: "USAGE",
        message: expect.stringContaining("cannot be continued"),
      });
    }));
});

describe("resolve", () => {
  it.each([
    ["retry", "1_x"],
    ["applied", "1_x"],
    ["reverted", "0_first"],
  ] as const)("resolve --%s returns the new head and records its outcome with the note", (outcome, head) =>
    withDatabase(async (db) => {
      const dir = writeFolder({ "0_first.sql": "SELECT 1", ...file(A, "SELECT 1/0") });
      await failureOf((await openMigrator(db, dir)).up());
      addFiles(dir, file(A, "SELECT 1"));
      const report = await (await openMigrator(db, dir)).resolve("1_x", outcome, "as agreed");
      expect(report).toEqual({ migrations: ["1_x"], head });
      const rows = await db.query("SELECT note FROM pgmigrations_history WHERE action = 'resolve'");
      expect(rows).toEqual([{ note: `${outcome}: as agreed` }]);
    }),
  );

  it("a note and the name of the actor must not contain a NUL character", () =>
    withDatabase(async (db) => {
      const dir = writeFolder({ "1_a.sql": "SELECT 1" });
      const migrator = await openMigrator(db, dir);
      for (const work of [
        migrator.baseline("1_a", "a\0b"),
        migrator.repair([], "a\0b"),
        migrator.resolve("1_a", "retry", "\0"),
      ]) {
        const error = await failureOf(work);
        expect(error).toMatchObject({
          code: "USAGE",
          message: expect.stringContaining("the note holds a NUL character"),
        });
      }
      const provenance = { actor: "a\0b", origin: "cli", tool: "test" } as const;
      await expect(openMigrator(db, dir, {}, { provenance })).rejects.toMatchObject({ code: "USAGE" });
    }));
});

describe("a first statement outside a transaction that the server refuses before it runs", () => {
  it.each([
    ["CREATE INDEX CONCURRENTLY i ON nowhere (a)", "42P01"],
    ["DROP INDEX CONCURRENTLY nowhere", "42704"],
    ["REINDEX TABLE CONCURRENTLY nowhere", "42P01"],
    ["CALL nothing()", "42883"],
    ["DO $$ BEGIN END", "42601"],
    ["DROP DATABASE nothing_of_that_name", "3D000"],
  ])("the refused statement leaves nothing partly applied: %s", (statement, sqlstate) =>
    withDatabase(async (db) => {
      const migrator = await openMigrator(db, writeFolder(file(statement, "SELECT 1")));
      const error = await failureOf(migrator.up());
      expect(error.details).toMatchObject({ sqlstate });
      expect(error.details.partial).toBeUndefined();
      expect((await migrator.status()).counts).toMatchObject({ pending: 1, partial: 0 });
    }),
  );

  it.each([
    ["DO $$ BEGIN COMMIT; PERFORM nothing(); END $$", "42883"],
    ["DO $$ BEGIN CREATE TABLE a (); COMMIT; CREATE TABLE a (); END $$", "42P07"],
  ])("a statement that may have committed leaves the migration partly applied: %s", (statement, sqlstate) =>
    withDatabase(async (db) => {
      const error = await failureOf((await openMigrator(db, writeFolder(file(statement)))).up());
      expect(error.details).toMatchObject({ sqlstate, partial: 0, statements: 1 });
    }),
  );

  it("a statement with half a surrogate pair is recorded as it was sent", () =>
    withDatabase(async (db) => {
      const text = String.raw`export const up = (pgm) => { pgm.sql("COMMENT ON SCHEMA public IS 'half \ud83d of it'"); };`;
      const dir = writeFolder({ "1_x.js": text });
      await (await openMigrator(db, dir)).up();
      const [row] = await db.query<{ sql: string }>("SELECT up_sql->>0 AS sql FROM pgmigrations_history");
      expect(row?.sql).toContain("half \ufffd of it");
      expect((await (await openMigrator(db, dir)).up()).completed).toEqual([]);
    }));
});
