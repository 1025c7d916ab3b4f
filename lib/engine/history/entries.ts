import pg from "pg";
import type { HistoryFilter, HistoryRow } from "../../core/index.ts";
import type { Session } from "../../postgres/index.ts";
import { splitStatements } from "../../sql/index.ts";
import { type Identity, readSame } from "./guard.ts";
import type { Existing, Tables } from "./tables.ts";

const USUAL_LIMIT = 50;

export async function readHistory(
  session: Session,
  tables: Tables,
  existing: Existing,
  filter: HistoryFilter,
): Promise<HistoryRow[]> {
  if (!existing.history) return [];
  const conditions = Object.entries({
    migration: filter.migration,
    action: filter.action,
    state: filter.state,
  }).flatMap(([column, value]) => (value === undefined ? [] : [`h.${column} = ${pg.escapeLiteral(value)}`]));
  return readSame<HistoryRow>(
    session,
    tables,
    { ...existing.identity, applied: null },
    `SELECT pg_catalog.concat(id) AS id, pg_catalog.concat(run) AS run, migration, action, state, statement, no_transaction AS "noTransaction",
            error_code AS "errorCode", note, duration_ms::pg_catalog.float8 AS "durationMs", actor, origin, revision, bundle, tool,
            pg_catalog.to_char(at, 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') AS at
     FROM ONLY ${tables.history} AS h
     WHERE ${["true", ...conditions].join(" AND ")}
     ORDER BY h.id DESC LIMIT ${Math.trunc(filter.limit ?? USUAL_LIMIT)}`,
  );
}

/** The SQL of a migration as recorded when it began outside a transaction. */
export interface StoppedSql {
  readonly sqlDigest: string | null;
  readonly digestVersion: number | null;
  /** Its statements, passwords masked; null when they depended on the database. */
  readonly statements: readonly string[] | null;
}

/** Reads the recorded SQL of a partial migration. */
export async function readStoppedSql(
  session: Session,
  tables: Tables,
  identity: Identity,
  migration: string,
): Promise<StoppedSql | undefined> {
  const [row] = await readSame<Omit<StoppedSql, "statements"> & { steps: string[] | null }>(
    session,
    tables,
    identity,
    `SELECT sql_digest AS "sqlDigest", digest_version AS "digestVersion", up_sql AS steps
     FROM ONLY ${tables.history} WHERE migration = ${pg.escapeLiteral(migration)} ORDER BY id DESC LIMIT 1`,
  );
  if (row === undefined) return undefined;
  const { steps, ...digest } = row;
  return { ...digest, statements: steps === null ? null : statementsOf(steps) };
}

export function statementsOf(steps: readonly string[]): string[] {
  return steps.flatMap((step) => splitStatements(step).map(({ text }) => text));
}
