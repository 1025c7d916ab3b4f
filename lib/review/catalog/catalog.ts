import { structuredPatch } from "diff";
import pg from "pg";

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
  /** Tables of another tool. @default - none */
  readonly others?: readonly { readonly schema: string; readonly name: string }[];
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

/** `catalog:oid`, as `pg_depend` refers to an object. Differs between databases. */
export type Address = string;

export function addressOf(catalog: number, oid: number): Address {
  return `${catalog}:${oid}`;
}

/** One object with its statements and its address, by which objects are ordered. */
export interface Entry {
  readonly kind: string;
  readonly name: string;
  readonly subject: string;
  readonly address: Address;
  /** Statements that create it. */
  readonly create: readonly string[];
  /** `create` without its defaults, for tables whose default depends on the table itself. */
  readonly separable: Separable | undefined;
  /** Owner, comments, grants. */
  readonly attributes: readonly string[];
  /** Statements to run after everything else exists. */
  readonly finish: readonly string[];
}

export interface Separable {
  readonly createWithoutDefaults: readonly string[];
  readonly defaults: readonly { readonly address: Address; readonly statement: string }[];
}

/** All statements of an entry. */
export function statementsOf(entry: Entry): readonly string[] {
  return [...entry.create, ...entry.attributes, ...entry.finish];
}

/** A row of the query for all objects. */
export interface ObjectRow {
  readonly kind: string;
  readonly catalog: number;
  readonly oid: number;
  readonly name: string;
  readonly subject: string;
  readonly owner: string | null;
  readonly create: readonly string[] | null;
  readonly finish: readonly string[] | null;
  readonly columns: readonly TableColumn[] | null;
}

export interface TableColumn {
  /** False if it is inherited from a parent table. */
  readonly listed: boolean;
  /** Name and type. */
  readonly head: string;
  readonly default: string | null;
  readonly defaultOid: number | null;
  /** Beginning of a statement that alters the column. */
  readonly alter: string;
  /** Generation and nullability. */
  readonly tail: string;
  /** Statements for properties that CREATE TABLE cannot express. */
  readonly after: readonly string[];
}

export interface GrantRow {
  readonly catalog: number;
  readonly oid: number;
  readonly column: string | null;
  readonly grantee: string;
  readonly change: "GRANT" | "REVOKE";
  readonly grantable: boolean;
  readonly privileges: readonly string[];
}

export interface CommentRow {
  readonly catalog: number;
  readonly oid: number;
  readonly column: string | null;
  readonly text: string;
}

type Statements = Pick<Entry, "create" | "separable">;

/** The statements of one row. Those of a table are built from its head, its columns and its tail. */
export function createStatements(row: ObjectRow, defaultsCatalog: number): Statements {
  const parts = row.create ?? [];
  const [head, tail, ...further] = parts;
  if (!isTable(row) || head === undefined || tail === undefined)
    return { create: parts, separable: undefined };
  const all = row.columns ?? [];
  const listed = all.filter((column) => column.listed);
  const rest = [...further, ...all.flatMap((column) => column.after)];
  const create = (line: (column: TableColumn) => string): readonly string[] => [
    `${head} (${listed.map((column) => `\n  ${line(column)}`).join(",")}${listed.length > 0 ? "\n" : ""})${tail}`,
    ...rest,
  ];
  const defaults = listed.flatMap(({ alter, default: value, defaultOid }) =>
    value === null || defaultOid === null
      ? []
      : [{ address: addressOf(defaultsCatalog, defaultOid), statement: `${alter}SET DEFAULT ${value};` }],
  );
  const plain = (column: TableColumn): string => column.head + column.tail;
  return {
    create: create((column) =>
      column.default === null ? plain(column) : withDefault(column, column.default),
    ),
    separable: defaults.length === 0 ? undefined : { createWithoutDefaults: create(plain), defaults },
  };
}

/** A table may have no columns. */
function isTable({ kind }: ObjectRow): boolean {
  return kind === "table" || kind === "foreign table";
}

function withDefault({ head, tail }: TableColumn, value: string): string {
  return `${head} DEFAULT ${value}${tail}`;
}

/** Roles whose names would make the text differ between machines. */
export interface Roles {
  readonly currentUser: string;
}

/** The owner is normally the role that runs the migrations, so it is omitted. */
export function ownerStatements({ kind, name, subject, owner }: ObjectRow, { currentUser }: Roles): string[] {
  // In a new database the schema public belongs to the owner of the database.
  const usual = kind === "schema" && name === "public" ? "pg_database_owner" : currentUser;
  if (owner === null || owner === usual) return [];
  return [`ALTER ${subject} OWNER TO ${roleName(owner, currentUser)};`];
}

export function commentStatement({ subject, name }: ObjectRow, { column, text }: CommentRow): string {
  const on = column === null ? subject : `COLUMN ${name}.${column}`;
  return `COMMENT ON ${on} IS ${pg.escapeLiteral(text).trimStart()};`;
}

export function grantStatement(row: ObjectRow, grant: GrantRow, { currentUser }: Roles): string {
  const { change, column, grantable, privileges } = grant;
  const rights = privileges.map((right) => (column === null ? right : `${right} (${column})`)).join(", ");
  const grantee = grant.grantee === "PUBLIC" ? "PUBLIC" : roleName(grant.grantee, currentUser);
  const towards = change === "GRANT" ? "TO" : "FROM";
  return `${change} ${rights} ON ${grantSubject(row)} ${towards} ${grantee}${grantable ? " WITH GRANT OPTION" : ""};`;
}

/** GRANT distinguishes fewer kinds than COMMENT. */
function grantSubject({ kind, name, subject }: ObjectRow): string {
  if (kind.endsWith("table") || kind.endsWith("view")) return `TABLE ${name}`;
  if (kind === "aggregate") return `FUNCTION ${name}`;
  if (kind === "server") return `FOREIGN ${subject}`;
  return subject;
}

function roleName(role: string, currentUser: string): string {
  return role === currentUser ? "CURRENT_USER" : quoted(role);
}

/** Like `quote_ident`, except that keywords are not quoted. */
function quoted(role: string): string {
  return /^[a-z_][a-z0-9_]*$/.test(role) ? role : pg.escapeIdentifier(role);
}
