import type { TestDatabase } from "../support/database.ts";

/** Migrations that only define. */
export const FOUR = Object.fromEntries(
  [1, 2, 3, 4].map((n) => [`${n}_t.sql`, `CREATE TABLE t${n} (n int);`]),
);
export const NAMES = Object.keys(FOUR).map((file) => file.slice(0, 3));

/** Which migrations were recorded by the same transaction, in running order. */
export async function transactionsOf(db: TestDatabase): Promise<string[][]> {
  const rows = await db.query<{ names: string[] }>(
    `SELECT array_agg(name ORDER BY m.id) AS names FROM pgmigrations AS m
     JOIN pgmigrations_history AS h ON h.applied_id = m.id AND h.migration = m.name AND h.xmin = m.xmin
     GROUP BY m.xmin::text ORDER BY min(m.id)`,
  );
  return rows.map(({ names }) => names);
}

/** A partition by a bound that takes its time to be reckoned: a definition can be slow. */
export const slow = (seconds: number): string =>
  `CREATE TABLE p (n int) PARTITION BY LIST (n);
   CREATE TABLE p1 PARTITION OF p FOR VALUES IN (length(pg_sleep(${seconds})::text));`;
