/** Dump: writes the schema of a database as SQL, always the same text for the same schema. */
export { DUMP_MARK, dumpSchema, type SchemaDump } from "./dump.ts";
