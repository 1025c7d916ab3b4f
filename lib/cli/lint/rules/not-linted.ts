import type { Draft } from "../draft.ts";
import type { ReadMigration } from "../migration.ts";

/** `not-linted`: the SQL depends on what an earlier pending migration creates. */
export function notLinted({ up }: ReadMigration): Draft[] {
  if (up !== null) return [];
  return [
    {
      rule: "not-linted",
      severity: "warning",
      direction: "up",
      message:
        "its SQL is known only when the pending migrations before it have run: it asks the database while it is built",
      help: "Apply those to a scratch database and lint against that one.",
    },
  ];
}
