import type { BackfillProgress } from "./backfill.ts";
import type { MigrationError } from "./errors.ts";
import type { BackgroundState, BackgroundStatement, Finding, SessionInfo } from "./events.ts";
import type { MeasuredMigration } from "./measurement.ts";
import type { Direction, MigrationState } from "./migration.ts";
import type { TableSize } from "./table-size.ts";

/** Where the SQL that undoes a migration is taken from. */
export type DownSource = "file" | "history";

/** One migration that a run completed. */
export interface CompletedMigration {
  readonly migration: string;
  readonly direction: Direction;
  readonly durationMs: number;
  /** True for a baseline that was recorded without running it, because what it replaces is applied. */
  readonly recorded?: true;
}

export type HistoryAction = "up" | "down" | "fake" | "baseline" | "repair" | "resolve";

/** Which rows of the history to read. */
export interface HistoryFilter {
  readonly migration?: string;
  readonly action?: HistoryAction;
  readonly state?: "started" | "finished" | "failed";
  /** At most so many, newest first. @default 50 */
  readonly limit?: number;
}

/** One row of the history. */
export interface HistoryRow {
  readonly id: string;
  readonly run: string;
  readonly migration: string;
  readonly action: HistoryAction;
  readonly state: "started" | "finished" | "failed";
  readonly statement: number | null;
  readonly noTransaction: boolean;
  readonly errorCode: string | null;
  readonly note: string | null;
  readonly durationMs: number | null;
  readonly actor: string;
  readonly origin: string;
  readonly revision: string | null;
  readonly bundle: string | null;
  readonly tool: string;
  /** UTC, ISO 8601. */
  readonly at: string;
}

/** Why a contract is pending and is not applied yet. */
export interface ContractWait {
  /** The migration that it comes after, as its file says. */
  readonly after: string;
  /**
   * - `after-waits`: the migration that it comes after is a contract that waits itself
   * - `same-release`: the release that applies `after`, or applied it, is the one that a stack rollback returns to
   * - `new-contract`: no release that has the contract is known to have been deployed successfully
   * - `outside-deploy`: only a deploy knows which release a stack rollback returns to
   * - `not-approved`: it could run, and the approved plan does not have it
   */
  readonly reason: "after-waits" | "same-release" | "new-contract" | "outside-deploy" | "not-approved";
  /** Hash of the release that applied `after`; null when no deploy has. */
  readonly release: string | null;
  /** Revision of that release; null when it has none. */
  readonly revision: string | null;
  /** What it waits for, as a sentence without its end. */
  readonly message: string;
}

/** A contract that a run leaves pending. */
export interface WaitingMigration {
  readonly migration: string;
  readonly waitsFor: ContractWait;
}

/** Something in the database that still names what a pending contract drops. */
export interface ContractUse {
  /** The contract. */
  readonly migration: string;
  /** The table, or the column with its table before it. */
  readonly drops: string;
  readonly kind: "view" | "function" | "generated column" | "statement";
  /** Its name; of a statement that the server has counted its text, with secrets masked. */
  readonly name: string;
  /** Of a statement: how often it ran, and as whom. */
  readonly calls?: number;
  readonly user?: string;
  /** Of a statement: since when the server counts, UTC, ISO 8601; null where it does not say. */
  readonly since?: string | null;
}

/** One migration in a status report. */
export interface MigrationStatus {
  readonly name: string;
  readonly state: MigrationState;
  /** When it was applied, UTC, ISO 8601; null when it is not. Rows of plain node-pg-migrate may hold local time. */
  readonly appliedAt: string | null;
  /** For `partial`: how many of its statements finished. */
  readonly statement?: number;
  /** For `partial`: how many it has; absent where that is not known. */
  readonly statements?: number;
  /** For a pending contract that is not applied yet: what it waits for. */
  readonly waitsFor?: ContractWait;
  /** For a pending baseline that `up` only records: why none of its SQL runs. */
  readonly note?: string;
  /** For a pending backfill that has begun: how far it has come. */
  readonly backfill?: BackfillProgress;
  /** For `partial`: a concurrent statement that the next run waits for, and then goes on from. */
  readonly background?: BackgroundState;
}

export interface StatusReport {
  /** The session that holds the migration lock, which is a run under way; null when there is none. */
  readonly running: SessionInfo | null;
  /** In running order. */
  readonly migrations: readonly MigrationStatus[];
  /** Newest applied name in running order; null when nothing is applied. */
  readonly head: string | null;
  readonly counts: Readonly<Record<MigrationState, number>>;
  /** The pending contracts that wait, in running order. */
  readonly waiting: readonly WaitingMigration[];
  /** What still names that which pending contracts drop. */
  readonly uses: readonly ContractUse[];
  /** What would make `up` refuse, and what it would only say. */
  readonly refusals: readonly Finding[];
  readonly warnings: readonly Finding[];
}

/** The SQL of one migration that a run would send. */
export interface PlanStep {
  readonly migration: string;
  readonly direction: Direction;
  /** The texts as they would be sent, one after the other; null when they depend on earlier migrations of the plan. */
  readonly sql: readonly string[] | null;
  /** Whether they would run in a transaction; null when unknown. */
  readonly transactional: boolean | null;
  /** True when the SQL comes from what the database answers while it is built, and may differ when it runs. */
  readonly dynamic: boolean;
  /** Whether it comes from the migration's file or from what was stored when it was applied. */
  readonly source: DownSource;
  /** Why nothing is sent for it: a baseline whose replaced migrations are applied is only recorded. */
  readonly note?: string;
  /** Present for a backfill: its statement runs in batches, with a condition on the key in place of `:batch`. */
  readonly backfill?: PlannedBackfill;
  /** Present for a migration that stopped at a concurrent statement: a run goes on there. */
  readonly resumes?: ResumedStep;
}

/** Where a run goes on with a migration. */
export interface ResumedStep {
  /** Which statement comes next, from 1. When it took effect in the background, it is not run again. */
  readonly statement: number;
  readonly background?: BackgroundState;
}

/** What a plan knows of a backfill beside its statement. */
export interface PlannedBackfill {
  /** As the statement names it; qualified once it exists. */
  readonly table: string;
  /** The columns of the key; null for a primary key that is not known yet. */
  readonly key: readonly string[] | null;
  /** Rows of the table, as the planner of the server estimates it; null while there is no such table. */
  readonly rows: number | null;
}

/** A step of a plan that can be approved. */
export interface PlannedStep extends PlanStep {
  /** SHA-256 (hex) of its SQL with secrets masked; of a dynamic migration, of its file and what that imports. */
  readonly digest: string;
}

export interface PlanReport {
  /** The run that is planned. */
  readonly action: "up" | "down" | "redo";
  /** SHA-256 (hex) over all that an approval covers, see `planDigest`; null when the run would be refused, or its SQL is another one each time. */
  readonly digest: string | null;
  /** The head before the run. */
  readonly head: string | null;
  /** The schemas of the search path. */
  readonly schema: readonly string[];
  readonly steps: readonly PlannedStep[];
  /** The contracts that an `up` leaves pending, in running order. */
  readonly waiting: readonly WaitingMigration[];
  /** What the migrations did when they ran and were rolled back; absent unless that was asked for. */
  readonly measured?: readonly MeasuredMigration[];
  /** The tables of more than 10 MB, and those that the SQL names; absent if the server does not tell in time. */
  readonly tables?: readonly TableSize[];
  /** What still names that which pending contracts drop. */
  readonly uses: readonly ContractUse[];
  readonly refusals: readonly Finding[];
  readonly warnings: readonly Finding[];
}

/** One part of an object that a run has changed. */
export interface SchemaPart {
  readonly kind: "column" | "constraint" | "index" | "trigger" | "value" | "definition";
  /** Empty for a definition, of which there is one. */
  readonly name: string;
  readonly change: "added" | "removed" | "altered";
}

/** One object in the configured schemas that a run has changed. */
export interface SchemaChange {
  readonly kind: "table" | "view" | "materialized view" | "foreign table" | "function" | "procedure" | "type";
  /** Quoted as in SQL; qualified outside the first schema. */
  readonly name: string;
  readonly change: "added" | "removed" | "altered";
  /** What has changed in an object that was there before and still is. */
  readonly parts: readonly SchemaPart[];
  /** Number of its columns; absent for what has none. */
  readonly columns?: number;
}

export interface RunReport {
  /** Identifies the run in the history; null when there was nothing to do. */
  readonly run: string | null;
  readonly completed: readonly CompletedMigration[];
  readonly head: string | null;
  /** Pending names after the run, in running order. */
  readonly pending: readonly string[];
  /** Those of them that are contracts and wait. */
  readonly waiting: readonly WaitingMigration[];
  /** After the run. */
  readonly counts: Readonly<Record<MigrationState, number>>;
  /** Names of the tables in the configured schemas after the run, the engine's own left out; null when nothing ran. */
  readonly tables: readonly string[] | null;
  /** What the run has changed in the configured schemas; null when nothing ran, after a redo, or when it cannot be read. */
  readonly changes: readonly SchemaChange[] | null;
  /** The last statement of the run, when time was up before it and the server goes on with it; else null. */
  readonly background: BackgroundStatement | null;
  readonly warnings: readonly Finding[];
}

/** What a decision of a person changed: `repair`, `resolve`, `baseline`. */
export interface SettleReport {
  readonly migrations: readonly string[];
  readonly head: string | null;
}

export interface HistoryReport {
  /** Newest first. */
  readonly entries: readonly HistoryRow[];
}

/** How a pending migration would be undone, as far as its file tells. */
export type DownForecast =
  | { readonly kind: "static"; readonly sql: readonly string[]; readonly transactional: boolean }
  | { readonly kind: "dynamic" }
  /** The reason is what the file says; absent when it says nothing. */
  | { readonly kind: "irreversible"; readonly reason?: string };

/** A migration that cannot be loaded or built, so that its SQL is not known. */
export interface ForecastFailure {
  readonly migration: string;
  readonly direction: Direction;
  readonly error: MigrationError;
}

/** The pending migrations, or all, for review. */
export interface Forecast {
  readonly steps: readonly PlanStep[];
  readonly failures: readonly ForecastFailure[];
  /** By name. */
  readonly downs: ReadonlyMap<string, DownForecast>;
  readonly head: string | null;
  readonly serverMajor: number;
}

/** The one object that tells what a command did: what the CLI prints with `--json` and a Lambda answers. */
export function resultAsJson(command: string, report: object) {
  return { ok: true, command, ...report } as const;
}
