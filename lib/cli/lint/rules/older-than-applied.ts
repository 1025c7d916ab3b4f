import { compareMigrations } from "../../../core/index.ts";
import type { Draft } from "../draft.ts";
import type { ReadMigration } from "../migration.ts";
import type { RuleContext } from "./context.ts";

/** `older-than-applied`: it would run after migrations that, on a new database, run after it. */
export function olderThanApplied({ name }: ReadMigration, { newestApplied }: RuleContext): Draft[] {
  if (newestApplied === null || compareMigrations(name, newestApplied) > 0) return [];
  return [
    {
      rule: "older-than-applied",
      severity: "error",
      direction: "up",
      message: `its timestamp is older than that of ${newestApplied}, which is applied`,
      help: "Rename the file: give it a newer timestamp. Else databases differ by the order in which it came to them.",
    },
  ];
}
