import type { AlterTableStmt, Node, RenameStmt } from "libpg-query";
import { isSame, nameOf, type ObjectName, partsOf, toName } from "./names.ts";

export type CreatedKind = "table" | "column" | "index" | "schema" | "type" | "extension" | "view";

/** Something that SQL makes. */
export interface Created {
  readonly kind: CreatedKind;
  /** Of a column, its table. */
  readonly name: ObjectName;
  readonly column?: string;
  /** With IF NOT EXISTS, it may have been there before. */
  readonly ifMissing: boolean;
}

/** What the statements make, under the names it has in the end. */
export function createdBy(nodes: readonly Node[]): readonly Created[] {
  return nodes.reduce(alsoCreated, NOTHING);
}

/** Each statement with what those before it made: only then can it rely on a table being new. */
export function* withCreatedBefore<T extends { readonly node: Node }>(
  statements: readonly T[],
): Generator<{ readonly statement: T; readonly created: readonly Created[] }> {
  let created = NOTHING;
  for (const statement of statements) {
    yield { statement, created };
    created = alsoCreated(created, statement.node);
  }
}

const NOTHING: readonly Created[] = [];

function alsoCreated(created: readonly Created[], node: Node): readonly Created[] {
  if ("RenameStmt" in node) return created.map((one) => renamed(one, node.RenameStmt));
  const more = createdByOne(node);
  return more.length === 0 ? created : [...created, ...more];
}

/** Whether a table was not there before: for nobody can be using it. */
export function isNew(created: readonly Created[], table: ObjectName): boolean {
  return created.some((one) => one.kind === "table" && !one.ifMissing && isSame(one.name, table));
}

function createdByOne(node: Node): Created[] {
  if ("CreateStmt" in node)
    return made("table", nameOf(node.CreateStmt.relation), node.CreateStmt.if_not_exists);
  if ("CreateTableAsStmt" in node) {
    const { into, if_not_exists, objtype } = node.CreateTableAsStmt;
    return made(objtype === "OBJECT_MATVIEW" ? "view" : "table", nameOf(into?.rel), if_not_exists);
  }
  if ("SelectStmt" in node) return made("table", nameOf(node.SelectStmt.intoClause?.rel));
  if ("AlterTableStmt" in node) return addedColumns(node.AlterTableStmt);
  if ("IndexStmt" in node)
    return made("index", toName([node.IndexStmt.idxname]), node.IndexStmt.if_not_exists);
  return createdNames(node);
}

function createdNames(node: Node): Created[] {
  if ("CreateSchemaStmt" in node) {
    const { schemaname, if_not_exists } = node.CreateSchemaStmt;
    return made("schema", toName([schemaname]), if_not_exists);
  }
  if ("CreateExtensionStmt" in node) {
    return made(
      "extension",
      toName([node.CreateExtensionStmt.extname]),
      node.CreateExtensionStmt.if_not_exists,
    );
  }
  if ("CreateEnumStmt" in node)
    return made("type", toName((node.CreateEnumStmt.typeName ?? []).flatMap(partsOf)));
  if ("CreateRangeStmt" in node)
    return made("type", toName((node.CreateRangeStmt.typeName ?? []).flatMap(partsOf)));
  if ("CreateDomainStmt" in node) {
    return made("type", toName((node.CreateDomainStmt.domainname ?? []).flatMap(partsOf)));
  }
  if ("CompositeTypeStmt" in node) return made("type", nameOf(node.CompositeTypeStmt.typevar));
  if ("DefineStmt" in node && node.DefineStmt.kind === "OBJECT_TYPE") {
    return made("type", toName((node.DefineStmt.defnames ?? []).flatMap(partsOf)));
  }
  return [];
}

function made(kind: CreatedKind, name: ObjectName | undefined, ifMissing = false): Created[] {
  return name === undefined ? [] : [{ kind, name, ifMissing }];
}

function addedColumns({ relation, cmds }: AlterTableStmt): Created[] {
  const name = nameOf(relation);
  if (name === undefined) return [];
  return (cmds ?? []).flatMap((cmd): Created[] => {
    if (!("AlterTableCmd" in cmd)) return [];
    const { subtype, def, missing_ok } = cmd.AlterTableCmd;
    if (subtype !== "AT_AddColumn" || def === undefined || !("ColumnDef" in def)) return [];
    const column = def.ColumnDef.colname;
    return column === undefined ? [] : [{ kind: "column", name, column, ifMissing: missing_ok ?? false }];
  });
}

function renamed(one: Created, { renameType, relation, subname, newname }: RenameStmt): Created {
  const target = nameOf(relation);
  if (target === undefined || newname === undefined || !isSame(one.name, target)) return one;
  if (renameType === "OBJECT_TABLE" && (one.kind === "table" || one.kind === "column")) {
    return { ...one, name: { ...one.name, name: newname } };
  }
  const isIts = renameType === "OBJECT_COLUMN" && one.kind === "column" && one.column === subname;
  return isIts ? { ...one, column: newname } : one;
}
