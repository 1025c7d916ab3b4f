/** The constructs that a CDK app adds to its stacks. They run at synth time only. */

export { PostgresDatabase } from "./postgres-database.ts";
export type {
  DatabaseAuthentication,
  DatabaseProfile,
  PostgresDatabaseProps,
} from "./postgres-database-props.ts";
export { PostgresMigrations } from "./postgres-migrations.ts";
export type {
  EngineProps,
  MigrationsDatabase,
  OnRollback,
  OrderPolicy,
  PostgresEndpoint,
  PostgresMigrationsProps,
  TransactionMode,
} from "./postgres-migrations-props.ts";
