import type { Session } from "../connection/session.ts";
import type { Tables } from "./tables.ts";
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

export function readHistory(
  session: Session,
  { history }: Tables,
  filter: HistoryFilter,
): Promise<HistoryRow[]> {
  return session.rows<HistoryRow>(
    `SELECT id::text, run::text, migration, action, state, statement, no_transaction AS "noTransaction",
            error_code AS "errorCode", note, duration_ms::float8 AS "durationMs", actor, origin, revision, bundle, tool,
            pg_catalog.to_char(at, 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') AS at
     FROM ${history} AS h
     WHERE ($1::text IS NULL OR migration = $1) AND ($2::text IS NULL OR action = $2) AND ($3::text IS NULL OR state = $3)
     ORDER BY h.id DESC LIMIT $4`,
    [filter.migration ?? null, filter.action ?? null, filter.state ?? null, filter.limit ?? USUAL_LIMIT],
  );
}
