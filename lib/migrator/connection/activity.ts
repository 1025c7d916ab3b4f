import type pg from "pg";
import type { SessionInfo } from "../events.ts";
import { maskSecrets } from "../sql/mask.ts";
import { ENGINE_PATH } from "./prepare.ts";

/** Columns of `pg_stat_activity` (as `a`) that make a `SessionInfo`; to be asked for in the engine's search path. */
export const SESSION_COLUMNS = `a.pid, a.usename AS "user", a.application_name AS application,
  pg_catalog.host(a.client_addr) AS client, a.state, a.query,
  (extract(epoch FROM pg_catalog.clock_timestamp() - COALESCE(a.xact_start, a.query_start)) * 1000)::bigint::float8 AS "sinceMs"`;

const SHOWN_QUERY = 200;

/** A session as it may be shown: what it runs is cut short, and its passwords are masked. */
export function presentable(session: SessionInfo): SessionInfo {
  const query = session.query === null ? null : maskSecrets(session.query).replace(/\s+/g, " ").trim();
  return { ...session, query: query === null ? null : query.slice(0, SHOWN_QUERY) };
}

/** The sessions that `pid` waits for. */
export async function findBlockers(client: pg.Client, pid: number): Promise<SessionInfo[]> {
  const answer = await client.query<SessionInfo>(
    `SET LOCAL search_path = ${ENGINE_PATH};
     SELECT ${SESSION_COLUMNS} FROM pg_catalog.pg_stat_activity AS a
     WHERE a.pid = ANY (pg_catalog.pg_blocking_pids(${Math.trunc(pid)})) ORDER BY a.pid`,
  );
  // The driver answers several statements with a list of results.
  return ([answer].flat().at(-1)?.rows ?? []).map(presentable);
}

/** One line about another session, for messages. */
export function describeSession(session: SessionInfo): string {
  const application = session.application ? `"${session.application}", ` : "";
  const from = session.client === null ? "" : ` from ${session.client}`;
  const since =
    session.sinceMs === null ? "" : `, for ${Math.max(0, Math.round(session.sinceMs / 100) / 10)} s`;
  const running = session.query
    ? `, ${session.state === "active" ? "running" : "last ran"}: ${session.query}`
    : "";
  return `${application}pid ${session.pid}, user ${session.user ?? "unknown"}${from}${since}${running}`;
}
