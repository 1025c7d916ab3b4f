import { FIRST_USER_OID, inScope, notOfExtension, select } from "./select.ts";

/** Schemas, extensions, and the settings of the database itself. */
export const SCHEMAS = [
  select({
    kind: "schema",
    catalog: "pg_namespace",
    oid: "n.oid",
    name: "quote_ident(n.nspname)",
    subject: "'SCHEMA ' || quote_ident(n.nspname)",
    owner: "n.nspowner",
    // The schema public exists in a new database.
    create: `ARRAY[format('CREATE SCHEMA %s%I;', CASE WHEN n.oid < ${FIRST_USER_OID} THEN 'IF NOT EXISTS ' END, n.nspname),
      CASE WHEN n.oid < ${FIRST_USER_OID} AND obj_description(n.oid, 'pg_namespace') IS NULL
           THEN format('COMMENT ON SCHEMA %I IS NULL;', n.nspname) END]`,
    from: `pg_namespace AS n WHERE ${inScope("n")} AND ${notOfExtension("pg_namespace", "n.oid")}`,
  }),
  // The version is left out: it depends on the server.
  select({
    kind: "extension",
    catalog: "pg_extension",
    oid: "e.oid",
    name: "quote_ident(e.extname)",
    subject: "'EXTENSION ' || quote_ident(e.extname)",
    create: `ARRAY[format('CREATE EXTENSION IF NOT EXISTS %I%s;', e.extname,
      CASE WHEN ${notOfExtension("pg_namespace", "n.oid")} THEN format(' WITH SCHEMA %I', n.nspname) END)]`,
    from: `pg_extension AS e JOIN pg_namespace AS n ON n.oid = e.extnamespace WHERE e.oid >= ${FIRST_USER_OID}`,
  }),
  select({
    kind: "database settings",
    catalog: "pg_database",
    oid: "d.oid",
    name: "'of this database'",
    subject: "'DATABASE ' || quote_ident(d.datname)",
    create: `ARRAY(SELECT format('ALTER DATABASE SET %s%s', setting,
        CASE WHEN s.setrole <> 0 THEN format(' FOR %I', pg_get_userbyid(s.setrole)) END)
      FROM pg_db_role_setting AS s CROSS JOIN unnest(s.setconfig) AS setting WHERE s.setdatabase = d.oid
      ORDER BY 1)`,
    from: "pg_database AS d WHERE d.datname = current_database()",
  }),
];

const OPERATIONS = `concat_ws(', ', CASE WHEN p.pubinsert THEN 'insert' END, CASE WHEN p.pubupdate THEN 'update' END,
  CASE WHEN p.pubdelete THEN 'delete' END, CASE WHEN p.pubtruncate THEN 'truncate' END)`;

/** The column exists only in newer servers; 's' was added in Postgres 18. */
const GENERATED = "CASE to_jsonb(p) ->> 'pubgencols' WHEN 's' THEN 'publish_generated_columns = stored' END";

const PUBLICATION_OPTIONS = `concat_ws(', ',
  CASE WHEN NOT (p.pubinsert AND p.pubupdate AND p.pubdelete AND p.pubtruncate) THEN format('publish = %L', ${OPERATIONS}) END,
  CASE WHEN p.pubviaroot THEN 'publish_via_partition_root = true' END, ${GENERATED})`;

const PUBLISHED_COLUMNS = `(SELECT format(' (%s)', string_agg(quote_ident(a.attname), ', ' ORDER BY a.attnum)) FROM pg_attribute AS a
  WHERE a.attrelid = r.prrelid AND a.attnum = ANY (r.prattrs::int2[]) HAVING count(*) > 0)`;

const PUBLISHED_TABLES = `(SELECT 'TABLE ' || string_agg(concat('ONLY ', r.prrelid::regclass, ${PUBLISHED_COLUMNS},
    ' WHERE (' || pg_get_expr(r.prqual, r.prrelid) || ')'), ', ' ORDER BY r.prrelid::regclass::text)
  FROM pg_publication_rel AS r WHERE r.prpubid = p.oid)`;
const PUBLISHED_SCHEMAS = `(SELECT 'TABLES IN SCHEMA ' || string_agg(s.pnnspid::regnamespace::text, ', ' ORDER BY s.pnnspid::regnamespace::text)
  FROM pg_publication_namespace AS s WHERE s.pnpubid = p.oid)`;

const OLD_TABLES = `(SELECT 'TABLE ' || string_agg('ONLY ' || r.prrelid::regclass, ', ' ORDER BY r.prrelid::regclass::text)
  FROM pg_publication_rel AS r WHERE r.prpubid = p.oid)`;

/** Postgres 15 added schemas, columns and filters. */
export function publications(major: number): string {
  const list =
    major >= 15 ? `concat_ws(', ', ${PUBLISHED_TABLES}, ${PUBLISHED_SCHEMAS})` : `concat(${OLD_TABLES})`;
  return select({
    kind: "publication",
    catalog: "pg_publication",
    oid: "p.oid",
    name: "quote_ident(p.pubname)",
    subject: "'PUBLICATION ' || quote_ident(p.pubname)",
    owner: "p.pubowner",
    create: `ARRAY[concat(format('CREATE PUBLICATION %I', p.pubname),
      CASE WHEN p.puballtables THEN ' FOR ALL TABLES' ELSE ' FOR ' || nullif(${list}, '') END,
      ' WITH (' || nullif(${PUBLICATION_OPTIONS}, '') || ')', ';')]`,
    from: "pg_publication AS p",
  });
}

interface Rare {
  readonly kind: string;
  readonly catalog: string;
  /** Column with its schema. @default - it has no schema */
  readonly namespace?: string;
  readonly owner?: string;
  /** text[]: properties to compare. */
  readonly facts?: string;
}

/**
 * Kinds that few migrations use. They are compared by their name and a few properties, which is enough to detect
 * leftovers, and are not written to a dump.
 */
function rare({ kind, catalog, namespace, owner, facts }: Rare): string {
  const identity = `(pg_identify_object('${catalog}'::regclass, r.oid, 0)).identity`;
  const join =
    namespace === undefined ? "" : ` JOIN pg_namespace AS n ON n.oid = r.${namespace} AND ${inScope("n")}`;
  return select({
    kind,
    catalog,
    oid: "r.oid",
    name: identity,
    subject: `'${kind.toUpperCase()} ' || ${identity}`,
    ...(owner === undefined ? {} : { owner: `r.${owner}` }),
    create: `ARRAY['${kind.toUpperCase()} ' || ${identity}] || ${facts ?? "'{}'::text[]"}`,
    from: `${catalog} AS r${join} WHERE r.oid >= ${FIRST_USER_OID} AND ${notOfExtension(catalog, "r.oid")}`,
  });
}

const described = (catalog: string, where: string): string =>
  `ARRAY(SELECT '  ' || pg_describe_object('${catalog}'::regclass, part.oid, 0) FROM ${catalog} AS part WHERE ${where} ORDER BY 1)`;

/** Options of user mappings may contain passwords, so only their names are shown below. */
const options = (column: string): string =>
  `ARRAY(SELECT '  ' || option FROM unnest(r.${column}) AS option ORDER BY 1)`;

export const RARE_KINDS = [
  rare({
    kind: "operator family",
    catalog: "pg_opfamily",
    namespace: "opfnamespace",
    owner: "opfowner",
    facts: `${described("pg_amop", "part.amopfamily = r.oid")} || ${described("pg_amproc", "part.amprocfamily = r.oid")}`,
  }),
  rare({
    kind: "operator class",
    catalog: "pg_opclass",
    namespace: "opcnamespace",
    owner: "opcowner",
    facts:
      "ARRAY[concat_ws(' ', '  FOR TYPE', format_type(r.opcintype, NULL), CASE WHEN r.opcdefault THEN 'DEFAULT' END)]",
  }),
  rare({ kind: "conversion", catalog: "pg_conversion", namespace: "connamespace", owner: "conowner" }),
  rare({ kind: "text search parser", catalog: "pg_ts_parser", namespace: "prsnamespace" }),
  rare({ kind: "text search template", catalog: "pg_ts_template", namespace: "tmplnamespace" }),
  rare({ kind: "language", catalog: "pg_language", owner: "lanowner" }),
  rare({ kind: "access method", catalog: "pg_am", facts: "ARRAY['  HANDLER ' || r.amhandler::regproc]" }),
  rare({ kind: "transform", catalog: "pg_transform" }),
  rare({
    kind: "foreign data wrapper",
    catalog: "pg_foreign_data_wrapper",
    owner: "fdwowner",
    facts: options("fdwoptions"),
  }),
  rare({
    kind: "server",
    catalog: "pg_foreign_server",
    owner: "srvowner",
    facts: `ARRAY['  FOREIGN DATA WRAPPER ' || (SELECT fdwname FROM pg_foreign_data_wrapper WHERE oid = r.srvfdw)] || ${options("srvoptions")}`,
  }),
  select({
    kind: "user mapping",
    catalog: "pg_user_mapping",
    oid: "u.umid",
    name: "format('%s on %I', CASE u.umuser WHEN 0 THEN 'PUBLIC' ELSE quote_ident(u.usename) END, u.srvname)",
    subject:
      "format('USER MAPPING FOR %s SERVER %I', CASE u.umuser WHEN 0 THEN 'PUBLIC' ELSE quote_ident(u.usename) END, u.srvname)",
    create: `ARRAY[format('USER MAPPING FOR %s SERVER %I', u.usename, u.srvname)] ||
      ARRAY(SELECT '  ' || split_part(option, '=', 1) FROM unnest(u.umoptions) AS option ORDER BY 1)`,
    from: "pg_user_mappings AS u",
  }),
  select({
    kind: "subscription",
    catalog: "pg_subscription",
    oid: "s.oid",
    name: "quote_ident(s.subname)",
    subject: "'SUBSCRIPTION ' || quote_ident(s.subname)",
    owner: "s.subowner",
    create: `ARRAY[format('SUBSCRIPTION %I', s.subname), '  PUBLICATION ' || array_to_string(s.subpublications, ', ')]`,
    from: "pg_subscription AS s JOIN pg_database AS d ON d.oid = s.subdbid WHERE d.datname = current_database()",
  }),
  select({
    kind: "base type",
    catalog: "pg_type",
    oid: "t.oid",
    name: "format('%I.%I', n.nspname, t.typname)",
    subject: "format('TYPE %I.%I', n.nspname, t.typname)",
    owner: "t.typowner",
    create: `ARRAY[format('TYPE %I.%I', n.nspname, t.typname), '  INPUT ' || t.typinput::regproc, '  OUTPUT ' || t.typoutput::regproc]`,
    // An array type is created with its element type.
    from: `pg_type AS t JOIN pg_namespace AS n ON n.oid = t.typnamespace
      WHERE t.typtype IN ('b', 'p') AND ${inScope("n")} AND ${notOfExtension("pg_type", "t.oid")}
        AND NOT EXISTS (SELECT FROM pg_type AS element WHERE element.typarray = t.oid)`,
  }),
];
