import { inScope, notOfExtension, select } from "./select.ts";

const named = (namespace: string, name: string): string =>
  `format('%s.%I', ${namespace}::regnamespace, ${name})`;
const COLLATION = named("c.collnamespace", "c.collname");
const DICTIONARY = named("d.dictnamespace", "d.dictname");
const CONFIGURATION = named("c.cfgnamespace", "c.cfgname");

/** The columns of `pg_collation` have changed from version to version. */
const LOCALE = "coalesce(to_jsonb(c) ->> 'colllocale', to_jsonb(c) ->> 'colliculocale')";

const MAPPINGS = `ARRAY(SELECT format('ALTER TEXT SEARCH CONFIGURATION %s ADD MAPPING FOR %I WITH %s;', ${CONFIGURATION}, token.alias,
    string_agg(m.mapdict::regdictionary::text, ', ' ORDER BY m.mapseqno))
  FROM pg_ts_config_map AS m JOIN LATERAL ts_token_type(c.cfgparser) AS token ON token.tokid = m.maptokentype
  WHERE m.mapcfg = c.oid GROUP BY token.tokid, token.alias ORDER BY token.tokid)`;

/** What decides how text is compared and searched. */
export const TEXT = [
  select({
    kind: "collation",
    catalog: "pg_collation",
    oid: "c.oid",
    name: COLLATION,
    subject: `'COLLATION ' || ${COLLATION}`,
    owner: "c.collowner",
    create: `ARRAY[format('CREATE COLLATION %s (%s);', ${COLLATION}, concat_ws(', ',
      'provider = ' || CASE c.collprovider WHEN 'i' THEN 'icu' WHEN 'b' THEN 'builtin' ELSE 'libc' END,
      'locale = ' || quote_literal(${LOCALE}),
      CASE WHEN ${LOCALE} IS NULL AND c.collcollate = c.collctype THEN 'locale = ' || quote_literal(c.collcollate) END,
      CASE WHEN ${LOCALE} IS NULL AND c.collcollate <> c.collctype
        THEN format('lc_collate = %L, lc_ctype = %L', c.collcollate, c.collctype) END,
      'rules = ' || quote_literal(to_jsonb(c) ->> 'collicurules'),
      CASE WHEN NOT c.collisdeterministic THEN 'deterministic = false' END))]`,
    from: `pg_collation AS c JOIN pg_namespace AS n ON n.oid = c.collnamespace
      WHERE ${inScope("n")} AND ${notOfExtension("pg_collation", "c.oid")}`,
  }),
  select({
    kind: "text search dictionary",
    catalog: "pg_ts_dict",
    oid: "d.oid",
    name: DICTIONARY,
    subject: `'TEXT SEARCH DICTIONARY ' || ${DICTIONARY}`,
    owner: "d.dictowner",
    create: `ARRAY[format('CREATE TEXT SEARCH DICTIONARY %s (TEMPLATE = %s%s);', ${DICTIONARY},
      ${named("t.tmplnamespace", "t.tmplname")}, ', ' || nullif(d.dictinitoption, ''))]`,
    from: `pg_ts_dict AS d JOIN pg_namespace AS n ON n.oid = d.dictnamespace JOIN pg_ts_template AS t ON t.oid = d.dicttemplate
      WHERE ${inScope("n")} AND ${notOfExtension("pg_ts_dict", "d.oid")}`,
  }),
  select({
    kind: "text search configuration",
    catalog: "pg_ts_config",
    oid: "c.oid",
    name: CONFIGURATION,
    subject: `'TEXT SEARCH CONFIGURATION ' || ${CONFIGURATION}`,
    owner: "c.cfgowner",
    create: `ARRAY[format('CREATE TEXT SEARCH CONFIGURATION %s (PARSER = %s);', ${CONFIGURATION},
      ${named("p.prsnamespace", "p.prsname")})] || ${MAPPINGS}`,
    from: `pg_ts_config AS c JOIN pg_namespace AS n ON n.oid = c.cfgnamespace JOIN pg_ts_parser AS p ON p.oid = c.cfgparser
      WHERE ${inScope("n")} AND ${notOfExtension("pg_ts_config", "c.oid")}`,
  }),
];
