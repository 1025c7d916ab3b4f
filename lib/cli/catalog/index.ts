/** What a database holds, as text that can be compared, and put in order to be made again. */
export { connectTo } from "./connect.ts";
export { diffCatalogs, withoutColumnOrder } from "./diff.ts";
export { type Address, addressOf, type Entry, statementsOf } from "./entry.ts";
export { typed } from "./failure.ts";
export { compare, inSnapshot, readCatalog, readEntries, toCatalog } from "./read.ts";
export { ownTablesOf } from "./server.ts";
export type { Catalog, CatalogObject, CatalogOptions, OwnTables } from "./types.ts";
