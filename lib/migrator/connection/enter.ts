import { MIGRATION_LOCK_ID } from "../defaults.ts";
import { MigrationError } from "../errors.ts";
import type { ResolvedOptions } from "../options.ts";
import { ENGINE_PATH, migrationPath, type SessionState, settingsAgain } from "./prepare.ts";

/** What a session is at the moment, beyond its options. */
export interface Situation extends Omit<SessionState, "searchPath"> {
  /** Settings that the server has. */
  readonly known: readonly string[];
}

/** Puts a session into the state in which every migration starts; the answer says whether the lock is still held. */
export function enterMigrationText(options: ResolvedOptions, situation: Situation): string {
  return [
    ...LEAVE_STATE,
    `SET search_path = ${ENGINE_PATH}`,
    `SELECT ${holdsLock(MIGRATION_LOCK_ID)} AS held`,
    settingsAgain(options, { ...situation, searchPath: migrationPath(options) }, situation.known),
  ].join("; ");
}

/** Puts a session back into the state in which the engine's own SQL runs. */
export function enterEngineText(options: ResolvedOptions, situation: Situation): string {
  const state = { ...situation, searchPath: ENGINE_PATH };
  return [...LEAVE_STATE, settingsAgain(options, state, situation.known)].join("; ");
}

/** What a migration may leave in its session. `RESET ALL` leaves the role alone. */
const LEAVE_STATE = ["RESET SESSION AUTHORIZATION", "RESET ALL", "DEALLOCATE ALL", "UNLISTEN *"] as const;

/** An advisory lock's bigint key is shown as two 32-bit halves. */
function holdsLock(id: number): string {
  return (
    "EXISTS (SELECT 1 FROM pg_catalog.pg_locks WHERE locktype = 'advisory' AND granted AND objsubid = 1 " +
    `AND pid = pg_catalog.pg_backend_pid() AND ((classid::bigint << 32) | objid::bigint) = ${id})`
  );
}

/** Several statements in one text give an array of results, which the driver's types do not know. */
export function saysHeld(results: unknown): boolean {
  if (!Array.isArray(results)) return false;
  return results.some((result: unknown) => {
    const rows: unknown =
      typeof result === "object" && result !== null ? Reflect.get(result, "rows") : undefined;
    const [row]: unknown[] = Array.isArray(rows) ? rows : [];
    return typeof row === "object" && row !== null && Reflect.get(row, "held") === true;
  });
}

export function lockLost(): MigrationError {
  return new MigrationError("LOCK_HELD", "a migration of this run has let go of the migration lock", {
    hint: "Take pg_advisory_unlock_all() or DISCARD ALL out of it; what ran before stays, the rest runs next time.",
  });
}
