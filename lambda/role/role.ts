import { setTimeout as sleep } from "node:timers/promises";
import pg from "pg";
import { MigrationError, property, type ResolvedOptions, resolveOptions } from "../../lib/core/index.ts";
import type { Session } from "../../lib/postgres/index.ts";
import { fetchCredentials } from "../runtime/credentials.ts";
import { withSession } from "../runtime/engine.ts";
import type { Invocation } from "../runtime/invocation.ts";
import { type Environment, readSettings } from "../runtime/settings.ts";
import type { RoleRequest } from "./event.ts";
import { grants, revocations } from "./rights.ts";
import { passwordVerifier } from "./verifier.ts";

/**
 * Makes the role what its construct says, whatever it was before: its password, and its rights to what the user of the
 * migrations owns. All of it is one transaction.
 * @throws MigrationError
 */
export async function ensureRole(
  request: RoleRequest,
  invocation: Invocation,
  env: Environment,
): Promise<void> {
  const settings = readSettings(env);
  const options = resolveOptions(settings.options);
  const password = await passwordOf(request, invocation);
  await withSession(invocation, settings, async (session) => {
    await session.run(`BEGIN; SELECT pg_catalog.pg_advisory_xact_lock(${ROLES_LOCK})`);
    await requireOwnRole(session, request);
    const statements = loginStatements(request, password, await stateOf(session, request.role));
    await session.run(statements.join(";\n")).catch(adviseOnRole);
    await setRights(session, request, options);
    await requireUsable(session, request);
    await session.run("COMMIT");
  });
}

function adviseOnRole(error: unknown): never {
  if (!(error instanceof MigrationError) || error.details.sqlstate !== "42501") throw error;
  throw error.advised(
    'The user of the migrations needs CREATEROLE, and for `authentication: "iam"` rds_iam WITH ADMIN OPTION; the master user of RDS has both.',
  );
}

/** Two roles at once would change the same rows of the catalogue, which Postgres refuses. */
const ROLES_LOCK = "7241865325823965";

/** The secret's own user must be the role, or an application could not log in with it. */
async function passwordOf(
  { secretArn, role }: RoleRequest,
  { redactor, log }: Invocation,
): Promise<string | undefined> {
  if (secretArn === undefined) return undefined;
  const { username, password } = await fetchCredentials(secretArn).catch(async (error: unknown) => {
    if (!isDenied(error)) throw error;
    log.warn("the right to read the secret of the role may be too new; trying once more");
    await sleep(NEW_RIGHT_MS);
    return fetchCredentials(secretArn);
  });
  redactor.hide(password);
  if (username === role) return password;
  throw new MigrationError("SECRET", `the secret of the role ${role} is for another user (${secretArn})`, {
    hint: "Give the role a secret whose username is its own name, or none: the construct then makes one.",
  });
}

/** The deploy that makes a secret grants the right to read it, which takes a while to reach all of AWS. */
const NEW_RIGHT_MS = 10_000;

function isDenied(error: unknown): boolean {
  return error instanceof MigrationError && property(error.cause, "name") === "AccessDeniedException";
}

interface RoleState {
  readonly exists: boolean;
  readonly comment: string | null;
  /** Something that an application role never is. */
  readonly power: string | null;
  readonly hasToken: boolean;
}

async function stateOf(session: Session, role: string): Promise<RoleState> {
  const [state] = await session.rows<RoleState>(
    `SELECT r.oid IS NOT NULL AS exists, pg_catalog.shobj_description(r.oid, 'pg_authid') AS comment,
            CASE WHEN r.rolsuper THEN 'a superuser' WHEN r.rolname = current_user THEN 'the user of the migrations'
                 WHEN r.rolcreaterole OR r.rolcreatedb OR r.rolreplication OR r.rolbypassrls THEN 'an administrator'
            END AS power,
            EXISTS (SELECT 1 FROM pg_catalog.pg_auth_members AS m JOIN pg_catalog.pg_roles AS g ON g.oid = m.roleid
                    WHERE m.member = r.oid AND g.rolname = 'rds_iam') AS "hasToken"
     FROM (SELECT $1::pg_catalog.text AS name) AS wanted
     LEFT JOIN pg_catalog.pg_roles AS r ON r.rolname = wanted.name`,
    [role],
  );
  return state ?? { exists: false, comment: null, power: null, hasToken: false };
}

function commentOf({ resource }: RoleRequest): string {
  return `application role of ${resource}, made by cdk-pg-migrate`;
}

/** A role of somebody else would get another password, and lose its rights. */
async function requireOwnRole(session: Session, request: RoleRequest): Promise<void> {
  const { exists, comment, power } = await stateOf(session, request.role);
  if (!exists) return;
  if (power === null && comment === commentOf(request)) return;
  throw new MigrationError(
    "AUTH",
    `the role ${request.role} exists, and is ${power ?? "not this construct's"}`,
    {
      hint: `Give the construct another roleName. If it is to take the role over, run as its administrator: COMMENT ON ROLE ${request.role} IS ${pg.escapeLiteral(commentOf(request))}.`,
    },
  );
}

function loginStatements(request: RoleRequest, password: string | undefined, state: RoleState): string[] {
  const { role } = request;
  // The server gets no password, which it might log, but what it would make of one.
  const secret = password === undefined ? "NULL" : pg.escapeLiteral(passwordVerifier(password));
  const token = password === undefined;
  return [
    ...(state.exists ? [] : [`CREATE ROLE ${role}`]),
    `ALTER ROLE ${role} LOGIN PASSWORD ${secret}`,
    `COMMENT ON ROLE ${role} IS ${pg.escapeLiteral(commentOf(request))}`,
    ...(token && !state.hasToken ? [`GRANT rds_iam TO ${role}`] : []),
    ...(!token && state.hasToken ? [`REVOKE rds_iam FROM ${role}`] : []),
  ];
}

async function setRights(session: Session, request: RoleRequest, options: ResolvedOptions): Promise<void> {
  const missing = await session.rows<{ name: string }>(
    `SELECT name FROM pg_catalog.unnest($1::pg_catalog.text[]) AS name
     WHERE pg_catalog.to_regnamespace(pg_catalog.quote_ident(name)) IS NULL`,
    [request.schemas],
  );
  const [first] = missing;
  if (first !== undefined) {
    throw new MigrationError("SCHEMA_NOT_FOUND", `the schema ${first.name} of the role does not exist`, {
      hint: "Let a migration create it, or leave it out of the construct's `schemas`.",
    });
  }
  for (const find of [revocations(request), grants(request, options)]) {
    const statements = await session.rows<{ sql: string }>(find.text, [...find.values]);
    if (statements.length > 0) await session.run(statements.map(({ sql }) => sql).join(";\n"));
  }
}

/** The server only warns when a user grants what it may not. */
async function requireUsable(session: Session, { role, schemas }: RoleRequest): Promise<void> {
  const [row] = await session.rows<{ connect: boolean; schema: string | null; database: string }>(
    `SELECT pg_catalog.has_database_privilege($1, pg_catalog.current_database(), 'CONNECT') AS connect,
            (SELECT min(s) FROM pg_catalog.unnest($2::pg_catalog.text[]) AS s
             WHERE NOT pg_catalog.has_schema_privilege($1, s, 'USAGE')) AS schema,
            pg_catalog.current_database() AS database`,
    [role, schemas],
  );
  const lacking = [
    ...(row?.connect === false ? [`CONNECT ON DATABASE ${pg.escapeIdentifier(row.database)}`] : []),
    ...(typeof row?.schema === "string" ? [`USAGE ON SCHEMA ${pg.escapeIdentifier(row.schema)}`] : []),
  ];
  const [right] = lacking;
  if (right === undefined) return;
  throw new MigrationError("AUTH", `the user of the migrations may not let the role ${role} in`, {
    hint: `Run as the owner: GRANT ${right} TO ${role}.`,
  });
}
