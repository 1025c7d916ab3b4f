import { HOW_TO_DECLARE } from "../../../migrator/index.ts";
import type { Draft } from "../draft.ts";
import type { ReadMigration } from "../migration.ts";

/** `missing-down`: what was applied cannot be undone, and the file does not say why. */
export function missingDown({ down, kind }: ReadMigration): Draft[] {
  if (down !== "missing") return [];
  const add = {
    module: "Export a function down(pgm) from it.",
    sql: "Add a section with `-- Down Migration` above it.",
    pair: "Add its .down.sql file.",
  }[kind];
  return [
    {
      rule: "missing-down",
      severity: "error",
      direction: "down",
      message: "it has no down, and none can be inferred",
      help: `${add} When it cannot be undone, say why: ${HOW_TO_DECLARE}.`,
    },
  ];
}
