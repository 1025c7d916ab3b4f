import type { Node, ObjectType } from "libpg-query";
import type { CreatedKind } from "./creates.ts";
import { nameOf, type ObjectName, partsOf, toName } from "./names.ts";

/** Something with data in it that a statement takes away. */
export interface Dropped {
  readonly kind: CreatedKind;
  /** Of a column, its table. */
  readonly name: ObjectName;
  readonly column?: string;
  readonly cascade: boolean;
}

const KINDS = new Map<ObjectType, CreatedKind>([
  ["OBJECT_TABLE", "table"],
  ["OBJECT_INDEX", "index"],
  ["OBJECT_SCHEMA", "schema"],
  ["OBJECT_TYPE", "type"],
  ["OBJECT_DOMAIN", "type"],
  ["OBJECT_EXTENSION", "extension"],
]);

export function droppedBy(node: Node): Dropped[] {
  if ("AlterTableStmt" in node) {
    const name = nameOf(node.AlterTableStmt.relation);
    if (name === undefined) return [];
    return (node.AlterTableStmt.cmds ?? []).flatMap((cmd): Dropped[] => {
      if (!("AlterTableCmd" in cmd)) return [];
      const { subtype, name: column, behavior } = cmd.AlterTableCmd;
      if (subtype !== "AT_DropColumn" || column === undefined) return [];
      return [{ kind: "column", name, column, cascade: behavior === "DROP_CASCADE" }];
    });
  }
  if (!("DropStmt" in node)) return [];
  const { objects, removeType, behavior } = node.DropStmt;
  const kind = removeType === undefined ? undefined : KINDS.get(removeType);
  if (kind === undefined) return [];
  return (objects ?? []).flatMap((object): Dropped[] => {
    const name = toName(partsOf(object));
    return name === undefined ? [] : [{ kind, name, cascade: behavior === "DROP_CASCADE" }];
  });
}

/**
 * Whether rows or values go with it. Postgres refuses to drop a type, a schema or an extension that is in use,
 * unless CASCADE lets it take columns and tables along.
 */
export function holdsData({ kind, cascade }: Dropped): boolean {
  if (kind === "table" || kind === "column") return true;
  return cascade && (kind === "schema" || kind === "type" || kind === "extension");
}
