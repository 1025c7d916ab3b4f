import { type Draft, placeOf } from "../draft.ts";
import type { ReadMigration } from "../migration.ts";
import { withCreatedBefore } from "../tree/creates.ts";
import { STATEMENT_RULES } from "./statement-rules.ts";

/** The rules of `STATEMENT_RULES`, for the statements of an up. */
export function statementRules({ up }: ReadMigration): Draft[] {
  return [...withCreatedBefore(up?.statements ?? [])].flatMap(({ statement, created }) =>
    STATEMENT_RULES.flatMap(({ name, severity, check }): Draft[] => {
      const complaint = check(statement.node, created);
      return complaint === undefined
        ? []
        : [{ rule: name, severity, direction: "up", ...complaint, at: placeOf(statement) }];
    }),
  );
}
