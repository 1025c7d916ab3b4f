import { type Draft, placeOf } from "../draft.ts";
import type { ReadMigration } from "../migration.ts";
import type { ScriptStatement } from "../script.ts";
import { isNew, withCreatedBefore } from "../tree/creates.ts";
import { type DataChange, dataChanges } from "../tree/data.ts";
import { isSame, type ObjectName, showName } from "../tree/names.ts";
import { lockedTables } from "../tree/targets.ts";

/**
 * `ddl-with-data`: one transaction changes the shape of a table in use and many rows of tables in use. The lock on
 * the table is held for as long as the rows take.
 *
 * Many rows: an UPDATE, DELETE, MERGE, or INSERT … SELECT from a table, unless its condition names the rows by value
 * (`id = 3`, `code IN (…)`). In use: not created by the migration itself. Without a transaction every statement is
 * its own, and nothing is held.
 */
export function ddlWithData({ up, kind }: ReadMigration): Draft[] {
  if (up === null || !up.transactional) return [];
  let locked: ObjectName | undefined;
  const found: { statement: ScriptStatement; change: DataChange; held: boolean }[] = [];
  for (const { statement, created } of withCreatedBefore(up.statements)) {
    const isInUse = (table: ObjectName) => !isNew(created, table);
    for (const change of dataChanges(statement.node)) {
      const isLarge = !change.pinned && change.tables.some(isInUse);
      if (isLarge) found.push({ statement, change, held: locked !== undefined });
    }
    locked ??= lockedTables(statement.node).find(isInUse);
  }
  if (locked === undefined) return [];
  const table = locked;
  return found.map(({ statement, change, held }) => draft(statement, change, { table, held }, kind));
}

function draft(
  statement: ScriptStatement,
  { verb, tables }: DataChange,
  lock: { readonly table: ObjectName; readonly held: boolean },
  kind: ReadMigration["kind"],
): Draft {
  const rows = tables.map(showName).join(", ");
  const table = tables.some((one) => isSame(one, lock.table)) ? "it" : showName(lock.table);
  const flag = kind === "module" ? "pgm.noTransaction()" : "`-- migrate: no-transaction`";
  return {
    rule: "ddl-with-data",
    severity: lock.held ? "error" : "warning",
    direction: "up",
    message: lock.held
      ? `${verb} on the rows of ${rows} while the same transaction keeps ${table} locked`
      : `${verb} on the rows of ${rows} in one transaction with a change of ${table}'s shape`.replace(
          "it's",
          "its",
        ),
    help: `Move it into a migration of its own; for many rows, with ${flag} and in batches.`,
    at: placeOf(statement),
  };
}
