/** The schema of a database as a file that is the same wherever it is written. */
export { checkDump } from "./check.ts";
export { dumpSchema, type SchemaDump } from "./dump.ts";
