/**
 * `cdk-pg-migrate/client`: migrations for programs. `openMigrator` does what the commands do; `assertMigrated` and
 * `migrationState` tell an application whether its database is ready. Needs no CDK.
 */

export {
  type ApplicationOptions,
  type ApplicationState,
  assertMigrated,
  type DownInput,
  type Migrator,
  type MigratorSettings,
  migrationNames,
  migrationState,
  openMigrator,
  type Queryable,
  type UpInput,
} from "./client/index.ts";
export {
  type CompletedMigration,
  type ConnectionSettings,
  type Direction,
  type DownSource,
  type ErrorCode,
  type ErrorDetails,
  type FileProblem,
  type Finding,
  Hint,
  type HistoryAction,
  type HistoryFilter,
  type HistoryReport,
  type HistoryRow,
  MigrationError,
  type MigrationState,
  type MigrationStatus,
  type MigratorOptions,
  type Observer,
  type OrderPolicy,
  type PlanReport,
  type PlanStep,
  type RunEvent,
  type RunReport,
  type SessionInfo,
  type SettleReport,
  type SqlChange,
  type StatusReport,
  type TlsSettings,
  type TransactionMode,
} from "./core/index.ts";
