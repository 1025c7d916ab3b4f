import pg from "pg";
import type { ResolvedOptions } from "../options.ts";

/** Where the engine's own SQL looks for names: nowhere that anybody else may put an object. */
export const ENGINE_PATH = "pg_catalog, pg_temp";

/**
 * For the engine's own SQL inside a migration's transaction: as the user who connected, whatever role the migration
 * has taken, and where no operator or function of somebody else is found. Undone when the transaction ends.
 */
export const ENGINE_SCOPE = [
  "SET LOCAL SESSION AUTHORIZATION DEFAULT",
  "SET LOCAL ROLE NONE",
  `SET LOCAL search_path = ${ENGINE_PATH}`,
] as const;

export interface SessionState {
  readonly searchPath: string;
  /** Milliseconds until the deadline, if there is one. */
  readonly leftMs: number | undefined;
  readonly readOnly: boolean;
}

/** The search path for migrations. */
export function migrationPath(options: ResolvedOptions): string {
  return options.schema.map((schema) => pg.escapeIdentifier(schema)).join(", ");
}

/**
 * One statement that puts the session into the state every migration may count on, and tells who we are. Settings
 * that a server does not have are left out by asking `pg_settings`; `client_connection_check_interval` exists but
 * cannot be set on Windows servers. With a deadline no statement may run beyond it, even when this process is gone.
 */
export function applySettings(options: ResolvedOptions, state: SessionState): string {
  const settings: Record<string, string> = {
    TimeZone: "UTC",
    search_path: state.searchPath,
    standard_conforming_strings: "on",
    lock_timeout: String(options.lockTimeoutMs),
    statement_timeout: String(cap(options.statementTimeoutMs, state.leftMs)),
    ...(state.readOnly ? { default_transaction_read_only: "on" } : {}),
    // A client that stalls between two statements must not hold its locks for ever.
    idle_in_transaction_session_timeout: "300000",
    // A killed client's statement would otherwise run on, and could commit, with nobody to record it.
    client_connection_check_interval: "2000",
    // A client that vanished while it was being answered would hold the migration lock for a quarter of an hour.
    tcp_user_timeout: "30000",
    tcp_keepalives_idle: "15",
    tcp_keepalives_interval: "5",
    tcp_keepalives_count: "3",
  };
  const values = Object.entries(settings)
    .map(([name, value]) => `(${pg.escapeLiteral(name)}, ${pg.escapeLiteral(value)})`)
    .join(", ");
  return (
    "SELECT pg_catalog.pg_backend_pid() AS pid, " +
    "pg_catalog.current_setting('server_version_num')::pg_catalog.int4 AS version, " +
    "pg_catalog.count(pg_catalog.set_config(wanted.name, wanted.value, false)) AS set " +
    `FROM (VALUES ${values}) AS wanted (name, value) ` +
    "JOIN pg_catalog.pg_settings AS known ON known.name = wanted.name " +
    "WHERE wanted.name <> 'client_connection_check_interval' " +
    "OR pg_catalog.version() !~* '(windows|mingw|visual)'"
  );
}

/** The lower of a timeout (0: none) and the time that is left. */
function cap(timeoutMs: number, leftMs: number | undefined): number {
  if (leftMs === undefined) return timeoutMs;
  const left = Math.max(1, Math.ceil(leftMs));
  return timeoutMs === 0 ? left : Math.min(timeoutMs, left);
}
