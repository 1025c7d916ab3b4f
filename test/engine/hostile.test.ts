import { describe, expect, it } from "@jest/globals";
import { withDatabase } from "../support/database.ts";
import { addFiles, writeFolder } from "../support/folders.ts";
import { appliedNames, failureOf, openMigrator, userTables } from "../support/migrator.ts";
import { file, withRole } from "./fixtures.ts";

describe("a migration that interferes with the engine", () => {
  it.each([
    "SELECT pg_advisory_unlock_all();",
    "-- migrate: no-transaction\nDISCARD ALL;",
    "SELECT pg_advisory_unlock_shared(7241865325823964) FROM generate_series(1, 2);",
    `SELECT pg_advisory_unlock(hashtextextended('"public"."pgmigrations"', 7241865325823964)) FROM generate_series(1, 2);`,
  ])("a migration that releases the lock stops the run: %j", (sql) =>
    withDatabase(async (db) => {
      const dir = writeFolder({ "1_a.sql": sql, "2_b.sql": file("b") });
      const error = await failureOf((await openMigrator(db, dir)).up());
      expect(error).toMatchObject({ code: "LOCK_HELD", details: { applied: ["1_a"], remaining: ["2_b"] } });
      await (await openMigrator(db, dir)).up();
      expect(await appliedNames(db)).toEqual(["1_a", "2_b"]);
    }),
  );

  it("a migration that releases one of two holds of the locks does not let other runs in", () =>
    withDatabase(async (db) => {
      const dir = writeFolder({
        "1_a.sql": `SELECT pg_advisory_unlock_shared(7241865325823964),
          pg_advisory_unlock(hashtextextended('"public"."pgmigrations"', 7241865325823964));`,
        "2_b.sql":
          "CREATE TABLE b AS SELECT FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid();",
      });
      await (await openMigrator(db, dir)).up();
      expect(await db.query("SELECT FROM b")).toHaveLength(2);
    }));

  it("a migration with BEGIN and COMMIT around it runs as if they were not there", () =>
    withDatabase(async (db) => {
      const dir = writeFolder({
        "1_a.sql": "-- for psql\nBEGIN;\nCREATE TABLE a ();\nCOMMIT;\n",
        "2_b.sql": "begin; CREATE TABLE b (); SELECT 1/0; commit",
      });
      const error = await failureOf((await openMigrator(db, dir)).up());
      expect(error).toMatchObject({ code: "SQL", details: { migration: "2_b", sqlstate: "22012" } });
      expect(await userTables(db)).toEqual(["a"]);
      expect(await appliedNames(db)).toEqual(["1_a"]);
    }));

  it.each([
    "CREATE TABLE a (); COMMIT; CREATE TABLE b ();",
    "CREATE TABLE a (); ROLLBACK;",
    "BEGIN; CREATE TABLE a ();",
  ])("a migration with transaction control in the middle is refused before it runs: %s", (sql) =>
    withDatabase(async (db) => {
      const error = await failureOf((await openMigrator(db, writeFolder({ "1_a.sql": sql }))).up());
      expect(error).toMatchObject({ code: "MIGRATION", details: { migration: "1_a" } });
      expect(String(error.details.hint)).toContain("no-transaction");
      expect(await userTables(db)).toEqual([]);
    }),
  );

  it("a migration outside a transaction may have transactions of its own, which count when they end", () =>
    withDatabase(async (db) => {
      const dir = writeFolder({
        "1_a.sql":
          "-- migrate: no-transaction\nCREATE TABLE z (); BEGIN; CREATE TABLE a (); CREATE TABLE b (); SELECT 1/0; COMMIT;",
      });
      const error = await failureOf((await openMigrator(db, dir)).up());
      expect(error.details.partial).toBe(1);
      expect(await userTables(db)).toEqual(["z"]);
      const rows = await db.query("SELECT state, statement FROM pgmigrations_history");
      expect(rows).toEqual([{ state: "failed", statement: 1 }]);
      addFiles(dir, {
        "1_a.sql":
          "-- migrate: no-transaction\nCREATE TABLE z (); BEGIN; CREATE TABLE a (); CREATE TABLE b (); SELECT 1; COMMIT;",
      });
      await (await openMigrator(db, dir)).resolve("1_a", "retry");
      expect(await userTables(db)).toEqual(["a", "b", "z"]);
    }));

  it("a migration outside a transaction may take another role, and its record is written all the same", () =>
    withDatabase((db) =>
      withRole(db, async (role) => {
        const dir = writeFolder({
          "1_a.sql": `-- migrate: no-transaction\nSET ROLE ${role}; SELECT 1; RESET ROLE; CREATE TABLE a ();`,
        });
        await (await openMigrator(db, dir)).up();
        expect(await userTables(db)).toEqual(["a"]);
      }),
    ));

  it("a migration may await several queries at once", () =>
    withDatabase(async (db) => {
      const dir = writeFolder({
        "1_b.js":
          "exports.up = async (pgm) => { const r = await Promise.allSettled([pgm.db.query('CREATE TABLE b ()'), pgm.db.query('SELECT 1/0'), pgm.db.query('CREATE TABLE c ()')]); pgm.sql('SELECT ' + r.length); };",
      });
      await (await openMigrator(db, dir)).up();
      expect(await userTables(db)).toEqual(["b", "c"]);
    }));

  it("BEGIN through pgm.db is refused with advice on how to do without it", () =>
    withDatabase(async (db) => {
      const dir = writeFolder({ "1_a.js": "exports.up = async (pgm) => { await pgm.db.query('BEGIN'); };" });
      const error = await failureOf((await openMigrator(db, dir)).up());
      expect(error).toMatchObject({ code: "MIGRATION" });
      expect(String(error.details.hint)).toContain("pgm.noTransaction()");
    }));

  it("a migration whose code never ends does not outlive a cancel", () =>
    withDatabase(async (db) => {
      const dir = writeFolder({ "1_a.js": "exports.up = (pgm, run) => {};" });
      const migrator = await openMigrator(db, dir, {}, { signal: AbortSignal.timeout(400) });
      expect(await failureOf(migrator.up())).toMatchObject({ code: "CANCELLED" });
    }));

  it("a migration that is a method has its own object as this", () =>
    withDatabase(async (db) => {
      const dir = writeFolder({
        "1_a.cjs": "module.exports = { table: 'a', up(pgm) { pgm.createTable(this.table, {}); } };",
        "2_b.mjs":
          "class M { table = 'b'; up(pgm) { pgm.createTable(this.table, {}); } }\nexport default new M();",
      });
      await (await openMigrator(db, dir)).up();
      expect(await userTables(db)).toEqual(["a", "b"]);
    }));

  it("with --transaction all, a deferred constraint is the failure of the migration that broke it", () =>
    withDatabase(async (db) => {
      const dir = writeFolder({
        "1_a.sql":
          "CREATE TABLE p (id int PRIMARY KEY); CREATE TABLE q (p int REFERENCES p DEFERRABLE INITIALLY DEFERRED); INSERT INTO q VALUES (7);",
        "2_b.sql": file("b"),
      });
      const error = await failureOf((await openMigrator(db, dir, { transaction: "all" })).up());
      expect(error).toMatchObject({ details: { migration: "1_a", sqlstate: "23503" } });
    }));
});

describe("a migration that plain node-pg-migrate has undone and applied again", () => {
  it("the record from before an undo by node-pg-migrate does not count any more", () =>
    withDatabase(async (db) => {
      const dir = writeFolder({ "1_a.sql": file("a") });
      await (await openMigrator(db, dir)).up();
      await db.query(
        "DELETE FROM pgmigrations; INSERT INTO pgmigrations (name, run_on) VALUES ('1_a', now())",
      );
      addFiles(dir, { "1_a.sql": file("something_else") });
      expect((await (await openMigrator(db, dir)).status()).counts).toMatchObject({ applied: 1, changed: 0 });
    }));
});
