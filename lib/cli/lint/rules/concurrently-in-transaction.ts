import { type Draft, placeOf } from "../draft.ts";
import { type ReadMigration, scriptsOf } from "../migration.ts";
import { refusedInTransaction } from "../tree/concurrently.ts";

/** `concurrently-in-transaction`, `refused-in-transaction`: Postgres refuses it when it runs. Also looked for in the down. */
export function concurrentlyInTransaction(migration: ReadMigration): Draft[] {
  const how =
    migration.kind === "module"
      ? "Call pgm.noTransaction() in it"
      : "Make `-- migrate: no-transaction` its first line";
  return scriptsOf(migration).flatMap(({ direction, script }) => {
    if (!script.transactional) return [];
    return script.statements.flatMap((statement): Draft[] => {
      const what = refusedInTransaction(statement.node);
      if (what === undefined) return [];
      return [
        {
          rule: what.includes("CONCURRENTLY") ? "concurrently-in-transaction" : "refused-in-transaction",
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
