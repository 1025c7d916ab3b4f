import type { AlterTableStmt, Node } from "libpg-query";
import { droppedBy } from "./drops.ts";
import type { ObjectName } from "./names.ts";
import { nameOf } from "./names.ts";

/** The tables that a statement changes the shape of, and so locks against others. */
export function lockedTables(node: Node): ObjectName[] {
  if ("TruncateStmt" in node) {
    return (node.TruncateStmt.relations ?? []).flatMap((one) =>
      "RangeVar" in one ? named(one.RangeVar) : [],
    );
  }
  if ("DropStmt" in node)
    return droppedBy(node).flatMap(({ kind, name }) => (kind === "table" ? [name] : []));
  if ("AlterTableStmt" in node)
    return onlyValidates(node.AlterTableStmt) ? [] : named(node.AlterTableStmt.relation);
  if ("IndexStmt" in node) return node.IndexStmt.concurrent ? [] : named(node.IndexStmt.relation);
  if ("RenameStmt" in node) return named(node.RenameStmt.relation);
  if ("CreateTrigStmt" in node) return named(node.CreateTrigStmt.relation);
  if ("CreatePolicyStmt" in node) return named(node.CreatePolicyStmt.table);
  if ("AlterPolicyStmt" in node) return named(node.AlterPolicyStmt.table);
  if ("RuleStmt" in node) return named(node.RuleStmt.relation);
  if ("AlterObjectSchemaStmt" in node) return named(node.AlterObjectSchemaStmt.relation);
  return [];
}

/** VALIDATE CONSTRAINT is made for tables in use. */
function onlyValidates({ cmds = [] }: AlterTableStmt): boolean {
  return cmds.every((cmd) => "AlterTableCmd" in cmd && cmd.AlterTableCmd.subtype === "AT_ValidateConstraint");
}

function named(range: Parameters<typeof nameOf>[0]): ObjectName[] {
  const name = nameOf(range);
  return name === undefined ? [] : [name];
}
