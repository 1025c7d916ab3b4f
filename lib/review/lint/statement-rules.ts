import type { Node } from "libpg-query";
import { definedColumns, hasCheck, rewritesWhenAdded, textTakenForCall } from "./column-types.ts";
import { dataChanges } from "./data-changes.ts";
import { type Created, isNew, nameOf, type ObjectName, partsOf, showName, toName } from "./objects.ts";
import type { Severity } from "./report.ts";

export interface Advice {
  readonly message: string;
  readonly help: string;
}

/** A rule about one statement of an up. */
export interface StatementRule {
  readonly name: string;
  readonly severity: Severity;
  /** @param created what the migration created before this statement, which no other session uses yet */
  check(node: Node, created: readonly Created[]): Advice | undefined;
}

export const existing = (
  created: readonly Created[],
  names: readonly (ObjectName | undefined)[],
): ObjectName[] => names.filter((name) => name !== undefined).filter((name) => !isNew(created, name));

/** Statements that lose data or block others, and that squawk does not report. */
export const STATEMENT_RULES: readonly StatementRule[] = [
  {
    name: "drop-cascade",
    severity: "error",
    check(node, created) {
      const what = cascades(node, created);
      return what === undefined
        ? undefined
        : {
            message: `${what} CASCADE also drops everything that depends on it on the day it runs`,
            help: "Leave CASCADE out, and drop the objects that Postgres then lists by name.",
          };
    },
  },
  {
    name: "drop-owned",
    severity: "error",
    check: (node) =>
      "DropOwnedStmt" in node
        ? {
            message: "DROP OWNED drops every object of the role, with its rows, on the day it runs",
            help: "REASSIGN OWNED BY … TO … first, or drop the objects by name.",
          }
        : undefined,
  },
  {
    name: "delete-every-row",
    severity: "error",
    check(node, created) {
      const [table] = existing(created, emptied(node));
      return table && { message: `every row of ${showName(table)} is removed`, help: WITH_WHERE };
    },
  },
  {
    name: "update-every-row",
    severity: "warning",
    check(node, created) {
      const changes = dataChanges(node).filter(({ verb, everyRow }) => verb === "UPDATE" && everyRow);
      const [table] = existing(
        created,
        changes.flatMap(({ tables }) => tables),
      );
      return (
        table && {
          message: `every row of ${showName(table)} is rewritten and stays locked until the transaction ends`,
          help: "Add a WHERE that names the rows, or make it a backfill (`-- migrate: backfill`).",
        }
      );
    },
  },
  {
    name: "adding-column-rewrites-table",
    severity: "error",
    check(node, created) {
      const column = definedColumns(node).find(
        ({ added, definition }) => added && rewritesWhenAdded(definition),
      );
      if (column === undefined || isNew(created, column.table)) return undefined;
      return {
        message: `adding ${column.definition.colname ?? "a column"} rewrites ${showName(column.table)} under an exclusive lock, because each row gets a different value`,
        help: "Add the column without it, SET DEFAULT for new rows, and fill the old ones in batches.",
      };
    },
  },
  {
    name: "adding-column-checks-rows",
    severity: "error",
    check(node, created) {
      const column = definedColumns(node).find(({ added, definition }) => added && hasCheck(definition));
      if (column === undefined || isNew(created, column.table)) return undefined;
      const name = column.definition.colname ?? "a column";
      return {
        message: `adding ${name} with its CHECK reads all rows of ${showName(column.table)} under an exclusive lock`,
        help: "Add the column without it, then the constraint: ADD CONSTRAINT … CHECK (…) NOT VALID. VALIDATE CONSTRAINT in a later migration.",
      };
    },
  },
  {
    name: "default-is-text",
    severity: "error",
    check(node) {
      const text = definedColumns(node)
        .map(({ defaultValue }) => textTakenForCall(defaultValue))
        .find((text) => text !== undefined);
      return text === undefined
        ? undefined
        : {
            message: `the default '${text}' is a text, not a call: it is evaluated once, and is the same for every row`,
            help: "Write it without quotes; in the builder as pgm.func('…').",
          };
    },
  },
  {
    name: "rewrites-table",
    severity: "error",
    check(node, created) {
      const rewrite = rewrites(node);
      if (rewrite === undefined || rewrite.tables.some((table) => isNew(created, table))) return undefined;
      return {
        message: `${rewrite.what} rewrites the whole table under an exclusive lock`,
        help: "Use pg_repack, which works while the table is in use, or run it when the table is not in use.",
      };
    },
  },
  {
    name: "lock-table",
    severity: "error",
    check(node, created) {
      if (!("LockStmt" in node) || (node.LockStmt.mode ?? 8) < EXCLUSIVE_LOCK) return undefined;
      const relations = (node.LockStmt.relations ?? []).map((item) =>
        "RangeVar" in item ? nameOf(item.RangeVar) : undefined,
      );
      const [table] = existing(created, relations);
      return (
        table && {
          message: `LOCK TABLE blocks all other sessions from ${showName(table)} until the transaction ends`,
          help: "Remove it: each statement takes the locks that it needs.",
        }
      );
    },
  },
  {
    name: "refresh-without-concurrently",
    severity: "error",
    check(node, created) {
      if (!("RefreshMatViewStmt" in node)) return undefined;
      const { concurrent, skipData, relation } = node.RefreshMatViewStmt;
      const view = nameOf(relation);
      if (concurrent || skipData || view === undefined || isNew(created, view)) return undefined;
      return {
        message: `${showName(view)} cannot be read while it is refreshed`,
        help: "REFRESH MATERIALIZED VIEW CONCURRENTLY, which needs a unique index on it.",
      };
    },
  },
];

const WITH_WHERE = "Name the rows in a WHERE. If all rows are to be removed, say so in a lint comment.";
const EXCLUSIVE_LOCK = 7;

const CASCADED: ReadonlyMap<string, string> = new Map([
  ["OBJECT_SCHEMA", "DROP SCHEMA"],
  ["OBJECT_TABLE", "DROP TABLE"],
  ["OBJECT_VIEW", "DROP VIEW"],
  ["OBJECT_MATVIEW", "DROP MATERIALIZED VIEW"],
  ["OBJECT_TYPE", "DROP TYPE"],
  ["OBJECT_DOMAIN", "DROP DOMAIN"],
  ["OBJECT_EXTENSION", "DROP EXTENSION"],
  ["OBJECT_FUNCTION", "DROP FUNCTION"],
  ["OBJECT_SEQUENCE", "DROP SEQUENCE"],
]);

function cascades(node: Node, created: readonly Created[]): string | undefined {
  if ("DropStmt" in node) {
    const { behavior, removeType = "", objects = [] } = node.DropStmt;
    if (behavior !== "DROP_CASCADE") return undefined;
    const names = objects.map((object) => toName(partsOf(object)));
    const isOwn = names.every((name) =>
      created.some((item) => !item.ifMissing && item.name.name === name?.name),
    );
    return isOwn ? undefined : CASCADED.get(removeType);
  }
  if (!("AlterTableStmt" in node)) return undefined;
  const table = nameOf(node.AlterTableStmt.relation);
  if (table === undefined || isNew(created, table)) return undefined;
  for (const cmd of node.AlterTableStmt.cmds ?? []) {
    if (!("AlterTableCmd" in cmd) || cmd.AlterTableCmd.behavior !== "DROP_CASCADE") continue;
    if (cmd.AlterTableCmd.subtype === "AT_DropColumn") return "DROP COLUMN";
    if (cmd.AlterTableCmd.subtype === "AT_DropConstraint") return "DROP CONSTRAINT";
  }
  return undefined;
}

function emptied(node: Node): (ObjectName | undefined)[] {
  if ("TruncateStmt" in node) {
    // Squawk has a rule for TRUNCATE … CASCADE.
    if (node.TruncateStmt.behavior === "DROP_CASCADE") return [];
    return (node.TruncateStmt.relations ?? []).map((item) =>
      "RangeVar" in item ? nameOf(item.RangeVar) : undefined,
    );
  }
  return dataChanges(node).flatMap(({ verb, everyRow, tables }) =>
    verb === "DELETE" && everyRow ? tables : [],
  );
}

/** A statement that writes a table anew. */
export function rewrites(
  node: Node,
): { readonly what: string; readonly tables: readonly ObjectName[] } | undefined {
  const named = (name: ObjectName | undefined) => (name === undefined ? [] : [name]);
  if ("VacuumStmt" in node) {
    const isFull = (node.VacuumStmt.options ?? []).some(
      (item) => "DefElem" in item && item.DefElem.defname === "full",
    );
    if (!isFull) return undefined;
    const tables = (node.VacuumStmt.rels ?? []).flatMap((item) =>
      "VacuumRelation" in item ? named(nameOf(item.VacuumRelation.relation)) : [],
    );
    return { what: "VACUUM FULL", tables };
  }
  if ("ClusterStmt" in node) return { what: "CLUSTER", tables: named(nameOf(node.ClusterStmt.relation)) };
  const [unlogged] = altered(node, ["AT_SetUnLogged", "AT_SetLogged"]);
  if (unlogged !== undefined) return { what: "SET LOGGED or UNLOGGED", tables: [unlogged] };
  const [computed] = altered(node, ["AT_SetExpression"]);
  if (computed !== undefined) return { what: "SET EXPRESSION", tables: [computed] };
  const [moved] = altered(node, ["AT_SetTableSpace", "AT_SetAccessMethod"]);
  return moved === undefined ? undefined : { what: "SET TABLESPACE or ACCESS METHOD", tables: [moved] };
}

/** The table of an ALTER TABLE with one of these subcommands. */
export function altered(node: Node, subtypes: readonly string[]): ObjectName[] {
  if (!("AlterTableStmt" in node)) return [];
  const isOne = (node.AlterTableStmt.cmds ?? []).some(
    (cmd) => "AlterTableCmd" in cmd && subtypes.includes(cmd.AlterTableCmd.subtype ?? ""),
  );
  const name = nameOf(node.AlterTableStmt.relation);
  return isOne && name !== undefined ? [name] : [];
}
