import type { ErrorCode } from "../../migrator/index.ts";

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
  /** `irreversible`: declared so, with a reason. `unchecked`: one before it failed for good. */
  readonly status: "reversible" | "irreversible" | "failed" | "unchecked";
  /** Why it cannot be undone. */
  readonly reason?: string;
  /** How the database differed from what it should have been, for people. */
  readonly diff?: string;
  readonly error?: VerifyError;
}

export interface VerifyReport {
  /** In running order. */
  readonly migrations: readonly VerifiedMigration[];
  /** Nothing failed, and all was checked. */
  readonly ok: boolean;
  readonly durationMs: number;
  /** The scratch database, when it was to be kept. */
  readonly kept?: { readonly host: string; readonly port: number; readonly database: string };
}
