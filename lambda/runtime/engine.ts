import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { rootCertificates } from "node:tls";
import { GetSecretValueCommand, SecretsManagerClient } from "@aws-sdk/client-secrets-manager";
import * as v from "valibot";
import {
  MigrationError,
  type MigratorOptions,
  type Observer,
  type Provenance,
  type RunEvent,
  TOOL,
} from "../../lib/core/index.ts";
import { Migrator } from "../../lib/engine/index.ts";
import { describeSession, type TlsSettings } from "../../lib/postgres/index.ts";
import { ASSET, LIMITS } from "../contract.ts";
import { adviseOnAws } from "./advice.ts";
import type { AssetSource } from "./asset.ts";
import { stoppedByStrayErrors } from "./failure-log.ts";
import type { Invocation, Log, LogFields } from "./invocation.ts";
import type { Settings } from "./settings.ts";

/** What a handler runs the engine with. */
export interface EngineSetup {
  readonly settings: Settings;
  readonly source: AssetSource;
  readonly origin: "deploy" | "command";
  readonly actor: string;
}

/** Reserved when a deploy waits for another run: the time to connect, and to name the lock holder. */
const CONNECTING_MS = 15_000;

/** A rotation changes the password in the database before it changes the secret. */
const ROTATION_MS = 3_000;

/**
 * Runs `work` with an engine that connects as the user of the secret. If the server refuses the password, the secret was
 * probably just rotated: it is fetched once more, which is safe because nothing has run by then.
 * @throws MigrationError
 */
export async function withEngine<T>(
  invocation: Invocation,
  setup: EngineSetup,
  work: (migrator: Migrator) => Promise<T>,
): Promise<T> {
  try {
    return await attempt(invocation, setup, work).catch(async (error: unknown) => {
      if (!isWrongPassword(error)) throw error;
      invocation.log.warn("the server refused the password; asking for the secret again");
      await sleep(ROTATION_MS);
      return attempt(invocation, setup, work);
    });
  } catch (error) {
    throw error instanceof MigrationError ? adviseOnAws(error) : error;
  }
}

async function attempt<T>(
  invocation: Invocation,
  { settings, source, origin, actor }: EngineSetup,
  work: (migrator: Migrator) => Promise<T>,
): Promise<T> {
  const { host, port, database, revision } = settings;
  const tls = await readTls(settings.caFile, settings.root);
  const { username: user, password } = await fetchCredentials(settings.secretArn);
  invocation.redactor.hide(password);
  const provenance: Provenance = { actor, origin, revision, bundle: source.manifest.hash, tool: TOOL };
  const stop = new AbortController();
  const migrator = new Migrator({
    connection: { host, port, database, user, password, tls },
    source,
    provenance,
    options: { ...waitsOf(origin, invocation), ...settings.options },
    observe: logProgress(invocation.log),
    deadline: invocation.deadline,
    signal: stop.signal,
  });
  return stoppedByStrayErrors(
    (error) => stop.abort(error),
    () => work(migrator),
  );
}

/**
 * CDK's framework may invoke a deploy twice: the second invocation waits for the first as long as it can. A deploy waits
 * for the database too: a failover or a paused cluster takes a minute, a failed deploy costs far more.
 */
function waitsOf(origin: EngineSetup["origin"], { deadline }: Invocation): MigratorOptions {
  if (origin === "command") return { databaseWaitMs: LIMITS.commandDatabaseWait * 1_000 };
  return {
    lockWaitMs: Math.max(0, deadline - Date.now() - CONNECTING_MS),
    databaseWaitMs: LIMITS.deployDatabaseWait * 1_000,
  };
}

/** SQLSTATE 28P01, the one refusal that a newer secret can resolve. */
function isWrongPassword(error: unknown): boolean {
  return error instanceof MigrationError && error.code === "AUTH" && error.details.sqlstate === "28P01";
}

/** Logs the events of a run, without any SQL. */
function logProgress(log: Log): Observer {
  return (event) => {
    // Building SQL takes almost no time. The work of a migration is between its started and finished.
    if (event.type === "building" || event.type === "built") return;
    const [level, message, fields] = describe(event);
    log[level](message, fields);
  };
}

type Line = readonly [level: "info" | "warn" | "error", message: string, fields?: LogFields];

function describe(event: Exclude<RunEvent, { type: "building" | "built" }>): Line {
  switch (event.type) {
    case "started":
      return ["info", `${event.direction} ${event.migration}: started`];
    case "finished":
      return ["info", `${event.direction} ${event.migration}: finished`, { durationMs: event.durationMs }];
    case "failed":
      return ["error", `${event.direction} ${event.migration}: failed`];
    case "lock-wait": {
      const holder = event.holder === null ? null : describeSession(event.holder);
      return [
        "warn",
        "another run holds the migration lock; waiting for it",
        { holder, waitMs: event.waitMs },
      ];
    }
    case "blocked":
      return ["warn", "a statement waits for other sessions", { blockers: event.by.map(describeSession) }];
    case "retry": {
      const { attempt, waitMs, reason } = event;
      return ["warn", `${event.migration} is tried again`, { attempt, waitMs, reason }];
    }
    case "notice":
      return ["info", "the server says", { severity: event.severity, notice: event.message }];
    case "server-starting":
      return ["info", "waiting for the server", { reason: event.message }];
    case "warning":
      return ["warn", event.message];
  }
}

interface Credentials {
  readonly username: string;
  readonly password: string;
}

/** As RDS, CDK and the rotation functions of AWS write it. Other keys, such as `host`, are ignored. */
const Secret = v.object({
  username: v.pipe(v.string(), v.nonEmpty()),
  password: v.pipe(v.string(), v.nonEmpty()),
});

/** An answer takes milliseconds. Without a network path to the service there is no answer at all. */
const CLIENT = {
  maxAttempts: 3,
  requestHandler: { connectionTimeout: 3_000, requestTimeout: 5_000, throwOnRequestTimeout: true },
} as const;

/**
 * Fetches the user and the password. Each invocation does, because the secret may be rotated.
 * @throws MigrationError `SECRET` if it cannot be fetched or has another shape. No error contains a value of the secret.
 */
async function fetchCredentials(secretArn: string): Promise<Credentials> {
  const text = await fetchText(secretArn);
  if (text === undefined) throw wrongShape(secretArn, "it is binary");
  const parsed = v.safeParse(v.pipe(v.string(), v.parseJson(), Secret), text);
  if (parsed.success) return parsed.output;
  throw wrongShape(secretArn, shapeOf(text));
}

async function fetchText(secretArn: string): Promise<string | undefined> {
  const client = new SecretsManagerClient(CLIENT);
  try {
    const { SecretString } = await client.send(new GetSecretValueCommand({ SecretId: secretArn }));
    return SecretString;
  } catch (cause) {
    throw unavailable(secretArn, cause);
  } finally {
    client.destroy();
  }
}

function unavailable(secretArn: string, cause: unknown): MigrationError {
  const { name, message } = cause instanceof Error ? cause : new Error(String(cause));
  return new MigrationError("SECRET", `the secret cannot be read: ${name}: ${message} (${secretArn})`, {
    hint: hintFor(name),
    cause,
  });
}

function hintFor(name: string): string {
  if (name === "ResourceNotFoundException")
    return "Was the secret deleted, or is it in another account or region?";
  if (name === "AccessDeniedException" || name === "DecryptionFailure") {
    return "The function's role needs secretsmanager:GetSecretValue for it, and kms:Decrypt for its key.";
  }
  return "The function's subnets need a way to Secrets Manager: an interface endpoint that lets the function's security group in, or a NAT gateway.";
}

/** Names the keys, which tell what is wrong. The values are secret. */
function shapeOf(text: string): string {
  try {
    const content: unknown = JSON.parse(text);
    if (typeof content === "object" && content !== null && !Array.isArray(content)) {
      return `its keys are ${Object.keys(content).toSorted().join(", ") || "none"}`;
    }
    return "it is JSON, but no object";
  } catch {
    return "it is not JSON";
  }
}

function wrongShape(secretArn: string, what: string): MigrationError {
  return new MigrationError(
    "SECRET",
    `the secret must be JSON with "username" and "password", and ${what} (${secretArn})`,
    {
      hint: "Write both keys into the secret as non-empty strings, as the secrets that RDS and CDK make have them.",
    },
  );
}

/**
 * Where Lambda's Node.js runtimes keep Amazon's certificates. Since Node.js 20 they are not loaded by default. Which ones
 * are there depends on the runtime and the region, so that the asset contains those of the commercial regions.
 * https://docs.aws.amazon.com/lambda/latest/dg/lambda-nodejs.html#nodejs-certificate-loading
 */
const RUNTIME_CA_FILE = "/var/runtime/ca-cert.pem";

/**
 * Reads the certificates to trust: only those of `caFile`, or without it those of Node, of RDS (in the asset) and of the
 * runtime.
 * @param root folder of the asset
 */
export async function readTls(caFile: string | undefined, root: string): Promise<TlsSettings> {
  if (caFile !== undefined) return { mode: "verify-full", ca: [await readCertificates(caFile)] };
  const [rds, runtime] = await Promise.all([
    readCertificates(join(root, ASSET.ca)),
    readFile(RUNTIME_CA_FILE, "utf8").catch(() => undefined),
  ]);
  return { mode: "verify-full", ca: [...rootCertificates, rds, ...(runtime === undefined ? [] : [runtime])] };
}

async function readCertificates(path: string): Promise<string> {
  const text = await readFile(path, "utf8").catch((cause: unknown) => {
    throw unreadable(`the file with the certificates to trust cannot be read: ${path}`, cause);
  });
  if (text.includes("-----BEGIN CERTIFICATE-----")) return text;
  throw unreadable(`there is no certificate in ${path}`);
}

function unreadable(message: string, cause?: unknown): MigrationError {
  return new MigrationError("TLS_UNTRUSTED", message, {
    hint: "Give the construct the PEM text of the database's certificate authority as `ca`.",
    cause,
  });
}
