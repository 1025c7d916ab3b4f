/** Dump: writes the schema of a database as SQL, always the same text for the same schema. */
export { DUMP_MARK, dumpAroundRows, dumpSchema, type SchemaDump, type SchemaParts } from "./dump.ts";
