import type { Draft } from "../draft.ts";
import { type ReadMigration, scriptsOf } from "../migration.ts";

/** `syntax-error`: PostgreSQL's own parser refuses the SQL; what comes after it is not judged. */
export function brokenSql(migration: ReadMigration): Draft[] {
  return scriptsOf(migration).flatMap(({ direction, script: { broken } }): Draft[] => {
    if (broken === null) return [];
    const { step, offset, message } = broken;
    return [
      {
        rule: "syntax-error",
        severity: "error",
        direction,
        message,
        help: "Correct it; the rest of this migration is judged when it can be read.",
        at: { step, offset },
      },
    ];
  });
}
