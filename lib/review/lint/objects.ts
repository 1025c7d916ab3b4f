import type { AlterTableStmt, Node, ObjectType, RangeVar, RenameStmt } from "libpg-query";

/** A table, or another object that has a schema. */
export interface ObjectName {
  /** Absent: the schema depends on the search path. */
  readonly schema?: string;
  readonly name: string;
}

export function nameOf(range: RangeVar | undefined): ObjectName | undefined {
  return range?.relname === undefined ? undefined : toName([range.schemaname, range.relname]);
}

/** The parts of a dotted name. */
export function partsOf(node: Node | undefined): string[] {
  if (node === undefined) return [];
  if ("String" in node) return node.String.sval === undefined ? [] : [node.String.sval];
  if ("List" in node) return (node.List.items ?? []).flatMap(partsOf);
  if ("TypeName" in node) return (node.TypeName.names ?? []).flatMap(partsOf);
  return [];
}

export function toName(parts: readonly (string | undefined)[]): ObjectName | undefined {
  const present = parts.filter((part) => part !== undefined && part !== "");
  const name = present.at(-1);
  const schema = present.at(-2);
  if (name === undefined) return undefined;
  return schema === undefined ? { name } : { schema, name };
}

/** All texts in a part of a statement, names too. */
export function textsIn(node: Node | undefined): string[] {
  return textsUnder(node, "sval");
}

/** The constants in a statement that are texts. */
export function constantsIn(node: Node): string[] {
  return valuesUnder(node, "A_Const").flatMap((constant) => textsUnder(constant, "sval"));
}

/** The names of all tables, indexes and views that a statement mentions. */
export function namesIn(node: Node): string[] {
  const dropped = droppedBy(node).flatMap(({ name, column }) => (column === undefined ? [name.name] : []));
  return [...textsUnder(node, "relname"), ...textsUnder(node, "idxname"), ...dropped];
}

function textsUnder(tree: unknown, key: string): string[] {
  return valuesUnder(tree, key).flatMap((value) =>
    typeof value === "string" ? [value] : textsUnder(value, key),
  );
}

/** The values that a key has anywhere in a tree. */
function valuesUnder(tree: unknown, key: string): unknown[] {
  if (Array.isArray(tree)) return tree.flatMap((item) => valuesUnder(item, key));
  if (typeof tree !== "object" || tree === null) return [];
  return Object.entries(tree).flatMap(([name, value]) => (name === key ? [value] : valuesUnder(value, key)));
}

/** A name without a schema matches any schema, because the search path is not known here. */
export function isSame(a: ObjectName, b: ObjectName): boolean {
  return a.name === b.name && (a.schema === undefined || b.schema === undefined || a.schema === b.schema);
}

export function showName({ schema, name }: ObjectName): string {
  return schema === undefined ? name : `${schema}.${name}`;
}

export type CreatedKind = "table" | "column" | "index" | "schema" | "type" | "extension" | "view";

/** An object that SQL creates. */
export interface Created {
  readonly kind: CreatedKind;
  /** Of a column, its table. */
  readonly name: ObjectName;
  readonly column?: string;
  /** With IF NOT EXISTS: it may have existed before. */
  readonly ifMissing: boolean;
}

/** The objects that the statements create, under their final names. */
export function createdBy(nodes: readonly Node[], before: readonly Created[] = NOTHING): readonly Created[] {
  return nodes.reduce(addCreated, before);
}

/** Yields each statement with the objects that are new or empty then, after those of earlier migrations. */
export function* withCreatedBefore<T extends { readonly node: Node }>(
  statements: readonly T[],
  before: readonly Created[] = NOTHING,
): Generator<{ readonly statement: T; readonly created: readonly Created[] }> {
  let created = before;
  for (const statement of statements) {
    yield { statement, created };
    created = [...addCreated(created, statement.node), ...emptiedBy(statement.node)];
  }
}

/** A table that the migration empties has no rows and is locked: what follows costs as little as on a new one. */
function emptiedBy(node: Node): Created[] {
  if (!("TruncateStmt" in node)) return [];
  return lockedTables(node).map((name) => ({ kind: "table", name, ifMissing: false }));
}

const NOTHING: readonly Created[] = [];

function addCreated(created: readonly Created[], node: Node): readonly Created[] {
  if ("RenameStmt" in node) return created.map((object) => renamed(object, node.RenameStmt));
  const more = createdByStatement(node);
  return more.length === 0 ? created : [...created, ...more];
}

/** Whether the migration created the table or materialized view, so that no other session uses it yet. */
export function isNew(created: readonly Created[], table: ObjectName): boolean {
  return created.some(
    ({ kind, ifMissing, name }) => (kind === "table" || kind === "view") && !ifMissing && isSame(name, table),
  );
}

function createdByStatement(node: Node): Created[] {
  if ("CreateStmt" in node) {
    const { relation, if_not_exists } = node.CreateStmt;
    return create("table", nameOf(relation), if_not_exists && !isTemporary(relation));
  }
  if ("CreateTableAsStmt" in node) {
    const { into, if_not_exists, objtype } = node.CreateTableAsStmt;
    const kind = objtype === "OBJECT_MATVIEW" ? "view" : "table";
    return create(kind, nameOf(into?.rel), if_not_exists && !isTemporary(into?.rel));
  }
  if ("SelectStmt" in node) return create("table", nameOf(node.SelectStmt.intoClause?.rel));
  if ("AlterTableStmt" in node) return addedColumns(node.AlterTableStmt);
  if ("IndexStmt" in node)
    return create("index", toName([node.IndexStmt.idxname]), node.IndexStmt.if_not_exists);
  return createdNames(node);
}

/** Nobody else sees a temporary table. */
function isTemporary(range: RangeVar | undefined): boolean {
  return range?.relpersistence === "t" || range?.schemaname === "pg_temp";
}

function createdNames(node: Node): Created[] {
  if ("CreateSchemaStmt" in node) {
    const { schemaname, if_not_exists } = node.CreateSchemaStmt;
    return create("schema", toName([schemaname]), if_not_exists);
  }
  if ("CreateExtensionStmt" in node) {
    return create(
      "extension",
      toName([node.CreateExtensionStmt.extname]),
      node.CreateExtensionStmt.if_not_exists,
    );
  }
  if ("CreateEnumStmt" in node)
    return create("type", toName((node.CreateEnumStmt.typeName ?? []).flatMap(partsOf)));
  if ("CreateRangeStmt" in node)
    return create("type", toName((node.CreateRangeStmt.typeName ?? []).flatMap(partsOf)));
  if ("CreateDomainStmt" in node) {
    return create("type", toName((node.CreateDomainStmt.domainname ?? []).flatMap(partsOf)));
  }
  if ("CompositeTypeStmt" in node) return create("type", nameOf(node.CompositeTypeStmt.typevar));
  if ("DefineStmt" in node && node.DefineStmt.kind === "OBJECT_TYPE") {
    return create("type", toName((node.DefineStmt.defnames ?? []).flatMap(partsOf)));
  }
  return [];
}

function create(kind: CreatedKind, name: ObjectName | undefined, ifMissing = false): Created[] {
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

function renamed(object: Created, { renameType, relation, subname, newname }: RenameStmt): Created {
  const target = nameOf(relation);
  if (target === undefined || newname === undefined || !isSame(object.name, target)) return object;
  if (renameType === "OBJECT_TABLE" && (object.kind === "table" || object.kind === "column")) {
    return { ...object, name: { ...object.name, name: newname } };
  }
  const isColumn = renameType === "OBJECT_COLUMN" && object.kind === "column" && object.column === subname;
  return isColumn ? { ...object, column: newname } : object;
}

/** An object that a statement drops. */
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
 * Whether rows or values are lost with it. Postgres refuses to drop a type, a schema or an extension in use, but
 * CASCADE drops its columns and tables too.
 */
export function holdsData({ kind, cascade }: Dropped): boolean {
  if (kind === "table" || kind === "column") return true;
  return cascade && (kind === "schema" || kind === "type" || kind === "extension");
}

/** The tables whose shape a statement changes, so that it locks out others. */
export function lockedTables(node: Node): ObjectName[] {
  if ("TruncateStmt" in node) {
    return (node.TruncateStmt.relations ?? []).flatMap((item) =>
      "RangeVar" in item ? named(item.RangeVar) : [],
    );
  }
  if ("DropStmt" in node)
    return droppedBy(node).flatMap(({ kind, name }) => (kind === "table" ? [name] : []));
  if ("AlterTableStmt" in node)
    return onlyValidates(node.AlterTableStmt) ? [] : named(node.AlterTableStmt.relation);
  if ("IndexStmt" in node)
    return node.IndexStmt.concurrent || isOnParentOnly(node) ? [] : named(node.IndexStmt.relation);
  if ("RenameStmt" in node) return named(node.RenameStmt.relation);
  if ("CreateTrigStmt" in node) return named(node.CreateTrigStmt.relation);
  if ("CreatePolicyStmt" in node) return named(node.CreatePolicyStmt.table);
  if ("AlterPolicyStmt" in node) return named(node.AlterPolicyStmt.table);
  if ("RuleStmt" in node) return named(node.RuleStmt.relation);
  if ("AlterObjectSchemaStmt" in node) return named(node.AlterObjectSchemaStmt.relation);
  return [];
}

/** CREATE INDEX … ON ONLY a partitioned table builds nothing: the partitions get their indexes one by one. */
export function isOnParentOnly(node: Node): boolean {
  return "IndexStmt" in node && node.IndexStmt.relation?.inh !== true;
}

/** VALIDATE CONSTRAINT is safe for tables in use. */
function onlyValidates({ cmds = [] }: AlterTableStmt): boolean {
  return cmds.every((cmd) => "AlterTableCmd" in cmd && cmd.AlterTableCmd.subtype === "AT_ValidateConstraint");
}

function named(range: Parameters<typeof nameOf>[0]): ObjectName[] {
  const name = nameOf(range);
  return name === undefined ? [] : [name];
}
