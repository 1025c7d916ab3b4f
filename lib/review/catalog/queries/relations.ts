import { RELATION, RELATION_NAME, select } from "./select.ts";

const LARGEST = `CASE s.seqtypid WHEN 'int2'::regtype THEN 32767 WHEN 'int4'::regtype THEN 2147483647
  ELSE 9223372036854775807 END`;
const USUAL_MIN = `CASE WHEN s.seqincrement > 0 THEN 1 ELSE -${LARGEST} - 1 END`;
const USUAL_MAX = `CASE WHEN s.seqincrement > 0 THEN ${LARGEST} ELSE -1 END`;

/** The options of row `s` of `pg_sequence` that differ from the defaults, or an empty text. */
const SEQUENCE_OPTIONS = `concat_ws(' ',
  CASE WHEN s.seqincrement <> 1 THEN 'INCREMENT BY ' || s.seqincrement END,
  CASE WHEN s.seqmin <> ${USUAL_MIN} THEN 'MINVALUE ' || s.seqmin END,
  CASE WHEN s.seqmax <> ${USUAL_MAX} THEN 'MAXVALUE ' || s.seqmax END,
  CASE WHEN s.seqstart <> CASE WHEN s.seqincrement > 0 THEN s.seqmin ELSE s.seqmax END
       THEN 'START WITH ' || s.seqstart END,
  CASE WHEN s.seqcache <> 1 THEN 'CACHE ' || s.seqcache END,
  CASE WHEN s.seqcycle THEN 'CYCLE' END)`;

/** The sequence of a `serial` column has dependency type `a`, that of an identity column `i`. */
const OWNED = `LEFT JOIN pg_depend AS o ON o.classid = 'pg_class'::regclass AND o.objid = c.oid AND o.objsubid = 0
  AND o.refclassid = 'pg_class'::regclass AND o.refobjsubid > 0 AND o.deptype IN ('a', 'i')`;

export const SEQUENCES = [
  select({
    kind: "sequence",
    catalog: "pg_class",
    oid: "c.oid",
    name: RELATION_NAME,
    subject: `'SEQUENCE ' || ${RELATION_NAME}`,
    // The owner of an owned sequence is the owner of its table, and cannot be set.
    owner: "CASE WHEN o.deptype IS NULL THEN c.relowner END",
    // The sequence of an identity column is created with it and listed only for its comment and grants.
    create: `CASE WHEN o.deptype IS DISTINCT FROM 'i' THEN ARRAY[format('CREATE %sSEQUENCE %s%s%s;',
      CASE c.relpersistence WHEN 'u' THEN 'UNLOGGED ' END, ${RELATION_NAME},
      CASE WHEN s.seqtypid <> 'int8'::regtype THEN ' AS ' || format_type(s.seqtypid, NULL) END,
      ' ' || nullif(${SEQUENCE_OPTIONS}, ''))] END`,
    finish: `CASE WHEN o.deptype = 'a' THEN ARRAY[format('ALTER SEQUENCE %s OWNED BY %s.%I;', ${RELATION_NAME},
      o.refobjid::regclass, (SELECT attname FROM pg_attribute WHERE attrelid = o.refobjid AND attnum = o.refobjsubid))] END`,
    from: `${RELATION} JOIN pg_sequence AS s ON s.seqrelid = c.oid ${OWNED}`,
  }),
];

const ALTER_COLUMN = "format('ALTER TABLE ONLY %s ALTER COLUMN %I ', c.oid::regclass, a.attname)";

/** The default is NULL in newer versions and -1 in older ones. */
const STATISTICS_TARGET = "coalesce(a.attstattarget, -1)";

/** Since Postgres 18 a NOT NULL has a name; the default name is omitted. */
const NOT_NULL_NAME = `CASE WHEN nn.conname <> c.relname || '_' || a.attname || '_not_null'
  THEN format(' CONSTRAINT %I', nn.conname) END`;

const IDENTITY = `format(' GENERATED %s AS IDENTITY%s', CASE a.attidentity WHEN 'a' THEN 'ALWAYS' ELSE 'BY DEFAULT' END,
  ' (' || nullif(concat_ws(' ',
    CASE WHEN s.seqrelid::regclass::text <> format('%I.%I', n.nspname, c.relname || '_' || a.attname || '_seq')
         THEN 'SEQUENCE NAME ' || s.seqrelid::regclass END,
    nullif(${SEQUENCE_OPTIONS}, '')), '') || ')')`;

const COLUMN_TAIL = `concat(
  CASE WHEN a.attgenerated <> '' THEN format(' GENERATED ALWAYS AS (%s) %s', pg_get_expr(d.adbin, d.adrelid),
    CASE a.attgenerated WHEN 's' THEN 'STORED' ELSE 'VIRTUAL' END) END,
  CASE WHEN s.seqrelid IS NOT NULL THEN ${IDENTITY} END,
  CASE WHEN a.attnotnull AND nn.convalidated IS NOT FALSE
        AND (s.seqrelid IS NULL OR nn.conname <> c.relname || '_' || a.attname || '_not_null')
       THEN concat(${NOT_NULL_NAME}, ' NOT NULL', CASE WHEN nn.connoinherit THEN ' NO INHERIT' END) END)`;

const HAS_PARENT_DEFAULT = `EXISTS (SELECT FROM pg_inherits AS i JOIN pg_attribute AS pa ON pa.attrelid = i.inhparent
  WHERE i.inhrelid = c.oid AND pa.attname = a.attname AND pa.atthasdef)`;

/**
 * Inherited columns are not listed, except in partitions: these are created with all columns and then attached, which
 * keeps the order of columns.
 */
const LISTED = "(a.attislocal OR c.relispartition)";

const COLUMN_AFTER = `array_remove(ARRAY[
  CASE WHEN NOT ${LISTED} AND a.attgenerated = '' THEN
    CASE WHEN d.oid IS NOT NULL THEN ${ALTER_COLUMN} || 'SET DEFAULT ' || pg_get_expr(d.adbin, d.adrelid) || ';'
         WHEN ${HAS_PARENT_DEFAULT} THEN ${ALTER_COLUMN} || 'DROP DEFAULT;' END END,
  CASE WHEN NOT ${LISTED} AND a.attnotnull THEN ${ALTER_COLUMN} || 'SET NOT NULL;' END,
  CASE WHEN nn.convalidated IS FALSE THEN format('ALTER TABLE %s ADD CONSTRAINT %I %s;', c.oid::regclass, nn.conname,
    pg_get_constraintdef(nn.oid)) END,
  CASE WHEN a.attstorage <> t.typstorage THEN ${ALTER_COLUMN} || 'SET STORAGE '
    || CASE a.attstorage WHEN 'p' THEN 'PLAIN' WHEN 'e' THEN 'EXTERNAL' WHEN 'm' THEN 'MAIN' ELSE 'EXTENDED' END || ';' END,
  CASE a.attcompression WHEN 'p' THEN ${ALTER_COLUMN} || 'SET COMPRESSION pglz;'
                        WHEN 'l' THEN ${ALTER_COLUMN} || 'SET COMPRESSION lz4;' END,
  CASE WHEN ${STATISTICS_TARGET} >= 0 THEN ${ALTER_COLUMN} || 'SET STATISTICS ' || a.attstattarget || ';' END,
  CASE WHEN a.attoptions IS NOT NULL THEN ${ALTER_COLUMN} || format('SET (%s);', array_to_string(a.attoptions, ', ')) END
], NULL)`;

/** The columns of table `c` in schema `n` as `TableColumn[]`. */
const COLUMNS = `(SELECT jsonb_agg(jsonb_build_object(
    'listed', ${LISTED},
    'head', concat(quote_ident(a.attname), ' ', format_type(a.atttypid, a.atttypmod),
      CASE WHEN a.attcollation <> 0 AND a.attcollation <> t.typcollation THEN ' COLLATE ' || a.attcollation::regcollation END),
    'default', CASE WHEN a.attgenerated = '' AND ${LISTED} THEN pg_get_expr(d.adbin, d.adrelid) END,
    'defaultOid', d.oid::int8,
    'alter', ${ALTER_COLUMN},
    'tail', ${COLUMN_TAIL},
    'after', ${COLUMN_AFTER}) ORDER BY a.attnum)
  FROM pg_attribute AS a JOIN pg_type AS t ON t.oid = a.atttypid
  LEFT JOIN pg_attrdef AS d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
  LEFT JOIN (pg_depend AS own JOIN pg_sequence AS s ON s.seqrelid = own.objid)
    ON a.attidentity <> '' AND own.refclassid = 'pg_class'::regclass AND own.refobjid = a.attrelid
       AND own.refobjsubid = a.attnum AND own.classid = 'pg_class'::regclass AND own.deptype = 'i'
  LEFT JOIN pg_constraint AS nn ON nn.conrelid = a.attrelid AND nn.contype = 'n' AND nn.conkey[1] = a.attnum
  WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped)`;

const PARENTS = `(SELECT string_agg(i.inhparent::regclass::text, ', ' ORDER BY i.inhseqno)
  FROM pg_inherits AS i WHERE i.inhrelid = c.oid)`;

/** A child that defines all its columns itself is created first and gets its parents later. */
const ALL_LOCAL = `NOT EXISTS (SELECT FROM pg_attribute AS a
  WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped AND NOT a.attislocal)`;

const OPTIONS = `nullif(concat_ws(', ', array_to_string(c.reloptions, ', '),
  (SELECT string_agg('toast.' || option, ', ' ORDER BY option) FROM pg_class AS toast CROSS JOIN unnest(toast.reloptions) AS option
   WHERE toast.oid = c.reltoastrelid)), '')`;

const ACCESS_METHOD = "(SELECT amname FROM pg_am WHERE oid = c.relam AND amname <> 'heap')";

/** Zero means the default tablespace of the database, which is omitted. */
const TABLESPACE = "(SELECT spcname FROM pg_tablespace WHERE oid = c.reltablespace)";

const HEAD = `format('CREATE %s%sTABLE %s', CASE c.relpersistence WHEN 'u' THEN 'UNLOGGED ' END,
  CASE c.relkind WHEN 'f' THEN 'FOREIGN ' END, ${RELATION_NAME})`;

const TAIL = `concat(
  CASE WHEN NOT c.relispartition AND NOT (${ALL_LOCAL}) THEN ' INHERITS (' || ${PARENTS} || ')' END,
  CASE WHEN c.relkind = 'p' THEN ' PARTITION BY ' || pg_get_partkeydef(c.oid) END,
  ' USING ' || quote_ident(${ACCESS_METHOD}),
  ' WITH (' || ${OPTIONS} || ')',
  ' TABLESPACE ' || quote_ident(${TABLESPACE}),
  (SELECT concat(' SERVER ' || quote_ident(srv.srvname), ' OPTIONS (' || array_to_string(f.ftoptions, ', ') || ')')
   FROM pg_foreign_table AS f JOIN pg_foreign_server AS srv ON srv.oid = f.ftserver WHERE f.ftrelid = c.oid),
  ';')`;

const alter = (condition: string, action: string): string =>
  `CASE WHEN ${condition} THEN format('ALTER TABLE %s %s;', ${RELATION_NAME}, ${action}) END`;

const FURTHER = [
  alter("c.reloftype <> 0", "'OF ' || format_type(c.reloftype, NULL)"),
  `CASE WHEN c.relispartition THEN (SELECT format('ALTER TABLE ONLY %s ATTACH PARTITION %s %s;', i.inhparent::regclass,
      ${RELATION_NAME}, pg_get_expr(c.relpartbound, c.oid)) FROM pg_inherits AS i WHERE i.inhrelid = c.oid) END`,
  alter("c.relrowsecurity", "'ENABLE ROW LEVEL SECURITY'"),
  alter("c.relforcerowsecurity", "'FORCE ROW LEVEL SECURITY'"),
  alter("c.relreplident = 'f'", "'REPLICA IDENTITY FULL'"),
  alter("c.relreplident = 'n' AND c.relkind <> 'f'", "'REPLICA IDENTITY NOTHING'"),
].join(", ");

const INHERIT = `CASE WHEN NOT c.relispartition AND ${ALL_LOCAL} THEN
  ARRAY(SELECT format('ALTER TABLE %s INHERIT %s;', ${RELATION_NAME}, i.inhparent::regclass) FROM pg_inherits AS i
        WHERE i.inhrelid = c.oid ORDER BY i.inhseqno) END`;

const table = (kind: string, subject: string, relkinds: string): string =>
  select({
    kind,
    catalog: "pg_class",
    oid: "c.oid",
    name: RELATION_NAME,
    subject: `'${subject} ' || ${RELATION_NAME}`,
    owner: "c.relowner",
    create: `ARRAY[${HEAD}, ${TAIL}, ${FURTHER}] || ${INHERIT}`,
    columns: COLUMNS,
    from: `${RELATION} WHERE c.relkind IN (${relkinds})`,
  });

export const TABLES = [table("table", "TABLE", "'r', 'p'"), table("foreign table", "FOREIGN TABLE", "'f'")];

const WITH = "' WITH (' || nullif(array_to_string(c.reloptions, ', '), '') || ')'";
const BODY = "rtrim(pg_get_viewdef(c.oid), ';')";

export const VIEWS = [
  select({
    kind: "view",
    catalog: "pg_class",
    oid: "c.oid",
    name: RELATION_NAME,
    subject: `'VIEW ' || ${RELATION_NAME}`,
    owner: "c.relowner",
    create: `ARRAY[format(E'CREATE VIEW %s%s AS\\n%s;', ${RELATION_NAME}, ${WITH}, ${BODY})] ||
      ARRAY(SELECT format('ALTER VIEW %s ALTER COLUMN %I SET DEFAULT %s;', ${RELATION_NAME}, a.attname, pg_get_expr(d.adbin, d.adrelid))
            FROM pg_attrdef AS d JOIN pg_attribute AS a ON a.attrelid = d.adrelid AND a.attnum = d.adnum
            WHERE d.adrelid = c.oid ORDER BY a.attnum)`,
    from: `${RELATION} WHERE c.relkind = 'v'`,
  }),
  select({
    kind: "materialized view",
    catalog: "pg_class",
    oid: "c.oid",
    name: RELATION_NAME,
    subject: `'MATERIALIZED VIEW ' || ${RELATION_NAME}`,
    owner: "c.relowner",
    create: `ARRAY[format(E'CREATE MATERIALIZED VIEW %s%s AS\\n%s\\nWITH NO DATA;', ${RELATION_NAME}, ${WITH}, ${BODY})]`,
    finish: `CASE WHEN c.relispopulated THEN ARRAY[format('REFRESH MATERIALIZED VIEW %s;', ${RELATION_NAME})] END`,
    from: `${RELATION} WHERE c.relkind = 'm'`,
  }),
];
