import { setTimeout as sleep } from "node:timers/promises";
import type { TestDatabase } from "../support/database.ts";
import { environmentOf, type Outcome, runCommand, until, writeProject } from "./command.ts";

/** Migrations of a tenant. The second one fails in schemas that `public.poison` names, and sleeps where it says so. */
const TENANT = {
  "1_users.sql": "CREATE TABLE users (id int);",
  "2_mail.ts": `import type { MigrationBuilder } from "node-pg-migrate";
export const up = (pgm: MigrationBuilder) => {
  pgm.sql(\`DO $$ BEGIN
    IF EXISTS (SELECT FROM public.poison WHERE tenant = current_schema() AND seconds = 0) THEN
      RAISE EXCEPTION 'the schema is poisoned';
    END IF;
    PERFORM pg_sleep(seconds) FROM public.poison WHERE tenant = current_schema();
  END $$\`);
  pgm.addColumns("users", { mail: { type: "text" } });
};
export const down = (pgm: MigrationBuilder) => pgm.dropColumns("users", ["mail"]);
`,
  "3_orders.sql": "CREATE TABLE orders (id int);",
};

export const HEAD = "3_orders";

/** A fleet of schemas in one database, and a project with their migrations. */
export interface TestFleet {
  readonly project: string;
  readonly db: TestDatabase;
  /** Runs `fleet` with these arguments, separated by blanks; all schemas are its targets. */
  run(args: string, env?: Readonly<Record<string, string>>): Promise<Outcome>;
  /** With no seconds, the second migration fails there; else it takes so long. */
  poison(tenants: readonly string[], seconds?: number): Promise<void>;
  cure(): Promise<void>;
}

export const LIST = "SELECT nspname AS schema FROM pg_namespace WHERE nspname LIKE 't0%' ORDER BY 1";

export function tenant(number: number): string {
  return `t${String(number).padStart(3, "0")}`;
}

export async function openTestFleet(db: TestDatabase, count: number): Promise<TestFleet> {
  const names = Array.from({ length: count }, (_, index) => tenant(index + 1));
  await db.query(
    `CREATE TABLE public.poison (tenant text, seconds int); ${names.map((name) => `CREATE SCHEMA ${name}`).join(";")}`,
  );
  const project = writeProject(TENANT);
  const env = environmentOf(db.connection);
  return {
    project,
    db,
    run: (args, more = {}) =>
      runCommand(project, ["fleet", ...args.split(" "), "--targets", LIST], { ...env, ...more }),
    poison: async (tenants, seconds = 0) => {
      for (const one of tenants) await db.query("INSERT INTO public.poison VALUES ($1, $2)", [one, seconds]);
    },
    cure: async () => void (await db.query("DELETE FROM public.poison")),
  };
}

/** Newest applied migration and number of successful `up` entries in the history, by schema; null without a record. */
export async function recordsOf(db: TestDatabase): Promise<ReadonlyMap<string, string | null>> {
  const schemas = await db.query<{ schema: string }>(LIST);
  const records = new Map<string, string | null>();
  for (const { schema } of schemas) {
    const [found] = await db.query<{ exists: boolean }>(
      `SELECT to_regclass('${schema}.pgmigrations') IS NOT NULL AS exists`,
    );
    if (!found?.exists) {
      records.set(schema, null);
      continue;
    }
    const [row] = await db.query<{ names: string; finished: number; distinct: number }>(
      `SELECT (SELECT string_agg(name, ' ' ORDER BY id) FROM ${schema}.pgmigrations) AS names,
         (SELECT count(*)::int FROM ${schema}.pgmigrations_history WHERE state = 'finished') AS finished,
         (SELECT count(DISTINCT migration)::int FROM ${schema}.pgmigrations_history WHERE state = 'finished') AS distinct`,
    );
    records.set(schema, row?.finished === row?.distinct ? (row?.names ?? "") : "applied twice");
  }
  return records;
}

export const ALL = "1_users 2_mail 3_orders";

/** Sessions of other programs in the database, and advisory locks in it. */
export async function leftovers(db: TestDatabase): Promise<number> {
  const [row] = await db.query<{ count: number }>(
    `SELECT (SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()
         AND backend_type = 'client backend')::int
       + (SELECT count(*) FROM pg_locks l JOIN pg_database d ON d.oid = l.database
         WHERE d.datname = current_database() AND l.locktype = 'advisory')::int AS count`,
  );
  return row?.count ?? 0;
}

/** Waits until the schema sleeps in its second migration. */
export function untilAsleep(db: TestDatabase): Promise<void> {
  return until(async () => {
    const rows = await db.query(
      "SELECT FROM pg_stat_activity WHERE datname = current_database() AND state = 'active' AND wait_event = 'PgSleep'",
    );
    await sleep(10);
    return rows.length > 0;
  }, "a target that sleeps");
}
