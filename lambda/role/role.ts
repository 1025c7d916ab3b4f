import { setTimeout as sleep } from "node:timers/promises";
import pg from "pg";
import { MigrationError, property, type ResolvedOptions, resolveOptions } from "../../lib/core/index.ts";
import type { Session } from "../../lib/postgres/index.ts";
import { type Credentials, fetchCredentials } from "../runtime/credentials.ts";
import type { Invocation } from "../runtime/invocation.ts";
import { type Environment, readSettings } from "../runtime/settings.ts";
import type { RoleRequest } from "./event.ts";
import { cloneOf, ownerOf, setLogin, withRolesLocked } from "./logins.ts";
import { joinOwner, leaveOwner, runEach, transferOwnership } from "./ownership.ts";
import { grants, revocations } from "./rights.ts";

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
  const credentials = await credentialsOf(request, invocation);
  await withRolesLocked(invocation, settings, async (session) => {
    await setLogin(session, request, credentials);
    await requireSchemas(session, request);
    if (request.access === "owner") {
      await joinOwner(session, request);
      await setRights(session, request, options, ownerOf(request.role));
      await transferOwnership(session, request, options);
    } else {
      await leaveOwner(session, request);
      await setRights(session, request, options, request.role);
    }
    await requireUsable(session, request);
  });
}

/** The secret's own user must be the role, or an application could not log in with it. */
async function credentialsOf(
  { secretArn, role }: RoleRequest,
  { redactor, log }: Invocation,
): Promise<Credentials | undefined> {
  if (secretArn === undefined) return undefined;
  const credentials = await fetchCredentials(secretArn).catch(async (error: unknown) => {
    if (!isDenied(error)) throw error;
    log.warn("the right to read the secret of the role may be too new; trying once more");
    await sleep(NEW_RIGHT_MS);
    return fetchCredentials(secretArn);
  });
  redactor.hide(credentials.password);
  if ([role, cloneOf(role)].includes(credentials.username)) return credentials;
  throw otherUser(role, secretArn);
}

export function otherUser(role: string, secretArn: string): MigrationError {
  return new MigrationError("SECRET", `the secret of the role ${role} is for another user (${secretArn})`, {
    hint: "Give the role a secret whose username is its own name, or none: the construct then makes one.",
  });
}

/** The deploy that makes a secret grants the right to read it, which takes a while to reach all of AWS. */
const NEW_RIGHT_MS = 10_000;

function isDenied(error: unknown): boolean {
  return error instanceof MigrationError && property(error.cause, "name") === "AccessDeniedException";
}

async function requireSchemas(session: Session, { schemas }: RoleRequest): Promise<void> {
  const missing = await session.rows<{ name: string }>(
    `SELECT name FROM pg_catalog.unnest($1::pg_catalog.text[]) AS name
     WHERE pg_catalog.to_regnamespace(pg_catalog.quote_ident(name)) IS NULL`,
    [schemas],
  );
  const [first] = missing;
  if (first !== undefined) {
    throw new MigrationError("SCHEMA_NOT_FOUND", `the schema ${first.name} of the role does not exist`, {
      hint: "Let a migration create it, or leave it out of the construct's `schemas`.",
    });
  }
}

/** @param grantee who the sessions of the role are */
async function setRights(
  session: Session,
  request: RoleRequest,
  options: ResolvedOptions,
  grantee: string,
): Promise<void> {
  const roles = new Set([request.role, grantee]);
  const queries = [...[...roles].map(revocations), grants(request, grantee, options)];
  for (const { text, values } of queries) await runEach(session, text, values);
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
