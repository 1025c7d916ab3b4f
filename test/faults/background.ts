import type pg from "pg";
import { alone, withOldSnapshot } from "../engine/concurrent.ts";
import { type TestDatabase, withDatabase } from "../support/database.ts";
import { addFiles, writeFolder } from "../support/folders.ts";
import { openMigrator } from "../support/migrator.ts";
import { until } from "./until.ts";

export const TABLE = {
  "1_a.sql":
    "CREATE TABLE a (i int); INSERT INTO a SELECT generate_series(1, 100); CREATE INDEX a_old ON a (i);",
};
export const BUILD = { "2_b.sql": alone("CREATE INDEX CONCURRENTLY a_i ON a (i)") };

export interface Stage {
  readonly db: TestDatabase;
  readonly dir: string;
  /** Keeps the statement from ending until it is rolled back. */
  readonly reader: pg.Client;
}

/** A migrated table, a pending migration, and a snapshot that its concurrent statement waits for. */
export const withStage = (
  files: Readonly<Record<string, string>>,
  test: (stage: Stage) => Promise<void>,
  first = TABLE,
) =>
  withDatabase(async (db) => {
    const dir = writeFolder(first);
    await (await openMigrator(db, dir)).up();
    addFiles(dir, files);
    const reader = await withOldSnapshot(db);
    try {
      await test({ db, dir, reader });
    } finally {
      await reader.query("ROLLBACK");
      await until(async () => (await builders(db)).length === 0, "the builder to end");
    }
  });

export const inTime = (ms: number) => ({ deadline: Date.now() + ms });
export const SHORT = 1_500;

/** Sessions of the engine in this database. */
export async function builders(db: TestDatabase): Promise<{ pid: number; query: string }[]> {
  return db.query(
    "SELECT pid, query FROM pg_stat_activity WHERE datname = current_database() AND application_name LIKE 'cdk-pg-migrate%'",
  );
}

export async function history(db: TestDatabase, migration = "2_b"): Promise<unknown[]> {
  return db.query(
    "SELECT state, statement, progress FROM pgmigrations_history WHERE migration = $1 AND action = 'up' ORDER BY id",
    [migration],
  );
}

const statusOf = async ({ db, dir }: Stage) => (await openMigrator(db, dir)).status();

export const partialOf = async (stage: Stage) =>
  (await statusOf(stage)).migrations.find(({ state }) => state === "partial");

export const ended = ({ db }: Stage) =>
  until(async () => (await builders(db)).length === 0, "the builder to end");
