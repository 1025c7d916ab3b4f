/** The schema of a database as a file that is the same wherever it is written. */
export { colorDifference, compareDump } from "./check.ts";
export { dumpSchema, type SchemaDump } from "./dump.ts";
export { readDump, writeDump } from "./file.ts";
