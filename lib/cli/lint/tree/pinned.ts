import type { A_Expr, Node } from "libpg-query";

/**
 * Whether a condition names its rows by value (`id = 3`, `code IN ('a', 'b')`), as corrections of a few rows do.
 * A guess: a value may be that of many rows. It is made so that this stays quiet.
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
