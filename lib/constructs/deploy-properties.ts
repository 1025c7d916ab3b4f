import { createHash } from "node:crypto";
import { type DeployProperties, NEWEST_BOUND } from "../../lambda/contract.ts";
import type { Manifest } from "../core/index.ts";

/** How the functions connect: a change of any of it is tried in the deploy that makes it. */
export interface ConnectionProperties {
  /** Host, port and name. */
  readonly database: string;
  /** ARN of the secret. */
  readonly secret: string;
  /** PEM text of the given certificates. */
  readonly ca: string | undefined;
  /** Security group and subnets of the functions. */
  readonly network: readonly string[];
}

/**
 * What the custom resource is told. CloudFormation calls the function when any of it differs, and `cdk diff`
 * shows it: the head, the count and the newest names say what a deploy would run.
 */
export function deployProperties(
  { hash, migrations }: Manifest,
  { database, secret, ca, network }: ConnectionProperties,
  options: string,
  forceRun: string | undefined,
): DeployProperties {
  const names = migrations.map(({ name }) => name);
  return {
    MigrationsHash: hash,
    Database: database,
    Secret: secret,
    ...(ca === undefined ? {} : { Ca: createHash("sha256").update(ca).digest("hex") }),
    Network: network,
    MigrationCount: String(names.length),
    Head: names.at(-1) ?? "",
    Newest: newest(names),
    Options: options,
    ...(forceRun === undefined ? {} : { ForceRun: forceRun }),
  };
}

/** As many of the last names as the bound allows. */
function newest(names: readonly string[]): readonly string[] {
  const candidates = names.slice(-NEWEST_BOUND.names);
  while (bytesOf(candidates) > NEWEST_BOUND.bytes) candidates.shift();
  return candidates;
}

function bytesOf(names: readonly string[]): number {
  return names.reduce((sum, name) => sum + Buffer.byteLength(name), 0);
}
