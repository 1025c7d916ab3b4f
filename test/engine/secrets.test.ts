import { describe, expect, it } from "@jest/globals";
import { withDatabase } from "../support/database.ts";
import { addFiles, writeFolder } from "../support/folders.ts";
import { failureOf, openMigrator } from "../support/migrator.ts";

describe("secrets in migrations", () => {
  it("masks of secrets do not move the position of an error in the statement that is shown", () =>
    withDatabase(async (db) => {
      const sql = "ALTER ROLE x PASSWORD 'a very long secret indeed'; SELECT nowhere;";
      const { statement, position } = (
        await failureOf((await openMigrator(db, writeFolder({ "1_a.sql": sql }))).up())
      ).details;
      expect(statement).toBe("ALTER ROLE x PASSWORD '********'");
      expect(position).toBe(undefined);
      const other = "SELECT 'a very long secret indeed' AS password, nowhere;";
      const failed = await failureOf((await openMigrator(db, writeFolder({ "1_a.sql": other }))).up());
      expect(failed.details.statement?.slice((failed.details.position ?? 0) - 1)).toBe("nowhere");
    }));

  it("the history has up SQL with masks, and down SQL with the secrets", () =>
    withDatabase(async (db) => {
      const down = "DO $$ BEGIN IF 'sesame' <> 'ses' || 'ame' THEN RAISE 'masked'; END IF; END $$;";
      const text = `CREATE TABLE u (password text DEFAULT 'sesame');\n-- Down Migration\nDROP TABLE u; ${down}`;
      await (await openMigrator(db, writeFolder({ "1_a.sql": text }))).up();
      const [row] = await db.query<{ up: string; down: string }>(
        "SELECT up_sql::text AS up, down_sql::text AS down FROM pgmigrations_history",
      );
      expect(row?.up).not.toContain("sesame");
      expect(row?.down).toContain("sesame");
      await (await openMigrator(db, writeFolder({}))).down();
      expect(await db.query("SELECT FROM pg_class WHERE relname = 'u'")).toEqual([]);
    }));

  it("a migration that an older version masked differently is not changed", () =>
    withDatabase(async (db) => {
      const dir = writeFolder({ "1_a.sql": 'CREATE TABLE u ("password" varchar(60));\n' });
      await (await openMigrator(db, dir)).up();
      await db.query(
        `UPDATE pgmigrations_history SET up_sql = jsonb_build_array('CREATE TABLE u ("password" *******(60));')`,
      );
      // Another text of the file, with the same SQL.
      addFiles(dir, { "1_a.sql": 'CREATE TABLE u ("password" varchar(60)); -- a note\n' });
      const { migrations } = await (await openMigrator(db, dir)).status();
      expect(migrations).toMatchObject([{ name: "1_a", state: "applied" }]);
    }));

  it.each([
    ["ALTER ROLE x PASSWORD sesame NO SUCH", "sesame"],
    ['ALTER ROLE x PASSWORD "sesame" NO SUCH', "sesame"],
    ["DO $$ BEGIN EXECUTE 'ALTER ROLE x PASSWORD ''sesame'' NO SUCH'; END $$", "sesame"],
    ["DO $x$ BEGIN CREATE ROLE nobody_x PASSWORD 'sesame' NO SUCH; END $x$", "sesame"],
    ["CREATE SUBSCRIPTION s CONNECTION 'host=h password=sesame' NO SUCH", "sesame"],
    ["SELECT 'postgres://u:sesame@h/d' NO SUCH", "sesame"],
    ["SELECT $$host=h password='open sesame'$$ NO SUCH", "sesame"],
    [
      "CREATE TABLE u (name text, password text); INSERT INTO u (name, password) VALUES ('a', 'sesame') NO",
      "sesame",
    ],
    ["DO $$ BEGIN EXECUTE format('ALTER ROLE nobody_x PASSWORD %L', 'sesame'); END $$", "sesame"],
    ["DO $$ BEGIN EXECUTE 'ALTER ROLE nobody_x PASSWORD ' || quote_literal('sesame'); END $$", "sesame"],
    ["CREATE TABLE u (password int); INSERT INTO u (password) VALUES ('sesame')", "sesame"],
    ["CREATE TABLE u (token text UNIQUE); INSERT INTO u (token) VALUES ('sesame'), ('sesame')", "sesame"],
    ["CREATE TABLE u (token text CHECK (token = 'a')); INSERT INTO u (token) VALUES ('sesame')", "sesame"],
    [`DO $$ BEGIN RAISE EXCEPTION 'x' USING DETAIL = 'host=h password=sesame'; END $$`, "sesame"],
  ])("the error shows no secret of %s", (sql, secret) =>
    withDatabase(async (db) => {
      const error = await failureOf((await openMigrator(db, writeFolder({ "1_a.sql": sql }))).up());
      const { cause } = error;
      const shown = JSON.stringify([error.message, error.stack, { ...error.details, cause: undefined }]);
      expect(shown).not.toContain(secret);
      expect(String(cause)).not.toContain(secret);
      const [row] = await db.query("SELECT to_jsonb(h)::text AS row FROM pgmigrations_history AS h");
      expect(JSON.stringify(row)).not.toContain(secret);
    }),
  );
});
