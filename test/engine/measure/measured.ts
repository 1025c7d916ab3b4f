import type { MeasuredMigration, MeasureLimits, MigratorOptions } from "../../../lib/core/index.ts";
import type { MigratorSetup } from "../../../lib/engine/index.ts";
import type { TestDatabase } from "../../support/database.ts";
import { writeFolder } from "../../support/folders.ts";
import { openMigrator } from "../../support/migrator.ts";

/** A table in use, with rows, a sequence and a key. */
export const ORDERS = `
  CREATE TABLE orders (id serial PRIMARY KEY, note text, total int NOT NULL);
  INSERT INTO orders (note, total) SELECT 'x', n FROM generate_series(1, 5000) AS n;
  ANALYZE orders;
`;

/** Migrates a database to `first`, and opens an engine with these migrations pending. */
export async function withPending(
  db: TestDatabase,
  pending: Readonly<Record<string, string>>,
  {
    first = ORDERS,
    options,
    setup,
  }: { first?: string; options?: MigratorOptions; setup?: Partial<MigratorSetup> } = {},
) {
  const applied = { "1_orders.sql": first };
  await (await openMigrator(db, writeFolder(applied))).up();
  return openMigrator(db, writeFolder({ ...applied, ...pending }), options, setup);
}

/** Measures these migrations on a database that has `ORDERS`. */
export async function measure(
  db: TestDatabase,
  pending: Readonly<Record<string, string>>,
  limits: Partial<MeasureLimits> = {},
  options: MigratorOptions = {},
): Promise<readonly MeasuredMigration[]> {
  const migrator = await withPending(db, pending, { options });
  const { measured = [] } = await migrator.measureUp({}, limits);
  return measured;
}

/** The locks of each migration in short: `ACCESS EXCLUSIVE orders`. */
export function locksIn(measured: readonly MeasuredMigration[]): string[][] {
  return measured.map(({ locks }) => locks.map(({ mode, table }) => `${mode} ${table}`));
}

/** All that a rolled back transaction must not have changed. */
export async function everythingIn(db: TestDatabase): Promise<unknown> {
  const [catalog] = await db.query(`SELECT
    (SELECT json_agg(c ORDER BY c.oid) FROM (
      SELECT oid, relname, relkind, relfilenode, relacl, reloptions, relowner FROM pg_class WHERE oid >= 16384) AS c) AS classes,
    (SELECT json_agg(a ORDER BY a.attrelid, a.attnum) FROM (
      SELECT attrelid, attname, attnum, atttypid, attnotnull, attisdropped FROM pg_attribute WHERE attrelid >= 16384) AS a) AS attributes,
    (SELECT count(*) FROM pg_class) AS relations,
    (SELECT md5(string_agg(o.oid::text, ' ' ORDER BY o.oid)) FROM pg_constraint AS o) AS constraints,
    (SELECT md5(string_agg(o.oid::text, ' ' ORDER BY o.oid)) FROM pg_proc AS o) AS functions,
    (SELECT md5(string_agg(o.oid::text, ' ' ORDER BY o.oid)) FROM pg_trigger AS o) AS triggers,
    (SELECT md5(string_agg(o.oid::text, ' ' ORDER BY o.oid)) FROM pg_type AS o) AS types,
    (SELECT json_agg(o.rolname ORDER BY o.rolname) FROM pg_roles AS o WHERE o.rolname LIKE 'measured%') AS roles`);
  const tables = await db.query<{ name: string; kind: string }>(
    "SELECT oid::regclass::text AS name, relkind AS kind FROM pg_class WHERE relkind IN ('r', 'S', 'm') AND relnamespace = 'public'::regnamespace ORDER BY 1",
  );
  const contents = [];
  for (const { name, kind } of tables) {
    const columns = kind === "S" ? "last_value, is_called, log_cnt" : "*";
    const text = `SELECT md5(string_agg(r::text, ' ' ORDER BY r::text)) AS rows FROM (SELECT ${columns} FROM ${name}) AS r`;
    contents.push([name, ...(await db.query(text))]);
  }
  return { catalog, contents };
}
