import { type ErrorDetails, MigrationError } from "../core/index.ts";
import { codePointLength, codeUnitOffset, maskQuoted, maskSql } from "../sql/index.ts";
import { readFailure } from "./failure.ts";
import type { Place } from "./message.ts";

/** A setting that nobody has. The engine asks for it where its tables are not those that it has looked at. */
export const ANOTHER_TABLE = "cdk_pg_migrate.another_table";

/**
 * The typed error for a statement that the server refused. Passwords in it are masked. Of the engine's own SQL nothing
 * is shown, and of the server's words only those that cannot hold what the engine stores.
 */
export function sqlError(error: unknown, place: Place, blockers: readonly string[]): MigrationError {
  if (place.by === "engine") forgetRow(error);
  const { message, code, detail, hint, context, fromServer } = readFailure(error);
  const masked = (text: string): string => maskQuoted(text, place.text);
  const isLock = code === "55P03" || code === "40P01";
  const shown = shownOf(place);
  maskRaw(error, masked);
  const details = {
    ...shown,
    cause: error,
    ...(fromServer && code !== undefined ? { sqlstate: code } : {}),
    ...(detail === undefined ? {} : { detail: masked(detail) }),
    ...(hint === undefined ? {} : { hint: masked(hint) }),
    ...(context === undefined ? {} : { context: masked(context).slice(0, LONGEST_CONTEXT) }),
  };
  if (place.by === "engine" && code === "42704" && message.includes(ANOTHER_TABLE)) return exchanged(error);
  if (!isLock) return new MigrationError("SQL", masked(message), details);
  const blocked = blockers.length === 0 ? "" : `; blocked by ${blockers.join("; ")}`;
  return new MigrationError("LOCK_TIMEOUT", `${masked(message)}${blocked}`, {
    hint: "End what blocks it or wait until it is done, then run again (--lock-timeout and --lock-retries give more patience).",
    ...details,
    ...(blockers.length === 0 ? {} : { blockers }),
  });
}

function exchanged(cause: unknown): MigrationError {
  return new MigrationError(
    "UNTRUSTED_HISTORY",
    "the tables of the engine were exchanged, or got triggers, rules or row security, while they were in use",
    { hint: "Run `status`: it says what is wrong with them.", cause },
  );
}

/** These name a key of the users' tables that a deferred constraint is about; others quote a row or value to be stored. */
const ABOUT_KEY = /^23(503|505|P01)$/;

/** `DETAIL: Failing row contains (...)` and `CONTEXT: JSON data, line 1: ...` quote what the engine stores. */
function forgetRow(error: unknown): void {
  if (typeof error !== "object" || error === null) return;
  if (ABOUT_KEY.test(readFailure(error).code ?? "")) return;
  for (const key of ["detail", "where", "internalQuery"])
    if (Reflect.has(error, key)) Reflect.set(error, key, undefined);
}

/** The statement that failed as it may be shown, and the position in that. The engine's own is not shown. */
export function shownOf({
  text,
  by,
  position,
  failing,
}: Place): Pick<ErrorDetails, "statement" | "position"> {
  if (by === "engine") return {};
  const { start, end } = failing ?? { start: 0, end: text.length };
  const statement = text.slice(start, end);
  const offset = position === undefined ? undefined : codeUnitOffset(text, position - 1) - start;
  const masked = maskSql(statement);
  // One outside is in the body of a function that another statement has made: the context names it.
  if (offset === undefined || offset < 0 || offset > statement.length)
    return excerptOf(masked.text, undefined);
  const shown = masked.toMasked(Math.min(offset, statement.length));
  return excerptOf(masked.text, codePointLength(masked.text.slice(0, shown)) + 1);
}

const LONGEST_STATEMENT = 20_000;
/** A function that calls itself gives a line for each call. */
const LONGEST_CONTEXT = 2_000;

/** A statement of megabytes is cut to what is around the error. */
function excerptOf(text: string, position: number | undefined): Pick<ErrorDetails, "statement" | "position"> {
  const at = (offset: number) => (position === undefined ? {} : { position: position - offset });
  if (text.length <= LONGEST_STATEMENT) return { statement: text, ...at(0) };
  const start = Math.max(0, (position ?? 1) - 1 - LONGEST_STATEMENT / 2);
  const cut = text.slice(start, start + LONGEST_STATEMENT);
  return { statement: start + LONGEST_STATEMENT < text.length ? `${cut}…` : cut, ...at(start) };
}

/** The driver's error goes along as the cause, and whoever prints a cause prints all of it. */
function maskRaw(error: unknown, masked: (text: string) => string): void {
  if (typeof error !== "object" || error === null) return;
  for (const key of ["message", "detail", "hint", "where", "internalQuery", "stack"]) {
    const value: unknown = Reflect.get(error, key);
    if (typeof value === "string" && masked(value) !== value) Reflect.set(error, key, masked(value));
  }
}
