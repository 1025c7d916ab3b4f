import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { rootCertificates } from "node:tls";
import { GetSecretValueCommand, SecretsManagerClient } from "@aws-sdk/client-secrets-manager";
import * as v from "valibot";
import { MigrationError } from "../../lib/core/index.ts";
import type { TlsSettings } from "../../lib/postgres/index.ts";
import { ASSET } from "../contract.ts";

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
export async function fetchCredentials(secretArn: string): Promise<Credentials> {
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
