import { SEQUENCE_OPTIONS } from "./sequences.ts";

const ALTER = "format('ALTER TABLE ONLY %s ALTER COLUMN %I ', c.oid::regclass, a.attname)";

/** Later versions keep `NULL` where earlier ones kept -1. */
const STATISTICS_TARGET = "coalesce(a.attstattarget, -1)";

/** Since Postgres 18 a NOT NULL has a name; one the server would choose anyway is left out. */
const NOT_NULL_NAME = `CASE WHEN nn.conname <> c.relname || '_' || a.attname || '_not_null'
  THEN format(' CONSTRAINT %I', nn.conname) END`;

const IDENTITY = `format(' GENERATED %s AS IDENTITY%s', CASE a.attidentity WHEN 'a' THEN 'ALWAYS' ELSE 'BY DEFAULT' END,
  ' (' || nullif(concat_ws(' ',
    CASE WHEN s.seqrelid::regclass::text <> format('%I.%I', n.nspname, c.relname || '_' || a.attname || '_seq')
         THEN 'SEQUENCE NAME ' || s.seqrelid::regclass END,
    nullif(${SEQUENCE_OPTIONS}, '')), '') || ')')`;

const TAIL = `concat(
  CASE WHEN a.attgenerated <> '' THEN format(' GENERATED ALWAYS AS (%s) %s', pg_get_expr(d.adbin, d.adrelid),
    CASE a.attgenerated WHEN 's' THEN 'STORED' ELSE 'VIRTUAL' END) END,
  CASE WHEN s.seqrelid IS NOT NULL THEN ${IDENTITY} END,
  CASE WHEN a.attnotnull AND nn.convalidated IS NOT FALSE
        AND (s.seqrelid IS NULL OR nn.conname <> c.relname || '_' || a.attname || '_not_null')
       THEN concat(${NOT_NULL_NAME}, ' NOT NULL', CASE WHEN nn.connoinherit THEN ' NO INHERIT' END) END)`;

const HAS_PARENT_DEFAULT = `EXISTS (SELECT FROM pg_inherits AS i JOIN pg_attribute AS pa ON pa.attrelid = i.inhparent
  WHERE i.inhrelid = c.oid AND pa.attname = a.attname AND pa.atthasdef)`;

/**
 * A column that a child table has from its parents is not listed again, unless it is a partition: those are made
 * complete and then attached, which keeps their order of columns.
 */
const LISTED = "(a.attislocal OR c.relispartition)";

const AFTER = `array_remove(ARRAY[
  CASE WHEN NOT ${LISTED} AND a.attgenerated = '' THEN
    CASE WHEN d.oid IS NOT NULL THEN ${ALTER} || 'SET DEFAULT ' || pg_get_expr(d.adbin, d.adrelid) || ';'
         WHEN ${HAS_PARENT_DEFAULT} THEN ${ALTER} || 'DROP DEFAULT;' END END,
  CASE WHEN NOT ${LISTED} AND a.attnotnull THEN ${ALTER} || 'SET NOT NULL;' END,
  CASE WHEN nn.convalidated IS FALSE THEN format('ALTER TABLE %s ADD CONSTRAINT %I %s;', c.oid::regclass, nn.conname,
    pg_get_constraintdef(nn.oid)) END,
  CASE WHEN a.attstorage <> t.typstorage THEN ${ALTER} || 'SET STORAGE '
    || CASE a.attstorage WHEN 'p' THEN 'PLAIN' WHEN 'e' THEN 'EXTERNAL' WHEN 'm' THEN 'MAIN' ELSE 'EXTENDED' END || ';' END,
  CASE a.attcompression WHEN 'p' THEN ${ALTER} || 'SET COMPRESSION pglz;'
                        WHEN 'l' THEN ${ALTER} || 'SET COMPRESSION lz4;' END,
  CASE WHEN ${STATISTICS_TARGET} >= 0 THEN ${ALTER} || 'SET STATISTICS ' || a.attstattarget || ';' END,
  CASE WHEN a.attoptions IS NOT NULL THEN ${ALTER} || format('SET (%s);', array_to_string(a.attoptions, ', ')) END
], NULL)`;

/** The columns of table `c` in schema `n`, as `TableColumn` describes them. */
export const COLUMNS = `(SELECT jsonb_agg(jsonb_build_object(
    'listed', ${LISTED},
    'head', concat(quote_ident(a.attname), ' ', format_type(a.atttypid, a.atttypmod),
      CASE WHEN a.attcollation <> 0 AND a.attcollation <> t.typcollation THEN ' COLLATE ' || a.attcollation::regcollation END),
    'default', CASE WHEN a.attgenerated = '' AND ${LISTED} THEN pg_get_expr(d.adbin, d.adrelid) END,
    'defaultOid', d.oid::int8,
    'alter', ${ALTER},
    'tail', ${TAIL},
    'after', ${AFTER}) ORDER BY a.attnum)
  FROM pg_attribute AS a JOIN pg_type AS t ON t.oid = a.atttypid
  LEFT JOIN pg_attrdef AS d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
  LEFT JOIN (pg_depend AS own JOIN pg_sequence AS s ON s.seqrelid = own.objid)
    ON a.attidentity <> '' AND own.refclassid = 'pg_class'::regclass AND own.refobjid = a.attrelid
       AND own.refobjsubid = a.attnum AND own.classid = 'pg_class'::regclass AND own.deptype = 'i'
  LEFT JOIN pg_constraint AS nn ON nn.conrelid = a.attrelid AND nn.contype = 'n' AND nn.conkey[1] = a.attnum
  WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped)`;
