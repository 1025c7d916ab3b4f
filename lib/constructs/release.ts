import { createHash } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { Stack } from "aws-cdk-lib";
import { Construct, type IConstruct } from "constructs";
import { type DeployProperties, NEWEST_BOUND } from "../../lambda/contract.ts";
import { type AssetRequest, type BuiltAsset, buildAssetSync } from "../asset/index.ts";
import {
  errorMessage,
  given,
  type Manifest,
  MigrationError,
  notAPlan,
  openPlan,
  property,
  replacedBy,
} from "../core/index.ts";
import type { DatabaseTarget } from "./database-target.ts";
import type { PostgresMigrationsProps } from "./postgres-migrations-props.ts";

/** Root of the repository or of the published package. */
export const ROOT = join(import.meta.dirname, "..", "..");

/** What is deployed, and the digest of the plan that a deploy is held to. */
export interface ReleaseAsset extends BuiltAsset {
  readonly approvedPlan: string | undefined;
}

type FolderProps = Pick<
  PostgresMigrationsProps,
  "migrationsDir" | "ignorePattern" | "decamelize" | "approvedPlan"
> &
  Pick<AssetRequest, "functions">;

/** The folder of migrations with its asset, as a construct, so that a validation of the app finds it. */
export class MigrationsFolder extends Construct {
  readonly props: FolderProps;
  /**
   * Migrations and handlers, compiled. Like CDK's bundling, nothing is for a stack that the current command does not use:
   * a migration that does not compile must not stop `cdk ls`, `cdk destroy` or the deploy of another stack. The resulting
   * template is not deployed.
   */
  readonly asset: ReleaseAsset;
  /** What is wrong with the folder, if a validation reports it. */
  readonly error: MigrationError | undefined;

  /**
   * @throws MigrationError that names the construct, if the folder is missing or empty, or has a file that cannot be a
   * migration, and no validation of the app would report it
   */
  constructor(scope: Construct, id: string, props: FolderProps, { ca }: DatabaseTarget) {
    super(scope, id);
    this.props = props;
    const built = this.isUsed ? build(props, ca) : notBuilt();
    if (built instanceof MigrationError) {
      if (!isValidated(this)) throw inConstruct(scope, built);
      this.error = built;
      this.asset = notBuilt();
    } else this.asset = built;
  }

  /** Whether the stack is part of what the current command does. */
  get isUsed(): boolean {
    return Stack.of(this).bundlingRequired;
  }
}

function build(props: FolderProps, ca: string | undefined): ReleaseAsset | MigrationError {
  const { migrationsDir, ignorePattern, functions } = props;
  try {
    const approved = readApprovedPlan(props.approvedPlan);
    const asset = buildAssetSync({
      migrationsDir,
      handlersDir: handlersDir(),
      ca: ca ?? rdsCertificates(),
      ...given({ ignorePattern, functions, approvedPlan: approved?.text }),
    });
    return { ...asset, approvedPlan: approved?.digest };
  } catch (error) {
    if (error instanceof MigrationError) return error;
    throw error;
  }
}

/** Metadata of a construct whose tree is validated. */
const VALIDATED = "cdk-pg-migrate:validated";

/** From now on, folders below the scope do not throw: a validation finds what is wrong with them. */
export function markValidated(scope: IConstruct): void {
  scope.node.addMetadata(VALIDATED, true);
}

function isValidated(construct: IConstruct): boolean {
  return construct.node.scopes.some(({ node }) => node.metadata.some(({ type }) => type === VALIDATED));
}

interface ApprovedPlanFile {
  readonly digest: string;
  /** Undefined if only the digest was given. */
  readonly text: string | undefined;
}

const DIGEST = /^[0-9a-f]{64}$/;

/** @throws MigrationError `USAGE` if the file cannot be read, was edited or is no plan of `up` */
function readApprovedPlan(fileOrDigest: string | undefined): ApprovedPlanFile | undefined {
  if (fileOrDigest === undefined) return undefined;
  if (DIGEST.test(fileOrDigest)) return { digest: fileOrDigest, text: undefined };
  const text = readText(fileOrDigest);
  const plan = openPlan(text, fileOrDigest);
  const [action, digest] = [property(plan, "action"), property(plan, "digest")];
  if (action !== "up") throw notAPlan(fileOrDigest, `is a plan of ${String(action)}, and a deploy runs up`);
  if (typeof digest !== "string" || !DIGEST.test(digest)) throw notAPlan(fileOrDigest, "has no digest");
  return { digest, text };
}

function readText(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (cause) {
    throw notAPlan(path, `cannot be read as approvedPlan: ${errorMessage(cause)}`, { cause });
  }
}

/** The sources in a checkout; the prebuilt handlers in the published package. */
function handlersDir(): string {
  const sources = join(ROOT, "lambda");
  return existsSync(join(sources, "on-deploy.ts")) ? sources : join(ROOT, "handlers");
}

function notBuilt(): ReleaseAsset {
  const hash = createHash("sha256").update("not bundled").digest("hex");
  return { dir: handlersDir(), hash, manifest: { format: 1, hash, migrations: [] }, approvedPlan: undefined };
}

/** Certificates of RDS in the commercial regions: https://truststore.pki.rds.amazonaws.com/global/global-bundle.pem */
function rdsCertificates(): string {
  return readFileSync(join(handlersDir(), "rds-global-bundle.pem"), "utf8");
}

/** Adds the path of the construct and the hint to the message, because synth prints nothing else. */
function inConstruct(scope: IConstruct, error: MigrationError): MigrationError {
  const { code, details } = error;
  const { hint } = details;
  const message = `${scope.node.path}: ${error.message}${hint === undefined ? "" : `\n${hint}`}`;
  return new MigrationError(code, message, { ...details, cause: error });
}

/** What a deploy depends on. A change of how the functions connect runs them, too, which tests the change. */
export interface Release {
  readonly asset: Pick<ReleaseAsset, "manifest" | "approvedPlan">;
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
  readonly revision: string | undefined;
  /** A change runs the migrations, so that the resource gets the attribute. */
  readonly makesSnapshots: boolean;
}

/**
 * Properties of the custom resource. CloudFormation calls the function when one of them changes. `cdk diff` shows them:
 * the head, the count and the newest names tell what a deploy would run.
 */
export function deployProperties(release: Release): DeployProperties {
  const { asset, database, login, ca, network, options, forceRun, revision, makesSnapshots } = release;
  const { manifest, approvedPlan } = asset;
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
    ...contractProperties(manifest, revision),
    ...given({ ApprovedPlan: approvedPlan, ForceRun: forceRun }),
    ...(makesSnapshots ? { Snapshot: "true" } : {}),
  };
}

/** Without it, a release after a squash would look like an older one, which has fewer migrations. */
function replacedCount({ migrations }: Manifest): Pick<DeployProperties, "ReplacedCount"> {
  const count = replacedBy(migrations).size;
  return count === 0 ? {} : { ReplacedCount: String(count) };
}

/** Each deploy of another version must ask whether a contract may run now. Without contracts it would ask for nothing. */
function contractProperties(
  { migrations }: Manifest,
  revision: string | undefined,
): Pick<DeployProperties, "Contracts" | "Revision"> {
  const contracts = migrations.flatMap(({ name, contractAfter }) =>
    contractAfter === undefined ? [] : [name],
  );
  return contracts.length === 0
    ? {}
    : { Contracts: newestNames(contracts), ...given({ Revision: revision }) };
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
