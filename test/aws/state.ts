import { until } from "../faults/until.ts";
import type { OwnedDatabase } from "./database.ts";

/** Names of what is applied, in the order of application. */
export async function appliedIn(db: OwnedDatabase): Promise<string[]> {
  return (await db.query<{ name: string }>("SELECT name FROM pgmigrations ORDER BY id")).map(
    ({ name }) => name,
  );
}

/** Tables of the migrations. */
export async function tablesIn(db: OwnedDatabase): Promise<string[]> {
  const rows = await db.query<{ name: string }>(
    "SELECT tablename AS name FROM pg_tables WHERE schemaname = 'public' AND tablename NOT LIKE 'pgmigrations%' ORDER BY 1",
  );
  return rows.map(({ name }) => name);
}

/** `migration action state` of the history, oldest first. */
export async function historyOf(db: OwnedDatabase): Promise<string[]> {
  const rows = await db.query<{ line: string }>(
    "SELECT concat_ws(' ', migration, action, state) AS line FROM pgmigrations_history ORDER BY id",
  );
  return rows.map(({ line }) => line);
}

/** How many sessions of this database's owner there are. */
export async function sessionsIn(db: OwnedDatabase, where = "true"): Promise<number> {
  const [row] = await db.query<{ n: number }>(
    `SELECT count(*)::int AS n FROM pg_stat_activity WHERE usename = $1 AND ${where}`,
    [db.owner],
  );
  return row?.n ?? 0;
}

/** Makes `STOPPABLE` migrations sleep until `letGo`. */
export async function holdUp(db: OwnedDatabase): Promise<void> {
  await db.query(
    `CREATE SCHEMA IF NOT EXISTS harness; GRANT USAGE ON SCHEMA harness TO ${db.owner}; CREATE TABLE harness.slow ()`,
  );
}

export async function letGo(db: OwnedDatabase): Promise<void> {
  await db.query("DROP TABLE harness.slow");
}

export function untilHeldUp(db: OwnedDatabase): Promise<void> {
  return until(async () => (await sessionsIn(db, "wait_event = 'PgSleep'")) > 0, "the migration to sleep");
}
