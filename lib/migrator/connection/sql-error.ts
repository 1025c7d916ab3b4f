import { MigrationError } from "../errors.ts";
import { maskQuoted, maskSecrets } from "../sql/mask.ts";
import { readFailure } from "./failure.ts";

/** The typed error for a statement that the server refused. Passwords in it are masked. */
export function sqlError(error: unknown, statement: string, blockers: readonly string[]): MigrationError {
  const { message, code, detail, hint, position, fromServer } = readFailure(error);
  const masked = (text: string): string => maskQuoted(text, statement);
  const isLock = code === "55P03" || code === "40P01";
  const details = {
    statement: maskSecrets(statement),
    cause: error,
    ...(fromServer && code !== undefined ? { sqlstate: code } : {}),
    ...(detail === undefined ? {} : { detail: masked(detail) }),
    ...(hint === undefined ? {} : { hint: masked(hint) }),
    ...(position === undefined ? {} : { position }),
  };
  if (!isLock) return new MigrationError("SQL", masked(message), details);
  const by = blockers.length === 0 ? "" : `; blocked by ${blockers.join("; ")}`;
  return new MigrationError("LOCK_TIMEOUT", `${masked(message)}${by}`, {
    hint: "End what blocks it or wait until it is done, then run again (--lock-timeout and --lock-retries give more patience).",
    ...details,
    ...(blockers.length === 0 ? {} : { blockers }),
  });
}
