/** A migrated database for each test: a template for each content of the folder, cloned for each test. */
export type { PrepareClient, PreparedTemplate, TemplateOptions, TestServer } from "./options.ts";
export { stopTestServer } from "./server.ts";
export {
  buildTemplate,
  type ConnectionConfig,
  databaseTest,
  dropTestDatabases,
  type TestDatabase,
  testDatabase,
} from "./test-database.ts";
