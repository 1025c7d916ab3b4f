import { createHash } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { Stack } from "aws-cdk-lib";
import type { Construct } from "constructs";
import { type DeployProperties, NEWEST_BOUND } from "../../lambda/contract.ts";
import { type BuiltAsset, buildAssetSync } from "../asset/index.ts";
import { given, type Manifest, MigrationError, replacedBy } from "../core/index.ts";
import type { DatabaseTarget } from "./database-target.ts";
import type { PostgresMigrationsProps } from "./postgres-migrations-props.ts";

/** Root of the repository or of the published package. */
const ROOT = join(import.meta.dirname, "..", "..");

/**
 * Compiles the folder together with the handlers. Like CDK's bundling, it does nothing for a stack that the current
 * command does not use: a migration that does not compile must not stop `cdk ls`, `cdk destroy` or the deploy of another
 * stack. The resulting template is not deployed.
 * @throws MigrationError that names the construct, if the folder is missing or empty, or has a file that cannot be a
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
      ...given({ ignorePattern }),
    });
  } catch (error) {
    throw error instanceof MigrationError ? inConstruct(scope, error) : error;
  }
}

/** The sources in a checkout; the prebuilt handlers in the published package. */
function handlersDir(): string {
  const sources = join(ROOT, "lambda");
  return existsSync(join(sources, "on-deploy.ts")) ? sources : join(ROOT, "handlers");
}

function notBundled(): BuiltAsset {
  const hash = createHash("sha256").update("not bundled").digest("hex");
  return { dir: handlersDir(), hash, manifest: { format: 1, hash, migrations: [] } };
}

/** Certificates of RDS in the commercial regions: https://truststore.pki.rds.amazonaws.com/global/global-bundle.pem */
function rdsCertificates(): string {
  return readFileSync(join(handlersDir(), "rds-global-bundle.pem"), "utf8");
}

/** Adds the path of the construct and the hint to the message, because synth prints nothing else. */
function inConstruct(scope: Construct, error: MigrationError): MigrationError {
  const { code, details } = error;
  const { hint } = details;
  const message = `${scope.node.path}: ${error.message}${hint === undefined ? "" : `\n${hint}`}`;
  return new MigrationError(code, message, { ...details, cause: error });
}

/** What a deploy depends on. A change of how the functions connect runs them, too, which tests the change. */
export interface Release {
  readonly manifest: Manifest;
  /** Host, port and name of the database. */
  readonly database: string;
  /** The ARN of the secret, or the user of IAM authentication. */
  readonly login: Pick<DeployProperties, "Secret" | "User">;
  /** Certificates given by the user, as PEM text. */
  readonly ca: string | undefined;
  /** Security group and subnets of the functions. */
  readonly network: readonly string[];
  /** See `engineOptions`. */
  readonly options: string;
  readonly forceRun: string | undefined;
}

/**
 * Properties of the custom resource. CloudFormation calls the function when one of them changes. `cdk diff` shows them:
 * the head, the count and the newest names tell what a deploy would run.
 */
export function deployProperties(release: Release): DeployProperties {
  const { manifest, database, login, ca, network, options, forceRun } = release;
  const names = manifest.migrations.map(({ name }) => name);
  return {
    MigrationsHash: manifest.hash,
    Database: database,
    ...login,
    ...(ca === undefined ? {} : { Ca: createHash("sha256").update(ca).digest("hex") }),
    Network: network,
    MigrationCount: String(names.length),
    ...replacedCount(manifest),
    Head: names.at(-1) ?? "",
    Newest: newestNames(names),
    Options: options,
    ...given({ ForceRun: forceRun }),
  };
}

/** Without it, a release after a squash would look like an older one, which has fewer migrations. */
function replacedCount({ migrations }: Manifest): Pick<DeployProperties, "ReplacedCount"> {
  const count = replacedBy(migrations).size;
  return count === 0 ? {} : { ReplacedCount: String(count) };
}

/** The last names, within the limits of the contract. */
function newestNames(names: readonly string[]): readonly string[] {
  const candidates = names.slice(-NEWEST_BOUND.names);
  while (bytesOf(candidates) > NEWEST_BOUND.bytes) candidates.shift();
  return candidates;
}

function bytesOf(names: readonly string[]): number {
  return names.reduce((sum, name) => sum + Buffer.byteLength(name), 0);
}
