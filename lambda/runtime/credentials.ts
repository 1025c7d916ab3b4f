import { GetSecretValueCommand, SecretsManagerClient } from "@aws-sdk/client-secrets-manager";
import { Signer } from "@aws-sdk/rds-signer";
import * as v from "valibot";
import { given, MigrationError, property } from "../../lib/core/index.ts";
import type { Settings } from "./settings.ts";

export interface Credentials {
  readonly username: string;
  readonly password: string;
}

/** As RDS, CDK and the rotation functions of AWS write it. Other keys, such as `host`, are ignored. */
export const Secret = v.looseObject({
  username: v.pipe(v.string(), v.nonEmpty()),
  password: v.pipe(v.string(), v.nonEmpty()),
});

/** What a secret holds. */
export type SecretContent = v.InferOutput<typeof Secret>;

/** An answer takes milliseconds. Without a network path to the service there is no answer at all. */
export const CLIENT = {
  maxAttempts: 3,
  requestHandler: { connectionTimeout: 3_000, requestTimeout: 5_000, throwOnRequestTimeout: true },
} as const;

/** Which version of a secret is asked for. A rotation writes the new one before it becomes the current one. */
export type SecretStage = "AWSCURRENT" | "AWSPENDING";

/**
 * The user and the password to connect with, which are new in each invocation.
 * @throws MigrationError `SECRET` if the secret cannot be used
 */
export async function credentialsOf(settings: Settings, stage: SecretStage): Promise<Credentials> {
  const { login } = settings;
  if (login.kind === "secret") return fetchCredentials(login.secretArn, stage);
  return { username: login.user, password: await signToken(settings, login.user) };
}

/**
 * The password for IAM database authentication: a signed URL, valid for a quarter of an hour, which is longer than a
 * function runs. It is signed here, with the credentials of the function's role: no service is called.
 */
function signToken({ host, port, region }: Settings, username: string): Promise<string> {
  return new Signer({ hostname: host, port, username, ...given({ region }) }).getAuthToken();
}

/**
 * Fetches the user and the password. Each invocation does, because the secret may be rotated.
 * @throws MigrationError `SECRET` if it cannot be fetched or has another shape. No error contains a value of the secret.
 */
export async function fetchCredentials(
  secretArn: string,
  stage: SecretStage = "AWSCURRENT",
): Promise<Credentials> {
  return parseSecret(secretArn, await fetchText(secretArn, stage));
}

/**
 * @param text undefined for a binary secret
 * @throws MigrationError `SECRET` if it has another shape
 */
export function parseSecret(secretArn: string, text: string | undefined): SecretContent {
  if (text === undefined) throw wrongShape(secretArn, "it is binary");
  const parsed = v.safeParse(v.pipe(v.string(), v.parseJson(), Secret), text);
  if (parsed.success) return parsed.output;
  throw wrongShape(secretArn, shapeOf(text));
}

/** Text of the current version, or of another one; undefined for a binary secret. @throws MigrationError `SECRET` */
export async function fetchText(
  secretArn: string,
  stage: SecretStage = "AWSCURRENT",
): Promise<string | undefined> {
  const client = new SecretsManagerClient(CLIENT);
  try {
    const request = new GetSecretValueCommand({ SecretId: secretArn, VersionStage: stage });
    const { SecretString } = await client.send(request);
    return SecretString;
  } catch (cause) {
    throw secretError(secretArn, "GetSecretValue", cause);
  } finally {
    client.destroy();
  }
}

/** @param action of Secrets Manager that failed */
export function secretError(secretArn: string, action: string, cause: unknown): MigrationError {
  const { name, message } = cause instanceof Error ? cause : new Error(String(cause));
  const what = /^(?:Get|Describe)/.test(action) ? "read" : "changed";
  return new MigrationError("SECRET", `the secret cannot be ${what}: ${name}: ${message} (${secretArn})`, {
    hint: hintFor(name, action, cause),
    cause,
  });
}

function hintFor(name: string, action: string, cause: unknown): string {
  if (name === "ResourceNotFoundException")
    return "Was the secret deleted, or is it in another account or region?";
  if (name === "AccessDeniedException" || name === "DecryptionFailure") {
    return `The function's role needs secretsmanager:${action} for it, and kms:Decrypt for its key.`;
  }
  if (property(property(cause, "$metadata"), "httpStatusCode") !== undefined) {
    return "Secrets Manager has answered, so that the network is right: look up its reason, and repeat.";
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
