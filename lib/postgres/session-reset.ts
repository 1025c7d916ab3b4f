import { MigrationError, type ResolvedOptions } from "../core/index.ts";
import { timeIsUp } from "./cancel.ts";
import { own, type Part } from "./message.ts";
import { holdsMigrationLock } from "./migration-lock.ts";
import { sharedBackend } from "./pooler.ts";
import { ENGINE_PATH, migrationPath, type SessionState, settingsAgain } from "./session-settings.ts";

/** The state of a session beyond its options. */
export interface Situation extends Omit<SessionState, "searchPath"> {
  /** Names of the settings that the server has. */
  readonly known: readonly string[];
}

/**
 * Puts the session into the state in which every migration starts; fails with `LOCK_HELD` when the last migration has
 * released the migration lock. A read-only session holds no lock.
 */
export function migrationReset(
  options: ResolvedOptions,
  { pid, ...situation }: Situation & { readonly pid: number },
): Part {
  const state = { ...situation, searchPath: migrationPath(options) };
  const settings = settingsAgain(options, state, situation.known);
  const lock = situation.readOnly ? [] : [requireLock(options, pid)];
  return { ...own(resetWith([...lock, ...settings])), meaning: orLockLost };
}

/** Puts a session back into the state for SQL of the engine. */
export function engineReset(options: ResolvedOptions, situation: Situation): string {
  return resetWith(settingsAgain(options, { ...situation, searchPath: ENGINE_PATH }, situation.known));
}

/** Functions in it must be qualified: until it has run, the search path is that of the role or the database. */
function resetWith(settings: readonly string[]): string {
  return [...LEAVE_STATE, `SELECT ${settings.join(", ")}`].join("; ");
}

/** Removes what a migration may leave in its session. `RESET ALL` does not reset the role. */
const LEAVE_STATE = [
  "RESET SESSION AUTHORIZATION",
  "RESET ROLE",
  "RESET ALL",
  "DEALLOCATE ALL",
  "UNLISTEN *",
] as const;

/**
 * Puts a session back into the state in which it began: a pool in session mode gives the server connection to another
 * client. Not DISCARD ALL, which would release a migration lock that another run holds on this server connection.
 */
export const LAST_STATE = [...LEAVE_STATE, "CLOSE ALL", "DISCARD TEMP", "DISCARD SEQUENCES"].join("; ");

/**
 * Fails unless it runs in the session's own server process and that process holds the migration lock. (`pg_locks` would
 * take a tenth of a millisecond.) Reading a setting that does not exist is the error that plain SQL can raise.
 */
function requireLock(options: ResolvedOptions, pid: number): string {
  return (
    `CASE WHEN pg_catalog.pg_backend_pid() OPERATOR(pg_catalog.<>) ${pid} THEN pg_catalog.current_setting('${ELSEWHERE}') ` +
    `WHEN ${holdsMigrationLock(options)} THEN NULL ELSE pg_catalog.current_setting('${NOT_HELD}') END`
  );
}

/** Fails when its message has taken longer than the time that was left. Only the clock of the server counts. */
export function timeLimit(leftMs: number | undefined): readonly Part[] {
  if (leftMs === undefined) return [];
  const taken = "pg_catalog.clock_timestamp() - pg_catalog.statement_timestamp()";
  const text =
    `SELECT CASE WHEN ${taken} > pg_catalog.make_interval(secs => ${Math.max(0, leftMs) / 1000}) ` +
    `THEN pg_catalog.current_setting('${TIME_IS_UP}') END`;
  return [{ ...own(text), meaning: (error) => (isUnknownSetting(error) ? timeIsUp() : error) }];
}

const TIME_IS_UP = "cdk_pg_migrate.time_is_up";
const NOT_HELD = "cdk_pg_migrate.lock_is_not_held";
const ELSEWHERE = "cdk_pg_migrate.not_the_same_server_connection";

function orLockLost(error: MigrationError): MigrationError {
  const { cause } = error.details;
  if (!isUnknownSetting(error)) return error;
  if (error.message.includes(ELSEWHERE)) return sharedBackend(cause);
  return new MigrationError("LOCK_HELD", "a migration of this run released the migration lock", {
    cause,
    hint: "Remove pg_advisory_unlock_all() or DISCARD ALL from it. What ran before it stays applied; the next run applies the rest.",
  });
}

function isUnknownSetting({ details }: MigrationError): boolean {
  return details.sqlstate === "42704";
}
