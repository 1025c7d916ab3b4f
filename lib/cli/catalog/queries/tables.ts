import { COLUMNS } from "./columns.ts";
import { RELATION, RELATION_NAME, select } from "./select.ts";

const PARENTS = `(SELECT string_agg(i.inhparent::regclass::text, ', ' ORDER BY i.inhseqno)
  FROM pg_inherits AS i WHERE i.inhrelid = c.oid)`;

/** A child whose columns are all its own too is made first and takes its parents then. */
const ALL_LOCAL = `NOT EXISTS (SELECT FROM pg_attribute AS a
  WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped AND NOT a.attislocal)`;

const OPTIONS = `nullif(concat_ws(', ', array_to_string(c.reloptions, ', '),
  (SELECT string_agg('toast.' || option, ', ' ORDER BY option) FROM pg_class AS toast CROSS JOIN unnest(toast.reloptions) AS option
   WHERE toast.oid = c.reltoastrelid)), '')`;

const ACCESS_METHOD = "(SELECT amname FROM pg_am WHERE oid = c.relam AND amname <> 'heap')";

/** All tablespaces but the database's own, which is zero here. */
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
