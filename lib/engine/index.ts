/** The engine: migrations over pg and node-pg-migrate. Knows no AWS, no CDK, no environment; never exits the process. */

export { onFirstMigrationCode, outsideContainment, type StrayError, strayError } from "./contain.ts";
export { describeUse } from "./contract-uses.ts";
export { type DeployKnowledge, readContracts, withoutContracts } from "./contracts.ts";
export { FENCE_STATE, type Fence } from "./fence.ts";
export { HOW_TO_DECLARE, irreversibleReason, runContained } from "./load.ts";
export type { DownOptions } from "./make-plan.ts";
export { Migrator, type MigratorSetup } from "./migrator.ts";
export type { UpOptions } from "./pending.ts";
export { forecastFiles, maskedPlan, maskedSteps } from "./preview.ts";
export type { Outcome } from "./resolve-baseline.ts";
export type { RunMode } from "./run.ts";
export type { Extent, ReleaseExtent, RestOfRun } from "./selection.ts";
export { TABLE_SIZES, type TableSizeRow, toTableSize } from "./table-sizes.ts";
