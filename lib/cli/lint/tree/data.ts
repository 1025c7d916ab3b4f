import type { Node, WithClause } from "libpg-query";
import { nameOf, type ObjectName } from "./names.ts";
import { isPinned } from "./pinned.ts";

/** A statement, or a part of one, that changes rows. */
export interface DataChange {
  readonly verb: "UPDATE" | "DELETE" | "INSERT … SELECT" | "MERGE";
  /** The tables whose size decides how long it takes: the one that is changed, or those that are copied from. */
  readonly tables: readonly ObjectName[];
  /** True when the condition names the rows by value, so that they are few. */
  readonly pinned: boolean;
  /** True without any condition. */
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
