import type pg from "pg";
import type { CatalogOptions } from "./catalog.ts";
import { RELATION } from "./queries/select.ts";
import { inSnapshot, readServer } from "./read.ts";

/** A table as an entity-relationship diagram shows it. */
export interface SchemaTable {
  /** Without its schema if that is `public`. A part that contains a dot or a quote is quoted. */
  readonly name: string;
  readonly columns: readonly SchemaColumn[];
  /** Those that refer to this or another table. */
  readonly foreignKeys: readonly ForeignKey[];
}

export interface SchemaColumn {
  readonly name: string;
  /** In its short form, such as `varchar(20)` or `timestamptz`. */
  readonly type: string;
  readonly nullable: boolean;
  /** Whether it is part of the primary key. */
  readonly primary: boolean;
}

export interface ForeignKey {
  readonly name: string;
  readonly columns: readonly string[];
  /** Name of the table that is referred to. */
  readonly target: string;
  readonly targetColumns: readonly string[];
  /** Whether at most one row refers to the same row. */
  readonly unique: boolean;
}

interface QualifiedName {
  readonly schema: string;
  readonly name: string;
}

interface TableRow extends QualifiedName {
  readonly columns: readonly SchemaColumn[];
  readonly foreignKeys: readonly (Omit<ForeignKey, "target"> & { readonly target: QualifiedName })[];
}

const columnNames = (relation: string, numbers: string): string =>
  `(SELECT json_agg(a.attname ORDER BY u.position) FROM unnest(${numbers}) WITH ORDINALITY AS u(number, position)
    JOIN pg_attribute AS a ON a.attrelid = ${relation} AND a.attnum = u.number)`;

const COLUMNS = `(SELECT json_agg(json_build_object('name', a.attname, 'type', format_type(a.atttypid, a.atttypmod),
    'nullable', NOT a.attnotnull, 'primary', EXISTS (SELECT FROM pg_index AS i
      WHERE i.indrelid = c.oid AND i.indisprimary AND a.attnum = ANY (i.indkey))) ORDER BY a.attnum)
  FROM pg_attribute AS a WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped)`;

const IS_UNIQUE = `EXISTS (SELECT FROM pg_index AS i WHERE i.indrelid = c.oid AND i.indisunique AND i.indpred IS NULL
    AND NOT EXISTS (SELECT FROM unnest(i.indkey::int2[]) AS part WHERE part <> ALL (k.conkey)))`;

const FOREIGN_KEYS = `(SELECT json_agg(json_build_object('name', k.conname, 'columns', ${columnNames("c.oid", "k.conkey")},
    'target', json_build_object('schema', tn.nspname, 'name', t.relname),
    'targetColumns', ${columnNames("t.oid", "k.confkey")}, 'unique', ${IS_UNIQUE}) ORDER BY k.conname)
  FROM pg_constraint AS k JOIN pg_class AS t ON t.oid = k.confrelid JOIN pg_namespace AS tn ON tn.oid = t.relnamespace
  WHERE k.conrelid = c.oid AND k.contype = 'f' AND k.conparentid = 0)`;

const QUERY = `SELECT n.nspname::text AS schema, c.relname::text AS name, coalesce(${COLUMNS}, '[]') AS columns,
    coalesce(${FOREIGN_KEYS}, '[]') AS "foreignKeys"
  FROM ${RELATION} WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition
  ORDER BY n.nspname COLLATE "C", c.relname COLLATE "C"`;

/** Reads the tables of a database without their partitions. The client must not be in a transaction. */
export async function readTables(client: pg.Client, options: CatalogOptions): Promise<SchemaTable[]> {
  return inSnapshot(client, async () => {
    const { own } = await readServer(client, options.exclude);
    const values = [own, options.schemas ?? null];
    const { rows } = await client.query<TableRow>({ name: "catalog-tables", text: QUERY, values });
    return rows.map((row) => ({
      name: nameOf(row),
      columns: row.columns.map((column) => ({ ...column, type: shortType(column.type) })),
      foreignKeys: row.foreignKeys.map((key) => ({ ...key, target: nameOf(key.target) })),
    }));
  });
}

function nameOf({ schema, name }: QualifiedName): string {
  const parts = schema === "public" ? [name] : [schema, name];
  return parts.map((part) => (/[."]/.test(part) ? `"${part.replaceAll('"', '""')}"` : part)).join(".");
}

const SHORT_TYPES: readonly (readonly [RegExp, string])[] = [
  [/^character varying/, "varchar"],
  [/^character(?! varying)/, "char"],
  [/^bit varying/, "varbit"],
  [/^(timestamp|time)(\(\d\))? with time zone/, "$1tz$2"],
  [/^(timestamp|time)(\(\d\))? without time zone/, "$1$2"],
  [/^double precision/, "float8"],
  [/^public\./, ""],
];

function shortType(type: string): string {
  return SHORT_TYPES.reduce((text, [long, short]) => text.replace(long, short), type);
}
