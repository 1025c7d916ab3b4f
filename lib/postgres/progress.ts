import type pg from "pg";
import type { StatementProgress } from "../core/index.ts";
import { presentable, SESSION_COLUMNS, type SessionRow } from "./activity.ts";
import { ENGINE_PATH } from "./session-settings.ts";

/** A row of `selectProgress`: the progress, and the session that is waited for, or nulls in place of it. */
export type ProgressRow = Pick<StatementProgress, "percent"> &
  Omit<SessionRow, "pid"> & {
    /** Null when the user may not see what another role runs. */
    readonly phase: string | null;
    readonly pid: number | null;
  };

/**
 * A query for the progress of CREATE INDEX or REINDEX in the server process `pid`; no row while it runs anything else.
 * Run it in the engine's search path. The server counts blocks while it scans and tuples while it writes an index; what it
 * counts while it waits are sessions, of which any may take hours.
 */
export function selectProgress(pid: number): string {
  const share = (unit: "blocks" | "tuples") =>
    `WHEN p.${unit}_total > 0 THEN LEAST(100, 100 * p.${unit}_done / p.${unit}_total)`;
  return `SELECT p.phase,
      CASE WHEN p.phase LIKE '%scanning%' THEN CASE ${share("blocks")} END
           WHEN p.phase LIKE '%loading%' THEN CASE ${share("tuples")} END END::float8 AS percent,
      ${SESSION_COLUMNS}
    FROM pg_catalog.pg_stat_progress_create_index AS p
    LEFT JOIN pg_catalog.pg_stat_activity AS a ON a.pid = p.current_locker_pid
    WHERE p.pid = ${Math.trunc(pid)}`;
}

/** The progress in a row of `selectProgress`; undefined when there is none, or it may not be seen. */
export function progressIn(row: ProgressRow | undefined): StatementProgress | undefined {
  if (row === undefined || row.phase === null) return undefined;
  const { phase, percent, pid, ...session } = row;
  return { phase, percent, waitsFor: pid === null ? null : presentable({ ...session, pid }) };
}

/** Reads the progress of another session. */
export async function readProgress(client: pg.Client, pid: number): Promise<StatementProgress | undefined> {
  const answer = await client.query<ProgressRow>(
    `SET LOCAL search_path = ${ENGINE_PATH}; ${selectProgress(pid)}`,
  );
  // For several statements the driver returns a list of results.
  return progressIn([answer].flat().at(-1)?.rows[0]);
}

/** One line about the progress of a statement, for messages. */
export function describeProgress({ phase, percent, waitsFor }: StatementProgress): string {
  const share = percent === null ? "" : `, ${Math.floor(percent)} %`;
  return `${phase}${share}${waitsFor === null ? "" : ` (pid ${waitsFor.pid})`}`;
}
