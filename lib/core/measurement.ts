/** The modes of a lock on a table, as the manual of Postgres writes them. A later one conflicts with more than an earlier one. */
export const LOCK_MODES = [
  "ACCESS SHARE",
  "ROW SHARE",
  "ROW EXCLUSIVE",
  "SHARE UPDATE EXCLUSIVE",
  "SHARE",
  "SHARE ROW EXCLUSIVE",
  "EXCLUSIVE",
  "ACCESS EXCLUSIVE",
] as const;

export type LockMode = (typeof LOCK_MODES)[number];

/** What other sessions cannot do with a locked table: the budget counts what blocks reads or writes. */
export type Blocked = "reads and writes" | "writes" | "schema changes";

/** What a lock of this mode blocks in other sessions. */
export function blockedBy(mode: LockMode): Blocked {
  if (mode === "ACCESS EXCLUSIVE") return "reads and writes";
  return LOCK_MODES.indexOf(mode) >= LOCK_MODES.indexOf("SHARE") ? "writes" : "schema changes";
}

/** A lock that a migration held on a table that was there before. */
export interface MeasuredLock {
  /** Quoted as in SQL; qualified outside the first schema. */
  readonly table: string;
  readonly kind: "table" | "index" | "sequence" | "view" | "materialized view" | "foreign table" | "type";
  readonly mode: LockMode;
  readonly blocks: Blocked;
  /**
   * Milliseconds from the start of the statement that took it to the end of its transaction: from its first moment it
   * makes other sessions queue. At least so long where measuring was stopped.
   */
  readonly heldMs: number;
  /** As the statistics of Postgres estimate them; null where it has none. */
  readonly rows: number | null;
  /** Of the table with its indexes, before the migration. */
  readonly bytes: number;
  /** Whether the migration gave the table new files: it was written anew, or emptied. */
  readonly rewritten: boolean;
}

/** A statement that did not run, because a rollback would not undo what it does. */
export interface OmittedStatement {
  /** From 1, as in messages about a failure. */
  readonly statement: number;
  /** In SQL words: `nextval()`. */
  readonly effect: string;
  /** A lock that blocks others was held already: it will be held longer than was measured. */
  readonly whileLocked: boolean;
}

/** What happened when a pending migration ran and was rolled back. */
export interface MeasuredMigration {
  readonly migration: string;
  /**
   * - `measured`: it ran to its end
   * - `stopped`: it was ended before that, because it made others wait or took too long
   * - `failed`: `up` would fail with it as well
   * - `left out`: it did not run, or what it needs was left out
   */
  readonly outcome: "measured" | "stopped" | "failed" | "left out";
  /** Why it was not measured to its end; null if it was. */
  readonly reason: string | null;
  /** It was left out, and is of a kind that takes no lock that blocks reads or writes. */
  readonly blocksNobody: boolean;
  /** Of its statements, without the way to the server. */
  readonly durationMs: number;
  /** On tables that were there before, longest first. */
  readonly locks: readonly MeasuredLock[];
  /** Indexes that it built on such tables. */
  readonly indexes: readonly { readonly index: string; readonly table: string }[];
  /** Rows that it changed in such tables. */
  readonly rows: readonly MeasuredRows[];
  /** Bytes of WAL that the server wrote meanwhile, those of other sessions too; null where it does not tell. */
  readonly walBytes: number | null;
  readonly omitted: readonly OmittedStatement[];
  /** Sequences that gave numbers to code in the database, which a rollback does not take back. */
  readonly sequences: readonly string[];
}

export interface MeasuredRows {
  readonly table: string;
  readonly inserted: number;
  readonly updated: number;
  readonly deleted: number;
}

/** How far measuring may go. Milliseconds. */
export interface MeasureLimits {
  /** How long a statement waits for a lock, and other sessions for the locks of this one. */
  readonly lockTimeoutMs: number;
  readonly statementTimeoutMs: number;
  /** The longest that a migration may block reads or writes of a table. @default - it is only told */
  readonly maxLockMs?: number | undefined;
}

export const MEASURE_DEFAULTS = { lockTimeoutMs: 500, statementTimeoutMs: 30_000 } as const;
