import { MIGRATION_LOCK_ID, MigrationError, type ResolvedOptions } from "../../core/index.ts";
import { timeIsUp } from "./deadline.ts";
import { own, type Part } from "./message.ts";
import { sharedBackend } from "./pooler.ts";
import { ENGINE_PATH, migrationPath, type SessionState, settingsAgain } from "./prepare.ts";

/** What a session is at the moment, beyond its options. */
export interface Situation extends Omit<SessionState, "searchPath"> {
  /** Settings that the server has. */
  readonly known: readonly string[];
}

/**
 * What puts a session into the state in which every migration starts; it fails when the lock is not held any more.
 * The texts stay the same during a session, but for the time that is left.
 */
export function migrationEntry(
  options: ResolvedOptions,
  { known, pid }: { readonly known: readonly string[]; readonly pid: number },
): (situation: Omit<Situation, "known">) => readonly Part[] {
  const leave = own([...LEAVE_STATE, `SET search_path = ${ENGINE_PATH}`].join("; "));
  const lock = { ...own(requireLock(MIGRATION_LOCK_ID, pid)), meaning: orLockLost };
  const state = { searchPath: migrationPath(options), leftMs: undefined, readOnly: false };
  const settings = own(settingsAgain(options, state, known));
  return ({ leftMs, readOnly }) => {
    if (leftMs === undefined && !readOnly) return [leave, lock, settings];
    const now = own(settingsAgain(options, { ...state, leftMs, readOnly }, known));
    // A session that only looks has no lock.
    return readOnly ? [leave, now] : [leave, lock, now];
  };
}

/** Puts a session back into the state in which the engine's own SQL runs. */
export function enterEngineText(options: ResolvedOptions, situation: Situation): string {
  const state = { ...situation, searchPath: ENGINE_PATH };
  return [...LEAVE_STATE, settingsAgain(options, state, situation.known)].join("; ");
}

/** What a migration may leave in its session. `RESET ALL` leaves the role alone. */
const LEAVE_STATE = [
  "RESET SESSION AUTHORIZATION",
  "RESET ROLE",
  "RESET ALL",
  "DEALLOCATE ALL",
  "UNLISTEN *",
] as const;

/**
 * Puts a session back into the state in which it began: a pool in session mode gives the server connection to somebody
 * else. The lock is left alone: it was let go, or is not ours.
 */
export const LAST_STATE = [...LEAVE_STATE, "CLOSE ALL", "DISCARD TEMP", "DISCARD SEQUENCES"].join("; ");

/**
 * A statement that fails unless it runs in this session's own server process, and that holds the lock. It is held twice: one hold is let go, which tells whether
 * there was one, and taken again, and the other stays meanwhile. (`pg_locks` would tell too, and takes a tenth of a
 * millisecond.) Asking for a setting that nobody has is the error that plain SQL can raise.
 */
function requireLock(id: number, pid: number): string {
  return (
    `SELECT CASE WHEN pg_catalog.pg_backend_pid() <> ${pid} THEN pg_catalog.current_setting('${ELSEWHERE}') ` +
    `WHEN pg_catalog.pg_advisory_unlock(${id}) AND pg_catalog.pg_try_advisory_lock(${id}) ` +
    `THEN NULL ELSE pg_catalog.current_setting('${NOT_HELD}') END`
  );
}

/** Fails, in a message that holds more, once it has taken longer than there was time. The server's clock alone counts. */
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
  return new MigrationError("LOCK_HELD", "a migration of this run has let go of the migration lock", {
    cause,
    hint: "Take pg_advisory_unlock_all() or DISCARD ALL out of it; what ran before stays, the rest runs next time.",
  });
}

function isUnknownSetting({ details }: MigrationError): boolean {
  return details.sqlstate === "42704";
}
