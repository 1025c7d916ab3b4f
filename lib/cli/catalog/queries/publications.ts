import { select } from "./select.ts";

const OPERATIONS = `concat_ws(', ', CASE WHEN p.pubinsert THEN 'insert' END, CASE WHEN p.pubupdate THEN 'update' END,
  CASE WHEN p.pubdelete THEN 'delete' END, CASE WHEN p.pubtruncate THEN 'truncate' END)`;

/** Columns that only newer servers have; 's' came with Postgres 18. */
const GENERATED = "CASE to_jsonb(p) ->> 'pubgencols' WHEN 's' THEN 'publish_generated_columns = stored' END";

const OPTIONS = `concat_ws(', ',
  CASE WHEN NOT (p.pubinsert AND p.pubupdate AND p.pubdelete AND p.pubtruncate) THEN format('publish = %L', ${OPERATIONS}) END,
  CASE WHEN p.pubviaroot THEN 'publish_via_partition_root = true' END, ${GENERATED})`;

const COLUMNS = `(SELECT format(' (%s)', string_agg(quote_ident(a.attname), ', ' ORDER BY a.attnum)) FROM pg_attribute AS a
  WHERE a.attrelid = r.prrelid AND a.attnum = ANY (r.prattrs::int2[]) HAVING count(*) > 0)`;

const TABLES = `(SELECT 'TABLE ' || string_agg(concat('ONLY ', r.prrelid::regclass, ${COLUMNS},
    ' WHERE (' || pg_get_expr(r.prqual, r.prrelid) || ')'), ', ' ORDER BY r.prrelid::regclass::text)
  FROM pg_publication_rel AS r WHERE r.prpubid = p.oid)`;
const SCHEMAS = `(SELECT 'TABLES IN SCHEMA ' || string_agg(s.pnnspid::regnamespace::text, ', ' ORDER BY s.pnnspid::regnamespace::text)
  FROM pg_publication_namespace AS s WHERE s.pnpubid = p.oid)`;

const OLD_TABLES = `(SELECT 'TABLE ' || string_agg('ONLY ' || r.prrelid::regclass, ', ' ORDER BY r.prrelid::regclass::text)
  FROM pg_publication_rel AS r WHERE r.prpubid = p.oid)`;

/** Postgres 15 brought schemas, columns and filters. */
export function publications(major: number): string {
  const list = major >= 15 ? `concat_ws(', ', ${TABLES}, ${SCHEMAS})` : `concat(${OLD_TABLES})`;
  return select({
    kind: "publication",
    catalog: "pg_publication",
    oid: "p.oid",
    name: "quote_ident(p.pubname)",
    subject: "'PUBLICATION ' || quote_ident(p.pubname)",
    owner: "p.pubowner",
    create: `ARRAY[concat(format('CREATE PUBLICATION %I', p.pubname),
      CASE WHEN p.puballtables THEN ' FOR ALL TABLES' ELSE ' FOR ' || nullif(${list}, '') END,
      ' WITH (' || nullif(${OPTIONS}, '') || ')', ';')]`,
    from: "pg_publication AS p",
  });
}
