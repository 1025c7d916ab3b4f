import { createHash, randomBytes } from "node:crypto";
import pg from "pg";

/** Begins the names of finished templates; the hash of their content follows. */
export const TEMPLATE = "cdk_pg_migrate_template_";
/** Begins the names of templates that are being built, or whose builder was killed. */
export const BUILDING = "cdk_pg_migrate_building_";
/** Begins the names of databases of tests. */
export const TEST = "cdk_pg_migrate_test_";

/** A new name with the time of the server in seconds: its age is known, whatever the clock of a test says. */
export async function newName(admin: pg.Client, prefix: string): Promise<string> {
  return `${prefix}${await serverTime(admin)}_${randomBytes(5).toString("hex")}`;
}

async function serverTime(admin: pg.Client): Promise<string> {
  const { rows } = await admin.query<{ now: string }>(
    "SELECT extract(epoch FROM clock_timestamp())::bigint::text AS now",
  );
  return rows[0]?.now ?? "0";
}

/** Tells the folder of a template and its age. On a shared server others read it, so it has no path. */
export async function templateComment(admin: pg.Client, dir: string): Promise<string> {
  const folder = createHash("sha256").update(dir).digest("hex").slice(0, 12);
  return `template of cdk-pg-migrate/testing, folder ${folder}, built at ${await serverTime(admin)}`;
}

export function literal(text: string): string {
  return pg.escapeLiteral(text).trimStart();
}
