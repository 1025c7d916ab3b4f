import pg from "pg";
import type { OnDeadline, ResolvedOptions } from "../core/index.ts";

/** The values of the settings now, by name, as `pg_settings` has them. */
export type Settings = ReadonlyMap<string, string>;

const NAMES = [
  "lock_timeout",
  "statement_timeout",
  "client_connection_check_interval",
  "client_min_messages",
  "idle_session_timeout",
];

/** Reads the settings that `concurrentSettings` may change. */
export const READ_SETTINGS = `SELECT name, setting FROM pg_catalog.pg_settings WHERE name IN (${NAMES.map((name) => pg.escapeLiteral(name)).join(", ")})`;

export interface Limits {
  /** As the engine has set it for this migration, in milliseconds. The migration may have set another value itself. */
  readonly lockTimeout: string;
  readonly statementTimeout: string;
}

/**
 * The settings for a concurrent statement, which differ from those now. None has a lock timeout: giving up because of an
 * old transaction would throw finished work away. One that is left to the server at the deadline is limited by the option
 * alone, goes on when its client is gone, sends nothing that the server would find no client for, and then ends its
 * session, whose end releases the migration lock. Limits that the migration has set itself stay.
 */
export function concurrentSettings(
  now: Settings,
  usual: Limits,
  { statementTimeoutMs }: ResolvedOptions,
  onDeadline: OnDeadline,
): Settings {
  const limits = [
    ["lock_timeout", usual.lockTimeout, "0"],
    ...(onDeadline === "fail"
      ? []
      : [["statement_timeout", usual.statementTimeout, String(statementTimeoutMs)]]),
  ].flatMap(([name = "", expected, value = ""]) =>
    now.get(name) === expected ? [[name, value] as const] : [],
  );
  const others = onDeadline === "fail" ? [] : OUTLIVING;
  return new Map([...limits, ...others].filter(([name, value]) => (now.get(name) ?? value) !== value));
}

const OUTLIVING = [
  ["client_connection_check_interval", "0"],
  ["client_min_messages", "error"],
  // A client that is stopped and not gone would otherwise keep the lock.
  ["idle_session_timeout", "300000"],
] as const;

/** A statement that changes settings for the session. */
export function settingAll(settings: Settings): string {
  const calls = [...settings].map(
    ([name, value]) => `pg_catalog.set_config('${name}', ${pg.escapeLiteral(value)}, false)`,
  );
  return `SELECT ${calls.join(", ")}`;
}
