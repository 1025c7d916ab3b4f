import type { OwnedDatabase } from "./database.ts";
import type { Migrations } from "./environment.ts";

/** A SQL migration; without `down` it cannot be undone. */
export function sql(up: string, down?: string): string {
  return `-- Up Migration\n${up}\n${down === undefined ? "" : `-- Down Migration\n${down}\n`}`;
}

/** Migrations that create a table each: number 1 is `1_t1` and creates `t1`. */
export function tables(...numbers: readonly number[]): Migrations {
  return Object.fromEntries(
    numbers.map((n) => [`${n}_t${n}.sql`, sql(`CREATE TABLE t${n} (id int);`, `DROP TABLE t${n};`)]),
  );
}

/** Divides by zero. */
export const FAILING = sql("CREATE TABLE half_way (id int);\nSELECT 1 / 0;");

/** Takes the lock that every run takes first. @returns what gives it back */
export async function holdsLock(db: OwnedDatabase): Promise<() => Promise<void>> {
  const client = await db.client();
  await client.query("SELECT pg_advisory_lock(7241865325823964)");
  return () => client.end();
}

/** Waits in the middle as long as the table `harness.slow` exists, which the owner of the database may read. */
export const STOPPABLE = `DO $$ BEGIN
  WHILE EXISTS (SELECT FROM pg_class WHERE relname = 'slow' AND relnamespace = 'harness'::regnamespace) LOOP
    PERFORM pg_sleep(0.05);
  END LOOP;
END $$;`;
