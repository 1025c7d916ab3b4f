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
export * from "./constructs/index.ts";
export type { Backfill } from "./core/index.ts";
