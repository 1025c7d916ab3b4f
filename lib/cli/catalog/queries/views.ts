import { RELATION, RELATION_NAME, select } from "./select.ts";

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
