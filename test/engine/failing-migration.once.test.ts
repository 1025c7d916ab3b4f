import { describe, expect, it } from "@jest/globals";
import { withDatabase } from "../support/database.ts";
import { addFiles, writeFolder } from "../support/folders.ts";
import { appliedNames, failureOf, openMigrator, userTables } from "../support/migrator.ts";

describe("a failing migration", () => {
  const FAILING = {
    "1_a.sql": "CREATE TABLE a (id int);",
    "2_b.sql": "CREATE TABLE b (id int);\nINSERT INTO nowhere VALUES (1);",
    "3_c.sql": "CREATE TABLE c (id int);",
  };

  it("with --transaction each, a failing migration keeps what came before, rolls itself back, and says where and why", () =>
    withDatabase(async (db) => {
      const migrator = await openMigrator(db, writeFolder(FAILING));
      const error = await failureOf(migrator.up());
      expect(error).toMatchObject({
        code: "SQL",
        message: 'relation "nowhere" does not exist',
        details: { migration: "2_b", sqlstate: "42P01", applied: ["1_a"], remaining: ["2_b", "3_c"] },
      });
      const { statement = "", position = 0 } = error.details;
      expect(statement.slice(position - 1)).toMatch(/^nowhere/);
      expect(await userTables(db)).toEqual(["a"]);
      expect(await appliedNames(db)).toEqual(["1_a"]);
      const rows = await db.query(
        "SELECT migration, state, error_code FROM pgmigrations_history ORDER BY id",
      );
      expect(rows).toEqual([
        { migration: "1_a", state: "finished", error_code: null },
        { migration: "2_b", state: "failed", error_code: "SQL" },
      ]);
      expect(migrator.events.at(-1)).toEqual({ type: "failed", migration: "2_b", direction: "up" });
    }));

  it("with --transaction all, a failing migration rolls back the whole run", () =>
    withDatabase(async (db) => {
      const error = await failureOf(
        (await openMigrator(db, writeFolder(FAILING), { transaction: "all" })).up(),
      );
      expect(error.details).toMatchObject({
        migration: "2_b",
        applied: [],
        remaining: ["1_a", "2_b", "3_c"],
      });
      expect(await userTables(db)).toEqual([]);
      expect(await appliedNames(db)).toEqual([]);
    }));

  it.each(["each", "all"] as const)(
    "with --transaction %s, a failure leaves no lock and no open transaction, and the repaired file goes on",
    (transaction) =>
      withDatabase(async (db) => {
        const dir = writeFolder(FAILING);
        await failureOf((await openMigrator(db, dir, { transaction })).up());
        const left = await db.query(
          "SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND database = (SELECT oid FROM pg_database WHERE datname = current_database())",
        );
        expect(left).toEqual([]);
        addFiles(dir, { "2_b.sql": "CREATE TABLE b (id int);" });
        await (await openMigrator(db, dir, { transaction })).up();
        expect(await appliedNames(db)).toEqual(["1_a", "2_b", "3_c"]);
      }),
  );

  it("a deferred constraint that fails at COMMIT is the failure of its migration", () =>
    withDatabase(async (db) => {
      const dir = writeFolder({
        "1_a.sql":
          "CREATE TABLE p (id int PRIMARY KEY); CREATE TABLE q (p int REFERENCES p DEFERRABLE INITIALLY DEFERRED);",
        "2_b.sql": "INSERT INTO q VALUES (7);",
      });
      const error = await failureOf((await openMigrator(db, dir)).up());
      expect(error).toMatchObject({ code: "SQL", details: { migration: "2_b", sqlstate: "23503" } });
      expect(error.message).toMatch(/^at commit: /);
      expect(error.details.statement).toBeUndefined();
      expect(await appliedNames(db)).toEqual(["1_a"]);
    }));

  it("an error in the code of any pending migration stops the run before it begins", () =>
    withDatabase(async (db) => {
      const dir = writeFolder({
        "1_a.sql": "CREATE TABLE a ();",
        "2_b.ts": "export const up = () => { throw new TypeError('oops'); };",
      });
      const error = await failureOf((await openMigrator(db, dir)).up());
      expect(error).toMatchObject({ code: "MIGRATION", details: { migration: "2_b" } });
      expect(error.message).toContain("oops");
      expect(await userTables(db)).toEqual([]);
    }));

  it("the error of a failing migration never shows a password", () =>
    withDatabase(async (db) => {
      const dir = writeFolder({ "1_a.sql": "CREATE ROLE x LOGIN PASSWORD 'open sesame' NO SUCH WORD;" });
      const error = await failureOf((await openMigrator(db, dir)).up());
      expect(error.details.statement).toContain("PASSWORD '********'");
      expect(JSON.stringify([error.message, error.details])).not.toContain("open sesame");
    }));
});
