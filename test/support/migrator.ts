import { tmpdir } from "node:os";
import { join } from "node:path";
import { MigrationError, type MigratorOptions, type RunEvent } from "../../lib/core/index.ts";
import { Migrator, type MigratorSetup } from "../../lib/engine/index.ts";
import { openFolder } from "../../lib/folder/index.ts";
import type { TestDatabase } from "./database.ts";

/** An engine over a folder and a test's database. Times are short, because tests wait for them. */
export async function openMigrator(
  db: Pick<TestDatabase, "connection">,
  dir: string,
  options: MigratorOptions = {},
  setup: Partial<MigratorSetup> = {},
): Promise<Migrator & { readonly events: RunEvent[] }> {
  const events: RunEvent[] = [];
  const migrator = new Migrator({
    connection: db.connection,
    source: await openFolder(dir, {
      cacheDir: join(tmpdir(), "cdk-pg-migrate-test-cache", String(process.pid)),
    }),
    provenance: { actor: "tester", origin: "cli", tool: "cdk-pg-migrate test" },
    options: { lockWaitMs: 20_000, ...options },
    observe: (event) => events.push(event),
    ...setup,
  });
  return Object.assign(migrator, { events });
}

/** The typed error that `work` must fail with. */
export async function failureOf(work: Promise<unknown>): Promise<MigrationError> {
  try {
    await work;
  } catch (error) {
    if (error instanceof MigrationError) return error;
    throw error;
  }
  throw new Error("it was expected to fail, and did not");
}

/** Names in the table of applied migrations, in the order of application. */
export async function appliedNames(db: TestDatabase, table = "pgmigrations"): Promise<string[]> {
  const rows = await db.query<{ name: string }>(`SELECT name FROM ${table} ORDER BY id`);
  return rows.map((row) => row.name);
}

/** Tables of the users' own in schema public. */
export async function userTables(db: TestDatabase): Promise<string[]> {
  const rows = await db.query<{ name: string }>(
    "SELECT tablename AS name FROM pg_tables WHERE schemaname = 'public' AND tablename NOT LIKE 'pgmigrations%' ORDER BY 1",
  );
  return rows.map((row) => row.name);
}
