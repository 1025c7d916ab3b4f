import pg from "pg";
import { MigrationError, type ResolvedOptions } from "../../lib/core/index.ts";
import type { Session } from "../../lib/postgres/index.ts";
import type { RoleRequest } from "./event.ts";
import {
  adviseOnRole,
  cloneOf,
  comment,
  isOwn,
  type OwnRole,
  ownerOf,
  requireOwn,
  stateOf,
} from "./logins.ts";

/** Makes the group, with the application and the user of the migrations as members. */
export async function joinOwner(session: Session, request: RoleRequest): Promise<void> {
  const { role } = request;
  const group = await stateOf(session, ownerOf(role));
  requireOwn(request, group);
  // Before 16, whether a member inherits is an attribute of the member.
  const inheriting = session.serverMajor >= 16 ? " WITH INHERIT TRUE, SET TRUE" : "";
  const statements = [
    ...(group.exists ? [] : [`CREATE ROLE ${group.name}`]),
    comment(request, group.name),
    `GRANT ${group.name} TO CURRENT_USER${inheriting}`,
    `GRANT ${group.name} TO ${role}`,
    ...(await actAs(session, request, group.name)),
  ];
  await session.run(statements.join(";\n")).catch(adviseOnRole);
}

/** Takes back what the role owned under an earlier access, and the rights of the group. */
export async function leaveOwner(session: Session, request: RoleRequest): Promise<void> {
  const { role } = request;
  const group = await stateOf(session, ownerOf(role));
  // The application can change what it acts as, but not who is a member.
  if (!isOwn(request, group) || !(await isMember(session, role, group.name))) return;
  const statements = [
    `REASSIGN OWNED BY ${group.name} TO CURRENT_USER`,
    `DROP OWNED BY ${group.name}`,
    `REVOKE ${group.name} FROM ${role}`,
    ...(await actAs(session, request, role)),
  ];
  await session.run(statements.join(";\n")).catch(adviseOnRole);
}

async function isMember(session: Session, role: string, group: string): Promise<boolean> {
  const rows = await session.rows(
    `SELECT 1 FROM pg_catalog.pg_auth_members AS m JOIN pg_catalog.pg_roles AS r ON r.oid = m.member
     JOIN pg_catalog.pg_roles AS g ON g.oid = m.roleid WHERE r.rolname = $1 AND g.rolname = $2`,
    [role, group],
  );
  return rows.length > 0;
}

/** What the sessions of both users of the role are from their login on. */
async function actAs(session: Session, own: OwnRole, name: string): Promise<string[]> {
  const { role } = own;
  const clone = await stateOf(session, cloneOf(role));
  return [
    name === role ? `ALTER ROLE ${role} RESET role` : `ALTER ROLE ${role} SET role TO ${name}`,
    ...(isOwn(own, clone) ? [`ALTER ROLE ${clone.name} SET role TO ${name}`] : []),
  ];
}

/** The server only warns when a user grants what it may not. */
async function requireOwnership(session: Session, { role, schemas }: RoleRequest): Promise<void> {
  const group = ownerOf(role);
  const [row] = await session.rows<{ member: boolean; schema: string | null }>(
    `SELECT pg_catalog.pg_has_role($1, 'USAGE') AS member,
            (SELECT min(s) FROM pg_catalog.unnest($2::pg_catalog.text[]) AS s
             WHERE NOT pg_catalog.has_schema_privilege($1, s, 'CREATE')) AS schema`,
    [group, schemas],
  );
  if (row?.member === false) {
    throw new MigrationError("AUTH", `the user of the migrations does not inherit the rights of ${group}`, {
      hint: "Later migrations could not alter their own tables. Run as an administrator: ALTER ROLE <user of the migrations> INHERIT.",
    });
  }
  if (typeof row?.schema === "string") {
    throw new MigrationError(
      "AUTH",
      `the role ${group} may create nothing in the schema ${row.schema} of the role`,
      {
        hint: `An owner needs this right. Run as the owner of the schema: GRANT USAGE, CREATE ON SCHEMA ${pg.escapeIdentifier(row.schema)} TO ${group}.`,
      },
    );
  }
}

/**
 * Makes the group the owner of what the user of the migrations owns in the schemas. Not of the engine's own tables, which
 * decide what `down` runs, nor of objects of extensions.
 */
export async function transferOwnership(
  session: Session,
  request: RoleRequest,
  options: ResolvedOptions,
): Promise<void> {
  const { role, schemas } = request;
  const { migrationsSchema, migrationsTable } = options;
  await runEach(
    session,
    `SELECT pg_catalog.format('GRANT CREATE ON SCHEMA %I TO %I', s, $1::pg_catalog.text) AS sql
     FROM pg_catalog.unnest($2::pg_catalog.text[]) AS s`,
    [ownerOf(role), schemas],
  );
  await requireOwnership(session, request);
  await runEach(session, TRANSFERS, [ownerOf(role), schemas, migrationsSchema, migrationsTable]);
}

const HERE = `n.nspname = ANY ($2::pg_catalog.text[])`;
const MINE = "(SELECT oid FROM pg_catalog.pg_roles WHERE rolname = current_user)";
const isPartOf = (catalog: string, types: string): string => `EXISTS (
  SELECT 1 FROM pg_catalog.pg_depend AS d
  WHERE d.classid = 'pg_catalog.${catalog}'::pg_catalog.regclass AND d.objid = o.oid AND d.deptype IN (${types}))`;

/** A sequence of a column goes with its table, the functions of a range with its type, an array with its element. */
const TRANSFERS = `
  SELECT pg_catalog.format('ALTER TABLE %I.%I OWNER TO %I', n.nspname, o.relname, $1::pg_catalog.text) AS sql
  FROM pg_catalog.pg_class AS o JOIN pg_catalog.pg_namespace AS n ON n.oid = o.relnamespace
  WHERE ${HERE} AND o.relowner = ${MINE} AND o.relkind IN ('r', 'p', 'v', 'm', 'f', 'S')
    AND NOT (n.nspname = $3::pg_catalog.text AND o.relname IN ($4::pg_catalog.text, $4::pg_catalog.text || '_history'))
    AND NOT ${isPartOf("pg_class", "'e'")} AND NOT (o.relkind = 'S' AND ${isPartOf("pg_class", "'a', 'i'")})
  UNION ALL
  SELECT pg_catalog.format('ALTER TYPE %I.%I OWNER TO %I', n.nspname, o.typname, $1::pg_catalog.text)
  FROM pg_catalog.pg_type AS o JOIN pg_catalog.pg_namespace AS n ON n.oid = o.typnamespace
  LEFT JOIN pg_catalog.pg_class AS c ON c.oid = o.typrelid
  WHERE ${HERE} AND o.typowner = ${MINE} AND (o.typtype IN ('e', 'd', 'r') OR c.relkind = 'c')
    AND NOT ${isPartOf("pg_type", "'e'")}
  UNION ALL
  SELECT pg_catalog.format('ALTER ROUTINE %s OWNER TO %I', o.oid::pg_catalog.regprocedure, $1::pg_catalog.text)
  FROM pg_catalog.pg_proc AS o JOIN pg_catalog.pg_namespace AS n ON n.oid = o.pronamespace
  WHERE ${HERE} AND o.proowner = ${MINE} AND NOT ${isPartOf("pg_proc", "'e', 'i'")}`;

/** Runs the statements that a query gives. */
export async function runEach(session: Session, query: string, values: readonly unknown[]): Promise<void> {
  const statements = await session.rows<{ sql: string }>(query, [...values]);
  if (statements.length === 0) return;
  await session.run(statements.map(({ sql }) => sql).join(";\n")).catch((error: unknown) => {
    if (!(error instanceof MigrationError) || error.details.sqlstate !== "42501") throw error;
    throw error.advised(
      "The user of the migrations can give away what it owns, and no more: it must own the schemas, or have the right to them WITH GRANT OPTION.",
    );
  });
}
