/** The engine for programs: the settings of a database, a migrator for a folder, and the state that an application needs. */
export { readConnectionUrl, readDatabaseSettings } from "./database-settings.ts";
export { isLoopback } from "./url.ts";
export { readVariables, type Variables } from "./variables.ts";
