import { FIRST_USER_OID, inScope, notOfExtension, select } from "./select.ts";

interface Rare {
  readonly kind: string;
  readonly catalog: string;
  /** Column with its schema. @default - it is in none */
  readonly namespace?: string;
  readonly owner?: string;
  /** text[]: what is worth comparing. */
  readonly facts?: string;
}

/**
 * Kinds that few migrations touch, as `pg_identify_object` names them. They are compared by name and a few facts, which
 * is enough to find one that was left behind; they are not written to a dump.
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

/** Options may hold passwords: only the names of those that user mappings have are shown. */
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
    // An array type comes with the type of its elements.
    from: `pg_type AS t JOIN pg_namespace AS n ON n.oid = t.typnamespace
      WHERE t.typtype IN ('b', 'p') AND ${inScope("n")} AND ${notOfExtension("pg_type", "t.oid")}
        AND NOT EXISTS (SELECT FROM pg_type AS element WHERE element.typarray = t.oid)`,
  }),
];
