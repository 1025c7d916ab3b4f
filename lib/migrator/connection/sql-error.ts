import { MigrationError } from "../errors.ts";
import { maskQuoted, maskSecrets } from "../sql/mask.ts";
import { readFailure } from "./failure.ts";
import type { Place } from "./message.ts";

/** The typed error for a statement that the server refused. Passwords in it are masked. */
export function sqlError(
  error: unknown,
  { text: statement, position }: Place,
  blockers: readonly string[],
): MigrationError {
  const { message, code, detail, hint, fromServer } = readFailure(error);
  const masked = (text: string): string => maskQuoted(text, statement);
  const isLock = code === "55P03" || code === "40P01";
  const shown = excerptOf(maskSecrets(statement), position);
  maskRaw(error, masked);
  const details = {
    statement: shown.text,
    cause: error,
    ...(fromServer && code !== undefined ? { sqlstate: code } : {}),
    ...(detail === undefined ? {} : { detail: masked(detail) }),
    ...(hint === undefined ? {} : { hint: masked(hint) }),
    ...(shown.position === undefined ? {} : { position: shown.position }),
  };
  if (!isLock) return new MigrationError("SQL", masked(message), details);
  const by = blockers.length === 0 ? "" : `; blocked by ${blockers.join("; ")}`;
  return new MigrationError("LOCK_TIMEOUT", `${masked(message)}${by}`, {
    hint: "End what blocks it or wait until it is done, then run again (--lock-timeout and --lock-retries give more patience).",
    ...details,
    ...(blockers.length === 0 ? {} : { blockers }),
  });
}

const LONGEST_STATEMENT = 20_000;

/** A statement of megabytes is cut to what is around the error. */
function excerptOf(
  text: string,
  position: number | undefined,
): { text: string; position: number | undefined } {
  if (text.length <= LONGEST_STATEMENT) return { text, position };
  const start = Math.max(0, (position ?? 1) - 1 - LONGEST_STATEMENT / 2);
  const cut = text.slice(start, start + LONGEST_STATEMENT);
  return { text: cut, position: position === undefined ? undefined : position - start };
}

/** The driver's error goes along as the cause, and whoever prints a cause prints all of it. */
function maskRaw(error: unknown, masked: (text: string) => string): void {
  if (typeof error !== "object" || error === null) return;
  for (const key of ["message", "detail", "hint", "where", "internalQuery", "stack"]) {
    const value: unknown = Reflect.get(error, key);
    if (typeof value === "string" && masked(value) !== value) Reflect.set(error, key, masked(value));
  }
}
