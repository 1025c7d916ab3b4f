/**
 * One kind of object as SQL expressions over the system catalogue. All kinds have the same columns, so that one query
 * reads everything in one round trip.
 */
export interface Shape {
  /** For people: `table`, `foreign key`. */
  readonly kind: string;
  /** The system catalogue of the object. With `oid` it is the address in `pg_depend`, `pg_description` and others. */
  readonly catalog: string;
  readonly oid: string;
  /** Unique within the kind, qualified and quoted. */
  readonly name: string;
  /** The object as written in `COMMENT ON`, `GRANT … ON`, `ALTER … OWNER TO` and `DROP`. */
  readonly subject: string;
  /** Oid of the owner. @default - this kind has no owner */
  readonly owner?: string;
  /** text[]: statements that create it, without NULL elements. @default - it is created with another object */
  readonly create?: string;
  /** text[]: statements to run after everything else exists. @default - none */
  readonly finish?: string;
  /** jsonb: columns of a table, written between the first two elements of `create`. */
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

/** Schemas that begin with `pg_` belong to the server; users cannot create them. */
export function inScope(namespace: string): string {
  return `(${namespace}.nspname !~ '^pg_' AND ${namespace}.nspname <> 'information_schema'
    AND ($2::text[] IS NULL OR ${namespace}.nspname = ANY ($2)))`;
}

/** Lower oids are assigned by initdb. */
export const FIRST_USER_OID = 16384;

export function notOwn(relation: string): string {
  return `${relation} <> ALL ($1::oid[])`;
}

/** Members of an extension are created with it. */
export function notOfExtension(catalog: string, oid: string): string {
  return `NOT EXISTS (SELECT FROM pg_depend AS member WHERE member.classid = '${catalog}'::regclass
    AND member.objid = ${oid} AND member.deptype = 'e')`;
}

/** A table, view, index or sequence that a user created, as alias `c` in schema `n`. */
export const RELATION = `pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
    AND ${inScope("n")} AND ${notOwn("c.oid")} AND ${notOfExtension("pg_class", "c.oid")}`;

export const RELATION_NAME = "format('%I.%I', n.nspname, c.relname)";
