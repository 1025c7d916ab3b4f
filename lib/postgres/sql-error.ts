import { type ErrorDetails, given, Hint, MigrationError } from "../core/index.ts";
import { codePointLength, codeUnitOffset, maskQuoted, maskSql } from "../sql/index.ts";
import { isCatalogRace, readFailure } from "./failure.ts";
import type { Place } from "./message.ts";

/** A setting that does not exist. Reading it raises the error for tables other than the checked ones. */
export const ANOTHER_TABLE = "cdk_pg_migrate.another_table";

/**
 * The typed error for a statement that the server refused. Secrets in it are masked. SQL of the engine is not shown, and
 * neither are details in which the server may quote recorded SQL.
 */
export function sqlError(error: unknown, place: Place, blockers: readonly string[]): MigrationError {
  if (place.by === "engine") removeRow(error);
  const failure = readFailure(error);
  const { message, code, detail, hint, context, fromServer } = failure;
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
  if (place.by === "engine" && code === "42704" && message.includes(ANOTHER_TABLE))
    return tablesReplaced(error);
  if (isCatalogRace(failure))
    return new MigrationError("LOCK_TIMEOUT", masked(message), { hint: RACE_HINT, ...details });
  if (!isLock) return new MigrationError("SQL", masked(message), details);
  const blocked = blockers.length === 0 ? "" : `; blocked by ${blockers.join("; ")}`;
  return new MigrationError("LOCK_TIMEOUT", `${masked(message)}${blocked}`, {
    hint: Hint.of`End what blocks it, or wait for it, then run again (${Hint.option("lockTimeoutMs")} and ${Hint.option("lockRetries")} wait longer).`,
    ...details,
    ...(blockers.length === 0 ? {} : { blockers }),
  });
}

const RACE_HINT = Hint.of`Another session changed the same object at the same time: run again (${Hint.option("lockRetries")} tries more often).`;

function tablesReplaced(cause: unknown): MigrationError {
  return new MigrationError(
    "UNTRUSTED_HISTORY",
    "the tables of the engine were exchanged, or got triggers, rules or row security, while they were in use",
    { hint: Hint.of`Run ${Hint.command("status")}: it says what is wrong with them.`, cause },
  );
}

/** Errors of deferred constraints, which quote a key of the users' tables. Other errors may quote a row of the history. */
const ABOUT_KEY = /^23(503|505|P01)$/;

/** Removes `DETAIL: Failing row contains (...)` and `CONTEXT: JSON data, line 1: ...`, which quote recorded SQL. */
function removeRow(error: unknown): void {
  if (typeof error !== "object" || error === null) return;
  if (ABOUT_KEY.test(readFailure(error).code ?? "")) return;
  for (const key of ["detail", "where", "internalQuery"])
    if (Reflect.has(error, key)) Reflect.set(error, key, undefined);
}

/** The failed statement as it may be shown, and the position in it. SQL of the engine is not shown. */
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
  // A position outside the statement is in the body of a function, which the context names.
  if (offset === undefined || offset < 0 || offset > statement.length)
    return excerptOf(masked.text, undefined);
  const shown = masked.toMasked(Math.min(offset, statement.length));
  return excerptOf(masked.text, codePointLength(masked.text.slice(0, shown)) + 1);
}

const LONGEST_STATEMENT = 20_000;
/** A recursive function adds a line for each call. */
const LONGEST_CONTEXT = 2_000;

/** Cuts a statement of megabytes to the part around the error. */
function excerptOf(text: string, position: number | undefined): Pick<ErrorDetails, "statement" | "position"> {
  const at = (offset: number) => (position === undefined ? {} : { position: position - offset });
  if (text.length <= LONGEST_STATEMENT) return { statement: text, ...at(0) };
  const start = Math.max(0, (position ?? 1) - 1 - LONGEST_STATEMENT / 2);
  const cut = text.slice(start, start + LONGEST_STATEMENT);
  return { statement: start + LONGEST_STATEMENT < text.length ? `${cut}…` : cut, ...at(start) };
}

/** Masks secrets in the driver's error, which is the cause and may be printed. */
function maskRaw(error: unknown, masked: (text: string) => string): void {
  if (typeof error !== "object" || error === null) return;
  for (const key of ["message", "detail", "hint", "where", "internalQuery", "stack"]) {
    const value: unknown = Reflect.get(error, key);
    if (typeof value === "string" && masked(value) !== value) Reflect.set(error, key, masked(value));
  }
}

/**
 * Does work with SQL of the engine. An error says what was attempted and which right is missing, and does not show the
 * statement.
 * @param rights what to do when the user lacks a right
 */
export async function asOwnSql<T>(
  attempt: string,
  work: () => Promise<T>,
  rights: string | Hint = RIGHTS,
): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof MigrationError) || error.code !== "SQL") throw error;
    const { statement: _, position: __, ...details } = error.details;
    const advice = adviceFor(details.sqlstate, rights);
    throw new MigrationError("SQL", `${attempt}: ${error.message}`, {
      ...details,
      ...given({ hint: advice }),
    });
  }
}

const RIGHTS = Hint.of`Grant the user CREATE and USAGE on the schema and rights on both tables, or name a schema of its own with ${Hint.option("migrationsSchema")}.`;

function adviceFor(sqlstate: string | undefined, rights: string | Hint): string | Hint | undefined {
  if (sqlstate === "42501") return rights;
  if (sqlstate === "25006")
    return "The server or this database is read-only (a replica?): connect to one that is not.";
  if (sqlstate === "42703" || sqlstate === "42809") {
    return Hint.of`Does a table of that name belong to another tool? ${Hint.option("migrationsTable")} names another one.`;
  }
  return undefined;
}
