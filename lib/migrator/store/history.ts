import pg from "pg";
import type { Session } from "../connection/session.ts";
import { readSame } from "./guard.ts";
import type { Existing, Tables } from "./tables.ts";
import type { HistoryAction } from "./write.ts";

/** Which rows of the history to read. */
export interface HistoryFilter {
  readonly migration?: string;
  readonly action?: HistoryAction;
  readonly state?: "started" | "finished" | "failed";
  /** At most so many, newest first. @default 50 */
  readonly limit?: number;
}

/** One thing that happened. */
export interface HistoryRow {
  readonly id: string;
  readonly run: string;
  readonly migration: string;
  readonly action: HistoryAction;
  readonly state: "started" | "finished" | "failed";
  readonly statement: number | null;
  readonly noTransaction: boolean;
  readonly errorCode: string | null;
  readonly note: string | null;
  readonly durationMs: number | null;
  readonly actor: string;
  readonly origin: string;
  readonly revision: string | null;
  readonly bundle: string | null;
  readonly tool: string;
  /** UTC, ISO 8601. */
  readonly at: string;
}

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
