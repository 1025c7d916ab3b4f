import type { ResolvedOptions } from "../../lib/core/index.ts";
import type { RoleRequest } from "./event.ts";

/** A query whose rows are statements. */
interface StatementQuery {
  readonly text: string;
  readonly values: readonly unknown[];
}

/** Tables, views and the like, and sequences, that the user of the migrations owns: it may grant nothing else. */
const OWNED = "c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S') AND pg_catalog.pg_has_role(c.relowner, 'USAGE')";

/** Takes away all that a role was ever given by the user of the migrations, but not what it has as an owner. */
export function revocations(role: string): StatementQuery {
  const text = `
    SELECT DISTINCT pg_catalog.format('REVOKE ALL ON %s %I.%I FROM %I',
             CASE c.relkind WHEN 'S' THEN 'SEQUENCE' ELSE 'TABLE' END, n.nspname, c.relname, r.rolname) AS sql
    FROM pg_catalog.pg_roles AS r, pg_catalog.pg_class AS c
    JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
    CROSS JOIN LATERAL pg_catalog.aclexplode(c.relacl) AS a
    WHERE r.rolname = $1::pg_catalog.text AND a.grantee = r.oid AND c.relowner <> r.oid AND ${OWNED}
    UNION
    SELECT pg_catalog.format('REVOKE ALL ON SCHEMA %I FROM %I', n.nspname, r.rolname)
    FROM pg_catalog.pg_roles AS r, pg_catalog.pg_namespace AS n
    CROSS JOIN LATERAL pg_catalog.aclexplode(n.nspacl) AS a
    WHERE r.rolname = $1::pg_catalog.text AND a.grantee = r.oid AND pg_catalog.pg_has_role(n.nspowner, 'USAGE')
    UNION
    SELECT pg_catalog.format('ALTER DEFAULT PRIVILEGES IN SCHEMA %I REVOKE ALL ON %s FROM %I', n.nspname,
             CASE d.defaclobjtype WHEN 'S' THEN 'SEQUENCES' ELSE 'TABLES' END, r.rolname)
    FROM pg_catalog.pg_roles AS r, pg_catalog.pg_default_acl AS d
    JOIN pg_catalog.pg_namespace AS n ON n.oid = d.defaclnamespace
    CROSS JOIN LATERAL pg_catalog.aclexplode(d.defaclacl) AS a
    WHERE r.rolname = $1::pg_catalog.text AND a.grantee = r.oid AND d.defaclobjtype IN ('r', 'S')
      AND d.defaclrole = (SELECT oid FROM pg_catalog.pg_roles WHERE rolname = current_user)`;
  return { text, values: [role] };
}

const WRITE = { tables: "SELECT, INSERT, UPDATE, DELETE", sequences: "USAGE, SELECT" } as const;
const RIGHTS = {
  read: { tables: "SELECT", sequences: "SELECT" },
  write: WRITE,
  // To what it does not own yet: what migrations make after this deploy.
  owner: WRITE,
} as const;

/**
 * Grants the rights to all that is there, and to what later migrations make. The engine's own tables can be read, so that
 * an application can ask whether its database is migrated, but never written: they decide what a rollback runs.
 */
export function grants(
  { schemas, access }: RoleRequest,
  grantee: string,
  options: ResolvedOptions,
): StatementQuery {
  const { tables, sequences } = RIGHTS[access];
  const text = `
    SELECT pg_catalog.format('GRANT CONNECT ON DATABASE %I TO %I', pg_catalog.current_database(), $1::pg_catalog.text) AS sql
    UNION ALL
    SELECT pg_catalog.format('GRANT USAGE ON SCHEMA %I TO %I', s, $1::pg_catalog.text) FROM pg_catalog.unnest($2::pg_catalog.text[]) AS s
    UNION ALL
    SELECT CASE WHEN c.relkind = 'S' THEN pg_catalog.format('GRANT ${sequences} ON SEQUENCE %I.%I TO %I', n.nspname, c.relname, $1::pg_catalog.text)
                WHEN n.nspname = $3::pg_catalog.text AND c.relname IN ($4::pg_catalog.text, $4::pg_catalog.text || '_history')
                THEN pg_catalog.format('GRANT SELECT ON TABLE %I.%I TO %I', n.nspname, c.relname, $1::pg_catalog.text)
                ELSE pg_catalog.format('GRANT ${tables} ON TABLE %I.%I TO %I', n.nspname, c.relname, $1::pg_catalog.text) END
    FROM pg_catalog.pg_class AS c JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
    WHERE n.nspname = ANY ($2::pg_catalog.text[]) AND ${OWNED}
      AND c.relowner <> (SELECT oid FROM pg_catalog.pg_roles WHERE rolname = $1::pg_catalog.text)
      AND NOT (c.relkind = 'S' AND EXISTS (
            SELECT 1 FROM pg_catalog.pg_depend AS d JOIN pg_catalog.pg_class AS t ON t.oid = d.refobjid
            WHERE d.objid = c.oid AND d.deptype IN ('a', 'i') AND t.relnamespace = n.oid
              AND n.nspname = $3::pg_catalog.text AND t.relname IN ($4::pg_catalog.text, $4::pg_catalog.text || '_history')))
    UNION ALL
    SELECT pg_catalog.format('ALTER DEFAULT PRIVILEGES IN SCHEMA %I GRANT %s TO %I', s, kind, $1::pg_catalog.text)
    FROM pg_catalog.unnest($2::pg_catalog.text[]) AS s, (VALUES ('${tables} ON TABLES'), ('${sequences} ON SEQUENCES')) AS k (kind)`;
  return { text, values: [grantee, schemas, options.migrationsSchema, options.migrationsTable] };
}
