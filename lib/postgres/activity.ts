import type pg from "pg";
import type { SessionInfo } from "../core/index.ts";
import { maskSecrets } from "../sql/index.ts";
import { ENGINE_PATH } from "./session-settings.ts";

/** Columns of `pg_stat_activity` (as `a`) for a `SessionInfo`. Query them in the engine's search path. */
export const SESSION_COLUMNS = `a.pid, a.usename AS "user", a.application_name AS application,
  pg_catalog.host(a.client_addr) AS client, a.state, a.query,
  (extract(epoch FROM pg_catalog.clock_timestamp() - COALESCE(a.xact_start, a.query_start)) * 1000)::bigint::float8 AS "sinceMs"`;

const SHOWN_QUERY = 200;

/** A row of `SESSION_COLUMNS`. */
export type SessionRow = Omit<SessionInfo, "migration">;

/**
 * A session as it may be shown: its query is cut short, and secrets in it are masked. For a session of this engine, the
 * title of its message is shown in place of the SQL around the migration.
 */
export function presentable(session: SessionRow): SessionInfo {
  const { query, application, state } = session;
  const isEngine = application?.startsWith("cdk-pg-migrate") ?? false;
  const [, migration = null, sql = null] = (isEngine && TITLE.exec(query ?? "")) || [];
  const text = migration === null ? (isEngine && state !== "active" ? null : query) : sql;
  return { ...session, query: text === null ? null : shorten(text), migration };
}

/** The comment at the beginning of the message of a migration: its name, then its SQL. */
const TITLE = /^\/\* (.+?)(?:: (.*?))? \*\/\n/s;

function shorten(query: string): string {
  return maskSecrets(query).replace(/\s+/g, " ").trim().slice(0, SHOWN_QUERY);
}

/** Finds the sessions that block `pid`. */
export async function findBlockers(client: pg.Client, pid: number): Promise<SessionInfo[]> {
  const answer = await client.query<SessionRow>(
    `SET LOCAL search_path = ${ENGINE_PATH};
     SELECT ${SESSION_COLUMNS} FROM pg_catalog.pg_stat_activity AS a
     WHERE a.pid = ANY (pg_catalog.pg_blocking_pids(${Math.trunc(pid)})) ORDER BY a.pid`,
  );
  // For several statements the driver returns a list of results.
  return ([answer].flat().at(-1)?.rows ?? []).map(presentable);
}

/** One line about another session, for messages. */
export function describeSession(session: SessionInfo): string {
  const application = session.application ? `"${session.application}", ` : "";
  const from = session.client === null ? "" : ` from ${session.client}`;
  const since =
    session.sinceMs === null ? "" : `, for ${Math.max(0, Math.round(session.sinceMs / 100) / 10)} s`;
  return `${application}pid ${session.pid}, user ${session.user ?? "unknown"}${from}${since}${describeWork(session)}`;
}

function describeWork({ migration, query, state }: SessionInfo): string {
  const isActive = state === "active";
  if (migration !== null) return `, ${isActive ? "running" : "last ran"} migration ${migration}`;
  return query ? `, ${isActive ? "running" : "last ran"}: ${query}` : "";
}
