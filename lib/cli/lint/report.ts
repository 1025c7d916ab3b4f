import type { Direction } from "../../core/index.ts";

/**
 * `error`: it fails, or it keeps others from reading or writing a table for as long as the table is big, or it
 * loses data. `warning`: it may be right, and somebody should have thought about it.
 */
export type Severity = "error" | "warning";

/** One thing that is wrong with a migration. */
export interface LintFinding {
  readonly rule: string;
  readonly severity: Severity;
  readonly migration: string;
  readonly direction: Direction;
  /** Path to show, relative to the folder that was asked for, with slashes. */
  readonly file: string;
  /** 1-based; absent when the SQL is generated, so that no line of the file says it. */
  readonly line?: number;
  /** 1-based, in UTF-16 code units. */
  readonly column?: number;
  /** The statement it is about, passwords masked; absent when it is about the whole migration. */
  readonly statement?: string;
  readonly message: string;
  /** What to write instead. */
  readonly help: string;
}

/** A finding that the migration's author has answered. */
export interface AcceptedFinding {
  readonly rule: string;
  readonly migration: string;
  readonly reason: string;
}

export interface LintReport {
  /** In running order. */
  readonly findings: readonly LintFinding[];
  /** What was not reported because the file says why. */
  readonly accepted: readonly AcceptedFinding[];
  /** How many migrations were looked at. */
  readonly migrations: number;
  /** True when applied migrations were among them. */
  readonly all?: boolean;
  /** True when no finding is an error. */
  readonly ok: boolean;
}
