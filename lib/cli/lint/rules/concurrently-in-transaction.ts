import { type Draft, placeOf } from "../draft.ts";
import { type ReadMigration, scriptsOf } from "../migration.ts";
import { doneConcurrently } from "../tree/concurrently.ts";

/** `concurrently-in-transaction`: Postgres refuses it when it runs. Also looked for in the down. */
export function concurrentlyInTransaction(migration: ReadMigration): Draft[] {
  const how =
    migration.kind === "module"
      ? "Call pgm.noTransaction() in it"
      : "Make `-- migrate: no-transaction` its first line";
  return scriptsOf(migration).flatMap(({ direction, script }) => {
    if (!script.transactional) return [];
    return script.statements.flatMap((statement): Draft[] => {
      const what = doneConcurrently(statement.node);
      if (what === undefined) return [];
      return [
        {
          rule: "concurrently-in-transaction",
          severity: "error",
          direction,
          message: `${what} cannot run inside a transaction, and this migration runs in one`,
          help: `${how}, and move what needs a transaction into another migration.`,
          at: placeOf(statement),
        },
      ];
    });
  });
}
