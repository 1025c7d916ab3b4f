import { FIRST_USER_OID, inScope, notOfExtension, select } from "./select.ts";

/** Schemas, extensions, and the settings of the database itself. */
export const SCHEMAS = [
  select({
    kind: "schema",
    catalog: "pg_namespace",
    oid: "n.oid",
    name: "quote_ident(n.nspname)",
    subject: "'SCHEMA ' || quote_ident(n.nspname)",
    owner: "n.nspowner",
    // `public` is there in a new database.
    create: `ARRAY[format('CREATE SCHEMA %s%I;', CASE WHEN n.oid < ${FIRST_USER_OID} THEN 'IF NOT EXISTS ' END, n.nspname),
      CASE WHEN n.oid < ${FIRST_USER_OID} AND obj_description(n.oid, 'pg_namespace') IS NULL
           THEN format('COMMENT ON SCHEMA %I IS NULL;', n.nspname) END]`,
    from: `pg_namespace AS n WHERE ${inScope("n")} AND ${notOfExtension("pg_namespace", "n.oid")}`,
  }),
  // No version: it is the server's choice, and two machines need not agree on it.
  select({
    kind: "extension",
    catalog: "pg_extension",
    oid: "e.oid",
    name: "quote_ident(e.extname)",
    subject: "'EXTENSION ' || quote_ident(e.extname)",
    create: `ARRAY[format('CREATE EXTENSION IF NOT EXISTS %I%s;', e.extname,
      CASE WHEN ${notOfExtension("pg_namespace", "n.oid")} THEN format(' WITH SCHEMA %I', n.nspname) END)]`,
    from: `pg_extension AS e JOIN pg_namespace AS n ON n.oid = e.extnamespace WHERE e.oid >= ${FIRST_USER_OID}`,
  }),
  select({
    kind: "database settings",
    catalog: "pg_database",
    oid: "d.oid",
    name: "'of this database'",
    subject: "'DATABASE ' || quote_ident(d.datname)",
    create: `ARRAY(SELECT format('ALTER DATABASE SET %s%s', setting,
        CASE WHEN s.setrole <> 0 THEN format(' FOR %I', pg_get_userbyid(s.setrole)) END)
      FROM pg_db_role_setting AS s CROSS JOIN unnest(s.setconfig) AS setting WHERE s.setdatabase = d.oid
      ORDER BY 1)`,
    from: "pg_database AS d WHERE d.datname = current_database()",
  }),
];
