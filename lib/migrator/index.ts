/** The engine: migrations over pg and node-pg-migrate. Knows no AWS, no CDK, no environment; never exits the process. */

export { onFirstMigrationCode, outsideContainment, type StrayError, strayError } from "./build/contain.ts";
export { HOW_TO_DECLARE, irreversibleReason } from "./build/irreversible.ts";
export { runContained } from "./build/load.ts";
export type { DownOptions, Manner } from "./commands/run.ts";
export type { Outcome } from "./commands/settle.ts";
export { describeSession } from "./connection/activity.ts";
export { type ClientOptions, createClient } from "./connection/client.ts";
export { closeClient, openClient } from "./connection/pooler.ts";
export type { ConnectionSettings, TlsSettings } from "./connection/settings.ts";
export { errorAsJson, maskedPlan, resultAsJson } from "./json.ts";
export { Migrator, type MigratorSetup } from "./migrator.ts";
export type { BundleExtent, Extent } from "./plan/select.ts";
export { FENCE_STATE, type Fence } from "./run/fence.ts";
export { type ExternalNames, findExternalEffect } from "./sql/external-effects.ts";
export { type MaskedSql, maskQuoted, maskSecrets, maskSql } from "./sql/mask.ts";
export { locate } from "./sql/position.ts";
export { splitStatements } from "./sql/split.ts";
