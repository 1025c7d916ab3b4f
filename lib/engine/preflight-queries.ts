import type { SessionInfo } from "../core/index.ts";
import { SESSION_COLUMNS, type SessionRow } from "../postgres/index.ts";
import { quoteLiteral } from "../sql/index.ts";

/** A table, and the names by which SQL may mean it: its own and those of the tables that it is a partition of. */
export interface NamedTable {
  readonly name: string;
  readonly names: readonly string[];
}

/** A session that may stand in the way. */
export interface FoundSession {
  readonly kind: "old-transaction" | "dump" | "wraparound-vacuum" | "hidden";
  readonly session: SessionRow;
  /** What it has locked; for a vacuum, what it works on. Null for a dump. */
  readonly tables: readonly NamedTable[] | null;
}

export type FoundObject =
  | {
      readonly kind: "prepared-transaction";
      readonly name: string;
      readonly owner: string;
      readonly ageMs: number;
    }
  | {
      readonly kind: "invalid-index";
      readonly name: string;
      /** As SQL has it, qualified. */
      readonly qualified: string;
      readonly table: string;
    };

export type FoundReplication =
  | { readonly kind: "hidden-replicas" }
  | {
      readonly kind: "replica-lag";
      readonly session: Pick<SessionInfo, "pid" | "application" | "client">;
      readonly lagMs: number | null;
      readonly bytes: number;
    }
  | {
      readonly kind: "replication-slot";
      readonly name: string;
      readonly isActive: boolean;
      readonly bytes: number;
    };

/** More WAL than this is far behind. */
const FAR_BEHIND_BYTES = 1024 ** 3;

/** So many tables are read in one transaction by what copies a database, whatever it calls itself. */
const DUMPED_TABLES = 20;

const OWN_DATABASE = "(SELECT oid FROM pg_database WHERE datname = current_database())";

/**
 * Sessions of this database. For a user without `pg_read_all_stats` the times and queries of other users are null; which
 * locks they hold, and so whether they are in a transaction, everybody may see.
 */
export function sessionsQuery(oldTransactionMs: number): string {
  return `
    WITH locks AS MATERIALIZED (
      SELECT l.pid, l.relation, l.mode, l.locktype FROM pg_locks AS l
      WHERE l.granted AND l.pid <> pg_backend_pid()
        AND (l.locktype = 'virtualxid' OR l.locktype = 'relation' AND l.database = ${OWN_DATABASE})
    ), tables AS MATERIALIZED (
      SELECT l.pid, l.mode, COALESCE(main.oid, c.oid) AS oid, COALESCE(main.relname, c.relname) AS relname,
             COALESCE(main.relnamespace, c.relnamespace) AS namespace, c.relispartition
      FROM locks AS l JOIN pg_class AS c ON c.oid = l.relation LEFT JOIN pg_class AS main ON main.reltoastrelid = c.oid
      WHERE l.locktype = 'relation' AND c.relkind = ANY ('{r,p,m,t}')
        AND COALESCE(main.relnamespace, c.relnamespace) <> ALL (
          SELECT oid FROM pg_namespace WHERE nspname IN ('pg_catalog', 'information_schema', 'pg_toast'))
    ), sessions AS (
      SELECT a.*, CASE
        WHEN a.backend_type = 'autovacuum worker'
          THEN CASE WHEN a.query LIKE '%(to prevent wraparound)' THEN 'wraparound-vacuum' END
        WHEN a.backend_type <> 'client backend' OR a.usename IS NULL
          OR NOT EXISTS (SELECT FROM locks AS l WHERE l.pid = a.pid AND l.locktype = 'virtualxid') THEN NULL
        WHEN a.application_name LIKE 'pg\\_dump%' OR ${DUMPED_TABLES} <= (
          SELECT count(DISTINCT t.oid) FROM tables AS t
          WHERE t.pid = a.pid AND t.mode = 'AccessShareLock' AND NOT t.relispartition) THEN 'dump'
        WHEN a.xact_start < clock_timestamp() - ${oldTransactionMs} * interval '1 millisecond' THEN 'old-transaction'
        WHEN a.backend_type IS NULL THEN 'hidden'
      END AS kind
      FROM pg_stat_activity AS a WHERE a.datname = current_database() AND a.pid <> pg_backend_pid()
    )
    SELECT a.kind, (SELECT to_jsonb(s) FROM (SELECT ${SESSION_COLUMNS}) AS s) AS session,
           CASE WHEN a.kind <> 'dump' THEN (
             SELECT jsonb_agg(DISTINCT jsonb_build_object(
               'name', format('%I.%I', n.nspname, t.relname),
               'names', ARRAY(SELECT t.relname UNION SELECT p.relname FROM pg_partition_ancestors(t.oid) AS up JOIN pg_class AS p ON p.oid = up)))
             FROM tables AS t JOIN pg_namespace AS n ON n.oid = t.namespace WHERE t.pid = a.pid) END AS tables
    FROM sessions AS a WHERE a.kind IS NOT NULL ORDER BY a.kind, a.pid`;
}

/** Objects of this database. An index that is being built is not valid yet. */
export function objectsQuery(schemas: readonly string[], oldTransactionMs: number): string {
  const wanted = schemas.map(quoteLiteral).join(", ");
  return `
    SELECT 'prepared-transaction' AS kind, p.gid AS name, p.owner, NULL AS qualified, NULL AS table,
           (extract(epoch FROM clock_timestamp() - p.prepared) * 1000)::float8 AS "ageMs"
    FROM pg_prepared_xacts AS p
    WHERE p.database = current_database() AND p.prepared < clock_timestamp() - ${oldTransactionMs} * interval '1 millisecond'
    UNION ALL
    SELECT 'invalid-index', c.relname, NULL, format('%I.%I', n.nspname, c.relname), format('%I.%I', tn.nspname, t.relname), NULL
    FROM pg_index AS i
    JOIN pg_class AS c ON c.oid = i.indexrelid JOIN pg_namespace AS n ON n.oid = c.relnamespace
    JOIN pg_class AS t ON t.oid = i.indrelid JOIN pg_namespace AS tn ON tn.oid = t.relnamespace
    WHERE NOT i.indisvalid AND c.relkind = 'i' AND tn.nspname IN (${wanted})
      AND NOT EXISTS (SELECT FROM pg_stat_progress_create_index AS p
                      WHERE p.datname = current_database() AND (p.relid IS NULL OR p.relid = i.indrelid))
    ORDER BY kind, qualified, name`;
}

/** On a standby its own end of the WAL counts. The function is called per row: some services refuse it. */
const WAL_END = "CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_lsn() END";

/** Replicas and replication slots of the server. */
export function replicationQuery(replicaLagMs: number): string {
  return `
    SELECT 'replica-lag' AS kind, NULL AS name, NULL::boolean AS "isActive",
           (extract(epoch FROM r.replay_lag) * 1000)::float8 AS "lagMs", b.bytes,
           jsonb_build_object('pid', r.pid, 'application', r.application_name, 'client', host(r.client_addr)) AS session
    FROM pg_stat_replication AS r CROSS JOIN LATERAL (SELECT pg_wal_lsn_diff(${WAL_END}, r.replay_lsn)::float8 AS bytes) AS b
    WHERE r.replay_lsn IS NOT NULL
      AND (r.replay_lag > ${replicaLagMs} * interval '1 millisecond' OR b.bytes > ${FAR_BEHIND_BYTES})
    UNION ALL
    SELECT 'replication-slot', s.slot_name, s.active, NULL, b.bytes, NULL
    FROM pg_replication_slots AS s CROSS JOIN LATERAL (SELECT pg_wal_lsn_diff(${WAL_END}, s.restart_lsn)::float8 AS bytes) AS b
    WHERE NOT s.temporary AND s.restart_lsn IS NOT NULL AND s.wal_status IS DISTINCT FROM 'lost'
      AND (NOT s.active OR b.bytes > ${FAR_BEHIND_BYTES})
    UNION ALL
    SELECT 'hidden-replicas', NULL, NULL, NULL, NULL, NULL
    WHERE EXISTS (SELECT FROM pg_stat_replication AS r WHERE r.state IS NULL)
    ORDER BY kind, name, session`;
}
