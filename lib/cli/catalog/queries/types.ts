import { inScope, notOfExtension, select } from "./select.ts";

const NAME = "format('%I.%I', n.nspname, t.typname)";

/** Types of the users' own: not the row types of tables, the arrays or the multiranges that come with others. */
const TYPE = `pg_type AS t JOIN pg_namespace AS n ON n.oid = t.typnamespace
    AND ${inScope("n")} AND ${notOfExtension("pg_type", "t.oid")}`;

const collation = (used: string, usual: string): string =>
  `CASE WHEN ${used} <> 0 AND ${used} <> ${usual} THEN ' COLLATE ' || ${used}::regcollation END`;

export const TYPES = [
  select({
    kind: "enum",
    catalog: "pg_type",
    oid: "t.oid",
    name: NAME,
    subject: `'TYPE ' || ${NAME}`,
    owner: "t.typowner",
    create: `ARRAY[format(E'CREATE TYPE %s AS ENUM (%s);', ${NAME},
      (SELECT string_agg(E'\\n  ' || quote_literal(e.enumlabel), ',' ORDER BY e.enumsortorder) || E'\\n'
       FROM pg_enum AS e WHERE e.enumtypid = t.oid))]`,
    from: `${TYPE} WHERE t.typtype = 'e'`,
  }),
  select({
    kind: "composite type",
    catalog: "pg_type",
    oid: "t.oid",
    name: NAME,
    subject: `'TYPE ' || ${NAME}`,
    owner: "t.typowner",
    create: `ARRAY[format(E'CREATE TYPE %s AS (%s);', ${NAME},
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
    name: NAME,
    subject: `'DOMAIN ' || ${NAME}`,
    owner: "t.typowner",
    create: `ARRAY[format('CREATE DOMAIN %s AS %s%s%s%s;', ${NAME}, format_type(t.typbasetype, t.typtypmod),
      ${collation("t.typcollation", "b.typcollation")},
      ' DEFAULT ' || coalesce(pg_get_expr(t.typdefaultbin, 0), quote_literal(t.typdefault)),
      CASE WHEN t.typnotnull THEN ' NOT NULL' END)]`,
    from: `${TYPE} JOIN pg_type AS b ON b.oid = t.typbasetype WHERE t.typtype = 'd'`,
  }),
  select({
    kind: "domain constraint",
    catalog: "pg_constraint",
    oid: "k.oid",
    name: `format('%I on %s', k.conname, ${NAME})`,
    subject: `format('CONSTRAINT %I ON DOMAIN %s', k.conname, ${NAME})`,
    create: `ARRAY[format('ALTER DOMAIN %s ADD CONSTRAINT %I %s;', ${NAME}, k.conname, pg_get_constraintdef(k.oid))]`,
    from: `${TYPE} JOIN pg_constraint AS k ON k.contypid = t.oid WHERE k.contype = 'c'`,
  }),
  select({
    kind: "range type",
    catalog: "pg_type",
    oid: "t.oid",
    name: NAME,
    subject: `'TYPE ' || ${NAME}`,
    owner: "t.typowner",
    create: `ARRAY[format('CREATE TYPE %s AS RANGE (%s);', ${NAME}, concat_ws(', ',
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
