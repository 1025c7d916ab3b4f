import { createHash } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { Stack } from "aws-cdk-lib";
import type { Construct } from "constructs";
import { type DeployProperties, NEWEST_BOUND } from "../../lambda/contract.ts";
import { type BuiltAsset, buildAssetSync } from "../bundle/index.ts";
import { type Manifest, MigrationError } from "../core/index.ts";
import type { DatabaseTarget } from "./database-target.ts";
import type { PostgresMigrationsProps } from "./postgres-migrations-props.ts";

/** Of this project's sources, or of the published package. */
const ROOT = join(import.meta.dirname, "..", "..");

/**
 * Compiles the folder together with the handlers. Like CDK's own bundling, it does nothing for a stack that the CDK's
 * command is not about: a migration that does not compile must not stop `cdk ls`, `cdk destroy` or the deploy of another
 * stack. The template that comes of it is not deployed.
 * @throws MigrationError naming the construct: the folder is missing or empty, or a file in it cannot be a
 * migration
 */
export function migrationsAsset(
  scope: Construct,
  props: PostgresMigrationsProps,
  { ca }: DatabaseTarget,
): BuiltAsset {
  const { migrationsDir, ignorePattern } = props;
  if (!Stack.of(scope).bundlingRequired) return notBundled();
  try {
    return buildAssetSync({
      migrationsDir,
      handlersDir: handlersDir(),
      ca: ca ?? rdsCertificates(),
      ...(ignorePattern === undefined ? {} : { ignorePattern }),
    });
  } catch (error) {
    throw error instanceof MigrationError ? named(scope, error) : error;
  }
}

/**
 * Sources lie beside us in a working copy; the package has them built, so that no consumer builds them again.
 */
function handlersDir(): string {
  const sources = join(ROOT, "lambda");
  return existsSync(join(sources, "on-deploy.ts")) ? sources : join(ROOT, "handlers");
}

function notBundled(): BuiltAsset {
  const hash = createHash("sha256").update("not bundled").digest("hex");
  return { dir: handlersDir(), hash, manifest: { format: 1, hash, migrations: [] } };
}

/** AWS's bundle for the commercial regions: https://truststore.pki.rds.amazonaws.com/global/global-bundle.pem */
function rdsCertificates(): string {
  return readFileSync(join(handlersDir(), "rds-global-bundle.pem"), "utf8");
}

/** The message is all that synth prints: it needs the hint in it. */
function named(scope: Construct, error: MigrationError): MigrationError {
  const { code, details } = error;
  const { hint } = details;
  const message = `${scope.node.path}: ${error.message}${hint === undefined ? "" : `\n${hint}`}`;
  return new MigrationError(code, message, { ...details, cause: error });
}

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
