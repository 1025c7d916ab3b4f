import pg from "pg";
import type { ResolvedOptions } from "../core/index.ts";

/** The search path for SQL of the engine: no other role can define objects in it. */
export const ENGINE_PATH = "pg_catalog, pg_temp";

/**
 * Statements before SQL of the engine inside a migration's transaction: it runs as the user who connected, whatever role
 * the migration has set, and in the engine's search path. They hold until the transaction ends.
 */
export const ENGINE_SCOPE = [
  "SET LOCAL SESSION AUTHORIZATION DEFAULT",
  // Not NONE: the user may have a default role from ALTER ROLE … SET role.
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
 * The settings that every migration can rely on. With a deadline no statement runs beyond it, even if this process is
 * gone; the duration of a whole message is checked before its COMMIT.
 */
function sessionSettings(options: ResolvedOptions, state: SessionState): Readonly<Record<string, string>> {
  return {
    TimeZone: "UTC",
    search_path: state.searchPath,
    standard_conforming_strings: "on",
    lock_timeout: String(options.lockTimeoutMs),
    statement_timeout: statementTimeout(options, state.leftMs),
    ...(state.readOnly ? { [READ_ONLY]: "on" } : {}),
    // A client that stalls between two statements must not keep its locks for ever.
    idle_in_transaction_session_timeout: "300000",
    // Limits of a role are made for short queries, and loading many migrations takes time between two statements.
    idle_session_timeout: "0",
    transaction_timeout: "0",
    // The statement of a killed client would otherwise continue, and keep its locks.
    client_connection_check_interval: "2000",
    // A client that vanishes during an answer would otherwise hold the migration lock for a quarter of an hour.
    tcp_user_timeout: "30000",
    tcp_keepalives_idle: "15",
    tcp_keepalives_interval: "5",
    tcp_keepalives_count: "3",
  };
}

/** The answer to the first statement of a session. */
export interface SessionFacts {
  readonly pid: number;
  /** The TCP port of its client, as the server sees it; null for a Unix socket. */
  readonly clientPort: number | null;
  /** Text, because a database may define its own cast from text to integer. */
  readonly version: string;
  /** Names of the settings that this server has; null when nothing was set. */
  readonly known: readonly string[] | null;
}

/**
 * One statement that sets up a new session and returns its facts. `pg_settings` leaves out settings that the server does
 * not have. Until the statement has run, the search path is that of the role or the database, so its operators are
 * qualified. `client_connection_check_interval` exists on Windows servers but cannot be set there.
 * @param onlyIn process id of the server connection to set up: in another one nothing is set
 */
export function firstSettings(options: ResolvedOptions, state: SessionState, onlyIn: number): string {
  const values = Object.entries(sessionSettings(options, state))
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
  return Object.entries(sessionSettings(options, state))
    .filter(([name]) => known.includes(name) || name === READ_ONLY)
    .map(([name, value]) => `pg_catalog.set_config('${name}', ${pg.escapeLiteral(value)}, false)`);
}

/** Every server has it. It is not among the settings of a session that was opened to write. */
const READ_ONLY = "default_transaction_read_only";

/** The limit of a statement: the option, or what is left until the deadline. */
export function statementTimeout(options: ResolvedOptions, leftMs: number | undefined): string {
  return String(cap(options.statementTimeoutMs, leftMs));
}

/** The lower one of a timeout (0: none) and the time that is left. */
function cap(timeoutMs: number, leftMs: number | undefined): number {
  if (leftMs === undefined) return timeoutMs;
  const left = Math.max(1, Math.ceil(leftMs));
  return timeoutMs === 0 ? left : Math.min(timeoutMs, left);
}
