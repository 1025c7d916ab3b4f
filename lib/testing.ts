/**
 * `cdk-pg-migrate/testing`: a migrated database for each test, cloned from a template in milliseconds. Works with Jest,
 * Vitest, node:test and others. Needs no CDK.
 */

export { type ErrorCode, type ErrorDetails, Hint, MigrationError } from "./core/index.ts";
export {
  buildTemplate,
  type ConnectionConfig,
  databaseTest,
  dropTestDatabases,
  type PrepareClient,
  type PreparedTemplate,
  stopTestServer,
  type TemplateOptions,
  type TestDatabase,
  type TestServer,
  testDatabase,
} from "./testing/index.ts";
