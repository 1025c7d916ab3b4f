/**
 * What the constructs and the Lambdas have agreed on: names of environment variables, properties of the custom
 * resource, and where things lie in the asset. Types and constants only, so that synth pays for nothing else.
 */

export type {
  MigratorOptions,
  OnDeadline,
  OrderPolicy,
  PreflightMode,
  TransactionMode,
} from "../lib/core/index.ts";
export { DEFAULTS, OPTIONS, type OptionName, propOf } from "../lib/core/index.ts";

/** Environment variables of the functions. None holds a secret. */
export const ENV = {
  host: "DATABASE_HOST",
  port: "DATABASE_PORT",
  database: "DATABASE_NAME",
  /** ARN of a secret whose JSON has `username` and `password`; all else in it is ignored. */
  secretArn: "DATABASE_SECRET_ARN",
  /** Instead of the secret: the user to connect as with a token of IAM database authentication. */
  user: "DATABASE_USER",
  /**
   * File with the only certificates to trust, absolute or relative to the asset. Absent: Node's own list, those in
   * the asset, and the Amazon certificates of the Lambda runtime.
   */
  caFile: "CA_FILE",
  /** JSON of `MigratorOptions` without what has its default; absent: all defaults. */
  options: "MIGRATE_OPTIONS",
  /** Stack event only: name of the deploy function. */
  deployFunction: "DEPLOY_FUNCTION",
  /** Stack event only: seconds that a deploy may take, all its slices and the wait for a snapshot included. */
  deployTimeout: "DEPLOY_TIMEOUT",
  /** Stack event and deploy only: `keep` or `down`. */
  onRollback: "ON_ROLLBACK",
  /** Deploy only: digest of the plan that a deploy runs; absent when it runs all that is pending. */
  approvedPlan: "APPROVED_PLAN",
  /** Rotation only: the role, `<stack>/<logical id>` of its resource, and the ARN of its secret. */
  role: "ROLE",
  roleResource: "ROLE_RESOURCE",
  roleSecretArn: "ROLE_SECRET_ARN",
  /** Operate only: "true" or "false". */
  allowDown: "ALLOW_DOWN",
  /** Version of the migrations for the history, such as a git commit; absent when unknown. */
  revision: "MIGRATIONS_REVISION",
  /**
   * Stack event only: what to make a snapshot of before migrations run, `instance:<identifier>` or `cluster:<identifier>`.
   * Absent: no snapshot is made.
   */
  snapshotOf: "SNAPSHOT_OF",
  /** How the identifiers of snapshots begin. The permissions allow no others. */
  snapshotPrefix: "SNAPSHOT_PREFIX",
  /** Seconds to wait until a snapshot is available. */
  snapshotTimeout: "SNAPSHOT_TIMEOUT",
  /** Of a fleet: its name, which requests that change something must confirm. */
  fleetName: "FLEET_NAME",
  /** Fleet only: the bucket of executions, and what its keys begin with, `<name of the fleet>/`. */
  fleetBucket: "FLEET_BUCKET",
  fleetPrefix: "FLEET_PREFIX",
  /** Prepare only: name of the function that runs the query; absent for targets from elsewhere. */
  fleetListFunction: "FLEET_LIST_FUNCTION",
  /** List only: the SQL whose rows are the targets. */
  fleetQuery: "FLEET_QUERY",
  /** Fleet event only: ARN of the state machine that changes databases; "true" when a deploy waits for its execution. */
  fleetMachine: "FLEET_MACHINE",
  fleetWait: "FLEET_WAIT",
} as const;

/** Where things lie in the asset, relative to its root. */
export const ASSET = {
  /** Entry points, as Lambda's `handler` setting names them. */
  stackEventHandler: "on-stack-event.handler",
  isCompleteHandler: "on-stack-event.isComplete",
  deployHandler: "on-deploy.handler",
  statusHandler: "on-status.handler",
  operateHandler: "on-operate.handler",
  rotateHandler: "on-rotate.handler",
  /** Those of a fleet: in the VPC, outside of it, and between CloudFormation and the state machine. */
  fleetListHandler: "on-fleet-target.list",
  fleetStatusHandler: "on-fleet-target.status",
  fleetOperateHandler: "on-fleet-target.operate",
  fleetPrepareHandler: "on-fleet.prepare",
  fleetCheckHandler: "on-fleet.check",
  fleetSummarizeHandler: "on-fleet.summarize",
  fleetEventHandler: "on-fleet-event.handler",
  fleetIsCompleteHandler: "on-fleet-event.isComplete",
  manifest: "migrations/manifest.json",
  /** The approved plan of that digest, unless only its digest was given. */
  approvedPlan: "migrations/approved-plan.json",
  /** Compiled modules: exports `migrations`, a Map from name to a function that evaluates the module. */
  modules: "migrations/modules.mjs",
  /** SQL files under the names they have in the migrations folder. */
  sql: "migrations/sql",
  /** The certificates that the construct was given, else those of RDS. */
  ca: "ca.pem",
} as const;

/** Type of the custom resource of an application role. The functions of the migrations answer for it, too. */
export const ROLE_RESOURCE = "Custom::PostgresRole";

/** Type of the custom resource of a fleet. */
export const FLEET_RESOURCE = "Custom::PostgresMigrationsFleet";

/** What an application may do with what the migrations make; each includes the one before it. */
export const ROLE_ACCESS = ["read", "write", "owner"] as const;
export type RoleAccess = (typeof ROLE_ACCESS)[number];

/** Properties of that resource. */
export interface RoleProperties {
  readonly Role: string;
  readonly Access: RoleAccess;
  readonly Schemas: readonly string[];
  /** Host, port and name: another database needs the role, too. */
  readonly Database: string;
  /** ARN of the secret with the password; absent for a role that logs in with a token. */
  readonly Secret?: string;
  /** Hash of the migrations: after each release, the rights are set again. */
  readonly MigrationsHash: string;
}

/** What a stack rollback does to the database: nothing, or undo what the deploy had applied. */
export type OnRollback = "keep" | "down";

/** Values the constructs and the functions share; times in seconds. */
export const LIMITS = {
  /** Of the functions: Lambda gives 15 minutes, and CDK's functions, which wait for these, need the last one to answer. */
  functionTimeout: 14 * 60,
  /** The functions that CDK's call have so much more time than the deploy function: to ask CloudFormation, and to answer. */
  relay: 45,
  /** A deploy, in as many slices as it needs. The rest of `serviceTimeout` is for the time between them, and to answer. */
  deployTimeout: 55 * 60,
  /** CloudFormation stops waiting for the answer of a deploy: the longest that it knows. */
  serviceTimeout: 60 * 60,
  /** The same for a role, whose work fits into one invocation. */
  roleServiceTimeout: 16 * 60,
  /** How often CDK's framework asks whether a deploy is complete that has begun. */
  completionInterval: 10,
  /** How long a deploy waits for its snapshot. */
  snapshotTimeout: 40 * 60,
  /** How long a deploy, and an operator's command, wait for a database that cannot be reached. */
  deployDatabaseWait: 120,
  commandDatabaseWait: 30,
  /** How long a deploy waits for the execution of its fleet: CloudFormation waits an hour. */
  fleetWait: 55 * 60,
  /** Postgres is told to stop so long before Lambda would. */
  reserve: 30,
} as const;

/** CloudWatch: every function writes these in the embedded metric format, with the dimension `Function`. */
export const METRICS = {
  namespace: "CdkPgMigrate",
  /** 1 when a deploy or an operator's command failed, or a rollback could not undo; else 0. */
  failed: "MigrationFailed",
  /** How many migrations the invocation applied or undid. */
  completed: "MigrationsCompleted",
  /** Milliseconds of the invocation. */
  duration: "RunDuration",
  /** Milliseconds since the deploy has begun, all its slices and the wait for a snapshot included; absent for commands. */
  deployDuration: "DeployDuration",
  /** How many migrations are pending after the invocation, without contracts that wait; absent if that is not known. */
  pending: "MigrationsPending",
  /** How often a migration was retried after a lock timeout or a deadlock. */
  lockRetries: "LockRetries",
  /** 1 when the invocation has left a concurrent statement to the server; else 0. */
  background: "LeftInBackground",
} as const;

/** CloudWatch: what an execution of a fleet that changes databases writes at its end, with the dimension `Fleet`. */
export const FLEET_METRICS = {
  /** How many targets the command reached, failed in, or never began. */
  done: "TargetsDone",
  failed: "TargetsFailed",
  untouched: "TargetsUntouched",
} as const;

/**
 * Properties of the custom resource. CloudFormation calls the function only when one of them differs, and
 * `cdk diff` shows them: they say what a deploy would run. All are strings by the time they arrive.
 */
export interface DeployProperties {
  /** Hash of the manifest: differs when the text of any migration, or of a file one imports, does. */
  readonly MigrationsHash: string;
  /** Host, port and name: another database needs its migrations, though they are the same. */
  readonly Database: string;
  /** ARN of the secret, hash of the given certificates, security group and subnets: what a connection depends on. */
  readonly Secret?: string;
  /** Instead of the secret: the user of IAM database authentication. */
  readonly User?: string;
  readonly Ca?: string;
  readonly Network: readonly string[];
  readonly MigrationCount: string;
  /** How many migrations the baselines of `squash` replace; absent when there are none. */
  readonly ReplacedCount?: string;
  /** Newest migration of the release. */
  readonly Head: string;
  /** Names of the newest migrations, newest last; bounded, because templates and events are. */
  readonly Newest: readonly string[];
  /** Options that differ from their defaults, as JSON with sorted keys; "{}" when none does. */
  readonly Options: string;
  /** Digest of the plan that was approved; absent when a deploy runs all that is pending. */
  readonly ApprovedPlan?: string;
  /** Names of the newest contracts; absent when there are none. A later deploy must know whether this release had one. */
  readonly Contracts?: readonly string[];
  /**
   * Version of the migrations, such as a git commit. Only there beside `Contracts`: a contract waits for the deploy of
   * another version, whose migrations may be the same.
   */
  readonly Revision?: string;
  /** Any text; a change runs the migrations again though nothing else differs. */
  readonly ForceRun?: string;
  /** "true" when a snapshot is made before migrations run. Only then is there an attribute with the same name. */
  readonly Snapshot?: string;
}

/** Of the names in `DeployProperties.Newest`: at most so many, and so many bytes together. */
export const NEWEST_BOUND = { names: 20, bytes: 2_000 } as const;

/** Attributes of the custom resource (`Fn::GetAtt`), as strings; "unknown" when nobody asked the database. */
export interface DeployData {
  readonly Head: string;
  readonly AppliedCount: string;
  readonly PendingCount: string;
  readonly AheadCount: string;
  /** How many contracts wait for a later deploy. They are not in `PendingCount`. */
  readonly WaitingCount: string;
  /** Name of the migration whose last statement the server goes on with; "none" when there is none. */
  readonly Background: string;
  /** Identifier of the snapshot that was made before the migrations ran, "none" when none was; absent when none is ever made. */
  readonly Snapshot?: string;
}

const UNKNOWN = "unknown";

/** The attributes when nobody asked the database. */
export const NOT_ASKED: DeployData = {
  Head: UNKNOWN,
  AppliedCount: UNKNOWN,
  PendingCount: UNKNOWN,
  AheadCount: UNKNOWN,
  WaitingCount: UNKNOWN,
  Background: UNKNOWN,
};

/** Attributes of the custom resource of a fleet; "unknown" when nobody waited for the execution. */
export interface FleetData {
  /** ARN of the execution; "none" when none was started. */
  readonly Execution: string;
  /** How many targets the execution reached, failed in, or never began. */
  readonly Done: string;
  readonly Failed: string;
  readonly Untouched: string;
  /** Newest applied migration; "several" when it is not the same in all targets, "none" when nothing is applied. */
  readonly Head: string;
}

/** What the stack-event function adds to the event of CloudFormation. */
export interface DeployTimes {
  /** When the deploy began, and when its time is up; milliseconds since the epoch. */
  readonly Since: number;
  readonly Until: number;
  /** Whether there may have been slices before this one. */
  readonly IsLater: boolean;
}

/** What a custom resource's function answers when it succeeds. */
export interface DeployResult {
  readonly PhysicalResourceId: string;
  /** Those of a role are none. */
  readonly Data: DeployData | Readonly<Record<string, never>>;
  /** Nothing has run: migrations are pending, and the event wants a snapshot before they run. */
  readonly AwaitsSnapshot?: true;
  /** The slice has made progress, and another one is to go on. */
  readonly Unfinished?: true;
}
