import type { Node } from "libpg-query";
import type { Severity } from "../report.ts";
import { definedColumns, rewritesWhenAdded, textTakenForCall } from "../tree/columns.ts";
import { type Created, isNew } from "../tree/creates.ts";
import { dataChanges } from "../tree/data.ts";
import { nameOf, type ObjectName, partsOf, showName, toName } from "../tree/names.ts";

export interface Complaint {
  readonly message: string;
  readonly help: string;
}

/** A rule about one statement of an up, in the order in which they run. */
export interface StatementRule {
  readonly name: string;
  readonly severity: Severity;
  /** @param created what the migration has made before this statement: nobody else uses it yet */
  check(node: Node, created: readonly Created[]): Complaint | undefined;
}

const old = (created: readonly Created[], names: readonly (ObjectName | undefined)[]): ObjectName[] =>
  names.filter((name) => name !== undefined).filter((name) => !isNew(created, name));

/** Statements that squawk lets pass and that lose data, keep others waiting, or open a door. */
export const STATEMENT_RULES: readonly StatementRule[] = [
  {
    name: "drop-cascade",
    severity: "error",
    check(node, created) {
      const what = cascades(node, created);
      return what === undefined
        ? undefined
        : {
            message: `${what} CASCADE takes along everything that depends on it, whatever that is on the day it runs`,
            help: "Leave CASCADE out, and drop by name what Postgres then lists.",
          };
    },
  },
  {
    name: "delete-every-row",
    severity: "error",
    check(node, created) {
      const [table] = old(created, emptied(node));
      return table && { message: `every row of ${showName(table)} is removed`, help: WITH_WHERE };
    },
  },
  {
    name: "update-every-row",
    severity: "warning",
    check(node, created) {
      const changes = dataChanges(node).filter(({ verb, everyRow }) => verb === "UPDATE" && everyRow);
      const [table] = old(
        created,
        changes.flatMap(({ tables }) => tables),
      );
      return (
        table && {
          message: `every row of ${showName(table)} is written anew, and stays locked until the transaction ends`,
          help: "Add a WHERE that names the rows, or work in batches in a no-transaction migration.",
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
        message: `adding ${column.definition.colname ?? "a column"} rewrites ${showName(column.table)} while nobody can use it, because each row gets a value of its own`,
        help: "Add the column without it, SET DEFAULT for new rows, and fill the old ones in batches.",
      };
    },
  },
  {
    name: "default-is-text",
    severity: "error",
    check(node) {
      const text = definedColumns(node)
        .map(({ defaultValue }) => textTakenForCall(defaultValue))
        .find((found) => found !== undefined);
      return text === undefined
        ? undefined
        : {
            message: `the default '${text}' is a text, not a call: it is evaluated once, now, and is the same for every row`,
            help: "Write it without quotes; in the builder as pgm.func('…').",
          };
    },
  },
  {
    name: "rewrites-table",
    severity: "error",
    check(node, created) {
      const found = rewrites(node);
      if (found === undefined || found.tables.some((table) => isNew(created, table))) return undefined;
      return {
        message: `${found.what} writes the whole table anew while nobody can use it`,
        help: "Do it beside the running application (pg_repack), or when nobody uses the table.",
      };
    },
  },
  {
    name: "lock-table",
    severity: "error",
    check(node, created) {
      if (!("LockStmt" in node) || (node.LockStmt.mode ?? 8) < EXCLUSIVE_LOCK) return undefined;
      const relations = (node.LockStmt.relations ?? []).map((one) =>
        "RangeVar" in one ? nameOf(one.RangeVar) : undefined,
      );
      const [table] = old(created, relations);
      return (
        table && {
          message: `LOCK TABLE keeps everybody else from ${showName(table)} until the transaction ends`,
          help: "Leave it out: each statement takes the locks that it needs.",
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
      const isMade = created.some(({ kind, name }) => kind === "view" && name.name === view?.name);
      if (concurrent || skipData || isMade || view === undefined) return undefined;
      return {
        message: `nobody can read ${showName(view)} while it is refreshed`,
        help: "REFRESH MATERIALIZED VIEW CONCURRENTLY, which needs a unique index on it.",
      };
    },
  },
  {
    name: "grant-to-public",
    severity: "warning",
    check: (node) =>
      grantsToPublic(node)
        ? {
            message: "every role of the database may write here from now on",
            help: "Name the roles that need it.",
          }
        : undefined,
  },
  {
    name: "disable-row-level-security",
    severity: "error",
    check(node, created) {
      const [table] = old(created, altered(node, ["AT_DisableRowSecurity", "AT_NoForceRowSecurity"]));
      return (
        table && {
          message: `the policies of ${showName(table)} no longer hide any row`,
          help: "Change the policies instead, or say in a lint comment who may see the rows now.",
        }
      );
    },
  },
  {
    name: "security-definer-search-path",
    severity: "warning",
    check: (node) =>
      isUnsafeDefiner(node)
        ? {
            message: "a SECURITY DEFINER function finds its names by the search path of whoever calls it",
            help: "Add SET search_path = pg_catalog, pg_temp (with the schemas it needs), and qualify its names.",
          }
        : undefined,
  },
  {
    name: "alter-system",
    severity: "error",
    check: (node) =>
      "AlterSystemStmt" in node
        ? {
            message: "ALTER SYSTEM changes every database of the server, and nothing takes it back",
            help: "Set it where the server is configured, or for one database: ALTER DATABASE … SET.",
          }
        : undefined,
  },
  {
    name: "drop-in-code",
    severity: "warning",
    check(node) {
      const found = dropsInBlock(node);
      return found === undefined
        ? undefined
        : {
            message: `this block of code runs ${found}; what it takes away is known only when it runs`,
            help: "Write the statement itself, so that it can be reviewed, or say in a lint comment why it is safe.",
          };
    },
  },
];

const WITH_WHERE = "Name the rows in a WHERE. When all of them are to go, say so in a lint comment.";
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
      created.some((one) => !one.ifMissing && one.name.name === name?.name),
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
    // Squawk has a rule for that.
    if (node.TruncateStmt.behavior === "DROP_CASCADE") return [];
    return (node.TruncateStmt.relations ?? []).map((one) =>
      "RangeVar" in one ? nameOf(one.RangeVar) : undefined,
    );
  }
  return dataChanges(node).flatMap(({ verb, everyRow, tables }) =>
    verb === "DELETE" && everyRow ? tables : [],
  );
}

function rewrites(node: Node): { readonly what: string; readonly tables: readonly ObjectName[] } | undefined {
  const named = (name: ObjectName | undefined) => (name === undefined ? [] : [name]);
  if ("VacuumStmt" in node) {
    const isFull = (node.VacuumStmt.options ?? []).some(
      (one) => "DefElem" in one && one.DefElem.defname === "full",
    );
    if (!isFull) return undefined;
    const tables = (node.VacuumStmt.rels ?? []).flatMap((one) =>
      "VacuumRelation" in one ? named(nameOf(one.VacuumRelation.relation)) : [],
    );
    return { what: "VACUUM FULL", tables };
  }
  if ("ClusterStmt" in node) return { what: "CLUSTER", tables: named(nameOf(node.ClusterStmt.relation)) };
  const [unlogged] = altered(node, ["AT_SetUnLogged", "AT_SetLogged"]);
  if (unlogged !== undefined) return { what: "SET LOGGED or UNLOGGED", tables: [unlogged] };
  const [moved] = altered(node, ["AT_SetTableSpace", "AT_SetAccessMethod"]);
  return moved === undefined ? undefined : { what: "SET TABLESPACE or ACCESS METHOD", tables: [moved] };
}

/** The table of an ALTER TABLE that does one of these things. */
function altered(node: Node, subtypes: readonly string[]): ObjectName[] {
  if (!("AlterTableStmt" in node)) return [];
  const isOne = (node.AlterTableStmt.cmds ?? []).some(
    (cmd) => "AlterTableCmd" in cmd && subtypes.includes(cmd.AlterTableCmd.subtype ?? ""),
  );
  const name = nameOf(node.AlterTableStmt.relation);
  return isOne && name !== undefined ? [name] : [];
}

const WRITES = ["insert", "update", "delete", "truncate", "create", "trigger"];
/** PUBLIC may use these anyway, unless somebody took it away. */
const USABLE = [
  "OBJECT_FUNCTION",
  "OBJECT_PROCEDURE",
  "OBJECT_ROUTINE",
  "OBJECT_TYPE",
  "OBJECT_DOMAIN",
  "OBJECT_LANGUAGE",
];

function grantsToPublic(node: Node): boolean {
  if (!("GrantStmt" in node)) return false;
  const { is_grant, objtype = "", privileges = [], grantees = [] } = node.GrantStmt;
  const toPublic = grantees.some((one) => "RoleSpec" in one && one.RoleSpec.roletype === "ROLESPEC_PUBLIC");
  if (!is_grant || !toPublic || USABLE.includes(objtype)) return false;
  if (privileges.length === 0) return true;
  return privileges.some((one) => "AccessPriv" in one && WRITES.includes(one.AccessPriv.priv_name ?? ""));
}

function isUnsafeDefiner(node: Node): boolean {
  if (!("CreateFunctionStmt" in node)) return false;
  const options = (node.CreateFunctionStmt.options ?? []).flatMap((one) =>
    "DefElem" in one ? [one.DefElem] : [],
  );
  const isDefiner = options.some(
    ({ defname, arg }) =>
      defname === "security" && arg !== undefined && "Boolean" in arg && arg.Boolean.boolval === true,
  );
  const setsPath = options.some(
    ({ defname, arg }) =>
      defname === "set" &&
      arg !== undefined &&
      "VariableSetStmt" in arg &&
      arg.VariableSetStmt.name === "search_path",
  );
  return isDefiner && !setsPath;
}

const DROPS_IN_CODE = /\b(drop\s+(?:table|schema|materialized\s+view|type|owned|column)|truncate)\b/i;

function dropsInBlock(node: Node): string | undefined {
  if (!("DoStmt" in node)) return undefined;
  const bodies = (node.DoStmt.args ?? []).flatMap((one) =>
    "DefElem" in one && one.DefElem.defname === "as" ? partsOf(one.DefElem.arg) : [],
  );
  const code = bodies.join("\n").replace(/--[^\n]*/g, "");
  return DROPS_IN_CODE.exec(code)?.[1]?.replace(/\s+/g, " ").toUpperCase();
}
