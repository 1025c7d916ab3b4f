import type { BackfillProgress } from "./backfill.ts";
import type { ErrorCode } from "./error-codes.ts";
import type { BackgroundSession } from "./errors.ts";
import type { Hint } from "./hint.ts";
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

/** How far the server has come with `CREATE INDEX` or `REINDEX`, as `pg_stat_progress_create_index` shows it. */
export interface StatementProgress {
  /** What the server does, in its own words, such as `building index: scanning table`. */
  readonly phase: string;
  /** How much of this phase is done; null while it waits, and where the server does not know. */
  readonly percent: number | null;
  /** The session whose transaction the statement waits for. */
  readonly waitsFor: SessionInfo | null;
}

/** A statement that the server goes on with when its run has ended. */
export interface BackgroundStatement extends BackgroundSession {
  readonly migration: string;
  /** Which statement of the migration it is, from 1. */
  readonly statement: number;
}

/** What has become of a concurrent statement of a partial migration. */
export interface BackgroundState extends BackgroundSession {
  /** False when its session has ended: the next run finds out whether the statement took effect. */
  readonly running: boolean;
  /** Of an index build that runs; null for other statements. */
  readonly progress: StatementProgress | null;
}

/** Which migration of the run it is. A redo counts each of its migrations twice. */
interface PlaceInRun {
  /** From 1. */
  readonly number: number;
  readonly total: number;
}

/** What a run tells while it works. Events are facts for display; nothing depends on their being heard. */
export type RunEvent =
  | { readonly type: "server-starting"; readonly message: string }
  /** `lock` is `node-pg-migrate`, or the name of the table of applied migrations. */
  | {
      readonly type: "lock-wait";
      readonly lock: string;
      readonly holder: SessionInfo | null;
      readonly waitMs: number;
    }
  /** Code of a migration is called to build its SQL: for `plan`, or before the run starts. */
  | { readonly type: "building"; readonly migration: string; readonly direction: Direction }
  | { readonly type: "built"; readonly migration: string; readonly direction: Direction }
  /** A migration runs in a transaction that will be rolled back. */
  | ({ readonly type: "measuring"; readonly migration: string } & PlaceInRun)
  | { readonly type: "measured"; readonly migration: string }
  | ({
      readonly type: "started";
      readonly migration: string;
      readonly direction: Direction;
    } & PlaceInRun)
  | ({
      readonly type: "finished";
      readonly migration: string;
      readonly direction: Direction;
      readonly durationMs: number;
      /** True when it was only recorded: no SQL was run. */
      readonly recorded?: boolean;
    } & PlaceInRun)
  | { readonly type: "failed"; readonly migration: string; readonly direction: Direction }
  | { readonly type: "blocked"; readonly by: readonly SessionInfo[] }
  /** A concurrent statement is under way. Repeated about once a second. */
  | ({ readonly type: "progress"; readonly migration: string } & StatementProgress)
  /** A backfill is under way. Told at most once a second. */
  | ({
      readonly type: "backfill";
      readonly migration: string;
      /** Why no batch runs at this time, such as a replica that is behind; null when one does. */
      readonly waitsFor: string | null;
    } & BackfillProgress)
  /** Time is up, and the server goes on with a concurrent statement without this run. */
  | ({ readonly type: "left-running" } & BackgroundStatement)
  /** A concurrent statement that an earlier run has not seen the end of took effect: it is not run again. */
  | { readonly type: "settled"; readonly migration: string; readonly statement: number }
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
  /** With a finding, its hint says what to do; the report of the run has it too. */
  | { readonly type: "warning"; readonly message: string; readonly finding?: Finding };

type ProgressEvent = Extract<RunEvent, { readonly type: "progress" | "backfill" }>;

/** Milliseconds between two lines about the same phase of a statement, in a log. */
const PROGRESS_PAUSE_MS = 30_000;

/**
 * Chooses the progress events for a log, which is read afterwards: each new phase and each new wait, and otherwise one event in half a minute.
 */
export function progressFilter(): (event: ProgressEvent) => boolean {
  let last = "";
  let notBefore = 0;
  return (event) => {
    const { migration, type, waitsFor } = event;
    const news = JSON.stringify(
      type === "progress" ? [event.phase, waitsFor?.pid] : [migration, waitsFor !== null],
    );
    const now = performance.now();
    if (news === last && now < notBefore) return false;
    last = news;
    notBefore = now + PROGRESS_PAUSE_MS;
    return true;
  };
}

export type Observer = (event: RunEvent) => void;

/** A reason for a run to stop, or something it has to warn about. */
export interface Finding {
  readonly code: ErrorCode;
  readonly migrations: readonly string[];
  readonly message: string;
  readonly hint: string | Hint;
  /** For `PREFLIGHT`: which check found it. */
  readonly check?: PreflightCheck;
  /** For `PREFLIGHT`: the session that stands in the way, where it is one. */
  readonly session?: SessionInfo;
}

/** What the pre-flight check looks for; `hidden` and `failed` say what it could not see. */
export type PreflightCheck =
  | "old-transaction"
  | "prepared-transaction"
  | "dump"
  | "wraparound-vacuum"
  | "invalid-index"
  | "replica-lag"
  | "replication-slot"
  | "hidden"
  | "failed";
