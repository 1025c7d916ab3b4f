import { createHash } from "node:crypto";
import {
  CreateDBClusterSnapshotCommand,
  CreateDBSnapshotCommand,
  DescribeDBClusterSnapshotsCommand,
  DescribeDBSnapshotsCommand,
  RDSClient,
  RDSServiceException,
  type Tag,
} from "@aws-sdk/client-rds";
import * as v from "valibot";
import { ENV } from "../contract.ts";
import { DeployStoppedError } from "./deploy-function.ts";

/** What the environment says about snapshots. */
export interface SnapshotSettings {
  readonly kind: "instance" | "cluster";
  /** Of the instance or cluster. */
  readonly source: string;
  readonly prefix: string;
  readonly timeoutMs: number;
}

const Settings = v.object({
  [ENV.snapshotOf]: v.pipe(
    v.string(),
    v.regex(/^(?:instance|cluster):./),
    v.transform((text) => text.split(":", 2)),
    v.tuple([v.picklist(["instance", "cluster"]), v.string()]),
  ),
  [ENV.snapshotPrefix]: v.string(),
  [ENV.snapshotTimeout]: v.pipe(v.string(), v.transform(Number), v.number()),
});

export function readSnapshotSettings(env: NodeJS.ProcessEnv): SnapshotSettings {
  const parsed = v.parse(Settings, env);
  const [kind, source] = parsed[ENV.snapshotOf];
  return {
    kind,
    source,
    prefix: parsed[ENV.snapshotPrefix],
    timeoutMs: parsed[ENV.snapshotTimeout] * 1_000,
  };
}

/** The request of CloudFormation that a snapshot is made for. */
export interface SnapshotReason {
  readonly requestId: string;
  /** `<stack>/<logical id>` */
  readonly resource: string;
  /** Hash of the migrations that will run. */
  readonly release: string;
  /** Newest migration of the release. */
  readonly head: string;
}

/**
 * The identifier has a hash of the request and the release: the same for a request that is delivered twice, and another
 * one for the next deploy, whose data is newer, also when it runs the same migrations.
 */
export function snapshotIdentifier({ prefix }: SnapshotSettings, reason: SnapshotReason): string {
  const { requestId, resource, release } = reason;
  const hash = createHash("sha256")
    .update(JSON.stringify([requestId, resource, release]))
    .digest("hex");
  return `${prefix}-${hash.slice(0, 16)}`;
}

export type SnapshotProgress =
  | { readonly isAvailable: true }
  | { readonly isAvailable: false; readonly why: string };

/**
 * Begins the snapshot if there is none yet, and says how far it is. RDS makes no snapshot of a database that is being
 * modified or backed up: that is a reason to wait, as is a service that does not answer.
 * @throws DeployStoppedError if waiting cannot help
 */
export async function advanceSnapshot(
  settings: SnapshotSettings,
  id: string,
  reason: SnapshotReason,
): Promise<SnapshotProgress> {
  const client = new RDSClient(CLIENT);
  try {
    const found = await findSnapshot(client, settings, id);
    if (found !== undefined) return progressOf(found, settings, id);
    await createSnapshot(client, settings, id, tagsOf(reason));
    return { isAvailable: false, why: "its creation has begun" };
  } catch (error) {
    if (error instanceof DeployStoppedError) throw error;
    if (isWorthWaiting(error)) return { isAvailable: false, why: describe(error) };
    throw refused(settings, id, error);
  } finally {
    client.destroy();
  }
}

const CLIENT = {
  maxAttempts: 3,
  requestHandler: { connectionTimeout: 3_000, requestTimeout: 10_000, throwOnRequestTimeout: true },
} as const;

interface FoundSnapshot {
  readonly Status?: string | undefined;
  readonly PercentProgress?: number | undefined;
}

async function findSnapshot(
  client: RDSClient,
  { kind }: SnapshotSettings,
  id: string,
): Promise<FoundSnapshot | undefined> {
  try {
    if (kind === "cluster") {
      const command = new DescribeDBClusterSnapshotsCommand({ DBClusterSnapshotIdentifier: id });
      return (await client.send(command)).DBClusterSnapshots?.[0];
    }
    const command = new DescribeDBSnapshotsCommand({ DBSnapshotIdentifier: id });
    return (await client.send(command)).DBSnapshots?.[0];
  } catch (error) {
    if (/^DB(?:Cluster)?SnapshotNotFound/.test(nameOfError(error))) return;
    throw error;
  }
}

async function createSnapshot(
  client: RDSClient,
  { kind, source }: SnapshotSettings,
  id: string,
  tags: Tag[],
): Promise<void> {
  if (kind === "cluster") {
    const input = { DBClusterIdentifier: source, DBClusterSnapshotIdentifier: id, Tags: tags };
    await client.send(new CreateDBClusterSnapshotCommand(input));
  } else {
    const input = { DBInstanceIdentifier: source, DBSnapshotIdentifier: id, Tags: tags };
    await client.send(new CreateDBSnapshotCommand(input));
  }
}

/** A tag may have letters, digits, spaces and a few other characters. */
function tagsOf({ resource, release, head }: SnapshotReason): Tag[] {
  const tag = (name: string, value: string): Tag => ({
    Key: `cdk-pg-migrate:${name}`,
    Value: value.replace(/[^\p{L}\p{N}\s_.:/=+@-]/gu, "_").slice(0, 256),
  });
  return [tag("resource", resource), tag("release", release), tag("head", head)];
}

const ENDED = new Set(["failed", "deleting", "deleted"]);

function progressOf(
  { Status: status = "unknown", PercentProgress: percent }: FoundSnapshot,
  settings: SnapshotSettings,
  id: string,
): SnapshotProgress {
  if (status === "available") return { isAvailable: true };
  if (!ENDED.has(status)) {
    return { isAvailable: false, why: `it is ${status}${percent === undefined ? "" : `, ${percent} %`}` };
  }
  throw new DeployStoppedError(
    "SNAPSHOT",
    `the snapshot ${id} of ${nameOf(settings)} is ${status}`,
    "RDS says why in the events of the database. Deploy again: that makes another snapshot.",
  );
}

/** The database is busy, another delivery of the same request was faster, or there are too many calls. */
const PASSING =
  /^(?:InvalidDB(?:Instance|Cluster)State|DB(?:Cluster)?SnapshotAlreadyExists|Throttl|RequestLimitExceeded)/;

function isWorthWaiting(error: unknown): boolean {
  if (PASSING.test(nameOfError(error))) return true;
  // A connection that broke or was never made.
  if (!(error instanceof RDSServiceException))
    return nameOfError(error) === "TimeoutError" || isSystemError(error);
  const { httpStatusCode = 500 } = error.$metadata;
  return httpStatusCode >= 500;
}

function isSystemError(error: unknown): boolean {
  return error instanceof Error && "code" in error;
}

/** By the code of the service. */
const HINTS: readonly (readonly [code: RegExp, hint: string])[] = [
  [
    /^SnapshotQuotaExceeded/,
    "Delete snapshots that nobody needs any more (tags named cdk-pg-migrate:… mark those of deploys), or ask AWS for a higher quota, then deploy again.",
  ],
  [/^KMSKeyNotAccessible/, "The key of the database is disabled or was deleted: see AWS KMS."],
  [
    /^DB(?:Instance|Cluster)NotFound/,
    "Give the construct the identifier of an instance or cluster in the region of the stack.",
  ],
  [
    /^AccessDenied/,
    "The construct grants what is needed to the function's role: a permissions boundary or a policy of the organization may deny it.",
  ],
];
const OTHER_HINT = "The message is that of RDS. Deploy again when its reason is gone.";

function refused(settings: SnapshotSettings, id: string, cause: unknown): DeployStoppedError {
  const name = nameOfError(cause);
  const [, hint = OTHER_HINT] = HINTS.find(([code]) => code.test(name)) ?? [];
  return new DeployStoppedError(
    "SNAPSHOT",
    `no snapshot ${id} of ${nameOf(settings)} can be made: ${describe(cause)}`,
    hint,
    { cause },
  );
}

/** @throws DeployStoppedError */
export function snapshotTimeout(settings: SnapshotSettings, id: string, why: string): DeployStoppedError {
  return new DeployStoppedError(
    "SNAPSHOT",
    `the snapshot ${id} of ${nameOf(settings)} is not available after ${settings.timeoutMs / 1_000} seconds: ${why}`,
    "RDS goes on with it. Deploy again when the database is available: the next snapshot has only to hold what has changed since. The construct's `snapshotTimeout` says how long a deploy waits.",
  );
}

function nameOf({ kind, source }: SnapshotSettings): string {
  return `the ${kind} ${source}`;
}

function nameOfError(error: unknown): string {
  return error instanceof Error ? error.name : "";
}

function describe(error: unknown): string {
  return error instanceof Error ? `${error.name}: ${error.message}` : String(error);
}
