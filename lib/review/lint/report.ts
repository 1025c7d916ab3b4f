import type { Direction } from "../../core/index.ts";
import type { SqlStatement } from "./parsed-sql.ts";

/**
 * `error`: it fails, blocks reads or writes of a table for a time that grows with the table, or loses data.
 * `warning`: it may be right, but the author should have considered it.
 */
export type Severity = "error" | "warning";

/** One problem of a migration. */
export interface LintFinding {
  readonly rule: string;
  readonly severity: Severity;
  readonly migration: string;
  readonly direction: Direction;
  /** Path relative to `LintRequest.relativeTo`, with slashes. */
  readonly file: string;
  /** 1-based; absent if the SQL is generated and is in no line of the file. */
  readonly line?: number;
  /** 1-based, in UTF-16 code units. */
  readonly column?: number;
  /** The statement with its secrets masked; absent if the finding is about the whole migration. */
  readonly statement?: string;
  readonly message: string;
  /** What to write instead. */
  readonly help: string;
}

/** A finding that the author has answered with an ignore comment. */
export interface AcceptedFinding {
  readonly rule: string;
  readonly migration: string;
  readonly reason: string;
}

/** A finding that is left out, because on this database it is about few rows. */
export interface QuickFinding {
  readonly rule: string;
  readonly migration: string;
  /** The sizes of the tables. */
  readonly reason: string;
}

export interface LintReport {
  /** In running order. */
  readonly findings: readonly LintFinding[];
  /** Findings that are suppressed by a comment with a reason. */
  readonly accepted: readonly AcceptedFinding[];
  /** Findings that are left out because of the sizes of the tables; absent if no sizes were read. */
  readonly quick?: readonly QuickFinding[];
  /** Number of migrations that were linted. */
  readonly migrations: number;
  /** True if applied migrations were linted too. */
  readonly all?: boolean;
  /** True if no finding is an error. */
  readonly ok: boolean;
}

/** A file of a migration. */
export interface MigrationFile {
  /** Relative to `LintRequest.relativeTo`, with slashes. */
  readonly path: string;
  readonly text: string;
}

/** A position in the SQL of a migration. */
export interface SqlPosition {
  /** The text that is sent. */
  readonly step: string;
  /** In UTF-16 code units. */
  readonly offset: number;
  /** The whole statement, shown if the position is in no file. */
  readonly statement?: SqlStatement;
}

/** What a rule reports. Its position in the files is not known yet, and a comment may suppress it. */
export interface RuleFinding {
  readonly rule: string;
  readonly severity: Severity;
  readonly direction: Direction;
  readonly message: string;
  readonly help: string;
  /** Absent if the finding is about the whole migration. */
  readonly at?: SqlPosition;
}

/** What a rule reports, without its name. */
export type Problem = Omit<RuleFinding, "rule">;

/** The position of a statement, or of an offset in it. */
export function positionOf(statement: SqlStatement, offset = 0): SqlPosition {
  return { step: statement.step, offset: statement.start + offset, statement };
}
