/**
 * One kind of object as SQL expressions over the catalogue. All kinds have the same columns, so that one query, and
 * one round trip, reads everything.
 */
export interface Shape {
  /** A word or two for people: `table`, `foreign key`. */
  readonly kind: string;
  /** System catalogue that holds the object; with `oid` its address in `pg_depend`, `pg_description` and others. */
  readonly catalog: string;
  readonly oid: string;
  /** Unique within the kind, qualified and quoted. */
  readonly name: string;
  /** What `COMMENT ON`, `GRANT … ON`, `ALTER … OWNER TO` and `DROP` call it. */
  readonly subject: string;
  /** Oid of the role that owns it. @default - it has no owner of its own */
  readonly owner?: string;
  /** text[]: SQL statements that make it; NULL elements are left out. @default - made along with another object */
  readonly create?: string;
  /** text[]: statements for when everything exists. @default - none */
  readonly finish?: string;
  /** jsonb: columns of a table, to be written between the first element of `create` and the second. */
  readonly columns?: string;
  readonly from: string;
}

export function select(shape: Shape): string {
  return `SELECT '${shape.kind}' AS kind, '${shape.catalog}'::regclass::oid AS catalog, ${shape.oid}::oid AS oid,
    (${shape.name})::text AS name, (${shape.subject})::text AS subject,
    ${shape.owner === undefined ? "NULL::text" : `pg_get_userbyid(${shape.owner})::text`} AS owner,
    array_remove((${shape.create ?? "NULL"})::text[], NULL) AS create,
    array_remove((${shape.finish ?? "NULL"})::text[], NULL) AS finish,
    (${shape.columns ?? "NULL"})::jsonb AS columns
  FROM ${shape.from}`;
}

/** Names beginning with `pg_` are the server's own: no user can make such a schema. */
export function inScope(namespace: string): string {
  return `(${namespace}.nspname !~ '^pg_' AND ${namespace}.nspname <> 'information_schema'
    AND ($2::text[] IS NULL OR ${namespace}.nspname = ANY ($2)))`;
}

/** Oids below are given out before the first user connects. */
export const FIRST_USER_OID = 16384;

export function notOwn(relation: string): string {
  return `${relation} <> ALL ($1::oid[])`;
}

/** What an extension brought belongs to it. */
export function notOfExtension(catalog: string, oid: string): string {
  return `NOT EXISTS (SELECT FROM pg_depend AS member WHERE member.classid = '${catalog}'::regclass
    AND member.objid = ${oid} AND member.deptype = 'e')`;
}

/** A table, view, index or sequence of the users' own, as alias `c` in schema `n`. */
export const RELATION = `pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
    AND ${inScope("n")} AND ${notOwn("c.oid")} AND ${notOfExtension("pg_class", "c.oid")}`;

export const RELATION_NAME = "format('%I.%I', n.nspname, c.relname)";
