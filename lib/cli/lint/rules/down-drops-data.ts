import type { Node } from "libpg-query";
import { type Draft, placeOf } from "../draft.ts";
import type { ReadMigration } from "../migration.ts";
import type { ScriptStatement } from "../script.ts";
import { type Created, createdBy, isNew } from "../tree/creates.ts";
import { dataChanges } from "../tree/data.ts";
import { type Dropped, droppedBy, holdsData } from "../tree/drops.ts";
import { isSame, nameOf, type ObjectName, showName } from "../tree/names.ts";

/**
 * `down-drops-data`: the down takes away data that was there before the up. Dropping what the up created is what a
 * down is for, and is not reported. What is: dropping a table or column that the up did not create (or only IF NOT
 * EXISTS: a warning), dropping a schema, type or extension of others with CASCADE, and emptying a table of others
 * (TRUNCATE, or DELETE without WHERE).
 */
export function downDropsData({ up, down }: ReadMigration): Draft[] {
  if (up === null || typeof down === "string") return [];
  const made = createdBy(up.statements.map(({ node }) => node));
  // What the down itself makes, a table to copy rows through perhaps, is its own to drop.
  const nodes = down.statements.map(({ node }) => node);
  const known = [...made, ...createdBy(nodes), ...renamedIn(nodes, made)];
  const found = down.statements.flatMap((statement) => [
    ...drops(statement, known),
    ...emptied(statement, known),
  ]);
  return withOneWarning(found);
}

/** What the down has renamed: it keeps the rows under that name until it has copied them. */
function renamedIn(nodes: readonly Node[], made: readonly Created[]): Created[] {
  return nodes.flatMap((node): Created[] => {
    if (!("RenameStmt" in node)) return [];
    const { renameType, relation, newname, subname } = node.RenameStmt;
    const table = nameOf(relation);
    if (table === undefined || newname === undefined) return [];
    if (renameType === "OBJECT_COLUMN")
      return [{ kind: "column", name: table, column: newname, ifMissing: false }];
    if (renameType !== "OBJECT_TABLE" || subname !== undefined) return [];
    const columns = made.filter(({ kind, name }) => kind === "column" && isSame(name, table));
    const name = { ...table, name: newname };
    return [{ kind: "table", name, ifMissing: false }, ...columns.map((one) => ({ ...one, name }))];
  });
}

/** IF NOT EXISTS is a habit of a whole file: one remark on it is enough. */
function withOneWarning(drafts: readonly Draft[]): Draft[] {
  const warnings = drafts.filter(({ severity }) => severity === "warning");
  const [first] = warnings;
  if (first === undefined || warnings.length === 1) return [...drafts];
  const more = warnings.length - 1;
  const message = `${first.message}; the same is true of ${more} more drop${more === 1 ? "" : "s"} in it`;
  return drafts.flatMap((draft) => {
    if (draft.severity !== "warning") return [draft];
    return draft === first ? [{ ...first, message }] : [];
  });
}

function drops(statement: ScriptStatement, created: readonly Created[]): Draft[] {
  return droppedBy(statement.node)
    .filter(holdsData)
    .flatMap((dropped): Draft[] => {
      const origins = created.filter((one) => isOriginOf(one, dropped));
      if (origins.some(({ ifMissing }) => !ifMissing)) return [];
      const what = describe(dropped);
      const [message, help] =
        origins.length > 0
          ? [`the down drops ${what}, which the up creates only when it is not there yet`, IF_MISSING]
          : [`the down drops ${what}, which the up did not create`, NOT_CREATED];
      const severity = origins.length > 0 ? "warning" : "error";
      return [
        { rule: "down-drops-data", severity, direction: "down", message, help, at: placeOf(statement) },
      ];
    });
}

const NOT_CREATED = "Undo what the up did, and nothing else: leave it out of the down.";
const IF_MISSING =
  "Leave IF NOT EXISTS out of the up: the record of migrations knows whether it ran, and a table of the same name should be an error.";

function isOriginOf(created: Created, dropped: Dropped): boolean {
  if (!isSame(created.name, dropped.name)) return false;
  // A column goes with the table that was created.
  if (dropped.kind === "column" && created.kind === "table") return true;
  return created.kind === dropped.kind && created.column === dropped.column;
}

function describe({ kind, name, column, cascade }: Dropped): string {
  const what = column === undefined ? `${kind} ${showName(name)}` : `column ${column} of ${showName(name)}`;
  return cascade && kind !== "table" && kind !== "column" ? `${what} and all that depends on it` : what;
}

function emptied(statement: ScriptStatement, created: readonly Created[]): Draft[] {
  return emptiedTables(statement)
    .filter((table) => !isNew(created, table))
    .map((table) => ({
      rule: "down-drops-data",
      severity: "error",
      direction: "down",
      message: `the down removes every row of ${showName(table)}, which the up did not create`,
      help: "Remove only the rows that the up added: DELETE … WHERE …",
      at: placeOf(statement),
    }));
}

function emptiedTables({ node }: ScriptStatement): ObjectName[] {
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
