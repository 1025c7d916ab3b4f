/** What every room means by the same word. Imports nothing. */

export { compareMigrations, inRunningOrder } from "./order.ts";
