import { FIRST_USER_OID, inScope, notOfExtension, select } from "./select.ts";

const TYPE_NAME = "format('%I.%I', n.nspname, t.typname)";

/** Types that a user created, without row types of tables, arrays and multiranges. */
const TYPE = `pg_type AS t JOIN pg_namespace AS n ON n.oid = t.typnamespace
    AND ${inScope("n")} AND ${notOfExtension("pg_type", "t.oid")}`;

const collation = (used: string, usual: string): string =>
  `CASE WHEN ${used} <> 0 AND ${used} <> ${usual} THEN ' COLLATE ' || ${used}::regcollation END`;

export const TYPES = [
  select({
    kind: "enum",
    catalog: "pg_type",
    oid: "t.oid",
    name: TYPE_NAME,
    subject: `'TYPE ' || ${TYPE_NAME}`,
    owner: "t.typowner",
    create: `ARRAY[format(E'CREATE TYPE %s AS ENUM (%s);', ${TYPE_NAME},
      (SELECT string_agg(E'\\n  ' || quote_literal(e.enumlabel), ',' ORDER BY e.enumsortorder) || E'\\n'
       FROM pg_enum AS e WHERE e.enumtypid = t.oid))]`,
    from: `${TYPE} WHERE t.typtype = 'e'`,
  }),
  select({
    kind: "composite type",
    catalog: "pg_type",
    oid: "t.oid",
    name: TYPE_NAME,
    subject: `'TYPE ' || ${TYPE_NAME}`,
    owner: "t.typowner",
    create: `ARRAY[format(E'CREATE TYPE %s AS (%s);', ${TYPE_NAME},
      (SELECT string_agg(format(E'\\n  %I %s%s', a.attname, format_type(a.atttypid, a.atttypmod),
                                ${collation("a.attcollation", "at.typcollation")}), ',' ORDER BY a.attnum) || E'\\n'
       FROM pg_attribute AS a JOIN pg_type AS at ON at.oid = a.atttypid
       WHERE a.attrelid = t.typrelid AND a.attnum > 0 AND NOT a.attisdropped))]`,
    from: `${TYPE} JOIN pg_class AS c ON c.oid = t.typrelid AND c.relkind = 'c' WHERE t.typtype = 'c'`,
  }),
  select({
    kind: "domain",
    catalog: "pg_type",
    oid: "t.oid",
    name: TYPE_NAME,
    subject: `'DOMAIN ' || ${TYPE_NAME}`,
    owner: "t.typowner",
    create: `ARRAY[format('CREATE DOMAIN %s AS %s%s%s%s;', ${TYPE_NAME}, format_type(t.typbasetype, t.typtypmod),
      ${collation("t.typcollation", "b.typcollation")},
      ' DEFAULT ' || coalesce(pg_get_expr(t.typdefaultbin, 0), quote_literal(t.typdefault)),
      CASE WHEN t.typnotnull THEN ' NOT NULL' END)]`,
    from: `${TYPE} JOIN pg_type AS b ON b.oid = t.typbasetype WHERE t.typtype = 'd'`,
  }),
  select({
    kind: "domain constraint",
    catalog: "pg_constraint",
    oid: "k.oid",
    name: `format('%I on %s', k.conname, ${TYPE_NAME})`,
    subject: `format('CONSTRAINT %I ON DOMAIN %s', k.conname, ${TYPE_NAME})`,
    create: `ARRAY[format('ALTER DOMAIN %s ADD CONSTRAINT %I %s;', ${TYPE_NAME}, k.conname, pg_get_constraintdef(k.oid))]`,
    from: `${TYPE} JOIN pg_constraint AS k ON k.contypid = t.oid WHERE k.contype = 'c'`,
  }),
  select({
    kind: "range type",
    catalog: "pg_type",
    oid: "t.oid",
    name: TYPE_NAME,
    subject: `'TYPE ' || ${TYPE_NAME}`,
    owner: "t.typowner",
    create: `ARRAY[format('CREATE TYPE %s AS RANGE (%s);', ${TYPE_NAME}, concat_ws(', ',
      'subtype = ' || format_type(r.rngsubtype, NULL),
      CASE WHEN NOT o.opcdefault THEN format('subtype_opclass = %I.%I', o.opcnamespace::regnamespace, o.opcname) END,
      CASE WHEN r.rngcollation <> 0 AND r.rngcollation <> s.typcollation THEN 'collation = ' || r.rngcollation::regcollation END,
      CASE WHEN r.rngcanonical <> 0 THEN 'canonical = ' || r.rngcanonical::regproc END,
      CASE WHEN r.rngsubdiff <> 0 THEN 'subtype_diff = ' || r.rngsubdiff::regproc END,
      'multirange_type_name = ' || format_type(r.rngmultitypid, NULL)))]`,
    from: `${TYPE} JOIN pg_range AS r ON r.rngtypid = t.oid JOIN pg_opclass AS o ON o.oid = r.rngsubopc
      JOIN pg_type AS s ON s.oid = r.rngsubtype WHERE t.typtype = 'r'`,
  }),
];

const FUNCTION_NAME = "format('%I.%I(%s)', n.nspname, p.proname, pg_get_function_identity_arguments(p.oid))";

/** Constructors of range types are created with the type. */
const FUNCTION = `pg_proc AS p JOIN pg_namespace AS n ON n.oid = p.pronamespace AND ${inScope("n")}
  AND ${notOfExtension("pg_proc", "p.oid")}
  AND NOT EXISTS (SELECT FROM pg_depend AS i WHERE i.classid = 'pg_proc'::regclass AND i.objid = p.oid AND i.deptype = 'i')`;

const body = (kind: string, subject: string, prokinds: string): string =>
  select({
    kind,
    catalog: "pg_proc",
    oid: "p.oid",
    name: "p.oid::regprocedure",
    subject: `'${subject} ' || ${FUNCTION_NAME}`,
    owner: "p.proowner",
    create: "ARRAY[rtrim(pg_get_functiondef(p.oid), E'\\n') || ';']",
    from: `${FUNCTION} WHERE p.prokind IN (${prokinds})`,
  });

const AGGREGATE_ARGUMENTS = "coalesce(nullif(pg_get_function_identity_arguments(p.oid), ''), '*')";
const part = (label: string, column: string): string =>
  `CASE WHEN a.${column} <> 0 THEN '${label} = ' || a.${column}::regproc END`;
const modify = (label: string, column: string, usual: string): string =>
  `'${label} = ' || CASE a.${column} WHEN 'r' THEN 'READ_ONLY' WHEN 's' THEN 'SHAREABLE' WHEN 'w' THEN 'READ_WRITE' END
   || CASE WHEN a.${column} = ${usual} THEN NULL ELSE '' END`;
/** The default differs for ordered-set and hypothetical-set aggregates. */
const USUAL_MODIFY = "(CASE a.aggkind WHEN 'n' THEN 'r' ELSE 'w' END)";

const AGGREGATE_PARTS = `concat_ws(E',\\n  ', 'SFUNC = ' || a.aggtransfn::regproc,
  'STYPE = ' || format_type(a.aggtranstype, NULL), 'SSPACE = ' || nullif(a.aggtransspace, 0),
  ${part("FINALFUNC", "aggfinalfn")}, CASE WHEN a.aggfinalextra THEN 'FINALFUNC_EXTRA' END,
  ${modify("FINALFUNC_MODIFY", "aggfinalmodify", USUAL_MODIFY)},
  ${part("COMBINEFUNC", "aggcombinefn")}, ${part("SERIALFUNC", "aggserialfn")}, ${part("DESERIALFUNC", "aggdeserialfn")},
  'INITCOND = ' || quote_literal(a.agginitval),
  ${part("MSFUNC", "aggmtransfn")}, ${part("MINVFUNC", "aggminvtransfn")},
  CASE WHEN a.aggmtranstype <> 0 THEN 'MSTYPE = ' || format_type(a.aggmtranstype, NULL) END,
  'MSSPACE = ' || nullif(a.aggmtransspace, 0), ${part("MFINALFUNC", "aggmfinalfn")},
  CASE WHEN a.aggmfinalextra THEN 'MFINALFUNC_EXTRA' END,
  CASE WHEN a.aggmtranstype <> 0 THEN ${modify("MFINALFUNC_MODIFY", "aggmfinalmodify", USUAL_MODIFY)} END,
  'MINITCOND = ' || quote_literal(a.aggminitval),
  CASE WHEN a.aggsortop <> 0 THEN 'SORTOP = OPERATOR(' || regexp_replace(a.aggsortop::regoperator::text, '\\(.*', '') || ')' END,
  CASE WHEN a.aggkind = 'h' THEN 'HYPOTHETICAL' END,
  CASE p.proparallel WHEN 's' THEN 'PARALLEL = SAFE' WHEN 'r' THEN 'PARALLEL = RESTRICTED' END)`;

const REG_OPERATOR = (column: string): string =>
  `(SELECT format('OPERATOR(%s.%s)', f.oprnamespace::regnamespace, f.oprname) FROM pg_operator AS f WHERE f.oid = o.${column})`;

export const FUNCTIONS = [
  body("function", "FUNCTION", "'f', 'w'"),
  body("procedure", "PROCEDURE", "'p'"),
  select({
    kind: "aggregate",
    catalog: "pg_proc",
    oid: "p.oid",
    name: "p.oid::regprocedure",
    subject: `format('AGGREGATE %I.%I(%s)', n.nspname, p.proname, ${AGGREGATE_ARGUMENTS})`,
    owner: "p.proowner",
    create: `ARRAY[format(E'CREATE AGGREGATE %I.%I(%s) (\\n  %s\\n);', n.nspname, p.proname, ${AGGREGATE_ARGUMENTS}, ${AGGREGATE_PARTS})]`,
    from: `${FUNCTION} JOIN pg_aggregate AS a ON a.aggfnoid = p.oid`,
  }),
  select({
    kind: "operator",
    catalog: "pg_operator",
    oid: "o.oid",
    name: "o.oid::regoperator",
    subject: `format('OPERATOR %s.%s (%s, %s)', o.oprnamespace::regnamespace, o.oprname,
      CASE o.oprleft WHEN 0 THEN 'NONE' ELSE format_type(o.oprleft, NULL) END, format_type(o.oprright, NULL))`,
    owner: "o.oprowner",
    create: `ARRAY[format(E'CREATE OPERATOR %s.%s (\\n  %s\\n);', o.oprnamespace::regnamespace, o.oprname, concat_ws(E',\\n  ',
      'FUNCTION = ' || o.oprcode::regproc, CASE WHEN o.oprleft <> 0 THEN 'LEFTARG = ' || format_type(o.oprleft, NULL) END,
      'RIGHTARG = ' || format_type(o.oprright, NULL), 'COMMUTATOR = ' || ${REG_OPERATOR("oprcom")},
      'NEGATOR = ' || ${REG_OPERATOR("oprnegate")}, CASE WHEN o.oprrest <> 0 THEN 'RESTRICT = ' || o.oprrest::regproc END,
      CASE WHEN o.oprjoin <> 0 THEN 'JOIN = ' || o.oprjoin::regproc END,
      CASE WHEN o.oprcanhash THEN 'HASHES' END, CASE WHEN o.oprcanmerge THEN 'MERGES' END))]`,
    // An operator without a function is a placeholder for an operator that another one refers to.
    from: `pg_operator AS o JOIN pg_namespace AS n ON n.oid = o.oprnamespace
      WHERE ${inScope("n")} AND ${notOfExtension("pg_operator", "o.oid")} AND o.oprcode <> 0`,
  }),
  select({
    kind: "cast",
    catalog: "pg_cast",
    oid: "k.oid",
    name: "format('%s as %s', format_type(k.castsource, NULL), format_type(k.casttarget, NULL))",
    subject: "format('CAST (%s AS %s)', format_type(k.castsource, NULL), format_type(k.casttarget, NULL))",
    create: `ARRAY[concat(format('CREATE CAST (%s AS %s) ', format_type(k.castsource, NULL), format_type(k.casttarget, NULL)),
      CASE k.castmethod WHEN 'b' THEN 'WITHOUT FUNCTION' WHEN 'i' THEN 'WITH INOUT' ELSE 'WITH FUNCTION ' || k.castfunc::regprocedure END,
      CASE k.castcontext WHEN 'i' THEN ' AS IMPLICIT' WHEN 'a' THEN ' AS ASSIGNMENT' END, ';')]`,
    // A multirange type creates a cast.
    from: `pg_cast AS k WHERE k.oid >= ${FIRST_USER_OID} AND ${notOfExtension("pg_cast", "k.oid")}
      AND NOT EXISTS (SELECT FROM pg_depend AS i WHERE i.classid = 'pg_cast'::regclass AND i.objid = k.oid AND i.deptype = 'i')`,
  }),
];

const named = (namespace: string, name: string): string =>
  `format('%s.%I', ${namespace}::regnamespace, ${name})`;
const COLLATION = named("c.collnamespace", "c.collname");
const DICTIONARY = named("d.dictnamespace", "d.dictname");
const CONFIGURATION = named("c.cfgnamespace", "c.cfgname");

/** The columns of `pg_collation` differ between versions. */
const LOCALE = "coalesce(to_jsonb(c) ->> 'colllocale', to_jsonb(c) ->> 'colliculocale')";

const MAPPINGS = `ARRAY(SELECT format('ALTER TEXT SEARCH CONFIGURATION %s ADD MAPPING FOR %I WITH %s;', ${CONFIGURATION}, token.alias,
    string_agg(m.mapdict::regdictionary::text, ', ' ORDER BY m.mapseqno))
  FROM pg_ts_config_map AS m JOIN LATERAL ts_token_type(c.cfgparser) AS token ON token.tokid = m.maptokentype
  WHERE m.mapcfg = c.oid GROUP BY token.tokid, token.alias ORDER BY token.tokid)`;

/** Collations and text search. */
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
