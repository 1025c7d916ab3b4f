import pg from "pg";
import type { HistoryFilter, HistoryRow } from "../../core/index.ts";
import type { Session } from "../connection/session.ts";
import { readSame } from "./guard.ts";
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
