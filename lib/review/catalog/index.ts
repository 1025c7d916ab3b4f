/** Catalog: all objects of a database as SQL that can be compared, ordered and written to a file. */
export {
  type Address,
  addressOf,
  type Catalog,
  type CatalogObject,
  type CatalogOptions,
  diffCatalogs,
  type Entry,
  listChanges,
  type ObjectChange,
  statementsOf,
  withoutColumnOrder,
} from "./catalog.ts";
export {
  compare,
  connectTo,
  inSnapshot,
  ownTablesOf,
  readAppliedDigests,
  readCatalog,
  readEntries,
  readOwnRelations,
  toCatalog,
  withTypedErrors,
} from "./read.ts";
export { type ForeignKey, readTables, type SchemaColumn, type SchemaTable } from "./tables.ts";
