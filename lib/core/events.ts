import type { Direction } from "./migration.ts";

/** Another session that stands in the way, as `pg_stat_activity` shows it. */
export interface SessionInfo {
  readonly pid: number;
  readonly user: string | null;
  readonly application: string | null;
  /** Address of the client; null for a local socket. */
  readonly client: string | null;
  /** Milliseconds since its current statement or transaction began. */
  readonly sinceMs: number | null;
  readonly state: string | null;
  /** What it runs, or ran last; passwords masked, cut short. Null for the engine's own SQL. */
  readonly query: string | null;
  /** The migration whose SQL that is, as far as a session of this engine tells. */
  readonly migration: string | null;
}

/** What a run tells while it works. Events are facts for display; nothing depends on their being heard. */
export type RunEvent =
  | { readonly type: "server-starting"; readonly message: string }
  | { readonly type: "lock-wait"; readonly holder: SessionInfo | null; readonly waitMs: number }
  /** Code of a migration is called to build its SQL: for `plan`, or before the run starts. */
  | { readonly type: "building"; readonly migration: string; readonly direction: Direction }
  | { readonly type: "built"; readonly migration: string; readonly direction: Direction }
  | { readonly type: "started"; readonly migration: string; readonly direction: Direction }
  | {
      readonly type: "finished";
      readonly migration: string;
      readonly direction: Direction;
      readonly durationMs: number;
      /** True when it was only recorded: no SQL was run. */
      readonly recorded?: boolean;
    }
  | { readonly type: "failed"; readonly migration: string; readonly direction: Direction }
  | { readonly type: "blocked"; readonly by: readonly SessionInfo[] }
  | {
      readonly type: "retry";
      readonly migration: string;
      /** Which try this will be; the first retry is 2. */
      readonly attempt: number;
      /** How many tries there are in all. */
      readonly attempts: number;
      readonly waitMs: number;
      readonly reason: string;
    }
  | { readonly type: "notice"; readonly severity: string; readonly message: string }
  | { readonly type: "warning"; readonly message: string };

export type Observer = (event: RunEvent) => void;
