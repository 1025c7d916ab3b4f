import { CONSTRAINTS } from "./constraints.ts";
import { FUNCTIONS } from "./functions.ts";
import { publications } from "./publications.ts";
import { RARE_KINDS } from "./rare.ts";
import { DEFAULT_RIGHTS } from "./rights.ts";
import { RULES } from "./rules.ts";
import { SCHEMAS } from "./schemas.ts";
import { SEQUENCES } from "./sequences.ts";
import { TABLES } from "./tables.ts";
import { TEXT } from "./text-search.ts";
import { TYPES } from "./types.ts";
import { VIEWS } from "./views.ts";

/** Everything of a database in one query. `$1`: relations to leave out; `$2`: names of schemas, or null for all. */
export function everything(serverMajor: number): string {
  return [
    ...SCHEMAS,
    ...TYPES,
    ...FUNCTIONS,
    ...TEXT,
    ...SEQUENCES,
    ...TABLES,
    ...VIEWS,
    ...CONSTRAINTS,
    ...RULES,
    publications(serverMajor),
    DEFAULT_RIGHTS,
    ...RARE_KINDS,
  ].join("\nUNION ALL ");
}
