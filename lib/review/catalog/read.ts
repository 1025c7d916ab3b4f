import pg from "pg";
import { errorCode, MigrationError, type MigratorOptions, shortSqlDigest, TOOL } from "../../core/index.ts";
import { type ConnectionSettings, openClient } from "../../postgres/index.ts";
import {
  addressOf,
  type Catalog,
  type CatalogObject,
  type CatalogOptions,
  type CommentRow,
  commentStatement,
  createStatements,
  type Entry,
  type GrantRow,
  grantStatement,
  type ObjectRow,
  type OwnTables,
  ownerStatements,
  type Roles,
  statementsOf,
  type TableColumn,
} from "./catalog.ts";
import { publications, RARE_KINDS, SCHEMAS } from "./queries/database-objects.ts";
import { COMMENTS, DEFAULT_RIGHTS, GRANTS } from "./queries/grants.ts";
import { SEQUENCES, TABLES, VIEWS } from "./queries/relations.ts";
import { CONSTRAINTS, RULES } from "./queries/table-objects.ts";
import { FUNCTIONS, TEXT, TYPES } from "./queries/types-and-functions.ts";

/** Opens a session for reading the catalogue. An abort ends it at once; otherwise end it with `closeClient`. */
export function connectTo(connection: ConnectionSettings, signal?: AbortSignal): Promise<pg.Client> {
  return openClient(connection, TOOL, signal);
}

/** Converts errors of pg to MigrationError. */
export async function withTypedErrors<T>(what: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (cause) {
    if (cause instanceof MigrationError || !isError(cause)) throw cause;
    const sqlstate = errorCode(cause);
    const fromServer = /^[0-9A-Z]{5}$/.test(sqlstate ?? "") && !sqlstate?.startsWith("57P");
    throw new MigrationError(fromServer ? "SQL" : "CONNECTION", `${what}: ${cause.message}`, {
      ...(fromServer && sqlstate !== undefined ? { sqlstate } : {}),
      cause,
    });
  }
}

/** `instanceof` fails for errors of pg from another realm, as in tests. */
function isError(value: unknown): value is { readonly message: string } {
  return (
    typeof value === "object" && value !== null && "message" in value && typeof value.message === "string"
  );
}

/**
 * Reads all objects of a database, except data and members of extensions. The client must not be in a transaction; its
 * settings do not change.
 */
export async function readCatalog(client: pg.Client, options: CatalogOptions): Promise<Catalog> {
  const entries = await inSnapshot(client, () => readEntries(client, options));
  return toCatalog(entries);
}

export function toCatalog(entries: readonly Entry[]): Catalog {
  const objects = entries.map(describe).filter(({ definition }) => definition.length > 0);
  return { objects: objects.sort((a, b) => compare(a.kind, b.kind) || compare(a.name, b.name)) };
}

const BEGIN = `BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY;
  SET LOCAL search_path = pg_catalog, pg_temp; SET LOCAL jit = off; SET LOCAL plan_cache_mode = force_generic_plan;
  SET LOCAL "DateStyle" = 'ISO, YMD'; SET LOCAL "IntervalStyle" = postgres; SET LOCAL "TimeZone" = 'UTC';
  SET LOCAL extra_float_digits = 3; SET LOCAL bytea_output = hex; SET LOCAL quote_all_identifiers = off;
  SET LOCAL standard_conforming_strings = on`;

/**
 * Runs `read` in one snapshot, with fixed values for the settings that affect how the server writes definitions: without
 * a search path all names are qualified. JIT compilation and custom plans would take longer than the queries.
 */
export async function inSnapshot<T>(client: pg.Client, read: () => Promise<T>): Promise<T> {
  return withTypedErrors("the catalogue cannot be read", async () => {
    await client.query(BEGIN);
    try {
      return await read();
    } finally {
      // A lost session needs no rollback and has already failed.
      await client.query("ROLLBACK").catch(() => undefined);
    }
  });
}

/** Reads all objects in any order. Call it in a snapshot. */
export async function readEntries(client: pg.Client, options: CatalogOptions): Promise<Entry[]> {
  const server = await readServer(client, options.exclude);
  // Named statements are planned once per session.
  const { rows } = await client.query<ObjectRow>({
    name: "catalog-objects",
    text: allObjects(server.major),
    values: [server.own, options.schemas ?? null],
  });
  const grants = await client.query<GrantRow>({ name: "catalog-grants", text: GRANTS });
  const comments = await client.query<CommentRow>({ name: "catalog-comments", text: COMMENTS });
  return rows.map(assemble(server, grants.rows, comments.rows));
}

function assemble(
  server: Server,
  grants: readonly GrantRow[],
  comments: readonly CommentRow[],
): (row: ObjectRow) => Entry {
  const grantsOf = byAddress(grants);
  const commentsOf = byAddress(comments);
  const roles: Roles = server;
  return (original) => {
    const row = withStableTexts(original);
    const { kind, name, subject, finish } = row;
    const address = addressOf(row.catalog, row.oid);
    const attributes = [
      ...ownerStatements(row, roles),
      ...(commentsOf.get(address) ?? []).map((comment) => commentStatement(row, comment)),
      ...(grantsOf.get(address) ?? []).map((grant) => grantStatement(row, grant, roles)),
    ];
    const statements = createStatements(row, server.defaultsCatalog);
    return { kind, name, subject, address, ...statements, attributes, finish: finish ?? [] };
  };
}

/** The server keeps the source text of these as it was written. */
const WITH_SOURCE_TEXT = ["function", "procedure", "aggregate"];

/**
 * The server writes `varchar IN ('a', 'b')` differently after its own text has been executed again. Use the second form
 * at once, so that a database created from a dump has the same dump.
 */
function withStableTexts(row: ObjectRow): ObjectRow {
  if (WITH_SOURCE_TEXT.includes(row.kind)) return row;
  const { create, finish, columns } = row;
  const stable = (texts: readonly string[] | null) => texts?.map(castEachElement) ?? null;
  const inColumn = (column: TableColumn): TableColumn => ({
    ...column,
    default: column.default === null ? null : castEachElement(column.default),
    tail: castEachElement(column.tail),
    after: column.after.map(castEachElement),
  });
  return {
    ...row,
    create: stable(create),
    finish: stable(finish),
    columns: columns?.map(inColumn) ?? null,
  };
}

const CAST_ARRAY = /\(ARRAY\[((?:'(?:[^']|'')*'::character varying(?:, )?)+)\]\)::text\[\]/g;

function castEachElement(text: string): string {
  return text.replace(CAST_ARRAY, (_, elements: string) => {
    const each = elements.replace(/'(?:[^']|'')*'::character varying/g, (element) => `(${element})::text`);
    return `ARRAY[${each}]`;
  });
}

function byAddress<Row extends { readonly catalog: number; readonly oid: number }>(
  rows: readonly Row[],
): Map<string, Row[]> {
  const groups = new Map<string, Row[]>();
  for (const row of rows) {
    const address = addressOf(row.catalog, row.oid);
    const list = groups.get(address);
    if (list === undefined) groups.set(address, [row]);
    else list.push(row);
  }
  return groups;
}

function describe(entry: Entry): CatalogObject {
  const definition = statementsOf(entry).flatMap((statement) => statement.split("\n"));
  return { kind: entry.kind, name: entry.name, definition };
}

/** Compares by code unit, which gives the same order on every machine. */
export function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/** Facts about the server that the queries depend on. */
export interface Server {
  readonly major: number;
  readonly currentUser: string;
  /** Oid of `pg_attrdef`. */
  readonly defaultsCatalog: number;
  /** Oids of the engine's tables and their sequences. */
  readonly own: readonly number[];
}

const QUERY = `
  WITH own AS (SELECT to_regclass(name)::oid AS oid FROM unnest($1::text[]) AS name WHERE to_regclass(name) IS NOT NULL)
  SELECT current_setting('server_version_num') AS version, current_user::text AS "currentUser",
    'pg_attrdef'::regclass::oid AS "defaultsCatalog",
    ARRAY(SELECT oid FROM own UNION SELECT d.objid FROM pg_depend AS d JOIN own ON own.oid = d.refobjid
          WHERE d.refclassid = 'pg_class'::regclass AND d.classid = 'pg_class'::regclass AND d.deptype IN ('a', 'i')) AS own`;

/** The version is text, because a database may define its own cast from text to integer. */
type ServerRow = Omit<Server, "major"> & { readonly version: string };

export async function readServer(client: pg.Client, exclude: OwnTables | undefined): Promise<Server> {
  const values = [exclude === undefined ? [] : namesOf(exclude)];
  const { rows } = await client.query<ServerRow>({ name: "catalog-server", text: QUERY, values });
  const [server] = rows;
  if (server === undefined) throw new Error("the server did not return its version");
  const { version, ...rest } = server;
  return { ...rest, major: Math.floor(Number(version) / 10_000) };
}

/** Oids of the engine's tables and of what belongs to them. Call it in a snapshot. */
export async function readOwnRelations(
  client: pg.Client,
  exclude: OwnTables | undefined,
): Promise<readonly number[]> {
  return (await readServer(client, exclude)).own;
}

/** Digests of the SQL of the migrations that were applied, by name, as `shortSqlDigest` writes them. */
export async function readAppliedDigests(
  client: pg.Client,
  { exclude = {} }: CatalogOptions,
): Promise<ReadonlyMap<string, string>> {
  const [, history] = namesOf(exclude);
  const { rows } = await client.query<{ name: string; version: number; digest: string }>(
    `SELECT migration AS name, digest_version AS version, sql_digest AS digest FROM ${history}
     WHERE action = 'up' AND state = 'finished' AND sql_digest IS NOT NULL ORDER BY id`,
  );
  return new Map(rows.map(({ name, version, digest }) => [name, shortSqlDigest(version, digest)]));
}

/** Where the engine keeps its tables: in `migrationsSchema`, else in the first schema. */
export function ownTablesOf({ schema, migrationsSchema, migrationsTable }: MigratorOptions): OwnTables {
  return { migrationsSchema: migrationsSchema ?? schema?.[0], migrationsTable };
}

function namesOf(tables: OwnTables): string[] {
  const { migrationsSchema: schema = "public", migrationsTable: name = "pgmigrations", others = [] } = tables;
  return [{ schema, name }, { schema, name: `${name}_history` }, ...others].map(
    (table) => `${pg.escapeIdentifier(table.schema)}.${pg.escapeIdentifier(table.name)}`,
  );
}

/** One query for all objects. `$1`: oids of relations to exclude; `$2`: names of schemas, or null for all. */
function allObjects(serverMajor: number): string {
  return [
    ...SCHEMAS,
    ...TYPES,
    ...FUNCTIONS,
    ...TEXT,
    ...SEQUENCES,
    ...TABLES,
    ...VIEWS,
    ...CONSTRAINTS,
    ...RULES,
    publications(serverMajor),
    DEFAULT_RIGHTS,
    ...RARE_KINDS,
  ].join("\nUNION ALL ");
}
