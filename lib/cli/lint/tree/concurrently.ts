import type { Node } from "libpg-query";

/** A statement that Postgres refuses inside a transaction, in words of SQL. */
export function refusedInTransaction(node: Node): string | undefined {
  if ("VacuumStmt" in node) return node.VacuumStmt.is_vacuumcmd ? "VACUUM" : undefined;
  if ("CreatedbStmt" in node) return "CREATE DATABASE";
  if ("DropdbStmt" in node) return "DROP DATABASE";
  if ("CreateTableSpaceStmt" in node) return "CREATE TABLESPACE";
  if ("DropTableSpaceStmt" in node) return "DROP TABLESPACE";
  if ("AlterSystemStmt" in node) return "ALTER SYSTEM";
  if ("ClusterStmt" in node)
    return node.ClusterStmt.relation === undefined ? "CLUSTER of all tables" : undefined;
  if ("DiscardStmt" in node) return node.DiscardStmt.target === "DISCARD_ALL" ? "DISCARD ALL" : undefined;
  if (
    "ReindexStmt" in node &&
    ["REINDEX_OBJECT_DATABASE", "REINDEX_OBJECT_SYSTEM", "REINDEX_OBJECT_SCHEMA"].includes(
      node.ReindexStmt.kind ?? "",
    )
  ) {
    return "REINDEX of more than one table";
  }
  return doneConcurrently(node);
}

/** What a statement does CONCURRENTLY, in words of SQL. */
function doneConcurrently(node: Node): string | undefined {
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
