import type { Session } from "../connection/session.ts";
import { MigrationError } from "../errors.ts";
import type { Tables } from "./tables.ts";

interface Trust {
  readonly kind: string;
  readonly owned: boolean;
  readonly hooked: boolean;
  readonly writers: string[];
}

/**
 * Stored SQL is executed with the rights of whoever rolls back, so it is only as good as the table it comes from:
 * a plain table of the current user, without triggers, rules or row security, that nobody else but superusers may
 * write: by a grant to anybody, or as somebody who can log in and has such a role.
 * @throws MigrationError `UNTRUSTED_HISTORY`
 */
export async function requireTrustedHistory(session: Session, tables: Tables): Promise<void> {
  const [trust] = await session.rows<Trust>(
    `SELECT c.relkind::text AS kind,
            c.relowner = (SELECT oid FROM pg_catalog.pg_roles WHERE rolname = current_user) AS owned,
            c.relhasrules OR c.relhastriggers OR c.relrowsecurity OR c.relhassubclass OR c.relispartition AS hooked,
            ARRAY(SELECT CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE pg_catalog.pg_get_userbyid(a.grantee)::text END
                  FROM (SELECT c.relacl AS acl
                        UNION ALL SELECT attacl FROM pg_catalog.pg_attribute WHERE attrelid = c.oid) AS rights
                  CROSS JOIN LATERAL pg_catalog.aclexplode(rights.acl) AS a
                  LEFT JOIN pg_catalog.pg_roles AS r ON r.oid = a.grantee
                  WHERE a.grantee <> c.relowner AND a.privilege_type <> 'SELECT' AND r.rolsuper IS NOT TRUE
                  UNION
                  SELECT r.rolname::text FROM pg_catalog.pg_roles AS r
                  WHERE r.rolcanlogin AND NOT r.rolsuper AND r.oid <> c.relowner
                    AND (pg_catalog.has_table_privilege(r.oid, c.oid, 'INSERT, UPDATE, DELETE, TRUNCATE, TRIGGER')
                         OR pg_catalog.pg_has_role(r.oid, c.relowner, 'MEMBER')
                         OR pg_catalog.pg_has_role(r.oid, 'pg_write_all_data', 'MEMBER'))
                  ORDER BY 1) AS writers
     FROM pg_catalog.pg_class AS c WHERE c.oid = $1::pg_catalog.regclass`,
    [tables.history],
  );
  const reason = reasonAgainst(trust);
  if (reason === undefined) return;
  throw new MigrationError(
    "UNTRUSTED_HISTORY",
    `the SQL stored in ${tables.history} is not executed: ${reason}`,
    {
      hint: "Undo with the migration's file (--from file), or put the table's owner and rights in order first.",
    },
  );
}

function reasonAgainst(trust: Trust | undefined): string | undefined {
  if (trust === undefined || trust.kind !== "r") return "it is not a plain table";
  if (!trust.owned) return "it belongs to another user";
  if (trust.hooked) return "it has triggers, rules, row security or child tables";
  if (trust.writers.length > 0) return `others may write it: ${trust.writers.join(", ")}`;
  return undefined;
}

interface Found {
  readonly name: string;
  readonly kind: string;
  readonly trusted: boolean;
}

/**
 * Refuses tables that somebody else put in the place of the engine's: what is written to them runs their triggers
 * with our rights. An owner is trusted who could do the same anyway: a role of ours, a superuser, the owner of the
 * database or of the schema. (A superuser counts as a member of every role; that is no sign of trust.)
 * @throws MigrationError `UNTRUSTED_HISTORY`
 */
export async function requireOwnTables(session: Session, tables: Tables): Promise<void> {
  const found = await session.rows<Found>(
    `SELECT c.relname::text AS name, c.relkind::text AS kind,
            (r.rolname = current_user OR r.rolsuper OR c.relowner IN (n.nspowner, d.datdba)
             OR (NOT me.rolsuper AND pg_catalog.pg_has_role(me.oid, c.relowner, 'MEMBER'))) AS trusted
     FROM pg_catalog.pg_class AS c
     JOIN pg_catalog.pg_roles AS r ON r.oid = c.relowner
     JOIN pg_catalog.pg_roles AS me ON me.rolname = current_user
     JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
     JOIN pg_catalog.pg_database AS d ON d.datname = pg_catalog.current_database()
     WHERE c.oid IN (pg_catalog.to_regclass($1)::pg_catalog.oid, pg_catalog.to_regclass($2)::pg_catalog.oid)`,
    [tables.applied, tables.history],
  );
  const bad = found.find(({ kind, trusted }) => !trusted || (kind !== "r" && kind !== "p"));
  if (bad === undefined) return;
  const reason = bad.trusted ? "is not a table" : "belongs to another user";
  throw new MigrationError("UNTRUSTED_HISTORY", `"${bad.name}" ${reason}: nothing is written to it`, {
    hint: "Give it to the user who migrates, or name another table with --migrations-table.",
  });
}
