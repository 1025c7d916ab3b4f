import type { Node, RangeVar } from "libpg-query";

/** A table, or another object that has a schema. */
export interface ObjectName {
  /** Absent: whatever the search path gives. */
  readonly schema?: string;
  readonly name: string;
}

export function nameOf(range: RangeVar | undefined): ObjectName | undefined {
  return range?.relname === undefined ? undefined : toName([range.schemaname, range.relname]);
}

/** The parts of a dotted name, as DROP and RENAME hold it. */
export function partsOf(node: Node | undefined): string[] {
  if (node === undefined) return [];
  if ("String" in node) return node.String.sval === undefined ? [] : [node.String.sval];
  if ("List" in node) return (node.List.items ?? []).flatMap(partsOf);
  if ("TypeName" in node) return (node.TypeName.names ?? []).flatMap(partsOf);
  return [];
}

export function toName(parts: readonly (string | undefined)[]): ObjectName | undefined {
  const given = parts.filter((part) => part !== undefined && part !== "");
  const name = given.at(-1);
  const schema = given.at(-2);
  if (name === undefined) return undefined;
  return schema === undefined ? { name } : { schema, name };
}

/** A name without a schema may be in any: the search path is not known here. */
export function isSame(a: ObjectName, b: ObjectName): boolean {
  return a.name === b.name && (a.schema === undefined || b.schema === undefined || a.schema === b.schema);
}

export function showName({ schema, name }: ObjectName): string {
  return schema === undefined ? name : `${schema}.${name}`;
}
