import type pg from "pg";
import { commentStatement, grantStatement, ownerStatements, type Roles } from "./attributes.ts";
import { addressOf, type Entry, statementsOf } from "./entry.ts";
import { typed } from "./failure.ts";
import { everything } from "./queries/all.ts";
import { COMMENTS, GRANTS } from "./queries/rights.ts";
import type { CommentRow, GrantRow, ObjectRow, TableColumn } from "./rows.ts";
import { readServer, type Server } from "./server.ts";
import { createStatements } from "./table.ts";
import type { Catalog, CatalogObject, CatalogOptions } from "./types.ts";

/**
 * Reads everything a database holds, except data and what extensions brought. The client must not be in a
 * transaction; it is left with the settings it had.
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
 * One moment of the database, with every setting that the server's own texts depend on: without a search path, all
 * names are qualified. Compiling such a wide query to machine code, or planning it twice, would take longer than
 * running it.
 */
export async function inSnapshot<T>(client: pg.Client, read: () => Promise<T>): Promise<T> {
  return typed("the catalogue cannot be read", async () => {
    await client.query(BEGIN);
    try {
      return await read();
    } finally {
      // A session that is lost needs no rollback, and has an error already.
      await client.query("ROLLBACK").catch(() => undefined);
    }
  });
}

/** Every object, in no order; to be called in a snapshot. */
export async function readEntries(client: pg.Client, options: CatalogOptions): Promise<Entry[]> {
  const server = await readServer(client, options.exclude);
  // Named, so that a session that reads often plans them once.
  const { rows } = await client.query<ObjectRow>({
    name: "catalog-objects",
    text: everything(server.major),
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
  return (read) => {
    const row = withStableTexts(read);
    const { kind, name, subject, finish } = row;
    const address = addressOf(row.catalog, row.oid);
    const attributes = [
      ...ownerStatements(row, roles),
      ...(commentsOf.get(address) ?? []).map((comment) => commentStatement(row, comment)),
      ...(grantsOf.get(address) ?? []).map((grant) => grantStatement(row, grant, roles)),
    ];
    const made = createStatements(row, server.defaultsCatalog);
    return { kind, name, subject, address, ...made, attributes, finish: finish ?? [] };
  };
}

/** Their text is written by people, and kept as it is. */
const WRITTEN_BY_PEOPLE = ["function", "procedure", "aggregate"];

/**
 * The server shows `varchar IN ('a', 'b')` in one way after it was written and in another after that text was read
 * again. It is shown in the second way at once, so that a database made from a dump has the same dump.
 */
function withStableTexts(row: ObjectRow): ObjectRow {
  if (WRITTEN_BY_PEOPLE.includes(row.kind)) return row;
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
  const found = new Map<string, Row[]>();
  for (const row of rows) {
    const address = addressOf(row.catalog, row.oid);
    const list = found.get(address);
    if (list === undefined) found.set(address, [row]);
    else list.push(row);
  }
  return found;
}

function describe(entry: Entry): CatalogObject {
  const definition = statementsOf(entry).flatMap((statement) => statement.split("\n"));
  return { kind: entry.kind, name: entry.name, definition };
}

/** By code unit: the same everywhere. */
export function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
