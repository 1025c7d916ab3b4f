import { expect, it } from "@jest/globals";
import { type TestDatabase, withDatabase } from "../support/database.ts";
import { writeFolder } from "../support/folders.ts";
import { openMigrator } from "../support/migrator.ts";

/** What tenants share: each of their runs makes it unless it is there. */
const shared = (role: string): Readonly<Record<string, string>> => ({
  "01_schema.sql": "CREATE SCHEMA IF NOT EXISTS shared; CREATE TABLE IF NOT EXISTS shared.log (who text);",
  "02_role.sql": `DO $$ BEGIN CREATE ROLE ${role}; EXCEPTION WHEN duplicate_object THEN NULL; END $$;`,
  "03_grants.sql": `GRANT USAGE ON SCHEMA shared TO ${role}; GRANT INSERT ON shared.log TO ${role};`,
  "04_function.sql":
    "CREATE OR REPLACE FUNCTION shared.tell() RETURNS int LANGUAGE sql AS 'SELECT 1'; COMMENT ON SCHEMA shared IS 'of all';",
  "05_setting.sql": `ALTER ROLE ${role} SET statement_timeout = '1min';`,
  "06_type.sql":
    "DO $$ BEGIN CREATE TYPE shared.mood AS ENUM ('a'); EXCEPTION WHEN duplicate_object THEN NULL; END $$;",
  "07_table.sql":
    "CREATE TABLE own (id int PRIMARY KEY, mood shared.mood); INSERT INTO own SELECT generate_series(1, 100);",
  "08_index.sql":
    "-- migrate: no-transaction\nCREATE INDEX CONCURRENTLY own_mood ON own (mood) WHERE id > 10;",
  "09_extension.sql": "CREATE EXTENSION IF NOT EXISTS tablefunc SCHEMA shared;",
  "10_rows.sql":
    "ALTER TABLE shared.log ADD COLUMN IF NOT EXISTS at timestamptz; INSERT INTO shared.log VALUES (current_schema());",
});

/** Migrates so many schemas, and resolves to what happened beside that. */
async function upEach(db: TestDatabase, dir: string, count: number, concurrency: number) {
  const waiting = Array.from({ length: count }, (_, n) => `tenant_${n}`);
  const events: unknown[] = [];
  const work = async () => {
    for (let schema = waiting.shift(); schema !== undefined; schema = waiting.shift()) {
      const options = { schema: [schema], createSchema: true, lockRetryDelayMs: 50 };
      const migrator = await openMigrator(db, dir, options);
      expect((await migrator.up()).completed).toHaveLength(10);
      events.push(...migrator.events.filter(({ type }) => type === "lock-wait"));
    }
  };
  await Promise.all(Array.from({ length: concurrency }, work));
  return events;
}

it(
  "fifty schemas of one database get ten migrations each, eight at a time, and what they share once",
  () =>
    withDatabase(async (db) => {
      const role = `shared_${db.name}`;
      try {
        expect(await upEach(db, writeFolder(shared(role)), 50, 8)).toEqual([]);
        expect(await db.query("SELECT count(*)::int AS n FROM shared.log")).toEqual([{ n: 50 }]);
      } finally {
        await db.query(`DROP OWNED BY ${role}; DROP ROLE ${role}`);
      }
    }),
  120_000,
);
