import pg from "pg";
import { MigrationError } from "../../core/index.ts";
import { FENCE_STATE, type Fence } from "../../engine/index.ts";
import { type ExternalNames, findExternalEffect } from "../../sql/index.ts";

const OWN = "SELECT oid FROM pg_database WHERE datname = current_database()";

/** Settings, comments and labels in the shared catalogues that belong to other databases or to roles. */
const OF_OTHERS = `SELECT 'setting' AS kind, s.setdatabase AS one, s.setrole AS other, s.xmin
    FROM pg_db_role_setting AS s WHERE s.setdatabase <> (${OWN})
  UNION ALL SELECT 'comment on ' || d.classoid, d.objoid, 0, d.xmin
    FROM pg_shdescription AS d WHERE (d.classoid, d.objoid) <> ('pg_database'::regclass::oid, (${OWN}))
  UNION ALL SELECT concat('label of ', l.provider, ' on ', l.classoid), l.objoid, 0, l.xmin
    FROM pg_shseclabel AS l WHERE (l.classoid, l.objoid) <> ('pg_database'::regclass::oid, (${OWN}))`;

const WRITTEN_HERE = (xmin: string): string => `CASE WHEN age(${xmin}) <= 0
  THEN pg_xact_status((pg_current_xact_id()::text::bigint - age(${xmin}))::text::xid8) END = 'in progress'`;

/**
 * A transaction that changes a shared catalogue locks it until it ends, and everybody can read `pg_locks`, even where
 * only a superuser may read the catalogue. A subtransaction that was rolled back leaves no lock. Two cases need more:
 * GRANT releases its lock but leaves a row written by this transaction, and settings and comments may belong to the
 * scratch database. Those of others are changed here when this transaction has written one, or when one is gone of an
 * object that is still there: with a database or a role that others drop, they go too.
 *
 * @param known JSON of what there was before the transaction
 */
const checkSql = (known: string): string => `DO $cdk_pg_migrate$
DECLARE touched text;
BEGIN
  WITH held AS (
    SELECT l.relation::int AS id FROM pg_locks AS l
    WHERE l.pid = pg_backend_pid() AND l.locktype = 'relation' AND l.database = 0
      AND l.mode NOT IN ('AccessShareLock', 'RowShareLock')
  ), written AS (
    SELECT 'database ' || d.datname AS what FROM pg_database AS d
    WHERE d.datname <> current_database() AND ${WRITTEN_HERE("d.xmin")}
    UNION ALL SELECT 'tablespace ' || t.spcname FROM pg_tablespace AS t WHERE ${WRITTEN_HERE("t.xmin")}
  ), of_others AS (
    ${OF_OTHERS}
  ), objects AS (
    SELECT oid FROM pg_database UNION ALL SELECT oid FROM pg_roles UNION ALL SELECT oid FROM pg_tablespace UNION ALL SELECT 0
  )
  SELECT string_agg(what, ', ' ORDER BY what) INTO touched FROM (
    SELECT CASE id WHEN 1260 THEN 'roles' WHEN 1261 THEN 'members of roles' WHEN 1213 THEN 'tablespaces'
      WHEN 6100 THEN 'subscriptions' WHEN 6243 THEN 'rights on settings' WHEN 6000 THEN 'replication origins' END AS what
    FROM held
    UNION ALL SELECT what FROM written
    UNION ALL SELECT 'settings or comments of roles or databases' FROM held
    WHERE id IN (2964, 2396, 3592) AND (
      EXISTS (SELECT FROM of_others AS o WHERE ${WRITTEN_HERE("o.xmin")})
      OR EXISTS (
        SELECT FROM jsonb_to_recordset(${pg.escapeLiteral(known).trimStart()}) AS k (kind text, one oid, other oid)
        WHERE (k.kind, k.one, k.other) NOT IN (SELECT o.kind, o.one, o.other FROM of_others AS o)
          AND k.one IN (SELECT oid FROM objects) AND k.other IN (SELECT oid FROM objects)
      )
    )
  ) AS all_of_it;
  IF touched IS NOT NULL THEN RAISE EXCEPTION USING ERRCODE = '${FENCE_STATE}', MESSAGE = touched; END IF;
END $cdk_pg_migrate$`;

/** Stops migrations that change anything outside their scratch database, and records the reason. */
export class ScratchFence implements Fence {
  readonly #names: ExternalNames = new Set();
  #known = "[]";
  #refusal: string | undefined;

  /** Must be called before each migration. */
  async prepare(client: pg.Client): Promise<void> {
    const { rows } = await client.query<{ known: string }>(
      `SELECT coalesce(json_agg(json_build_object('kind', kind, 'one', one, 'other', other)), '[]')::text AS known
       FROM (${OF_OTHERS}) AS o`,
    );
    this.#known = rows[0]?.known ?? "[]";
    this.#refusal = undefined;
  }

  get proof(): string {
    return checkSql(this.#known);
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
