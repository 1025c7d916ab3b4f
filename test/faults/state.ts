import { expect } from "@jest/globals";
import type { TestDatabase } from "../support/database.ts";
import { until } from "./until.ts";

/** Everything the ten migrations make, as one comparable value. */
export async function stateOf(db: TestDatabase): Promise<unknown> {
  const [row] = await db.query<{ state: unknown }>(
    `SELECT jsonb_build_object(
       'log', (SELECT jsonb_agg(jsonb_build_array(migration, step) ORDER BY migration, step) FROM log),
       'people', (SELECT jsonb_agg(to_jsonb(people) ORDER BY id) FROM people),
       'counter', (SELECT jsonb_agg(n) FROM counter),
       'columns', (SELECT jsonb_agg(jsonb_build_array(table_name, column_name, data_type) ORDER BY table_name, ordinal_position)
                   FROM information_schema.columns WHERE table_schema = 'public'),
       'indexes', (SELECT jsonb_agg(jsonb_build_array(indexrelid::regclass, indisvalid, indisready) ORDER BY indexrelid::regclass::text)
                   FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid WHERE relnamespace = 'public'::regnamespace),
       'applied', (SELECT jsonb_agg(name ORDER BY id) FROM pgmigrations)) AS state`,
  );
  return row?.state;
}

interface Recorded {
  readonly name: string;
  /** Rows that say how this very row of `pgmigrations` came to be. */
  readonly origins: number;
  /** The newest row of its name. */
  readonly last: string;
  /** Whether the row it came from has digests. */
  readonly digest: boolean;
}

/** Each migration that is applied is recorded as done, once, and nothing came after. */
export async function expectConsistentHistory(db: TestDatabase): Promise<void> {
  const rows = await db.query<Recorded>(
    `SELECT m.name,
            (SELECT count(*)::int FROM pgmigrations_history AS h
             WHERE h.applied_id = m.id AND h.migration = m.name AND state = 'finished') AS origins,
            (SELECT state FROM pgmigrations_history AS h WHERE h.migration = m.name ORDER BY id DESC LIMIT 1) AS last,
            (SELECT source_digest IS NOT NULL FROM pgmigrations_history AS h
             WHERE h.applied_id = m.id ORDER BY id DESC LIMIT 1) AS digest
     FROM pgmigrations AS m ORDER BY m.id`,
  );
  expect(rows).toEqual(rows.map(({ name }) => ({ name, origins: 1, last: "finished", digest: true })));
}

const TOOL = "cdk-pg-migrate%";

/** Sessions of the engine in this database, and advisory locks of anybody. */
function leftBehind(db: TestDatabase): Promise<unknown[]> {
  return db.query(
    `SELECT 'session ' || pid || ' ' || state AS what FROM pg_stat_activity
     WHERE datname = current_database() AND application_name LIKE $1
     UNION ALL
     SELECT 'lock of ' || pid FROM pg_locks
     WHERE locktype = 'advisory' AND database = (SELECT oid FROM pg_database WHERE datname = current_database())`,
    [TOOL],
  );
}

/** The server needs a moment to see that a client is gone. */
export async function expectNothingLeft(db: TestDatabase): Promise<void> {
  await until(async () => (await leftBehind(db)).length === 0, "sessions and locks to go");
}

/** Makes the database empty again: quicker than making another. */
export async function empty(db: TestDatabase): Promise<void> {
  await expectNothingLeft(db);
  await db.query("DROP SCHEMA public CASCADE; CREATE SCHEMA public");
}
