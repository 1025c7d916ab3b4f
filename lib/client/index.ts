/**
 * The engine for programs: a migrator for a folder and a database, the state that an application asks for, and the
 * settings of a database.
 */
export { findAgent, withoutAgent } from "./agent.ts";
export {
  type ApplicationOptions,
  type ApplicationState,
  assertMigrated,
  migrationNames,
  migrationState,
  type Queryable,
} from "./application-state.ts";
export { type DatabaseSettings, readDatabaseSettings, readUrlSettings } from "./database-settings.ts";
export { type Fleet, type FleetPlan, type FleetReport, openFleet } from "./fleet.ts";
export { createMigrators, type FleetRun, planTargets, statusTargets, upTargets } from "./fleet-run.ts";
export type { DownInput, FleetSettings, MeasureInput, MigratorSettings, UpInput } from "./inputs.ts";
export { type Migrator, openMigrator } from "./migrator.ts";
export { readProvenance } from "./provenance.ts";
export type { FleetEvent } from "./run-waves.ts";
export { isLoopback } from "./url.ts";
export { readVariables, type Variables } from "./variables.ts";
