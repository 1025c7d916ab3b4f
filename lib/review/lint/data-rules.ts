import type { Node } from "libpg-query";
import type { KnownColumn } from "./column-types.ts";
import { type DataChange, dataChanges } from "./data-changes.ts";
import type { LintedMigration } from "./migration.ts";
import {
  type Created,
  createdBy,
  type Dropped,
  droppedBy,
  holdsData,
  isNew,
  isSame,
  lockedTables,
  nameOf,
  type ObjectName,
  showName,
  withCreatedBefore,
} from "./objects.ts";
import type { SqlStatement } from "./parsed-sql.ts";
import { type Problem, positionOf } from "./report.ts";

/**
 * `ddl-with-data`: one transaction changes the shape of a table in use and many rows of tables in use, so that it holds
 * the lock on the table while it changes the rows.
 *
 * Many rows: an UPDATE, DELETE, MERGE, or INSERT … SELECT from a table, unless its condition names the rows by value
 * (`id = 3`, `code IN (…)`). In use: not created by the migration itself. Outside a transaction no lock outlives its
 * statement.
 */
export function ddlWithData({ up, kind, createdBefore }: LintedMigration): Problem[] {
  if (up === null || !up.transactional) return [];
  let locked: ObjectName | undefined;
  const made = createdBy(up.statements.map(({ node }) => node));
  // DROP TABLE IF EXISTS often stands above the CREATE of the same table, and finds none.
  const isMadeAgain = (node: Node, table: ObjectName) =>
    "DropStmt" in node && node.DropStmt.missing_ok === true && isNew(made, table);
  const changes: { statement: SqlStatement; change: DataChange; held: boolean }[] = [];
  for (const { statement, created } of withCreatedBefore(up.statements, createdBefore)) {
    const isInUse = (table: ObjectName) => !isNew(created, table);
    for (const change of dataChanges(statement.node)) {
      const isLarge = !change.pinned && change.tables.some(isInUse);
      if (isLarge) changes.push({ statement, change, held: locked !== undefined });
    }
    locked ??= lockedTables(statement.node).find(
      (table) => isInUse(table) && !isMadeAgain(statement.node, table),
    );
  }
  if (locked === undefined) return [];
  const table = locked;
  return changes.map(({ statement, change, held }) =>
    describeChange(statement, change, { table, held }, kind),
  );
}

function describeChange(
  statement: SqlStatement,
  { verb, tables }: DataChange,
  lock: { readonly table: ObjectName; readonly held: boolean },
  kind: LintedMigration["kind"],
): Problem {
  const rows = tables.map(showName).join(", ");
  const table = tables.some((one) => isSame(one, lock.table)) ? "it" : showName(lock.table);
  const form = kind === "module" ? "`export const backfill`" : "`-- migrate: backfill`";
  return {
    severity: lock.held ? "error" : "warning",
    direction: "up",
    message: lock.held
      ? `${verb} on the rows of ${rows} while the same transaction keeps ${table} locked`
      : `${verb} on the rows of ${rows} in one transaction with a change of ${table}'s shape`.replace(
          "it's",
          "its",
        ),
    help: `Move it into a separate migration; for many rows, a backfill (${form}).`,
    at: positionOf(statement),
  };
}

/**
 * `down-drops-data`: the down removes data that existed before the up: it drops a table or column that the up did not
 * create, or creates only IF NOT EXISTS and that exists, drops another schema, type or extension with CASCADE, or empties
 * another table (TRUNCATE, or DELETE without WHERE).
 */
export function downDropsData(
  { up, down }: LintedMigration,
  { columns }: { readonly columns: readonly KnownColumn[] },
): Problem[] {
  if (up === null || typeof down === "string") return [];
  const byUp = createdBy(up.statements.map(({ node }) => node));
  // The down may drop what it creates itself, such as a table to copy rows through.
  const nodes = down.statements.map(({ node }) => node);
  const created = [...byUp, ...createdBy(nodes), ...renamedIn(nodes, byUp)];
  return down.statements.flatMap((statement) => [
    ...dropsOf(statement, created, columns),
    ...emptyingOf(statement, created),
  ]);
}

/** A down may rename a table or column to keep its rows until they are copied. */
function renamedIn(nodes: readonly Node[], byUp: readonly Created[]): Created[] {
  return nodes.flatMap((node): Created[] => {
    if (!("RenameStmt" in node)) return [];
    const { renameType, relation, newname, subname } = node.RenameStmt;
    const table = nameOf(relation);
    if (table === undefined || newname === undefined) return [];
    if (renameType === "OBJECT_COLUMN")
      return [{ kind: "column", name: table, column: newname, ifMissing: false }];
    if (renameType !== "OBJECT_TABLE" || subname !== undefined) return [];
    const columns = byUp.filter(({ kind, name }) => kind === "column" && isSame(name, table));
    const name = { ...table, name: newname };
    return [{ kind: "table", name, ifMissing: false }, ...columns.map((column) => ({ ...column, name }))];
  });
}

function dropsOf(
  statement: SqlStatement,
  created: readonly Created[],
  columns: readonly KnownColumn[],
): Problem[] {
  return droppedBy(statement.node)
    .filter(holdsData)
    .flatMap((dropped): Problem[] => {
      const origins = created.filter((candidate) => isOriginOf(candidate, dropped));
      if (origins.some(({ ifMissing }) => !ifMissing)) return [];
      // IF NOT EXISTS is a habit of some, and the object is usually missing.
      if (origins.length > 0 && !isPresent(dropped, columns)) return [];
      const what = describe(dropped);
      const [message, help] =
        origins.length > 0
          ? [`the down drops ${what}, which exists: IF NOT EXISTS in the up creates nothing`, IF_MISSING]
          : [`the down drops ${what}, which the up did not create`, NOT_CREATED];
      return [{ severity: "error", direction: "down", message, help, at: positionOf(statement) }];
    });
}

function isPresent({ name, column }: Dropped, columns: readonly KnownColumn[]): boolean {
  return columns.some(
    (known) => isSame(known.table, name) && (column === undefined || column === known.column),
  );
}

const NOT_CREATED = "Undo only what the up did: remove it from the down.";
const IF_MISSING =
  "Remove IF NOT EXISTS from the up: the history knows whether it ran, and an existing table of the same name should be an error.";

function isOriginOf(created: Created, dropped: Dropped): boolean {
  if (!isSame(created.name, dropped.name)) return false;
  // Dropping a column of a table that the up created is fine.
  if (dropped.kind === "column" && created.kind === "table") return true;
  return created.kind === dropped.kind && created.column === dropped.column;
}

function describe({ kind, name, column, cascade }: Dropped): string {
  const what = column === undefined ? `${kind} ${showName(name)}` : `column ${column} of ${showName(name)}`;
  return cascade && kind !== "table" && kind !== "column" ? `${what} and all that depends on it` : what;
}

function emptyingOf(statement: SqlStatement, created: readonly Created[]): Problem[] {
  return emptiedTables(statement)
    .filter((table) => !isNew(created, table))
    .map((table) => ({
      severity: "error",
      direction: "down",
      message: `the down removes every row of ${showName(table)}, which the up did not create`,
      help: "Remove only the rows that the up added: DELETE … WHERE …",
      at: positionOf(statement),
    }));
}

function emptiedTables({ node }: SqlStatement): ObjectName[] {
  if ("TruncateStmt" in node) {
    return (node.TruncateStmt.relations ?? []).flatMap((one) => {
      const name = "RangeVar" in one ? nameOf(one.RangeVar) : undefined;
      return name === undefined ? [] : [name];
    });
  }
  return dataChanges(node).flatMap(({ verb, everyRow, tables }) =>
    verb === "DELETE" && everyRow ? tables : [],
  );
}
