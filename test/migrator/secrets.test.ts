import { describe, expect, it } from "@jest/globals";
import { withDatabase } from "../support/database.ts";
import { writeFolder } from "../support/folders.ts";
import { failureOf, openMigrator } from "../support/migrator.ts";

describe("secrets", () => {
  it.each([
    ["ALTER ROLE x PASSWORD sesame NO SUCH", "sesame"],
    ['ALTER ROLE x PASSWORD "sesame" NO SUCH', "sesame"],
    ["DO $$ BEGIN EXECUTE 'ALTER ROLE x PASSWORD ''sesame'' NO SUCH'; END $$", "sesame"],
    ["DO $x$ BEGIN CREATE ROLE nobody_x PASSWORD 'sesame' NO SUCH; END $x$", "sesame"],
    ["CREATE SUBSCRIPTION s CONNECTION 'host=h password=sesame' NO SUCH", "sesame"],
    ["SELECT 'postgres://u:sesame@h/d' NO SUCH", "sesame"],
  ])("of %s are not shown", (sql, secret) =>
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
