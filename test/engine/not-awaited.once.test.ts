import { describe, expect, it } from "@jest/globals";
import { withDatabase } from "../support/database.ts";
import { writeFolder } from "../support/folders.ts";
import { appliedNames, failureOf, openMigrator, userTables } from "../support/migrator.ts";

const MAKES = "pgm.sql('CREATE TABLE made ()');";

describe("a query that the migration does not wait for", () => {
  it.each([
    ["fails", `export const up = (pgm) => { pgm.db.query("INSERT INTO nowhere VALUES (42)"); ${MAKES} };`],
    ["succeeds", `export const up = async (pgm) => { pgm.db.query("SELECT 1"); ${MAKES} };`],
    [
      "has failed before the end",
      `export const up = async (pgm) => { pgm.db.query("SELECT 1/0"); await pgm.db.query("SELECT 1"); ${MAKES} };`,
    ],
    ["is a select", `export const up = async (pgm) => { const rows = pgm.db.select("SELECT 1"); ${MAKES} };`],
    ["has only a then", `export const up = (pgm) => { pgm.db.query("SELECT 1").then(() => { ${MAKES} }); };`],
    [
      "has only a finally",
      `export const up = (pgm) => { pgm.db.query("SELECT 1/0").finally(() => {}); ${MAKES} };`,
    ],
    [
      "has a catch, and is still under way at the end",
      `export const up = (pgm) => { pgm.db.query("SELECT 1/0").catch(() => {}); ${MAKES} };`,
    ],
    [
      "is in a function that nobody waits for",
      `const help = async (pgm) => { await pgm.db.query("SELECT 1"); ${MAKES} };\nexport const up = (pgm) => { help(pgm).catch(() => {}); };`,
    ],
    ["has a callback", `export const up = (pgm) => { pgm.db.query("SELECT 1", () => { ${MAKES} }); };`],
    [
      "is outside a transaction",
      `export const up = (pgm) => { pgm.noTransaction(); pgm.db.query("SELECT 1"); };`,
    ],
    [
      "comes in forEach",
      `export const up = (pgm) => { [1, 2].forEach(async (i) => { await pgm.db.query("SELECT $1::int", [i]).catch(() => {}); }); };`,
    ],
  ])("a query that is not awaited fails the migration, with file and line, when it %s", (_, text) =>
    withDatabase(async (db) => {
      const dir = writeFolder({ "1_x.js": `\n\n${text}` });
      const migrator = await openMigrator(db, dir);
      expect(await failureOf(migrator.planUp())).toMatchObject({ code: "MIGRATION" });
      const error = await failureOf(migrator.up());
      expect(error).toMatchObject({ code: "MIGRATION", details: { migration: "1_x", applied: [] } });
      expect(error.message).toMatch(/^migration 1_x did not await a query \(1_x\.js:3\)/);
      expect(String(error.details.hint)).toContain("await");
      expect(await userTables(db)).toEqual([]);
      expect(await appliedNames(db)).toEqual([]);
    }),
  );

  it("the error of a query that is not awaited says why the query failed", () =>
    withDatabase(async (db) => {
      const dir = writeFolder({ "1_x.js": `export const up = (pgm) => { pgm.db.query("SELECT 1/0"); };` });
      const error = await failureOf((await openMigrator(db, dir)).up());
      expect(error.message).toMatch(/and it failed: division by zero$/);
      expect(error.details.statement).toBe("SELECT 1/0");
    }));

  it.each([
    ["is returned", "(pgm) => pgm.db.query('CREATE TABLE made ()')"],
    ["is returned from an async function", "async (pgm) => pgm.db.query('CREATE TABLE made ()')"],
    [
      "is waited for later",
      "async (pgm) => { const one = pgm.db.query('SELECT 1'); const two = pgm.db.select('SELECT 2'); pgm.sql('CREATE TABLE made ()'); await two; await one; }",
    ],
    [
      "is one of several",
      "async (pgm) => { await Promise.all([pgm.db.query('SELECT 1'), pgm.db.query('CREATE TABLE made ()')]); }",
    ],
    [
      "is caught",
      "async (pgm) => { await pgm.db.query('SELECT 1/0').catch(() => {}); await pgm.db.query('CREATE TABLE made ()'); }",
    ],
    [
      "has then and finally in a chain",
      "(pgm) => pgm.db.query('SELECT 1').then(() => pgm.db.query('CREATE TABLE made ()')).finally(() => {})",
    ],
    [
      "ends a migration in callback style",
      "(pgm, done) => { pgm.db.query('CREATE TABLE made ()', (error) => done(error)); }",
    ],
  ])("a query is awaited when it %s", (_, up) =>
    withDatabase(async (db) => {
      const dir = writeFolder({ "1_x.js": `export const up = ${up};` });
      await (await openMigrator(db, dir)).up();
      expect(await userTables(db)).toEqual(["made"]);
    }),
  );

  it("a callback of a query that throws fails the migration", () =>
    withDatabase(async (db) => {
      const up =
        "(pgm, done) => { pgm.db.query('SELECT 1', () => { done(); throw new Error('in the callback'); }); }";
      const error = await failureOf(
        (await openMigrator(db, writeFolder({ "1_x.js": `export const up = ${up};` }))).up(),
      );
      expect(error).toMatchObject({ code: "MIGRATION", message: expect.stringContaining("in the callback") });
    }));

  it("queries that are still queued do not run after the rollback of a migration that has thrown", () =>
    withDatabase(async (db) => {
      const text = `export const up = (pgm) => {
        const queries = Array.from({ length: 20 }, (_, i) => pgm.db.query("CREATE TABLE t" + i + " ()"));
        throw new Error("stop");
      };`;
      const error = await failureOf((await openMigrator(db, writeFolder({ "1_x.js": text }))).up());
      expect(error.message).toContain("stop");
      expect(await userTables(db)).toEqual([]);
    }));
});

describe("a call of pgm after the migration's function has returned", () => {
  it.each(["pgm.sql('SELECT 1')", "pgm.createTable('late', {})", "pgm.noTransaction()"])(
    "a late call is an error of the migration: %s",
    (call) =>
      withDatabase(async (db) => {
        const text = `export let late; export const up = (pgm) => { pgm.sql("SELECT 1"); globalThis.callLate = () => {\n${call}; }; };\nexport const down = false;`;
        await (await openMigrator(db, writeFolder({ "1_x.js": text }))).up();
        const callLate: unknown = Reflect.get(globalThis, "callLate");
        expect(() => typeof callLate === "function" && callLate()).toThrow(
          /^migration 1_x called pgm\.\w+ after its function had returned \(1_x\.js:2\)$/,
        );
      }),
  );
});
