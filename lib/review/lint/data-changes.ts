import type { A_Expr, Node, WithClause } from "libpg-query";
import { nameOf, type ObjectName } from "./objects.ts";

/** A statement, or part of one, that changes rows. */
export interface DataChange {
  readonly verb: "UPDATE" | "DELETE" | "INSERT … SELECT" | "MERGE";
  /** The tables whose size determines the duration: the changed table, or the tables copied from. */
  readonly tables: readonly ObjectName[];
  /** Whether the condition names the rows by value, so that they are few. */
  readonly pinned: boolean;
  /** Whether there is no condition. */
  readonly everyRow: boolean;
}

export function dataChanges(node: Node): DataChange[] {
  if ("UpdateStmt" in node) {
    const { relation, whereClause, withClause } = node.UpdateStmt;
    return [...inWith(withClause), ...changeOf("UPDATE", named(nameOf(relation)), whereClause)];
  }
  if ("DeleteStmt" in node) {
    const { relation, whereClause, withClause } = node.DeleteStmt;
    return [...inWith(withClause), ...changeOf("DELETE", named(nameOf(relation)), whereClause)];
  }
  if ("MergeStmt" in node) {
    const { relation, withClause } = node.MergeStmt;
    return [...inWith(withClause), ...changeOf("MERGE", named(nameOf(relation)), undefined)];
  }
  if ("InsertStmt" in node) {
    const { selectStmt, withClause } = node.InsertStmt;
    return [...inWith(withClause), ...(selectStmt === undefined ? [] : copied(selectStmt, withClause))];
  }
  return "SelectStmt" in node ? inWith(node.SelectStmt.withClause) : [];
}

function changeOf(verb: DataChange["verb"], tables: ObjectName[], where: Node | undefined): DataChange[] {
  return [{ verb, tables, pinned: where !== undefined && isPinned(where), everyRow: where === undefined }];
}

function copied(node: Node, outer: WithClause | undefined): DataChange[] {
  if (!("SelectStmt" in node)) return [];
  const { fromClause = [], whereClause, withClause } = node.SelectStmt;
  const inner = new Set(
    [...(withClause?.ctes ?? []), ...(outer?.ctes ?? [])].map((cte) => cteOf(cte)?.ctename),
  );
  const tables = fromClause
    .flatMap(tablesIn)
    .filter(({ name, schema }) => schema !== undefined || !inner.has(name));
  const own = tables.length === 0 ? [] : changeOf("INSERT … SELECT", tables, whereClause);
  return [...inWith(withClause), ...own];
}

function tablesIn(node: Node): ObjectName[] {
  if ("RangeVar" in node) return named(nameOf(node.RangeVar));
  if ("JoinExpr" in node) {
    const { larg, rarg } = node.JoinExpr;
    return [larg, rarg].flatMap((side) => (side === undefined ? [] : tablesIn(side)));
  }
  if (!("RangeSubselect" in node)) return [];
  const { subquery } = node.RangeSubselect;
  return subquery !== undefined && "SelectStmt" in subquery
    ? (subquery.SelectStmt.fromClause ?? []).flatMap(tablesIn)
    : [];
}

function inWith(clause: WithClause | undefined): DataChange[] {
  return (clause?.ctes ?? []).flatMap((cte) => {
    const query = cteOf(cte)?.ctequery;
    return query === undefined ? [] : dataChanges(query);
  });
}

function cteOf(node: Node) {
  return "CommonTableExpr" in node ? node.CommonTableExpr : undefined;
}

function named(name: ObjectName | undefined): ObjectName[] {
  return name === undefined ? [] : [name];
}

/**
 * Whether a condition names its rows by value (`id = 3`, `code IN ('a', 'b')`), as corrections of a few rows do. A value
 * may match many rows; this guess avoids false alarms.
 */
export function isPinned(where: Node): boolean {
  if ("BoolExpr" in where) {
    const { boolop, args = [] } = where.BoolExpr;
    if (boolop === "AND_EXPR") return args.some(isPinned);
    return boolop === "OR_EXPR" && args.every(isPinned);
  }
  return "A_Expr" in where && isEquality(where.A_Expr);
}

function isEquality({ kind, name = [], lexpr, rexpr }: A_Expr): boolean {
  if (lexpr === undefined || rexpr === undefined) return false;
  const operator = name.map((part) => ("String" in part ? part.String.sval : "")).join(".");
  if (operator !== "=") return false;
  if (kind === "AEXPR_OP") {
    return ("ColumnRef" in lexpr && isConstant(rexpr)) || ("ColumnRef" in rexpr && isConstant(lexpr));
  }
  return (kind === "AEXPR_IN" || kind === "AEXPR_OP_ANY") && "ColumnRef" in lexpr && isConstant(rexpr);
}

function isConstant(node: Node): boolean {
  if ("A_Const" in node) return true;
  if ("TypeCast" in node) return node.TypeCast.arg !== undefined && isConstant(node.TypeCast.arg);
  if ("List" in node) return (node.List.items ?? []).every(isConstant);
  return "A_ArrayExpr" in node && (node.A_ArrayExpr.elements ?? []).every(isConstant);
}
