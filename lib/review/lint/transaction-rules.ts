import type { CreateSubscriptionStmt, Node } from "libpg-query";
import { knownSql, type LintedMigration } from "./migration.ts";
import { constantsIn, partsOf, textsIn } from "./objects.ts";
import { type Problem, positionOf } from "./report.ts";

/** `concurrently-in-transaction` */
export function concurrentlyInTransaction(migration: LintedMigration): Problem[] {
  return refused(migration, concurrentWork);
}

/** `refused-in-transaction` */
export function refusedInTransaction(migration: LintedMigration): Problem[] {
  return refused(migration, otherRefusedWork);
}

/**
 * `enum-value-in-transaction`: a value that ALTER TYPE … ADD VALUE adds cannot be used before the transaction has
 * committed, unless the same transaction creates the type. That a text is the value of the type is a guess.
 */
export function enumValueInTransaction(migration: LintedMigration): Problem[] {
  return knownSql(migration).flatMap(({ direction, sql }) => {
    if (!sql.transactional) return [];
    const made = new Set<string>();
    const added = new Map<string, string>();
    return sql.statements.flatMap((statement): Problem[] => {
      const { node } = statement;
      if ("CreateEnumStmt" in node)
        made.add((node.CreateEnumStmt.typeName ?? []).flatMap(partsOf).at(-1) ?? "");
      if ("AlterEnumStmt" in node) {
        const { typeName = [], newVal, oldVal } = node.AlterEnumStmt;
        const type = typeName.flatMap(partsOf).at(-1) ?? "";
        if (newVal !== undefined && oldVal === undefined && !made.has(type)) added.set(newVal, type);
        return [];
      }
      const value = constantsIn(node).find((text) => added.has(text));
      if (value === undefined) return [];
      return [
        {
          severity: "error",
          direction,
          message: `the value '${value}' is used in the transaction that adds it to ${added.get(value)}, which Postgres refuses`,
          help: "Add the value in a migration of its own, and use it in the next one.",
          at: positionOf(statement),
        },
      ];
    });
  });
}

/** Statements, in either direction, that PostgreSQL rejects because the migration runs in a transaction. */
function refused(migration: LintedMigration, workOf: (node: Node) => string | undefined): Problem[] {
  const how =
    migration.kind === "module"
      ? "Call pgm.noTransaction() in it"
      : "Make `-- migrate: no-transaction` its first line";
  return knownSql(migration).flatMap(({ direction, sql }) => {
    if (!sql.transactional) return [];
    return sql.statements.flatMap((statement): Problem[] => {
      const work = workOf(statement.node);
      if (work === undefined) return [];
      return [
        {
          severity: "error",
          direction,
          message: `${work} cannot run inside a transaction, and this migration runs in one`,
          help: `${how}, and move statements that need a transaction into another migration.`,
          at: positionOf(statement),
        },
      ];
    });
  });
}

const REINDEX_OF_MANY = ["REINDEX_OBJECT_DATABASE", "REINDEX_OBJECT_SYSTEM", "REINDEX_OBJECT_SCHEMA"];

function otherRefusedWork(node: Node): string | undefined {
  if ("VacuumStmt" in node) return node.VacuumStmt.is_vacuumcmd ? "VACUUM" : undefined;
  if ("CreatedbStmt" in node) return "CREATE DATABASE";
  if ("DropdbStmt" in node) return "DROP DATABASE";
  if ("CreateTableSpaceStmt" in node) return "CREATE TABLESPACE";
  if ("DropTableSpaceStmt" in node) return "DROP TABLESPACE";
  if ("AlterSystemStmt" in node) return "ALTER SYSTEM";
  if ("ClusterStmt" in node)
    return node.ClusterStmt.relation === undefined ? "CLUSTER of all tables" : undefined;
  if ("CreateSubscriptionStmt" in node)
    return makesSlot(node.CreateSubscriptionStmt) ? "CREATE SUBSCRIPTION with a slot" : undefined;
  if ("DiscardStmt" in node) return node.DiscardStmt.target === "DISCARD_ALL" ? "DISCARD ALL" : undefined;
  const isOfMany = "ReindexStmt" in node && REINDEX_OF_MANY.includes(node.ReindexStmt.kind ?? "");
  return isOfMany ? "REINDEX of more than one table" : undefined;
}

function concurrentWork(node: Node): string | undefined {
  if ("IndexStmt" in node) return node.IndexStmt.concurrent ? "CREATE INDEX CONCURRENTLY" : undefined;
  if ("DropStmt" in node) return node.DropStmt.concurrent ? "DROP INDEX CONCURRENTLY" : undefined;
  if ("ReindexStmt" in node) {
    const isConcurrent = (node.ReindexStmt.params ?? []).some(
      (param) => "DefElem" in param && param.DefElem.defname === "concurrently",
    );
    return isConcurrent && otherRefusedWork(node) === undefined ? "REINDEX CONCURRENTLY" : undefined;
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

function makesSlot({ options = [] }: CreateSubscriptionStmt): boolean {
  const isOff = options.some(
    (item) =>
      "DefElem" in item &&
      ["connect", "create_slot"].includes(item.DefElem.defname ?? "") &&
      textsIn(item.DefElem.arg).some((text) => ["false", "off", "0"].includes(text.toLowerCase())),
  );
  return !isOff;
}
