import pg from "pg";
import { MigrationError } from "../../lib/core/index.ts";
import type { Session } from "../../lib/postgres/index.ts";
import type { Credentials } from "../runtime/credentials.ts";
import { withSession } from "../runtime/engine.ts";
import type { Invocation } from "../runtime/invocation.ts";
import type { Settings } from "../runtime/settings.ts";
import { passwordVerifier } from "./verifier.ts";

/** The application role of a construct. */
export interface OwnRole {
  readonly role: string;
  /** `<stack>/<logical id>`: whose role it is. */
  readonly resource: string;
}

/**
 * The second user of a role whose password rotates: the two take turns, so that the current password is never changed. It
 * acts as the role, with its rights, and what it makes belongs to the role.
 */
export function cloneOf(role: string): string {
  return `${role}_clone`;
}

/**
 * The group that owns what the migrations make. The application acts as it. The user of the migrations is a member, so that
 * later migrations may still alter and drop everything; it is no member of the application's own role, which may log in with
 * tokens: RDS would refuse its password.
 */
export function ownerOf(role: string): string {
  return `${role}_owner`;
}

/** Two roles at once would change the same rows of the catalogue, which Postgres refuses. */
const ROLES_LOCK = "7241865325823965";

/** Runs `work` in one transaction, alone among those that change roles. */
export function withRolesLocked(
  invocation: Invocation,
  settings: Settings,
  work: (session: Session) => Promise<void>,
): Promise<void> {
  return withSession(invocation, settings, async (session) => {
    // The server notes each grant that is there already, and that the user of the migrations cannot become the role.
    const quiet = "SET LOCAL client_min_messages = warning";
    await session.run(`BEGIN; ${quiet}; SELECT pg_catalog.pg_advisory_xact_lock(${ROLES_LOCK})`);
    await work(session);
    await session.run("COMMIT");
  });
}

export interface RoleState {
  readonly name: string;
  readonly exists: boolean;
  readonly comment: string | null;
  /** Something that an application role never is. */
  readonly power: string | null;
  readonly hasToken: boolean;
  /** Setting of its sessions from their login on. The role may have changed it: it is no text for SQL. */
  readonly actsAs: string | null;
}

export async function stateOf(session: Session, name: string): Promise<RoleState> {
  const [state] = await session.rows<RoleState>(
    `SELECT wanted.name, r.oid IS NOT NULL AS exists, pg_catalog.shobj_description(r.oid, 'pg_authid') AS comment,
            CASE WHEN r.rolsuper THEN 'a superuser' WHEN r.rolname = current_user THEN 'the user of the migrations'
                 WHEN r.rolcreaterole OR r.rolcreatedb OR r.rolreplication OR r.rolbypassrls THEN 'an administrator'
            END AS power,
            EXISTS (SELECT 1 FROM pg_catalog.pg_auth_members AS m JOIN pg_catalog.pg_roles AS g ON g.oid = m.roleid
                    WHERE m.member = r.oid AND g.rolname = 'rds_iam') AS "hasToken",
            (SELECT pg_catalog.substr(setting, 6) FROM pg_catalog.unnest(r.rolconfig) AS setting
             WHERE setting LIKE 'role=%') AS "actsAs"
     FROM (SELECT $1::pg_catalog.text AS name) AS wanted
     LEFT JOIN pg_catalog.pg_roles AS r ON r.rolname = wanted.name`,
    [name],
  );
  return state ?? { name, exists: false, comment: null, power: null, hasToken: false, actsAs: null };
}

function commentOf({ resource }: OwnRole): string {
  return `application role of ${resource}, made by cdk-pg-migrate`;
}

export function isOwn(own: OwnRole, { power, comment }: RoleState): boolean {
  return power === null && comment === commentOf(own);
}

/** A role of somebody else would get another password, and lose its rights. */
export function requireOwn(own: OwnRole, state: RoleState): void {
  if (!state.exists || isOwn(own, state)) return;
  const { name, power } = state;
  throw new MigrationError("AUTH", `the role ${name} exists, and is ${power ?? "not this construct's"}`, {
    hint: `Give the construct another roleName. If it is to take the role over, run as its administrator: COMMENT ON ROLE ${name} IS ${pg.escapeLiteral(commentOf(own))}.`,
  });
}

/**
 * Lets the role log in with these credentials, which are its own or those of its clone. The password of the other one
 * stays as it is: somebody may still use it.
 * @param credentials undefined for a role that logs in with a token
 * @throws MigrationError `AUTH` if a role of this name is not this construct's
 */
export async function setLogin(
  session: Session,
  own: OwnRole,
  credentials: Credentials | undefined,
): Promise<void> {
  const main = await stateOf(session, own.role);
  const clone = await stateOf(session, cloneOf(own.role));
  requireOwn(own, main);
  const statements = mainStatements(own, main, credentials);
  if (credentials?.username === clone.name) {
    requireOwn(own, clone);
    const actsAs = main.actsAs === ownerOf(own.role) ? ownerOf(own.role) : own.role;
    statements.push(...cloneStatements(own, clone, credentials, actsAs));
  }
  if (credentials === undefined && isOwn(own, clone)) {
    statements.push(`ALTER ROLE ${clone.name} NOLOGIN PASSWORD NULL`);
  }
  await session.run(statements.join(";\n")).catch(adviseOnRole);
}

function mainStatements(own: OwnRole, state: RoleState, credentials: Credentials | undefined): string[] {
  const { role } = own;
  const token = credentials === undefined;
  return [
    ...(state.exists ? [] : [`CREATE ROLE ${role}`]),
    `ALTER ROLE ${role} LOGIN${token ? " PASSWORD NULL" : passwordOf(role, credentials)}`,
    comment(own, role),
    ...(token && !state.hasToken ? [`GRANT rds_iam TO ${role}`] : []),
    ...(!token && state.hasToken ? [`REVOKE rds_iam FROM ${role}`] : []),
  ];
}

function cloneStatements(
  own: OwnRole,
  { name, exists }: RoleState,
  credentials: Credentials,
  actsAs: string,
): string[] {
  return [
    ...(exists ? [] : [`CREATE ROLE ${name}`]),
    `ALTER ROLE ${name} LOGIN${passwordOf(name, credentials)}`,
    comment(own, name),
    `GRANT ${own.role} TO ${name}`,
    `ALTER ROLE ${name} SET role TO ${actsAs}`,
  ];
}

/** The server gets no password, which it might log, but what it would make of one. */
function passwordOf(name: string, { username, password }: Credentials): string {
  return username === name ? ` PASSWORD ${pg.escapeLiteral(passwordVerifier(password))}` : "";
}

export function comment(own: OwnRole, name: string): string {
  return `COMMENT ON ROLE ${name} IS ${pg.escapeLiteral(commentOf(own))}`;
}

export function adviseOnRole(error: unknown): never {
  if (!(error instanceof MigrationError) || error.details.sqlstate !== "42501") throw error;
  throw error.advised(
    'The user of the migrations needs CREATEROLE, and for `authentication: "iam"` rds_iam WITH ADMIN OPTION; the master user of RDS has both.',
  );
}
