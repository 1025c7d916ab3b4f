/** Squash: one baseline in place of many migrations, with the proof that it does the same. */
export { type Squash, type SquashRequest, squashMigrations } from "./squash.ts";
