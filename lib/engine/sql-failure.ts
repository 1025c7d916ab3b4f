import { type Direction, type ErrorDetails, Hint, MigrationError } from "../core/index.ts";
import type { FailingStatement, Part } from "../postgres/index.ts";
import { BATCH, concernsTransaction, countLines, type Statement, splitStatements } from "../sql/index.ts";
import { PlainSql, type SqlOrigin } from "./load.ts";
import type { PlannedMigration } from "./plan.ts";

/** Finds the failed statement of a migration: its number and its line in the file. */
export class Whereabouts {
  readonly #planned: PlannedMigration;
  readonly #steps: readonly string[];
  readonly #queries: number;

  /** @param queries number of earlier queries through `pgm.db`, which count as statements */
  constructor(planned: PlannedMigration, steps: readonly string[], queries: number) {
    this.#planned = planned;
    this.#queries = queries;
    this.#steps = steps;
  }

  /** Explains a failure of a step, or of the part of it that begins at `from`. */
  meaning(step: number, from = 0): NonNullable<Part["meaning"]> {
    return (error, failing) => {
      const all = this.#steps.flatMap((text) => splitStatements(text));
      const counts = this.#steps.slice(0, step).map((text) => splitStatements(text).length);
      const before = splitStatements((this.#steps[step] ?? "").slice(0, from)).length;
      const index = counts.reduce((sum, count) => sum + count, before) + (failing?.index ?? 0);
      const place =
        failing === undefined
          ? {}
          : { statementNumber: this.#queries + index + 1, ...this.#placeOf(all, index, failing) };
      return withAdvice(
        error.with({ statements: this.#queries + all.length, ...place }),
        all[index - 1]?.text,
      );
    };
  }

  #placeOf(
    all: readonly Statement[],
    index: number,
    { start, at }: FailingStatement,
  ): Pick<ErrorDetails, "file" | "line"> {
    const { code, direction } = this.#planned;
    const action = code.actions[direction];
    if (!(action instanceof PlainSql) || action.origin === undefined) return {};
    const { file, text } = action.origin;
    const inFile = statementsIn(action.origin);
    // An enclosing BEGIN was removed from the steps.
    const left = inFile[0]?.text === all[0]?.text ? 0 : 1;
    const found = inFile[index + left];
    return found === undefined ? {} : { file, line: countLines(text.slice(0, found.start + at - start)) };
  }
}

/** A condition that all rows meet, as long as the `:batch` in whose place it is sent: positions stay the same. */
export const ANY_BATCH = "(true)";
export const EXPLAIN = "EXPLAIN ";

/** Explains a failure of `EXPLAIN` of a backfill's statement, with the statement as it is in the file. */
export function meaningOfExplain(meaning: NonNullable<Part["meaning"]>): NonNullable<Part["meaning"]> {
  return (error, failing) => {
    const { statement, position } = error.details;
    const place = failing && { ...failing, at: Math.max(failing.start, failing.at - EXPLAIN.length) };
    if (!statement?.startsWith(EXPLAIN)) return meaning(error, place);
    const shown = {
      statement: statement.slice(EXPLAIN.length).replaceAll(ANY_BATCH, BATCH),
      ...(position === undefined ? {} : { position: Math.max(1, position - EXPLAIN.length) }),
    };
    return meaning(new MigrationError(error.code, error.message, { ...error.details, ...shown }), place);
  };
}

/** Offsets are those of the file. */
function statementsIn({ text, ranges }: SqlOrigin): Statement[] {
  return ranges.flatMap(({ start, end }) =>
    splitStatements(text.slice(start, end)).map((one) => ({
      text: one.text,
      start: one.start + start,
      end: one.end + start,
    })),
  );
}

/** What to do about SQL that the server refuses, by SQLSTATE, because the server's messages are translated. */
type Advice = string | Hint | ((statement: string) => string | undefined);

const EXISTS = Hint.of`It is there already. When it was made by hand and is what the migration makes, ${Hint.command("up", { count: 1, fake: true })} records the next pending migration without running it; otherwise drop it, or write IF NOT EXISTS.`;
const ABSENT = Hint.of`It is not there at this point of the order. Does a migration before this one make it, under this name? Outside of the search path (${Hint.option("schema")}) write schema.name.`;
const ROWS =
  "The rows that are there break the constraint: correct them first, in this migration or an earlier one. A CHECK or FOREIGN KEY can be added NOT VALID, and validated later.";
const WRITES = "A row that the migration writes breaks a constraint: the detail names it.";

const ADVICE: Readonly<Record<string, Advice>> = {
  "25001": (statement) =>
    concernsTransaction(statement)
      ? "It has to be the first statement of the migration."
      : "Begin the SQL file with the line -- migrate: no-transaction, or call pgm.noTransaction(): Postgres runs this outside a transaction only.",
  "25P02":
    "A query before it had failed, and the migration went on: throw the error, or roll back to a savepoint of the migration's own.",
  "25006": "Connect to the primary: this server or session is read-only.",
  "42501":
    "The role that migrates lacks a right. GRANT it, or let that role own the object: ALTER … OWNER TO.",
  "42P07": EXISTS,
  "42701": EXISTS,
  "42710": EXISTS,
  "42723": EXISTS,
  "42P06": EXISTS,
  "42P01": ABSENT,
  "42703": ABSENT,
  "42704": ABSENT,
  "42883": ABSENT,
  "3F000": ABSENT,
  "23502": (statement) =>
    isDefinition(statement)
      ? "There are rows without a value: fill the column first, or add it with a DEFAULT."
      : WRITES,
  "23503": aboutRows,
  "23505": aboutRows,
  "23514": aboutRows,
  "23P01": aboutRows,
  "55P04":
    "A new value of an enum can be used once it is committed: let ALTER TYPE … ADD VALUE be a migration of its own, before this one.",
  "0A000":
    "The server does not do that to this kind of object, or not in this version. What depends on it, such as a view, can be dropped and made again in the same migration.",
  "40001": "Another transaction was in the way. Run again.",
  "57014": (statement) =>
    isCopyFromStdin(statement)
      ? COPY_DATA
      : "It ran into a time limit (statement_timeout), or it was cancelled. Run again, with a higher limit or when less is going on.",
  "53100": "The server's disk is full: make room, then run again.",
  "53200":
    "The server is out of memory, or of room for locks: do it in smaller migrations, or raise max_locks_per_transaction.",
  "53300": "The server has no connection left: close some, then run again.",
  "53400": "A limit of the server's configuration is reached: raise it, then run again.",
};

const COPY_DATA = "Data behind COPY … FROM stdin goes through psql only: write INSERT statements instead.";
const PSQL =
  "What begins with a backslash is a command of psql (\\i, \\copy, \\connect, \\restrict): the server does not know it. Take the line out.";

/**
 * Adds what to do to an error of a migration's SQL.
 * @param previous the statement before the failed one
 */
export function withAdvice(error: MigrationError, previous: string | undefined): MigrationError {
  if (error.code !== "SQL") return error;
  const advice = adviceOn(error, previous);
  return advice === undefined ? error : error.advised(Hint.of`${advice}`);
}

function adviceOn({ details }: MigrationError, previous: string | undefined): string | Hint | undefined {
  const { sqlstate = "", statement = "", position } = details;
  if (sqlstate === "42601") {
    if (previous !== undefined && isCopyFromStdin(previous)) return COPY_DATA;
    const at = position === undefined ? "" : [...statement].slice(position - 1).join("");
    return at.startsWith("\\") ? PSQL : undefined;
  }
  // The error may come from code that the statement called: then the kind of the statement has no meaning.
  const advice = ADVICE[sqlstate];
  return typeof advice === "function" ? advice(statement) : advice;
}

function aboutRows(statement: string): string {
  return isDefinition(statement) ? ROWS : WRITES;
}

function isDefinition(statement: string): boolean {
  return /^\s*(alter|create)\b/i.test(statement);
}

function isCopyFromStdin(statement: string): boolean {
  return /^\s*copy\b.*\bfrom\s+stdin\b/is.test(statement);
}

/** What to do about a migration without a transaction that has stopped. */
export function goOn(name: string, done: number): Hint {
  const kept = done === 0 ? "" : "; the statements that are done must stay as they are in its file";
  return Hint.of`When the cause is gone, ${Hint.command("resolve", { migration: name, outcome: "retry" })} goes on with statement ${done + 1}${kept}.`;
}

/** As `goOn`, where the engine cannot go on by itself. */
export function byHand(name: string, direction: Direction): Hint {
  const [first, second] = direction === "up" ? ["applied", "reverted"] : ["reverted", "applied"];
  return Hint.of`Finish it by hand, or undo what it did; then ${Hint.command("resolve", { migration: name })} with ${Hint.field("outcome", first)} or ${Hint.field("outcome", second)}.`;
}
