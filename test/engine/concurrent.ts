import type pg from "pg";
import type { TestDatabase } from "../support/database.ts";

/** A migration outside a transaction. */
export const alone = (...statements: string[]): string =>
  `-- migrate: no-transaction\n${statements.join(";\n")};`;

/** Every index of the table, and whether it is valid. */
export async function indexes(db: TestDatabase, table = "a"): Promise<Record<string, boolean>> {
  const rows = await db.query<{ name: string; valid: boolean }>(
    `SELECT c.relname AS name, i.indisvalid AS valid FROM pg_index AS i JOIN pg_class AS c ON c.oid = i.indexrelid
     WHERE i.indrelid = $1::regclass ORDER BY 1`,
    [table],
  );
  return Object.fromEntries(rows.map(({ name, valid }) => [name, valid]));
}

/** A session with a snapshot that statements which work beside others wait for. */
export async function withOldSnapshot(db: TestDatabase): Promise<pg.Client> {
  const reader = await db.client();
  await reader.query("SET application_name = 'nightly report'");
  await reader.query("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1");
  return reader;
}
