import { RELATION, RELATION_NAME, select } from "./select.ts";

const LARGEST = `CASE s.seqtypid WHEN 'int2'::regtype THEN 32767 WHEN 'int4'::regtype THEN 2147483647
  ELSE 9223372036854775807 END`;
const USUAL_MIN = `CASE WHEN s.seqincrement > 0 THEN 1 ELSE -${LARGEST} - 1 END`;
const USUAL_MAX = `CASE WHEN s.seqincrement > 0 THEN ${LARGEST} ELSE -1 END`;

/** What differs from the defaults, of a row `s` of `pg_sequence`; an empty text when nothing does. */
export const SEQUENCE_OPTIONS = `concat_ws(' ',
  CASE WHEN s.seqincrement <> 1 THEN 'INCREMENT BY ' || s.seqincrement END,
  CASE WHEN s.seqmin <> ${USUAL_MIN} THEN 'MINVALUE ' || s.seqmin END,
  CASE WHEN s.seqmax <> ${USUAL_MAX} THEN 'MAXVALUE ' || s.seqmax END,
  CASE WHEN s.seqstart <> CASE WHEN s.seqincrement > 0 THEN s.seqmin ELSE s.seqmax END
       THEN 'START WITH ' || s.seqstart END,
  CASE WHEN s.seqcache <> 1 THEN 'CACHE ' || s.seqcache END,
  CASE WHEN s.seqcycle THEN 'CYCLE' END)`;

/** A sequence of `serial` has kind of dependency `a` on its column, one of an identity column `i`. */
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
    // An identity column's is made with it: here it stands only for its comment and its grants.
    create: `CASE WHEN o.deptype IS DISTINCT FROM 'i' THEN ARRAY[format('CREATE %sSEQUENCE %s%s%s;',
      CASE c.relpersistence WHEN 'u' THEN 'UNLOGGED ' END, ${RELATION_NAME},
      CASE WHEN s.seqtypid <> 'int8'::regtype THEN ' AS ' || format_type(s.seqtypid, NULL) END,
      ' ' || nullif(${SEQUENCE_OPTIONS}, ''))] END`,
    finish: `CASE WHEN o.deptype = 'a' THEN ARRAY[format('ALTER SEQUENCE %s OWNED BY %s.%I;', ${RELATION_NAME},
      o.refobjid::regclass, (SELECT attname FROM pg_attribute WHERE attrelid = o.refobjid AND attnum = o.refobjsubid))] END`,
    from: `${RELATION} JOIN pg_sequence AS s ON s.seqrelid = c.oid ${OWNED}`,
  }),
];
