import type { Draft } from "../draft.ts";
import type { ReadMigration } from "../migration.ts";

/**
 * `empty-up`: the migration sends nothing. `empty-down`: its down sends nothing, and so takes nothing back. Who asks the
 * database while it is built has done its work by then.
 */
export function empty({ up, down, dynamic }: ReadMigration): Draft[] {
  if (dynamic || up === null || up.broken !== null) return [];
  if (up.statements.length === 0) {
    return [
      {
        rule: "empty-up",
        severity: "warning",
        direction: "up",
        message: "it changes nothing: its up sends no SQL",
        help: "Fill it in before it is applied, or delete the file.",
      },
    ];
  }
  if (typeof down === "string" || down.broken !== null || down.statements.length > 0) return [];
  return [
    {
      rule: "empty-down",
      severity: "warning",
      direction: "down",
      message: "its down does nothing, so that undoing it would only forget it",
      help: 'Undo what the up did, or say why that cannot be done: export const irreversible = "the reason", in SQL the comment -- irreversible: the reason.',
    },
  ];
}
