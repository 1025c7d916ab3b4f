import type { StoppedBackfill } from "./backfill.ts";
import type { ErrorCode } from "./error-codes.ts";
import { Hint } from "./hint.ts";

/** A migration whose SQL differs now from what was applied, or approved. Passwords are masked. */
export interface SqlChange {
  readonly migration: string;
  /** What was sent when it was applied, or what was approved; null when that is not known. */
  readonly before: readonly string[] | null;
  readonly after: readonly string[];
}

/** One thing that is wrong with one file. */
export interface FileProblem {
  /** The file's name in the folder of migrations, or the absolute path of a file that a migration imports. */
  readonly file: string;
  /** 1-based place in the file, where it is known. */
  readonly line?: number;
  readonly column?: number;
  readonly message: string;
  /** What to do about it. */
  readonly hint?: string;
}

/** A session of the server that goes on with a concurrent statement when its run has ended. */
export interface BackgroundSession {
  readonly pid: number;
  /** When it was connected, UTC, ISO 8601. A pid is used again by later sessions. */
  readonly startedAt: string;
}

/** What is known about a failure beyond its message. Every field is absent when it does not apply. */
export interface ErrorDetails {
  /** What to do about it, in one or two sentences, naming the command or setting. */
  readonly hint?: string | Hint;
  /** Name of the migration that failed. */
  readonly migration?: string;
  /** The SQL that the server refused, passwords masked; of very long SQL what is around the error. */
  readonly statement?: string;
  /** Which statement of its migration that is, from 1. */
  readonly statementNumber?: number;
  /** How many statements the migration has, where that is known. */
  readonly statements?: number;
  /** The migration's file, where its SQL stands in one, without the folder. */
  readonly file?: string;
  /** The line of `file` in which the error is: where the statement begins, when the server does not say more. */
  readonly line?: number;
  /** Five-character SQLSTATE of the server's answer. */
  readonly sqlstate?: string;
  /** 1-based character offset into `statement`, as the server reported it. */
  readonly position?: number;
  /** The server's DETAIL line. */
  readonly detail?: string;
  /** The server's CONTEXT: in which function, and in which line of it, the statement failed. */
  readonly context?: string;
  /** Names of the migrations this run had applied, and kept, before it failed. */
  readonly applied?: readonly string[];
  /** Names of the migrations this run had undone, and not applied again, before it failed; absent when it undoes none. */
  readonly undone?: readonly string[];
  /** Names of the migrations that this run still had to do, the failed one included. */
  readonly remaining?: readonly string[];
  /** Those of `remaining` that may be applied (or undone): the connection was lost before their COMMIT was answered. */
  readonly inDoubt?: readonly string[];
  /** For files that cannot be migrations: all that is wrong with them, not only the first. The message has them too. */
  readonly problems?: readonly FileProblem[];
  /** For `CHANGED` and `PLAN_DIFFERS`: what differs. */
  readonly changes?: readonly SqlChange[];
  /** For `CHANGED`: how many of the migrations applied last `redo` would have to take to include all of these. */
  readonly redo?: number;
  /** The sessions that kept the statement waiting, one line each. */
  readonly blockers?: readonly string[];
  /** For a migration that stopped part-way outside a transaction: how many of its statements finished. */
  readonly partial?: number;
  /** For a backfill that stopped after its first batch: how far it came. It stays pending. */
  readonly backfill?: StoppedBackfill;
  /** For `DEADLINE`: the session in which the server goes on with the statement after those. */
  readonly background?: BackgroundSession;
  readonly cause?: unknown;
}

/**
 * The one error type of the engine, of folders of migrations and of the command line. Branch on `code`; show `message` and `hint`.
 * Messages are lower case, name the value received, and never hold a password.
 */
export class MigrationError extends Error {
  override readonly name = "MigrationError";
  readonly code: ErrorCode;
  readonly details: ErrorDetails;

  constructor(code: ErrorCode, message: string, details: ErrorDetails = {}) {
    super(message, details.cause === undefined ? {} : { cause: details.cause });
    this.code = code;
    this.details = details;
  }

  /** The same failure with one more thing to do about it. */
  advised(more: string | Hint): MigrationError {
    const before = this.details.hint;
    const both = before === undefined ? more : Hint.of`${before}\n${more}`;
    const error = new MigrationError(this.code, this.message, { ...this.details, hint: both });
    if (this.stack !== undefined) error.stack = this.stack;
    return error;
  }

  /** The same failure with more known about it; what was known already is kept. */
  with(more: ErrorDetails): MigrationError {
    const error = new MigrationError(this.code, this.message, { ...more, ...this.details });
    if (this.stack !== undefined) error.stack = this.stack;
    return error;
  }
}

/** The one object for a command that failed. Statements in errors have their passwords masked already. */
export function errorAsJson(error: MigrationError) {
  const { cause: _, ...details } = error.details;
  return { ok: false, error: { code: error.code, message: error.message, ...details } } as const;
}

/** Whether the code of a migration is at fault, which says nothing about the database or the other migrations. */
export function isOwnFault(error: unknown): error is MigrationError {
  return error instanceof MigrationError && error.code === "MIGRATION";
}

const PROBLEMS_SHOWN = 20;

/** Problems as indented lines of a message, by file; of very many the first ones. */
export function problemLines(problems: readonly FileProblem[]): readonly string[] {
  const lines = problems.map((problem) => `  ${problemLine(problem)}`).toSorted();
  const more = lines.length - PROBLEMS_SHOWN;
  return more > 0 ? [...lines.slice(0, PROBLEMS_SHOWN), `  … and ${more} more`] : lines;
}

/** `file:line:column: message (hint)`, as far as each is known. */
export function problemLine({ file, line, column, message, hint }: FileProblem): string {
  const place = [file, line, column].filter((part) => part !== undefined).join(":");
  return `${place}: ${message}${hint === undefined ? "" : ` (${hint})`}`;
}
