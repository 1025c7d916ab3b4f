/**
 * Postgres migrations for CDK apps: a database, and a folder of migrations that runs with every deploy.
 */

export type {
  ColumnDefinition,
  ColumnDefinitions,
  MigrationBuilder,
  Name,
  PgLiteral,
  PgType,
} from "node-pg-migrate";
export type { DatabaseProfile } from "./constructs/database-profiles.ts";
export { PostgresDatabase } from "./constructs/postgres-database.ts";
export type { PostgresDatabaseProps } from "./constructs/postgres-database-props.ts";
export { PostgresMigrations } from "./constructs/postgres-migrations.ts";
export type {
  EngineProps,
  MigrationsDatabase,
  OnRollback,
  OrderPolicy,
  PostgresEndpoint,
  PostgresMigrationsProps,
  TransactionMode,
} from "./constructs/postgres-migrations-props.ts";
