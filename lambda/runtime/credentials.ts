import { GetSecretValueCommand, SecretsManagerClient } from "@aws-sdk/client-secrets-manager";
import * as v from "valibot";
import { MigrationError } from "../../lib/core/index.ts";

export interface Credentials {
  readonly username: string;
  readonly password: string;
}

/** What RDS, CDK and the rotation functions of AWS write; `host`, `port` and the like in it are not used. */
const Secret = v.object({
  username: v.pipe(v.string(), v.nonEmpty()),
  password: v.pipe(v.string(), v.nonEmpty()),
});

/** An answer takes milliseconds; without a network path to the service there is none, ever. */
const CLIENT = {
  maxAttempts: 3,
  requestHandler: { connectionTimeout: 3_000, requestTimeout: 5_000, throwOnRequestTimeout: true },
} as const;

/**
 * The user and password of this moment: asked for anew by each invocation, because the secret may rotate.
 * @throws MigrationError `SECRET` when it cannot be had, or is of another shape; never with anything of its content
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

/** Which keys there are says what is wrong; values are not for anybody's eyes. */
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
