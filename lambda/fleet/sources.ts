import { InvokeCommand, LambdaClient } from "@aws-sdk/client-lambda";
import {
  ListSecretsCommand,
  type SecretListEntry,
  SecretsManagerClient,
} from "@aws-sdk/client-secrets-manager";
import * as v from "valibot";
import { given, MigrationError } from "../../lib/core/index.ts";
import {
  type FleetTarget,
  parseTargetRows,
  parseTargets,
  parseTargetsFile,
  type TargetEntry,
  type TargetsOrigin,
} from "../../lib/fleet/index.ts";
import { ENV } from "../contract.ts";
import { CLIENT, fetchText } from "../runtime/credentials.ts";
import type { Environment, Settings } from "../runtime/settings.ts";
import { Bucket } from "./bucket.ts";
import { FleetFailure } from "./failure.ts";
import { inParallel } from "./parallel.ts";
import type { TargetsSource } from "./request.ts";

/** A target takes a hundred bytes: more is another file. */
const LIST_BYTES = 16 * 1024 * 1024;

/**
 * Asks a source for the targets of a fleet.
 * @param settings of the fleet's own database, whose place a target has that names no other
 * @throws MigrationError `TARGETS` or `SECRET`; FleetFailure of the function that runs the query
 */
export async function loadTargets(
  source: TargetsSource,
  settings: Settings,
  env: Environment,
): Promise<readonly FleetTarget[]> {
  const { host, port, database } = settings;
  const origin = (what: string): TargetsOrigin => ({
    source: what,
    database: { host, port, database },
    allowEmpty: source.allowEmpty,
  });
  switch (source.kind) {
    case "query":
      return parseTargetRows(await askList(env), origin("the query of the fleet"));
    case "list":
      return parseTargets(source.targets, origin("the list of the fleet"));
    case "json":
      return readList(source, origin(`s3://${source.bucket}/${source.key}`));
    case "secretsByTag":
      return parseTargets(
        await readSecrets(source),
        origin(`the secrets with the tag ${source.key}=${source.value}`),
      );
  }
}

async function readList(
  { bucket: name, key }: { readonly bucket: string; readonly key: string },
  origin: TargetsOrigin,
): Promise<readonly FleetTarget[]> {
  const bucket = new Bucket(name, "TARGETS");
  try {
    return parseTargetsFile(await bucket.read(key, LIST_BYTES), origin);
  } finally {
    bucket.close();
  }
}

const Rows = v.pipe(v.string(), v.parseJson(), v.object({ rows: v.array(v.unknown()) }));
const Failed = v.pipe(
  v.string(),
  v.parseJson(),
  v.object({
    errorType: v.optional(v.string(), "Error"),
    errorMessage: v.optional(v.string(), "the function failed without a message"),
  }),
);

/** Has the rows of the fleet's query from the function in the VPC. */
async function askList(env: Environment): Promise<readonly unknown[]> {
  const client = new LambdaClient({
    maxAttempts: 3,
    requestHandler: { connectionTimeout: 3_000, requestTimeout: 0 },
  });
  try {
    const command = new InvokeCommand({ FunctionName: env[ENV.fleetListFunction] ?? "", Payload: "{}" });
    const { Payload, FunctionError } = await client.send(command);
    const text = new TextDecoder().decode(Payload);
    if (FunctionError === undefined) return v.parse(Rows, text).rows;
    const { errorType, errorMessage } = v.parse(Failed, text);
    throw new FleetFailure(errorType, errorMessage);
  } finally {
    client.destroy();
  }
}

/** Secrets of RDS and CDK have these beside user and password. */
const Place = v.looseObject({
  host: v.pipe(v.string(), v.nonEmpty()),
  port: v.optional(v.pipe(v.union([v.string(), v.number()]), v.transform(Number), v.number())),
  dbname: v.optional(v.pipe(v.string(), v.nonEmpty())),
});

const SECRETS_AT_ONCE = 10;
const PROBLEMS_SHOWN = 10;

async function readSecrets(tag: {
  readonly key: string;
  readonly value: string;
}): Promise<readonly TargetEntry[]> {
  const secrets = await listSecrets(tag);
  const read = await inParallel(secrets, SECRETS_AT_ONCE, async ({ arn, name }) => ({
    ...{ arn, name },
    place: v.safeParse(v.pipe(v.string(), v.parseJson(), Place), await fetchText(arn)),
  }));
  const placeless = read.filter(({ place }) => !place.success).map(({ name }) => name);
  if (placeless.length > 0) throw withoutHost(placeless);
  return read.flatMap(({ arn, name, place: { success, output } }) => {
    if (!success) return [];
    const { host, port, dbname: database } = output;
    return [{ name, host, secret: arn, ...given({ port, database }) }];
  });
}

function withoutHost(names: readonly string[]): MigrationError {
  const shown = names.slice(0, PROBLEMS_SHOWN).join(", ");
  const more = names.length > PROBLEMS_SHOWN ? ` and ${names.length - PROBLEMS_SHOWN} more` : "";
  return new MigrationError("TARGETS", `no host in the JSON of the secret: ${shown}${more}`, {
    hint: "A secret that RDS or CDK has attached to a database has host, port and dbname beside username and password: write them into it, or take the tag off.",
  });
}

interface TaggedSecret {
  readonly arn: string;
  readonly name: string;
}

/** The service finds beginnings of words, and a value at any key: what it answers is compared here. */
async function listSecrets({
  key,
  value,
}: {
  readonly key: string;
  readonly value: string;
}): Promise<readonly TaggedSecret[]> {
  const client = new SecretsManagerClient(CLIENT);
  const found: SecretListEntry[] = [];
  try {
    let token: string | undefined;
    do {
      const command = new ListSecretsCommand({
        Filters: [
          { Key: "tag-key", Values: [key] },
          { Key: "tag-value", Values: [value] },
        ],
        MaxResults: 100,
        NextToken: token,
      });
      const answer = await client.send(command);
      found.push(...(answer.SecretList ?? []));
      token = answer.NextToken;
    } while (token !== undefined);
  } catch (cause) {
    const { name, message } = cause instanceof Error ? cause : new Error(String(cause));
    throw new MigrationError("SECRET", `the secrets cannot be listed: ${name}: ${message}`, {
      hint: "The function's role needs secretsmanager:ListSecrets, which the construct grants: a permissions boundary or a policy of the organization may deny it.",
      cause,
    });
  } finally {
    client.destroy();
  }
  return found.flatMap(({ ARN: arn, Name: name, Tags = [] }) =>
    arn !== undefined && name !== undefined && Tags.some((tag) => tag.Key === key && tag.Value === value)
      ? [{ arn, name }]
      : [],
  );
}
