import pg from "pg";
import type { ResolvedOptions } from "../core/index.ts";

/** Where the engine's own SQL looks for names: nowhere that anybody else may put an object. */
export const ENGINE_PATH = "pg_catalog, pg_temp";

/**
 * For the engine's own SQL inside a migration's transaction: as the user who connected, whatever role the migration
 * has taken, and where no operator or function of somebody else is found. Undone when the transaction ends.
 */
export const ENGINE_SCOPE = [
  "SET LOCAL SESSION AUTHORIZATION DEFAULT",
  // Not NONE: the user may have a role of their own from ALTER ROLE … SET role.
  "SET LOCAL role TO DEFAULT",
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
  return options.schema.map(quotedWhereNeeded).join(", ");
}

/** As the server shows a search path that was set with SET. */
function quotedWhereNeeded(schema: string): string {
  return /^[a-z_][a-z0-9_$]*$/.test(schema) ? schema : pg.escapeIdentifier(schema);
}

/**
 * What every migration may count on. With a deadline no statement may run beyond it, even when this process is gone;
 * that all of a message do not, is tested before its COMMIT.
 */
function wantedSettings(options: ResolvedOptions, state: SessionState): Readonly<Record<string, string>> {
  return {
    TimeZone: "UTC",
    search_path: state.searchPath,
    standard_conforming_strings: "on",
    lock_timeout: String(options.lockTimeoutMs),
    statement_timeout: String(cap(options.statementTimeoutMs, state.leftMs)),
    ...(state.readOnly ? { [READ_ONLY]: "on" } : {}),
    // A client that stalls between two statements must not hold its locks for ever.
    idle_in_transaction_session_timeout: "300000",
    // A role's own limits are made for short queries: loading many migrations may take longer between two statements.
    idle_session_timeout: "0",
    transaction_timeout: "0",
    // A killed client's statement would otherwise run on, and hold its locks, with nobody to wait for it.
    client_connection_check_interval: "2000",
    // A client that vanished while it was being answered would hold the migration lock for a quarter of an hour.
    tcp_user_timeout: "30000",
    tcp_keepalives_idle: "15",
    tcp_keepalives_interval: "5",
    tcp_keepalives_count: "3",
  };
}

/** What the first statement of a session answers. */
export interface SessionFacts {
  readonly pid: number;
  /** The TCP port of its client, as the server sees it; null for a Unix socket. */
  readonly clientPort: number | null;
  /** Text, because a database may have a cast of its own from text to integer. */
  readonly version: string;
  /** Names of the settings that this server has; null when nothing was set. */
  readonly known: readonly string[] | null;
}

/**
 * One statement that puts a new session into its state, and tells who we are. Settings that a server does not have are
 * left out by asking `pg_settings`. Until it has run, the search path is whatever somebody has set for the role or the
 * database: its operators are qualified. `client_connection_check_interval` exists but cannot be set on Windows servers.
 * @param onlyIn process id of the server connection to change: nothing is set in another one
 */
export function firstSettings(options: ResolvedOptions, state: SessionState, onlyIn: number): string {
  const values = Object.entries(wantedSettings(options, state))
    .map(([name, value]) => `(${pg.escapeLiteral(name)}, ${pg.escapeLiteral(value)})`)
    .join(", ");
  return (
    'SELECT pg_catalog.pg_backend_pid() AS pid, pg_catalog.inet_client_port() AS "clientPort", ' +
    "pg_catalog.current_setting('server_version_num') AS version, " +
    "pg_catalog.count(pg_catalog.set_config(wanted.name, wanted.value, false)) AS set, " +
    "pg_catalog.array_agg(wanted.name) AS known " +
    `FROM (VALUES ${values}) AS wanted (name, value) ` +
    "JOIN pg_catalog.pg_settings AS known ON known.name OPERATOR(pg_catalog.=) wanted.name " +
    `WHERE pg_catalog.pg_backend_pid() OPERATOR(pg_catalog.=) ${onlyIn} ` +
    "AND (wanted.name OPERATOR(pg_catalog.<>) 'client_connection_check_interval' " +
    "OR pg_catalog.version() OPERATOR(pg_catalog.!~*) '(windows|mingw|visual)')"
  );
}

/** Expressions that put the session into its state again. `pg_settings` is not read: that takes longer than a small migration. */
export function settingsAgain(
  options: ResolvedOptions,
  state: SessionState,
  known: readonly string[],
): readonly string[] {
  return Object.entries(wantedSettings(options, state))
    .filter(([name]) => known.includes(name) || name === READ_ONLY)
    .map(([name, value]) => `pg_catalog.set_config('${name}', ${pg.escapeLiteral(value)}, false)`);
}

/** Every server has it; a session that was opened to write was not asked for it. */
const READ_ONLY = "default_transaction_read_only";

/** The lower of a timeout (0: none) and the time that is left. */
function cap(timeoutMs: number, leftMs: number | undefined): number {
  if (leftMs === undefined) return timeoutMs;
  const left = Math.max(1, Math.ceil(leftMs));
  return timeoutMs === 0 ? left : Math.min(timeoutMs, left);
}
