/** The constructs that a CDK app adds to its stacks. They run at synth time only. */

export {
  type FleetListTarget,
  type FleetQuery,
  type FleetSecretTag,
  FleetTargets,
  type FleetTargetsObject,
} from "./fleet-targets.ts";
export {
  type MigrationsValidationReport,
  type MigrationsViolatingResource,
  type MigrationsViolation,
  PostgresMigrationsValidation,
  type PostgresMigrationsValidationProps,
} from "./migrations-validation.ts";
export { PostgresDatabase } from "./postgres-database.ts";
export type {
  DatabaseAuthentication,
  DatabaseProfile,
  PostgresDatabaseProps,
} from "./postgres-database-props.ts";
export { PostgresMigrations } from "./postgres-migrations.ts";
export { PostgresMigrationsFleet } from "./postgres-migrations-fleet.ts";
export type { PostgresMigrationsFleetProps } from "./postgres-migrations-fleet-props.ts";
export type {
  EngineProps,
  MigrationsDatabase,
  MigrationsProps,
  OnDeadline,
  OnRollback,
  OrderPolicy,
  PostgresEndpoint,
  PostgresMigrationsProps,
  PreflightMode,
  TransactionMode,
} from "./postgres-migrations-props.ts";
export { PostgresRole, type PostgresRoleProps, type RoleAccess } from "./postgres-role.ts";
