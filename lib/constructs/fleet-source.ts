import { Token } from "aws-cdk-lib";
import type { Construct } from "constructs";
import { MigrationError } from "../core/index.ts";
import { type FleetTarget, parseTargets, readCanary, targetOptions } from "../fleet/index.ts";
import { checkUser, NO_RESOURCE_ID } from "./database-login.ts";
import type { FleetSettings, FleetSource } from "./fleet-definition.ts";
import { entriesOf, type FleetListTarget, type FleetSecretTag, type TargetsFrom } from "./fleet-targets.ts";
import type { DatabaseSettings } from "./functions.ts";
import { constructError } from "./validation.ts";

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
