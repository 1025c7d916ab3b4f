import type { ErrorCode } from "../../core/index.ts";

/** The three runs of every migration. */
export type VerifyStep = "up" | "down" | "up again";

export interface VerifyError {
  readonly step: VerifyStep;
  readonly code: ErrorCode;
  readonly message: string;
  readonly hint?: string;
}

export interface VerifiedMigration {
  readonly name: string;
  /**
   * `irreversible`: declared so, with a reason. `empty-down`: its down sends nothing, and so leaves the rows that its
   * up changed as they are. `unchecked`: not run, or not to its end; without a reason because one before it failed for
   * good.
   */
  readonly status: "reversible" | "irreversible" | "empty-down" | "failed" | "unchecked";
  /** Why it cannot be undone, or why it was not checked. */
  readonly reason?: string;
  /** What is not as before, and no fault of the migration. */
  readonly note?: string;
  /** How the database differed from what it should have been, for people. */
  readonly diff?: string;
  readonly error?: VerifyError;
}

export interface VerifyReport {
  /** In running order. */
  readonly migrations: readonly VerifiedMigration[];
  /** Nothing failed, and all was checked. */
  readonly ok: boolean;
  /** How to check what was not. */
  readonly hint?: string;
  readonly durationMs: number;
  /** The scratch database, when it was to be kept. */
  readonly kept?: { readonly host: string; readonly port: number; readonly database: string };
}
