/** The dictionary: what every room means by the same word. Imports nothing. */

export {
  type Approval,
  type ApprovedPlan,
  coveredOf,
  notAPlan,
  openPlan,
  planDigest,
  sealPlan,
} from "./approval.ts";
export { BACKFILL_DEFAULTS, type Backfill, type BackfillProgress, type StoppedBackfill } from "./backfill.ts";
export {
  baselineHeader,
  isBaselineDirective,
  parseBaselineHeader,
  type ReplacedMigration,
  readBaselineHeader,
  replacedBy,
  replacedNames,
  shortSqlDigest,
} from "./baseline-header.ts";
export {
  CONTRACT_FORMS,
  type ContractDeclaration,
  contractTargets,
  isContractComment,
  readContractComment,
} from "./contract.ts";
export { ERROR_CODES, ERRORS, type ErrorCode, type ErrorTraits, isErrorCode } from "./error-codes.ts";
export {
  type BackgroundSession,
  type ErrorDetails,
  errorAsJson,
  type FileProblem,
  isOwnFault,
  MigrationError,
  problemLine,
  problemLines,
  type SqlChange,
} from "./errors.ts";
export {
  type BackgroundState,
  type BackgroundStatement,
  type Finding,
  type Observer,
  type PreflightCheck,
  progressFilter,
  type RunEvent,
  type SessionInfo,
  type StatementProgress,
} from "./events.ts";
export {
  type CommandInput,
  commandArguments,
  commandLineWords,
  flagOf,
  Hint,
  type HintTerm,
  renderHint,
} from "./hint.ts";
export { measuredFacts, timeOf } from "./measured-facts.ts";
export {
  type Blocked,
  blockedBy,
  LOCK_MODES,
  type LockMode,
  MEASURE_DEFAULTS,
  type MeasuredLock,
  type MeasuredMigration,
  type MeasuredRows,
  type MeasureLimits,
  type OmittedStatement,
} from "./measurement.ts";
export type {
  Direction,
  LoadedMigration,
  Manifest,
  ManifestMigration,
  Migration,
  MigrationSource,
  MigrationState,
  RunCode,
  SqlFile,
} from "./migration.ts";
export type { ConnectionSettings, DatabaseSetting, TlsSettings, UrlSource } from "./options.ts";
export {
  DATABASE_DEFAULTS,
  DEFAULTS,
  MIGRATION_LOCK_ID,
  type MigratorOptions,
  OLDEST_SERVER_MAJOR,
  type OnDeadline,
  OPTIONS,
  type OptionKind,
  type OptionName,
  type OrderPolicy,
  type PreflightMode,
  type Provenance,
  propOf,
  type ResolvedOptions,
  type TransactionMode,
} from "./options.ts";
export { compareMigrations, inRunningOrder, numericPrefix } from "./order.ts";
export type {
  CompletedMigration,
  ContractUse,
  ContractWait,
  DownForecast,
  DownSource,
  Forecast,
  ForecastFailure,
  HistoryAction,
  HistoryFilter,
  HistoryReport,
  HistoryRow,
  MigrationStatus,
  PlannedBackfill,
  PlannedStep,
  PlanReport,
  PlanStep,
  ResumedStep,
  RunReport,
  SchemaChange,
  SchemaPart,
  SettleReport,
  StatusReport,
  WaitingMigration,
} from "./report.ts";
export { resultAsJson } from "./report.ts";
export { LONGEST_NAME, requireStorable, resolveOptions } from "./resolve-options.ts";
export { describeSize, SMALL_TABLE_BYTES, shortBytes, shortCount, type TableSize } from "./table-size.ts";
export { errorCode, errorMessage, given, property } from "./unknown.ts";
export { TOOL, VERSION } from "./version.ts";
