import { createHash } from "node:crypto";
import { Stack, Token } from "aws-cdk-lib";
import type * as kms from "aws-cdk-lib/aws-kms";
import type * as s3 from "aws-cdk-lib/aws-s3";
import type * as secretsmanager from "aws-cdk-lib/aws-secretsmanager";
import type { Construct } from "constructs";
import { MigrationError } from "../core/index.ts";
import { type FleetTarget, parseTargets, readCanary, targetOptions } from "../fleet/index.ts";
import { checkUser, NO_RESOURCE_ID } from "./database-login.ts";
import type { FleetSettings, FleetSource } from "./fleet-definition.ts";
import type { DatabaseSettings } from "./functions.ts";
import { constructError } from "./validation.ts";

/** A tag of secrets. */
export interface FleetSecretTag {
  /** Key of the tag. */
  readonly key: string;
  /** Value of the tag. */
  readonly value: string;
  /**
   * Key that these secrets are encrypted with. The functions may use it for secrets; the policy of the key must let IAM
   * decide, as that of a new key does.
   * @default - the account's own key for secrets
   */
  readonly encryptionKey?: kms.IKey;
}

/** Targets that a query returns. */
export interface FleetQuery {
  /**
   * A SELECT that runs in the fleet's own database, in a read-only session. Its columns have the names of the fields of a
   * target: `name`, `host`, `port`, `database`, `schema`, `secret`, `user`; it needs `schema`, `database` or `host`. For
   * the schemas of tenants: `SELECT schema FROM public.tenants WHERE active`.
   */
  readonly sql: string;
  /**
   * Secrets that the column `secret` may name: those with this tag.
   * @default - the functions may read the fleet's own secret only
   */
  readonly secretTag?: FleetSecretTag;
}

/** Targets in an object of S3. */
export interface FleetTargetsObject {
  /** Bucket of the object. */
  readonly bucket: s3.IBucket;
  /** Key of the object: a JSON array of targets, or of names of schemas. It is read when an execution begins. */
  readonly key: string;
  /**
   * Secrets that the field `secret` of a target may name: those with this tag.
   * @default - the functions may read the fleet's own secret only
   */
  readonly secretTag?: FleetSecretTag;
}

/** One schema or database. It has a schema, a database or a host; what it leaves out is that of the fleet's own database. */
export interface FleetListTarget {
  /**
   * What results and commands call it.
   * @default - its schema, else its database, with the database and the server in front where several have it
   */
  readonly name?: string;
  /**
   * Host name of its server. Another server than that of the fleet needs a `secret` or a `user`.
   * @default - that of the fleet's own database
   */
  readonly host?: string;
  /**
   * Port of its server.
   * @default - that of the fleet's own database
   */
  readonly port?: number;
  /**
   * Name of the database.
   * @default - that of the fleet's own database
   */
  readonly database?: string;
  /**
   * Schema that takes the place of the first of `schema`; it holds the table of applied migrations.
   * @default - the schemas of the fleet
   */
  readonly schema?: string;
  /**
   * Secret with `username` and `password` as JSON. The functions may read it.
   * @default - the functions log in as they do to the fleet's own database
   */
  readonly secret?: secretsmanager.ISecret;
  /**
   * User to log in as with a token of IAM authentication. The functions are allowed to do so in the fleet's own database; for
   * another server, allow `statusFunction` and `operateFunction` to.
   * @default - that of the fleet, or of the secret
   */
  readonly user?: string;
}

/** Where the targets of a fleet come from. They are asked for at the beginning of each execution. */
export class FleetTargets {
  /** Those that a query in the fleet's own database returns. A row must not name a server that nobody intended. */
  static query(query: FleetQuery): FleetTargets {
    return new FleetTargets({ kind: "query", ...query });
  }

  /** These. A list of more than some hundreds belongs into an object of S3. */
  static list(targets: FleetListTarget[]): FleetTargets {
    return new FleetTargets({ kind: "list", targets });
  }

  /** A database for each secret with this tag. Its JSON has `host`, `port`, `dbname`, `username` and `password`. */
  static secretsByTag(tag: FleetSecretTag): FleetTargets {
    return new FleetTargets({ kind: "secretsByTag", secretTag: tag });
  }

  /** Those in a JSON object of S3. */
  static json(source: FleetTargetsObject): FleetTargets {
    return new FleetTargets({ kind: "json", ...source });
  }

  /** @internal */
  readonly _from: TargetsFrom;

  private constructor(from: TargetsFrom) {
    this._from = from;
  }
}

/** What a `FleetTargets` was made of. */
export type TargetsFrom =
  | ({ readonly kind: "query" } & FleetQuery)
  | { readonly kind: "list"; readonly targets: readonly FleetListTarget[]; readonly secretTag?: undefined }
  | { readonly kind: "secretsByTag"; readonly secretTag: FleetSecretTag }
  | ({ readonly kind: "json" } & FleetTargetsObject);

/** What the targets of a list are checked against. */
interface TargetsChoice {
  readonly canary: FleetSettings["canary"];
  readonly allowEmpty: boolean;
}

/** State machines carry 256 kB from state to state, and the plan of the execution beside the list. */
const LIST_BYTES = 100_000;

/**
 * The source as the state machines hand it on.
 * @throws Error that names the construct, for what cannot be a source of targets
 */
export function fleetSource(
  scope: Construct,
  from: TargetsFrom,
  settings: DatabaseSettings,
  choice: TargetsChoice,
): FleetSource {
  const { allowEmpty } = choice;
  return { ...sourceOf(scope, from, settings, choice), ...(allowEmpty ? { allowEmpty } : {}) };
}

function sourceOf(
  scope: Construct,
  from: TargetsFrom,
  settings: DatabaseSettings,
  choice: TargetsChoice,
): FleetSource {
  switch (from.kind) {
    case "query":
      requireQuery(scope, from.sql);
      requireTag(scope, from.secretTag);
      return { kind: "query" };
    case "json":
      requireText(scope, "key", from.key);
      requireTag(scope, from.secretTag);
      return { kind: "json", bucket: from.bucket.bucketName, key: from.key };
    case "secretsByTag":
      requireTag(scope, from.secretTag);
      return { kind: "secretsByTag", key: from.secretTag.key, value: from.secretTag.value };
    case "list":
      return { kind: "list", targets: listedTargets(scope, from.targets, settings, choice) };
  }
}

/** A function has 4 KB for all variables of its environment. The others take less than the rest. */
const QUERY_BYTES = 3_000;

function requireQuery(scope: Construct, sql: string): void {
  requireText(scope, "sql", sql);
  const bytes = Buffer.byteLength(sql);
  if (bytes <= QUERY_BYTES) return;
  throw constructError(
    scope,
    `sql of the targets has ${bytes} bytes, more than the ${QUERY_BYTES} that fit into the environment of a function: ` +
      "make a view of it, and select from that",
  );
}

function requireTag(scope: Construct, tag: FleetSecretTag | undefined): void {
  if (tag !== undefined) requireText(scope, "key of the tag", tag.key);
}

function requireText(scope: Construct, field: string, value: string): void {
  if (value.trim() === "") throw constructError(scope, `${field} of the targets must not be empty`);
}

function listedTargets(
  scope: Construct,
  listed: readonly FleetListTarget[],
  settings: DatabaseSettings,
  { canary, allowEmpty }: TargetsChoice,
): readonly object[] {
  if (listed.length === 0 && !allowEmpty) {
    throw constructError(scope, "the list has no targets: give at least one, or `allowNoTargets: true`");
  }
  const entries = entriesOf(listed);
  const targets = inConstruct(scope, () =>
    parseTargets(entries.map(withoutPortToken), {
      source: "targets",
      database: ownPlace(settings),
      allowEmpty,
    }),
  );
  for (const target of targets) {
    inConstruct(scope, () => targetOptions(JSON.parse(settings.options), target));
    requireLogin(scope, target, settings);
  }
  requireCanary(scope, canary, targets);
  const bytes = Buffer.byteLength(JSON.stringify(entries));
  if (bytes <= LIST_BYTES) return entries;
  throw constructError(
    scope,
    `the list of ${entries.length} targets has ${bytes} bytes, more than the ${LIST_BYTES} that fit into a state machine: ` +
      "write it to an object of S3 and use FleetTargets.json",
  );
}

/** Else the deploy finds it, and fails. Names that are not known at synth are left to it. */
function requireCanary(scope: Construct, canary: FleetSettings["canary"], targets: readonly FleetTarget[]) {
  if (Token.isUnresolved(canary) || targets.some(({ name }) => Token.isUnresolved(name))) return;
  inConstruct(scope, () => readCanary(canary, targets));
}

/** The targets as the functions read them. */
function entriesOf(listed: readonly FleetListTarget[]) {
  return listed.map(({ secret, ...entry }) => ({
    ...entry,
    ...(secret === undefined ? {} : { secret: secret.secretArn }),
  }));
}

/** A port that is not known before the deploy is a number that no port is. */
function withoutPortToken<T extends { readonly port?: number }>(entry: T): T {
  return entry.port !== undefined && Token.isUnresolved(entry.port) ? { ...entry, port: 1 } : entry;
}

function ownPlace({ target: { host, port }, databaseName: database }: DatabaseSettings) {
  return withoutPortToken({ host, port, database });
}

/** The functions refuse it too: the fleet's own password is sent to no other server. */
function requireLogin(
  scope: Construct,
  { name, host, secret, user }: FleetTarget,
  { target, logins }: DatabaseSettings,
): void {
  if (secret !== undefined) return;
  if (host === target.host && user !== undefined) {
    if (target.grantConnect === undefined)
      throw constructError(scope, `the user of the target ${name} ${NO_RESOURCE_ID}`);
    checkUser(scope, `user of the target ${name}`, user);
  } else if (host !== target.host && user === undefined && logins.main.kind === "secret") {
    throw constructError(
      scope,
      `the target ${name} is on another server (${Token.isUnresolved(host) ? "of this app" : host}) than the fleet's own ` +
        "database: give it the `secret` with its user and password",
    );
  }
}

function inConstruct<T>(scope: Construct, work: () => T): T {
  try {
    return work();
  } catch (error) {
    if (!(error instanceof MigrationError)) throw error;
    const { hint } = error.details;
    throw constructError(scope, `${error.message}${hint === undefined ? "" : `\n${hint}`}`);
  }
}

/** Longer ones are cut: a template is for people too. */
const SHOWN = 300;

/** One line for `cdk diff`. Another text runs the migrations in the next deploy. */
export function describeTargets(scope: Construct, from: TargetsFrom): string {
  switch (from.kind) {
    case "query": {
      const sql = from.sql.replaceAll(/\s+/g, " ").trim();
      return sql.length > SHOWN ? `query ${digestOf(sql)}: ${sql.slice(0, SHOWN)}…` : `query: ${sql}`;
    }
    case "json":
      return `json: s3://${from.bucket.bucketName}/${from.key}`;
    case "secretsByTag":
      return `secrets with the tag ${from.secretTag.key}=${from.secretTag.value}`;
    case "list":
      return `list of ${from.targets.length}: ${digestOf(JSON.stringify(Stack.of(scope).resolve(entriesOf(from.targets))))}`;
  }
}

function digestOf(text: string): string {
  return createHash("sha256").update(text).digest("hex").slice(0, 16);
}
