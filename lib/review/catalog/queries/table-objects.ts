import { RELATION, RELATION_NAME, select } from "./select.ts";

/** Properties of an index that are not in its definition: `i` is its row, `x` its relation, on table `c`. */
const INDEX_STATE = `
  CASE WHEN i.indisclustered THEN format('ALTER TABLE %s CLUSTER ON %I;', ${RELATION_NAME}, x.relname) END,
  CASE WHEN i.indisreplident THEN format('ALTER TABLE ONLY %s REPLICA IDENTITY USING INDEX %I;', ${RELATION_NAME}, x.relname) END,
  (SELECT format('ALTER INDEX %s ATTACH PARTITION %s;', h.inhparent::regclass, x.oid::regclass)
   FROM pg_inherits AS h WHERE h.inhrelid = x.oid)`;

/** Inherited constraints are created with those of the parent; the key of a partition is created and attached. */
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

/** Letters of `tgenabled` and `ev_enabled`; `O` is the default. */
const ENABLED =
  "CASE %s WHEN 'D' THEN 'DISABLE' WHEN 'A' THEN 'ENABLE ALWAYS' WHEN 'R' THEN 'ENABLE REPLICA' END";
const enabled = (column: string): string => ENABLED.replace("%s", column);

const ROLES = `(SELECT string_agg(CASE WHEN role = 0 THEN 'PUBLIC' WHEN pg_get_userbyid(role) = current_user THEN 'CURRENT_USER'
    ELSE quote_ident(pg_get_userbyid(role)) END, ', ' ORDER BY role = 0, pg_get_userbyid(role))
  FROM unnest(p.polroles) AS role)`;

const on = (name: string): string => `format('%I on %s', ${name}, ${RELATION_NAME})`;
const subjectOn = (what: string, name: string): string =>
  `format('${what} %I ON %s', ${name}, ${RELATION_NAME})`;

export const RULES = [
  select({
    kind: "trigger",
    catalog: "pg_trigger",
    oid: "t.oid",
    name: on("t.tgname"),
    subject: subjectOn("TRIGGER", "t.tgname"),
    create: `ARRAY[pg_get_triggerdef(t.oid) || ';',
      format('ALTER TABLE %s ', ${RELATION_NAME}) || ${enabled("t.tgenabled")} || format(' TRIGGER %I;', t.tgname)]`,
    // The trigger of a partition is created with that of its parent.
    from: `${RELATION} JOIN pg_trigger AS t ON t.tgrelid = c.oid WHERE NOT t.tgisinternal AND t.tgparentid = 0`,
  }),
  select({
    kind: "rule",
    catalog: "pg_rewrite",
    oid: "r.oid",
    name: on("r.rulename"),
    subject: subjectOn("RULE", "r.rulename"),
    create: `ARRAY[pg_get_ruledef(r.oid),
      format('ALTER TABLE %s ', ${RELATION_NAME}) || ${enabled("r.ev_enabled")} || format(' RULE %I;', r.rulename)]`,
    from: `${RELATION} JOIN pg_rewrite AS r ON r.ev_class = c.oid WHERE r.rulename <> '_RETURN'`,
  }),
  select({
    kind: "policy",
    catalog: "pg_policy",
    oid: "p.oid",
    name: on("p.polname"),
    subject: subjectOn("POLICY", "p.polname"),
    create: `ARRAY[concat(format('CREATE POLICY %I ON %s', p.polname, ${RELATION_NAME}),
      CASE WHEN NOT p.polpermissive THEN ' AS RESTRICTIVE' END,
      CASE p.polcmd WHEN 'r' THEN ' FOR SELECT' WHEN 'a' THEN ' FOR INSERT' WHEN 'w' THEN ' FOR UPDATE' WHEN 'd' THEN ' FOR DELETE' END,
      CASE WHEN p.polroles <> '{0}' THEN ' TO ' || ${ROLES} END,
      E'\\n  USING (' || pg_get_expr(p.polqual, p.polrelid) || ')',
      E'\\n  WITH CHECK (' || pg_get_expr(p.polwithcheck, p.polrelid) || ')', ';')]`,
    from: `${RELATION} JOIN pg_policy AS p ON p.polrelid = c.oid`,
  }),
  select({
    kind: "event trigger",
    catalog: "pg_event_trigger",
    oid: "e.oid",
    name: "quote_ident(e.evtname)",
    subject: "'EVENT TRIGGER ' || quote_ident(e.evtname)",
    owner: "e.evtowner",
    create: `ARRAY[format('CREATE EVENT TRIGGER %I ON %I%s EXECUTE FUNCTION %s();', e.evtname, e.evtevent,
        ' WHEN TAG IN (' || (SELECT string_agg(quote_literal(tag), ', ' ORDER BY tag) FROM unnest(e.evttags) AS tag) || ')',
        e.evtfoid::regproc),
      format('ALTER EVENT TRIGGER %I ', e.evtname) || ${enabled("e.evtenabled")} || ';']`,
    from: `pg_event_trigger AS e WHERE NOT EXISTS (SELECT FROM pg_depend AS member
      WHERE member.classid = 'pg_event_trigger'::regclass AND member.objid = e.oid AND member.deptype = 'e')`,
  }),
];
