import { RELATION, RELATION_NAME, select } from "./select.ts";

/** Letters of `tgenabled` and `ev_enabled`; `O` is how it is made. */
const ENABLED =
  "CASE %s WHEN 'D' THEN 'DISABLE' WHEN 'A' THEN 'ENABLE ALWAYS' WHEN 'R' THEN 'ENABLE REPLICA' END";
const enabled = (column: string): string => ENABLED.replace("%s", column);

const ROLES = `(SELECT string_agg(CASE WHEN role = 0 THEN 'PUBLIC' WHEN pg_get_userbyid(role) = current_user THEN 'CURRENT_USER'
    ELSE quote_ident(pg_get_userbyid(role)) END, ', ' ORDER BY role = 0, pg_get_userbyid(role))
  FROM unnest(p.polroles) AS role)`;

const on = (name: string): string => `format('%I on %s', ${name}, ${RELATION_NAME})`;
const subjectOn = (what: string, name: string): string =>
  `format('${what} %I ON %s', ${name}, ${RELATION_NAME})`;

/** What is done, or let through, when a table is used. */
export const RULES = [
  select({
    kind: "trigger",
    catalog: "pg_trigger",
    oid: "t.oid",
    name: on("t.tgname"),
    subject: subjectOn("TRIGGER", "t.tgname"),
    create: `ARRAY[pg_get_triggerdef(t.oid) || ';',
      format('ALTER TABLE %s ', ${RELATION_NAME}) || ${enabled("t.tgenabled")} || format(' TRIGGER %I;', t.tgname)]`,
    // A partition's copy comes with its parent's trigger.
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
