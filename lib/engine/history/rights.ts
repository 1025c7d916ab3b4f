import pg from "pg";
import { Hint, MigrationError, type Observer } from "../../core/index.ts";
import type { Session } from "../../postgres/index.ts";
import type { TableNames } from "./guard.ts";

/** Rights of one role (or `PUBLIC`) to change one of the engine's tables, or the sequence of its ids. */
interface Grant {
  readonly grantee: string;
  /** The statement that revokes them. */
  readonly revoke: string;
  readonly mayRevoke: boolean;
}

/**
 * Finds the rights of roles other than the owner, the user and superusers. A user who is not the owner may need the right
 * of one of its roles. Of a sequence only `UPDATE` counts: it allows to set ids, which are the order of application. The
 * oids are an array, because with `OR` the server would look at every table of every schema.
 */
function findGrants(session: Session, { applied, history }: TableNames): Promise<Grant[]> {
  return session.rows<Grant>(
    `SELECT CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE pg_catalog.quote_ident(pg_catalog.pg_get_userbyid(a.grantee)) END AS grantee,
            pg_catalog.format('REVOKE %s ON %s %s FROM %s CASCADE',
              pg_catalog.string_agg(DISTINCT pg_catalog.concat(a.privilege_type, ' (' || pg_catalog.quote_ident(a.attname) || ')'), ', '),
              CASE c.relkind WHEN 'S' THEN 'SEQUENCE' ELSE 'TABLE' END, c.oid::pg_catalog.regclass,
              CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE pg_catalog.quote_ident(pg_catalog.pg_get_userbyid(a.grantee)) END) AS revoke,
            pg_catalog.bool_and(me.rolsuper OR pg_catalog.pg_has_role(me.oid, c.relowner, 'USAGE')) AS "mayRevoke"
     FROM pg_catalog.pg_class AS c
     JOIN pg_catalog.pg_roles AS me ON me.rolname = current_user
     CROSS JOIN LATERAL (
       SELECT t.grantee, t.privilege_type, NULL::pg_catalog.name AS attname FROM pg_catalog.aclexplode(c.relacl) AS t
       UNION ALL
       SELECT t.grantee, t.privilege_type, att.attname FROM pg_catalog.pg_attribute AS att
       CROSS JOIN LATERAL pg_catalog.aclexplode(att.attacl) AS t WHERE att.attrelid = c.oid) AS a
     LEFT JOIN pg_catalog.pg_roles AS r ON r.oid = a.grantee
     WHERE c.oid = ANY (ARRAY(
         SELECT pg_catalog.unnest(ARRAY[${OIDS}]) UNION ALL
         SELECT s.oid FROM pg_catalog.pg_depend AS d JOIN pg_catalog.pg_class AS s ON s.oid = d.objid AND s.relkind = 'S'
         WHERE d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.deptype IN ('a', 'i')
           AND d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.refobjid IN (${OIDS})))
       AND a.grantee NOT IN (c.relowner, me.oid) AND r.rolsuper IS NOT TRUE
       AND CASE c.relkind WHEN 'S' THEN a.privilege_type = 'UPDATE' ELSE a.privilege_type <> 'SELECT' END
       AND (me.rolsuper OR pg_catalog.pg_has_role(me.oid, c.relowner, 'MEMBER') OR a.grantee = 0
            OR NOT pg_catalog.pg_has_role(me.oid, a.grantee, 'MEMBER'))
     GROUP BY c.oid, a.grantee, c.relkind ORDER BY c.oid, a.grantee`,
    [applied, history],
  );
}

const OIDS = "pg_catalog.to_regclass($1)::pg_catalog.oid, pg_catalog.to_regclass($2)::pg_catalog.oid";

/**
 * Refuses to undo while other roles may write the tables: they could choose what is undone, and with which SQL.
 * @throws MigrationError `UNTRUSTED_HISTORY` with the statements that revoke those rights
 */
export async function requireNoOtherWriters(session: Session, tables: TableNames): Promise<void> {
  const grants = await findGrants(session, tables);
  if (grants.length === 0) return;
  throw new MigrationError(
    "UNTRUSTED_HISTORY",
    `nothing is undone: other roles may write ${tables.applied} or its history: ${granteesOf(grants)}`,
    {
      hint: Hint.of`Check with ${Hint.command("status")} and ${Hint.command("history")} that both are right, then run: ${statementsOf(grants)};`,
    },
  );
}

/**
 * Revokes rights of other roles to change the tables. `GRANT ... ON ALL TABLES` gives such rights to roles that work with
 * the schema; they allow to run code as the role that migrates, or to make migrations run again.
 */
export async function revokeRights(session: Session, tables: TableNames, observe: Observer): Promise<void> {
  const grants = await findGrants(session, tables);
  if (grants.length === 0) return;
  const who = granteesOf(grants);
  if (!grants.every(({ mayRevoke }) => mayRevoke)) {
    const message = `other roles may write the tables of the engine: ${who}. Let their owner run: ${statementsOf(grants)};`;
    return observe({ type: "warning", message });
  }
  await session.run(`BEGIN READ WRITE; ${statementsOf(grants)}; COMMIT`);
  const message = `other roles could write the tables of the engine, which was revoked: ${statementsOf(grants)};`;
  observe({ type: "warning", message });
}

function granteesOf(grants: readonly Grant[]): string {
  return [...new Set(grants.map(({ grantee }) => grantee))].join(", ");
}

function statementsOf(grants: readonly Grant[]): string {
  return grants.map(({ revoke }) => revoke).join("; ");
}

/** One statement that revokes the rights to a new table that default privileges have given to other roles. */
export function revokeDefaults(name: string, what: "writing" | "everything"): string {
  const table = pg.escapeLiteral(name);
  const body = `DECLARE object record;
    BEGIN
      FOR object IN
        SELECT DISTINCT CASE c.relkind WHEN 'S' THEN 'SEQUENCE' ELSE 'TABLE' END AS kind, c.oid::pg_catalog.regclass AS name,
               ${what === "everything" ? "'ALL'" : "a.privilege_type"} AS privilege,
               CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE pg_catalog.quote_ident(pg_catalog.pg_get_userbyid(a.grantee)) END AS grantee
        FROM pg_catalog.pg_class c CROSS JOIN LATERAL pg_catalog.aclexplode(c.relacl) a
        WHERE c.oid IN (${table}::pg_catalog.regclass,
                        pg_catalog.pg_get_serial_sequence(${table}, 'id')::pg_catalog.regclass)
          AND a.grantee <> c.relowner ${what === "everything" ? "" : "AND a.privilege_type <> 'SELECT'"}
      LOOP
        EXECUTE pg_catalog.format('REVOKE %s ON %s %s FROM %s CASCADE', object.privilege, object.kind, object.name, object.grantee);
      END LOOP;
    END`;
  return `DO ${pg.escapeLiteral(body)}`;
}
