import pg from "pg";
import { MigrationError } from "../../core/index.ts";
import { FENCE_STATE, type Fence } from "../../engine/index.ts";
import { type ExternalNames, findExternalEffect } from "../../sql/index.ts";

const SETTINGS = "settings or comments of roles or databases";

/** Settings, comments and labels in the shared catalogues that belong to other databases or to roles. */
const OF_OTHERS = `SELECT md5(concat(
    (SELECT string_agg(s::text, E'\\n' ORDER BY s::text COLLATE "C") FROM pg_db_role_setting AS s
     WHERE s.setdatabase <> own.oid),
    (SELECT string_agg(d::text, E'\\n' ORDER BY d::text COLLATE "C") FROM pg_shdescription AS d
     WHERE (d.classoid, d.objoid) IS DISTINCT FROM ('pg_database'::regclass::oid, own.oid)),
    (SELECT string_agg(l::text, E'\\n' ORDER BY l::text COLLATE "C") FROM pg_shseclabel AS l
     WHERE (l.classoid, l.objoid) IS DISTINCT FROM ('pg_database'::regclass::oid, own.oid))
  )) AS digest FROM pg_database AS own WHERE own.datname = current_database()`;

/**
 * A transaction that changes a shared catalogue locks it until it ends, and everybody can read `pg_locks`, even where
 * only a superuser may read the catalogue. A subtransaction that was rolled back leaves no lock. Two cases need more:
 * settings and comments may belong to the scratch database, and GRANT releases its lock but leaves a row written by this
 * transaction.
 */
const checkSql = (digest: string): string => `DO $cdk_pg_migrate$
DECLARE touched text;
BEGIN
  WITH held AS (
    SELECT l.relation::int AS id FROM pg_locks AS l
    WHERE l.pid = pg_backend_pid() AND l.locktype = 'relation' AND l.database = 0
      AND l.mode NOT IN ('AccessShareLock', 'RowShareLock')
  ), written AS (
    SELECT 'database ' || d.datname AS what, age(d.xmin) AS age FROM pg_database AS d WHERE d.datname <> current_database()
    UNION ALL SELECT 'tablespace ' || t.spcname, age(t.xmin) FROM pg_tablespace AS t
  )
  SELECT string_agg(what, ', ' ORDER BY what) INTO touched FROM (
    SELECT CASE id WHEN 1260 THEN 'roles' WHEN 1261 THEN 'members of roles' WHEN 1213 THEN 'tablespaces'
      WHEN 6100 THEN 'subscriptions' WHEN 6243 THEN 'rights on settings' WHEN 6000 THEN 'replication origins' END AS what
    FROM held
    UNION ALL SELECT what FROM written
    WHERE CASE WHEN age <= 0 THEN pg_xact_status((pg_current_xact_id()::text::bigint - age)::text::xid8) END = 'in progress'
    UNION ALL SELECT '${SETTINGS}' FROM held
    WHERE id IN (2964, 2396, 3592) AND (${OF_OTHERS}) <> ${pg.escapeLiteral(digest).trimStart()}
  ) AS all_of_it;
  IF touched IS NOT NULL THEN RAISE EXCEPTION USING ERRCODE = '${FENCE_STATE}', MESSAGE = touched; END IF;
END $cdk_pg_migrate$`;

/** Stops migrations that change anything outside their scratch database, and records the reason. */
export class ScratchFence implements Fence {
  readonly #names: ExternalNames = new Set();
  #digest = "";
  #refusal: string | undefined;

  /** Must be called before each migration. */
  async prepare(client: pg.Client): Promise<void> {
    const { rows } = await client.query<{ digest: string }>(OF_OTHERS);
    this.#digest = rows[0]?.digest ?? "";
    this.#refusal = undefined;
  }

  /** Whether another user may have caused the stop: the author of a setting or comment is not known. */
  get mayBeCausedByOthers(): boolean {
    return this.#refusal?.includes(SETTINGS) === true;
  }

  get proof(): string {
    return checkSql(this.#digest);
  }

  inspect(sql: string): void {
    const what = findExternalEffect(sql, this.#names);
    if (what !== undefined) throw this.refusal(what);
  }

  refusal(what: string): MigrationError {
    this.#refusal = `it changes more than its own database: ${what}`;
    return new MigrationError("MIGRATION", this.#refusal);
  }

  /** Why the migration after `prepare` was stopped. */
  get reason(): string | undefined {
    return this.#refusal;
  }
}
