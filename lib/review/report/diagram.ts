import type { ForeignKey, SchemaColumn, SchemaTable } from "../catalog/index.ts";

/** What the pending migrations do to a table, a column or a relationship. */
export type Change = "new" | "changed" | "dropped";

export interface DiagramColumn extends SchemaColumn {
  readonly change: Change | undefined;
  /** Whether it is part of a foreign key. */
  readonly foreign: boolean;
}

export interface DiagramTable {
  readonly name: string;
  readonly columns: readonly DiagramColumn[];
  readonly change: Change | undefined;
}

/** A foreign key between two tables of the diagram. */
export interface Relationship extends ForeignKey {
  /** Name of the table with the foreign key. */
  readonly source: string;
  /** Whether a row may refer to nothing. */
  readonly optional: boolean;
  readonly change: Change | undefined;
}

/** An entity-relationship diagram. */
export interface Diagram {
  readonly tables: readonly DiagramTable[];
  readonly relationships: readonly Relationship[];
  /** Number of tables that are left out. */
  readonly omitted: number;
}

/** The most tables that a reader can follow in one diagram. */
export const MAX_TABLES = 30;

/** The diagram of a schema, without any change marked. */
export function drawSchema(tables: readonly SchemaTable[]): Diagram {
  return compareSchemas(tables, tables);
}

/** The diagram of both schemas, with everything marked that is not in both. */
export function compareSchemas(before: readonly SchemaTable[], after: readonly SchemaTable[]): Diagram {
  const pairs = pairUp(before, after);
  const relationships = pairs.flatMap(relationshipsOf);
  const tables = pairs.map((pair) => mergeTable(pair, relationships));
  return withTables({ tables, relationships, omitted: 0 }, tables);
}

/** Keeps at most `max` tables: those with changes first, then their neighbours. */
export function focusDiagram(diagram: Diagram, max = MAX_TABLES): Diagram {
  const { tables } = diagram;
  if (tables.length <= max) return diagram;
  const changed = new Set(tables.flatMap(({ name, change }) => (change === undefined ? [] : [name])));
  if (changed.size === 0) return withTables(diagram, tables.slice(0, max));
  const near = new Set(
    diagram.relationships
      .filter(({ source, target }) => changed.has(source) || changed.has(target))
      .flatMap(({ source, target }) => [source, target]),
  );
  const shown = [...changed, ...[...near].filter((name) => !changed.has(name))].slice(0, max);
  return withTables(
    diagram,
    tables.filter(({ name }) => shown.includes(name)),
  );
}

/** The diagram with these of its tables, and with the relationships between them. */
function withTables(diagram: Diagram, tables: readonly DiagramTable[]): Diagram {
  const names = new Set(tables.map(({ name }) => name));
  const isShown = ({ source, target }: Relationship) => names.has(source) && names.has(target);
  const omitted = diagram.omitted + diagram.tables.length - tables.length;
  return { tables, relationships: diagram.relationships.filter(isShown), omitted };
}

interface Pair<T> {
  readonly old: T | undefined;
  readonly now: T | undefined;
}

/** Equal names are the same thing. What is dropped comes last. */
function pairUp<T extends { readonly name: string }>(before: readonly T[], after: readonly T[]): Pair<T>[] {
  const old = new Map(before.map((one) => [one.name, one]));
  const kept = new Set(after.map(({ name }) => name));
  return [
    ...after.map((now) => ({ now, old: old.get(now.name) })),
    ...before.filter(({ name }) => !kept.has(name)).map((dropped) => ({ old: dropped, now: undefined })),
  ];
}

function changeOf<T>({ old, now }: Pair<T>): Change | undefined {
  if (old === undefined) return "new";
  if (now === undefined) return "dropped";
  return JSON.stringify(old) === JSON.stringify(now) ? undefined : "changed";
}

function mergeTable(pair: Pair<SchemaTable>, relationships: readonly Relationship[]): DiagramTable {
  const { old, now } = pair;
  const name = now?.name ?? old?.name ?? "";
  const foreign = new Set(
    relationships.filter(({ source }) => source === name).flatMap(({ columns }) => columns),
  );
  const change = changeOf(pair);
  const isWhole = change === "new" || change === "dropped";
  const columns = pairUp(old?.columns ?? [], now?.columns ?? []).flatMap((both) => {
    const column = both.now ?? both.old;
    if (column === undefined) return [];
    return [{ ...column, change: isWhole ? undefined : changeOf(both), foreign: foreign.has(column.name) }];
  });
  return { name, columns, change };
}

function relationshipsOf({ old, now }: Pair<SchemaTable>): Relationship[] {
  return pairUp(old?.foreignKeys ?? [], now?.foreignKeys ?? []).flatMap((pair) => {
    const [table, key] = pair.now === undefined ? [old, pair.old] : [now, pair.now];
    if (table === undefined || key === undefined) return [];
    const optional = table.columns.some(({ name, nullable }) => nullable && key.columns.includes(name));
    return [{ ...key, source: table.name, optional, change: changeOf(pair) }];
  });
}
