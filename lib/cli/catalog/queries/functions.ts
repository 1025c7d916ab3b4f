import { FIRST_USER_OID, inScope, notOfExtension, select } from "./select.ts";

const NAME = "format('%I.%I(%s)', n.nspname, p.proname, pg_get_function_identity_arguments(p.oid))";

/** Constructors of range types are made with the type. */
const FUNCTION = `pg_proc AS p JOIN pg_namespace AS n ON n.oid = p.pronamespace AND ${inScope("n")}
  AND ${notOfExtension("pg_proc", "p.oid")}
  AND NOT EXISTS (SELECT FROM pg_depend AS i WHERE i.classid = 'pg_proc'::regclass AND i.objid = p.oid AND i.deptype = 'i')`;

const body = (kind: string, subject: string, prokinds: string): string =>
  select({
    kind,
    catalog: "pg_proc",
    oid: "p.oid",
    name: "p.oid::regprocedure",
    subject: `'${subject} ' || ${NAME}`,
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
/** Ordered-set and hypothetical-set aggregates need not be finished read-only. */
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
    // One without a function stands for what another operator named and nobody made.
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
    // A multirange type brings a cast with it.
    from: `pg_cast AS k WHERE k.oid >= ${FIRST_USER_OID} AND ${notOfExtension("pg_cast", "k.oid")}
      AND NOT EXISTS (SELECT FROM pg_depend AS i WHERE i.classid = 'pg_cast'::regclass AND i.objid = k.oid AND i.deptype = 'i')`,
  }),
];
