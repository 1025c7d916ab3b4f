import type { ColumnDef, Node } from "libpg-query";
import { nameOf, type ObjectName, partsOf } from "./names.ts";

/** A column that a statement defines, or whose default it sets. */
export interface DefinedColumn {
  readonly table: ObjectName;
  /** True for ALTER TABLE … ADD COLUMN. */
  readonly added: boolean;
  readonly definition: ColumnDef;
  readonly defaultValue: Node | undefined;
}

export function definedColumns(node: Node): DefinedColumn[] {
  if ("CreateStmt" in node) {
    const table = nameOf(node.CreateStmt.relation);
    if (table === undefined) return [];
    return (node.CreateStmt.tableElts ?? []).flatMap((one) =>
      "ColumnDef" in one ? [column(table, false, one.ColumnDef)] : [],
    );
  }
  if (!("AlterTableStmt" in node)) return [];
  const table = nameOf(node.AlterTableStmt.relation);
  if (table === undefined) return [];
  return (node.AlterTableStmt.cmds ?? []).flatMap((cmd): DefinedColumn[] => {
    if (!("AlterTableCmd" in cmd)) return [];
    const { subtype, def, name } = cmd.AlterTableCmd;
    if (subtype === "AT_AddColumn" && def !== undefined && "ColumnDef" in def)
      return [column(table, true, def.ColumnDef)];
    if (subtype !== "AT_ColumnDefault" || name === undefined) return [];
    return [{ table, added: false, definition: { colname: name }, defaultValue: def }];
  });
}

function column(table: ObjectName, added: boolean, definition: ColumnDef): DefinedColumn {
  const defaultValue = constraintsOf(definition).find(
    ({ contype }) => contype === "CONSTR_DEFAULT",
  )?.raw_expr;
  return { table, added, definition, defaultValue };
}

function constraintsOf({ constraints = [] }: ColumnDef) {
  return constraints.flatMap((one) => ("Constraint" in one ? [one.Constraint] : []));
}

const SERIALS = ["smallserial", "serial", "bigserial", "serial2", "serial4", "serial8"];

/** What gives each row a value of its own; a volatile default does too, which squawk says. */
export function rewritesWhenAdded(definition: ColumnDef): boolean {
  const type = (definition.typeName?.names ?? []).flatMap(partsOf).at(-1) ?? "";
  if (SERIALS.includes(type)) return true;
  return constraintsOf(definition).some(
    ({ contype, generated_kind }) =>
      contype === "CONSTR_IDENTITY" || (contype === "CONSTR_GENERATED" && generated_kind !== "v"),
  );
}

const LOOKS_LIKE_CALL =
  /^\s*(?:now(?:\s*\(\s*\))?|current_(?:timestamp|date|time)|localtime(?:stamp)?|(?:clock_timestamp|gen_random_uuid|uuid_generate_v\d\w*|random|uuidv[47])\s*\(\s*\)|nextval\s*\(.*\))\s*$/i;

/** A default in quotes that was meant to be evaluated for each row. */
export function textTakenForCall(value: Node | undefined): string | undefined {
  if (value === undefined) return undefined;
  if ("TypeCast" in value) return textTakenForCall(value.TypeCast.arg);
  const text = "A_Const" in value ? value.A_Const.sval?.sval : undefined;
  return text !== undefined && LOOKS_LIKE_CALL.test(text) ? text : undefined;
}

/** Functions that give the same answer for every row of one statement: Postgres evaluates such a default once. */
const STABLE =
  /^(?:now|transaction_timestamp|statement_timestamp|timezone|date_trunc|date_part|current_setting|to_timestamp|to_date|make_interval|make_date|lower|upper|concat|coalesce|jsonb?_build_(?:object|array)|to_jsonb?|array_fill|md5|length|txid_current|pg_current_xact_id|current_database|current_schema|version)$/;

/** Whether nothing in an expression is known to differ from row to row, as far as its functions are known. */
export function isStable(node: Node | undefined): boolean {
  if (node === undefined) return true;
  if ("A_Const" in node || "SQLValueFunction" in node) return true;
  if ("TypeCast" in node) return isStable(node.TypeCast.arg);
  if ("CollateClause" in node) return isStable(node.CollateClause.arg);
  if ("A_Expr" in node) return isStable(node.A_Expr.lexpr) && isStable(node.A_Expr.rexpr);
  if ("A_ArrayExpr" in node) return (node.A_ArrayExpr.elements ?? []).every(isStable);
  if ("CoalesceExpr" in node) return (node.CoalesceExpr.args ?? []).every(isStable);
  if (!("FuncCall" in node)) return false;
  const name = (node.FuncCall.funcname ?? []).flatMap(partsOf).at(-1) ?? "";
  return STABLE.test(name) && (node.FuncCall.args ?? []).every(isStable);
}
