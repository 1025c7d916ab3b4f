import { structuredPatch } from "diff";

/** One object of a database. Equal objects have equal texts in every database. */
export interface CatalogObject {
  /** `table`, `index`, `foreign key` … */
  readonly kind: string;
  /** Unique within its kind; qualified, and quoted if necessary. */
  readonly name: string;
  /** The lines of the SQL that creates it, with its owner, comments and grants. */
  readonly definition: readonly string[];
}

/** All objects of a database, ordered by kind and name, without data. */
export interface Catalog {
  readonly objects: readonly CatalogObject[];
}

export interface CatalogOptions {
  /** Only these schemas, and objects without a schema. @default - all except those of the server */
  readonly schemas?: readonly string[] | undefined;
  /** The engine's tables, which are excluded with everything that belongs to them. @default - nothing is excluded */
  readonly exclude?: OwnTables | undefined;
}

/** Where the engine keeps its tables. */
export interface OwnTables {
  /** @default "public" */
  readonly migrationsSchema?: string | undefined;
  /** @default "pgmigrations" */
  readonly migrationsTable?: string | undefined;
}

/** Lines shown of an added or removed object. */
const MAX_LINES = 8;
const CONTEXT_LINES = 1;

/**
 * The changes of a database as text for people: `+` added, `-` removed, `~` changed objects, each followed by its lines.
 * Empty if nothing changed.
 */
export function diffCatalogs(before: Catalog, after: Catalog): string {
  const [old, now] = [index(before), index(after)];
  const names = [...new Set([...old.keys(), ...now.keys()])].sort();
  return names.flatMap((name) => describeChange(name, old.get(name), now.get(name))).join("\n");
}

/** Removes the order of columns: a column that is dropped and added again is always the last. */
export function withoutColumnOrder({ objects }: Catalog): Catalog {
  return {
    objects: objects.map((object) => {
      const [first = "", ...rest] = object.definition;
      if (object.kind !== "table") return object;
      // Columns are indented, so they sort before the statements about them.
      const lines = rest.map((line) => (line.startsWith("  ") ? line.replace(/,$/, "") : line));
      return { ...object, definition: [first, ...lines.sort()] };
    }),
  };
}

function index(catalog: Catalog): Map<string, CatalogObject> {
  return new Map(catalog.objects.map((object) => [`${object.kind} ${object.name}`, object]));
}

function describeChange(
  name: string,
  old: CatalogObject | undefined,
  now: CatalogObject | undefined,
): string[] {
  if (old === undefined) return now === undefined ? [] : [`+ ${name}`, ...excerpt(now)];
  if (now === undefined) return [`- ${name}`, ...excerpt(old)];
  const text = (object: CatalogObject): string => `${object.definition.join("\n")}\n`;
  if (text(old) === text(now)) return [];
  const patch = structuredPatch("", "", text(old), text(now), undefined, undefined, {
    context: CONTEXT_LINES,
  });
  return [
    `~ ${name}:`,
    ...patch.hunks.flatMap(({ lines }) => lines.map((line) => `    ${line.slice(0, 1)} ${line.slice(1)}`)),
  ];
}

function excerpt({ definition }: CatalogObject): string[] {
  const lines = definition.slice(0, MAX_LINES).map((line) => `    ${line}`);
  const more = definition.length - MAX_LINES;
  return more > 0 ? [...lines, `    … ${more} more line${more === 1 ? "" : "s"}`] : lines;
}

/** An object that is not the same before and after. */
export interface ObjectChange {
  readonly kind: string;
  readonly name: string;
  readonly change: "new" | "changed" | "dropped";
}

/** The changed objects, by kind and name. What belongs to a new or dropped table is not listed beside it. */
export function listChanges(before: Catalog, after: Catalog): ObjectChange[] {
  const [old, now] = [index(before), index(after)];
  const changes = [...new Set([...old.keys(), ...now.keys()])].sort().flatMap((key): ObjectChange[] => {
    const [was, is] = [old.get(key), now.get(key)];
    const { kind, name } = is ?? was ?? { kind: "", name: "" };
    if (was === undefined) return [{ kind, name, change: "new" }];
    if (is === undefined) return [{ kind, name, change: "dropped" }];
    const isSame = was.definition.join("\n") === is.definition.join("\n");
    return isSame ? [] : [{ kind, name, change: "changed" }];
  });
  const whole = changes.filter(({ kind, change }) => kind === "table" && change !== "changed");
  const belongs = ({ name }: ObjectChange) => whole.some((table) => name.endsWith(` on ${table.name}`));
  return changes.filter((change) => !belongs(change));
}
