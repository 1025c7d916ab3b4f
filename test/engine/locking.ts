import { setTimeout as sleep } from "node:timers/promises";
import type { TestDatabase } from "../support/database.ts";

/** The engine's own lock, as another session takes it and lets it go. */
export const LOCK = "SELECT pg_advisory_lock(7241865325823964)";
export const UNLOCK = "SELECT pg_advisory_unlock(7241865325823964)";

export const ONE = { "1_a.sql": "CREATE TABLE a ();" };

export async function waitFor(what: () => Promise<boolean>): Promise<void> {
  for (let tries = 0; tries < 200; tries += 1) {
    if (await what()) return;
    await sleep(25);
  }
  throw new Error("it did not come to pass within five seconds");
}

/** Whether anybody holds an advisory lock in this database. */
export async function isLocked(db: TestDatabase): Promise<boolean> {
  const rows = await db.query(
    "SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND database = (SELECT oid FROM pg_database WHERE datname = current_database())",
  );
  return rows.length > 0;
}
