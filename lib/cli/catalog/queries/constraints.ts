import { RELATION, RELATION_NAME, select } from "./select.ts";

/** What an index says of itself outside its definition: `i` is its row, `x` its relation, on table `c`. */
const INDEX_STATE = `
  CASE WHEN i.indisclustered THEN format('ALTER TABLE %s CLUSTER ON %I;', ${RELATION_NAME}, x.relname) END,
  CASE WHEN i.indisreplident THEN format('ALTER TABLE ONLY %s REPLICA IDENTITY USING INDEX %I;', ${RELATION_NAME}, x.relname) END,
  (SELECT format('ALTER INDEX %s ATTACH PARTITION %s;', h.inhparent::regclass, x.oid::regclass)
   FROM pg_inherits AS h WHERE h.inhrelid = x.oid)`;

/** The children's copies of an inherited constraint are made with the parent's; a partition's key is made and attached. */
const OWN_CONSTRAINT =
  "(k.conislocal OR k.contype IN ('p', 'u', 'x')) AND (k.contype <> 'f' OR k.conparentid = 0)";

const constraint = (kind: string, types: string): string =>
  select({
    kind,
    catalog: "pg_constraint",
    oid: "k.oid",
    name: `format('%I on %s', k.conname, ${RELATION_NAME})`,
    subject: `format('CONSTRAINT %I ON %s', k.conname, ${RELATION_NAME})`,
    create: `ARRAY[
      format('ALTER TABLE %s%s ADD CONSTRAINT %I %s;', CASE WHEN i.indexrelid IS NOT NULL THEN 'ONLY ' END,
             ${RELATION_NAME}, k.conname, pg_get_constraintdef(k.oid)),
      format('ALTER INDEX %s SET (', x.oid::regclass) || array_to_string(x.reloptions, ', ') || ');',
      ${INDEX_STATE}]`,
    from: `${RELATION} JOIN pg_constraint AS k ON k.conrelid = c.oid
      LEFT JOIN (pg_index AS i JOIN pg_class AS x ON x.oid = i.indexrelid)
        ON i.indexrelid = k.conindid AND k.contype IN ('p', 'u', 'x')
      WHERE k.contype IN (${types}) AND ${OWN_CONSTRAINT}`,
  });

export const CONSTRAINTS = [
  constraint("constraint", "'c', 'p', 'u', 'x'"),
  constraint("foreign key", "'f'"),
  select({
    kind: "index",
    catalog: "pg_class",
    oid: "x.oid",
    name: "x.oid::regclass",
    subject: "'INDEX ' || x.oid::regclass",
    create: `ARRAY[pg_get_indexdef(i.indexrelid) || ';',
      CASE WHEN NOT i.indisvalid AND x.relkind = 'i' THEN '-- This index is invalid: its concurrent build failed.' END,
      ${INDEX_STATE}]`,
    from: `${RELATION} JOIN pg_index AS i ON i.indrelid = c.oid JOIN pg_class AS x ON x.oid = i.indexrelid
      WHERE NOT EXISTS (SELECT FROM pg_constraint AS k WHERE k.conindid = i.indexrelid AND k.contype IN ('p', 'u', 'x'))`,
  }),
  select({
    kind: "statistics",
    catalog: "pg_statistic_ext",
    oid: "s.oid",
    name: "format('%s.%I', s.stxnamespace::regnamespace, s.stxname)",
    subject: "format('STATISTICS %s.%I', s.stxnamespace::regnamespace, s.stxname)",
    owner: "s.stxowner",
    create: `ARRAY[pg_get_statisticsobjdef(s.oid) || ';', CASE WHEN coalesce(s.stxstattarget, -1) >= 0 THEN
      format('ALTER STATISTICS %s.%I SET STATISTICS %s;', s.stxnamespace::regnamespace, s.stxname, s.stxstattarget) END]`,
    from: `${RELATION} JOIN pg_statistic_ext AS s ON s.stxrelid = c.oid`,
  }),
];
