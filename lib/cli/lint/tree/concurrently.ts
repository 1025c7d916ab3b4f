import type { Node } from "libpg-query";

/** What a statement does CONCURRENTLY, in words of SQL; Postgres refuses each of these inside a transaction. */
export function doneConcurrently(node: Node): string | undefined {
  if ("IndexStmt" in node) return node.IndexStmt.concurrent ? "CREATE INDEX CONCURRENTLY" : undefined;
  if ("DropStmt" in node) return node.DropStmt.concurrent ? "DROP INDEX CONCURRENTLY" : undefined;
  if ("ReindexStmt" in node) {
    const isConcurrent = (node.ReindexStmt.params ?? []).some(
      (param) => "DefElem" in param && param.DefElem.defname === "concurrently",
    );
    return isConcurrent ? "REINDEX CONCURRENTLY" : undefined;
  }
  if (!("AlterTableStmt" in node)) return undefined;
  const detaches = (node.AlterTableStmt.cmds ?? []).some(
    (cmd) =>
      "AlterTableCmd" in cmd &&
      cmd.AlterTableCmd.def !== undefined &&
      "PartitionCmd" in cmd.AlterTableCmd.def &&
      cmd.AlterTableCmd.def.PartitionCmd.concurrent === true,
  );
  return detaches ? "DETACH PARTITION CONCURRENTLY" : undefined;
}
