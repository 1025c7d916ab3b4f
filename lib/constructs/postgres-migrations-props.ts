import type { Duration, RemovalPolicy } from "aws-cdk-lib";
import type * as ec2 from "aws-cdk-lib/aws-ec2";
import type * as logs from "aws-cdk-lib/aws-logs";
import type * as rds from "aws-cdk-lib/aws-rds";
import type * as secretsmanager from "aws-cdk-lib/aws-secretsmanager";
import type * as sns from "aws-cdk-lib/aws-sns";
import type { Construct } from "constructs";
import type {
  OnDeadline,
  OnRollback,
  OrderPolicy,
  PreflightMode,
  TransactionMode,
} from "../../lambda/contract.ts";
import type { PostgresDatabase } from "./postgres-database.ts";
import type { DatabaseAuthentication } from "./postgres-database-props.ts";

export type { OnDeadline, OnRollback, OrderPolicy, PreflightMode, TransactionMode };

/** A Postgres server that is not an RDS construct, or one in another account. */
export interface PostgresEndpoint {
  /** Host name of the server, as its certificate has it; not that of an RDS Proxy. */
  readonly host: string;
  /**
   * Port of the server.
   * @default - 5432
   */
  readonly port?: number;
  /**
   * Certificates to trust instead of the default ones: the text of a PEM file.
   * @default - public authorities, those of RDS in the commercial regions, and those of the Lambda runtime
   */
  readonly ca?: string;
  /**
   * Security group of the server. Rules allow connections from the functions to it, and from the functions to nothing
   * else.
   * @default - the functions may connect to that port on any IPv4 address (only to the host if it is an IP address);
   * allowing them in at the server is up to you
   */
  readonly securityGroup?: ec2.ISecurityGroup;
  /**
   * Resource id of the RDS instance ("db-...") or Aurora cluster ("cluster-...") behind the host. The functions may
   * connect to it with a token, and to no other one. It must be in the region of the stack.
   * @default - unknown; required for `authentication: "iam"`
   */
  readonly resourceId?: string;
  /**
   * Identifier of the RDS instance behind the host, as in `aws rds describe-db-instances`. It must be in the account and
   * region of the stack.
   * @default - unknown; this or `clusterIdentifier` is required for `snapshotBeforeMigrate`
   */
  readonly instanceIdentifier?: string;
  /**
   * Identifier of the Aurora or Multi-AZ cluster behind the host. It must be in the account and region of the stack.
   * @default - unknown; this or `instanceIdentifier` is required for `snapshotBeforeMigrate`
   */
  readonly clusterIdentifier?: string;
}

/**
 * Database to migrate: this package's construct, a CDK construct, or the endpoint of any server. Of a cluster, the
 * writer is used.
 */
export type MigrationsDatabase =
  | PostgresDatabase
  | rds.IDatabaseInstance
  | rds.IDatabaseCluster
  | PostgresEndpoint;

/** How the migrations run. The defaults are those of the command line, unless they name deploys and operators. */
export interface EngineProps {
  /**
   * Schemas of the search path; the first one holds the table of applied migrations.
   * @default - "public"
   */
  readonly schema?: string | string[];
  /**
   * Create these schemas if they do not exist.
   * @default - a schema that does not exist fails the run
   */
  readonly createSchema?: boolean;
  /**
   * Schema of the table of applied migrations.
   * @default - the first of `schema`
   */
  readonly migrationsSchema?: string;
  /**
   * Table of applied migrations. Another table is another history: all migrations would run again.
   * @default - "pgmigrations"
   */
  readonly migrationsTable?: string;
  /**
   * Translate camelCase names of the migration builder to snake_case.
   * @default - names are used as written
   */
  readonly decamelize?: boolean;
  /**
   * What to do with a pending migration that comes before an applied one: "strict" refuses to run, "warn" runs it with a
   * warning, "allow" runs it.
   * @default - "strict"
   */
  readonly order?: OrderPolicy;
  /**
   * "each" runs every migration in its own transaction: those before a failed one stay applied. "all" runs them in one
   * transaction: a failure rolls all of them back.
   * @default - "each"
   */
  readonly transaction?: TransactionMode;
  /**
   * How long to wait for the migration lock while another run holds it. It must leave time to work within one invocation:
   * see `timeout`.
   * @default - a deploy waits as long as it has time; an operator's command waits one minute
   */
  readonly lockWait?: Duration;
  /**
   * How long a statement waits for a lock on a table. After that, its transaction is rolled back and retried.
   * @default - ten seconds
   */
  readonly lockTimeout?: Duration;
  /**
   * How often a migration is retried after a lock timeout or a deadlock.
   * @default - five times
   */
  readonly lockRetries?: number;
  /**
   * Pause before the first retry. It doubles with each retry, up to half a minute.
   * @default - one second
   */
  readonly lockRetryDelay?: Duration;
  /**
   * How long one statement may run.
   * @default - as long as the function has time
   */
  readonly statementTimeout?: Duration;
  /**
   * What becomes of a concurrent statement, such as `CREATE INDEX CONCURRENTLY`, when the time of the function is up:
   * the server finishes it in the `background` and the next deploy goes on from there, or it is cancelled and the deploy
   * fails. In the background, a deploy succeeds if nothing comes after the statement, and fails otherwise.
   * @default - "background"
   */
  readonly onDeadline?: OnDeadline;
  /**
   * How long a migration may block reads or writes of a table that is in use. A deploy then first runs what is pending in a
   * transaction that it rolls back, and fails with `LOCK_BUDGET` before anything is applied when a lock that blocks others
   * is held for longer, or when that cannot be measured. A stack rollback measures nothing. Measuring works twice on large
   * tables, and ends itself when other sessions wait for longer than this.
   * @default - nothing is measured
   */
  readonly maxLock?: Duration;
  /**
   * How long one attempt to connect may take.
   * @default - ten seconds
   */
  readonly connectTimeout?: Duration;
  /**
   * How long to wait for a server that reports that it is starting up.
   * @default - half a minute
   */
  readonly startingWait?: Duration;
  /**
   * How long to wait for a database that refuses connections or does not answer, for example during a failover, a
   * restart, or while a cluster resumes.
   * @default - a deploy waits two minutes; an operator's command waits half a minute
   */
  readonly databaseWait?: Duration;
  /**
   * What to do when other sessions or the state of the server stand in the way of a run: "warn" reports it and runs,
   * "strict" refuses the run before anything is changed, "off" does not look. A stack rollback is never refused.
   * @default - "warn"
   */
  readonly preflight?: PreflightMode;
  /**
   * How long another transaction may have been open before `preflight` reports it.
   * @default - one minute
   */
  readonly oldTransaction?: Duration;
  /**
   * How far a replica may be behind before `preflight` reports it.
   * @default - half a minute
   */
  readonly replicaLag?: Duration;
}

/** What to migrate, where the functions run, and who may do what, for one database or for a fleet of them. */
export interface MigrationsProps extends EngineProps {
  /**
   * Database to migrate: a `PostgresDatabase`, an RDS instance or cluster, or the endpoint of any Postgres server. It
   * cannot be a read replica or an RDS Proxy.
   */
  readonly database: MigrationsDatabase;
  /** Folder of the migrations, absolute or relative to the working directory of synth. */
  readonly migrationsDir: string;
  /**
   * Regular expression over whole file names; files that match are not migrations.
   * @default - no pattern; subfolders, dotfiles, backup files of editors and notes (.md, .txt, .json) are never
   * migrations
   */
  readonly ignorePattern?: string;
  /**
   * VPC of the functions. The database must be reachable from it.
   * @default - the VPC of a `PostgresDatabase`; required for any other database
   */
  readonly vpc?: ec2.IVpc;
  /**
   * Subnets of the functions. Secrets Manager must be reachable from them. They cannot be public, because a function
   * gets no public address.
   * @default - the private subnets of the VPC; the isolated ones if it has no private ones
   */
  readonly vpcSubnets?: ec2.SubnetSelection;
  /**
   * Interface endpoint through which the functions reach Secrets Manager. A rule allows them in.
   * @default - that of a `PostgresDatabase`, or one in the app for the same VPC; without one, private subnets use their
   * route out of the VPC
   */
  readonly secretsManagerEndpoint?: ec2.IInterfaceVpcEndpoint;
  /**
   * Where the functions reach Secrets Manager (port 443) if CDK cannot know it: `ec2.Peer.ipv4("10.1.0.0/16")` for a
   * central endpoint, `ec2.Peer.anyIpv4()` for a transit gateway. Only the rule for outgoing connections is made.
   * @default - see `secretsManagerEndpoint`
   */
  readonly secretsManagerPeer?: ec2.IPeer;
  /**
   * How the functions log in: with a secret, or with IAM database authentication. "iam" needs a `username`, and neither
   * a secret nor a way to Secrets Manager. It turns IAM authentication on for a database that is made in the app; turn it
   * on yourself for any other.
   * @default - that of a `PostgresDatabase`, else "secret"
   */
  readonly authentication?: DatabaseAuthentication;
  /**
   * User of the functions with IAM authentication. It must exist and be granted `rds_iam`, and should not be the master
   * user, whose password then no longer works.
   * @default - required for `authentication: "iam"`; a secret has its own user
   */
  readonly username?: string;
  /**
   * User of the status function with IAM authentication. It needs only to read the table of applied migrations and the
   * history.
   * @default - `username`
   */
  readonly statusUsername?: string;
  /**
   * Secret with `username` and `password` as JSON. The functions get only its ARN and read it in every invocation.
   * @default - the secret of the database; required for a database without one
   */
  readonly secret?: secretsmanager.ISecret;
  /**
   * Secret of the status function, in the same form. Its user needs only to read the table of applied migrations and
   * the history.
   * @default - `secret`; the status function opens read-only sessions in any case
   */
  readonly statusSecret?: secretsmanager.ISecret;
  /**
   * Name of the database.
   * @default - the name that the database construct was given; required for a database without one
   */
  readonly databaseName?: string;
  /**
   * Memory of each function in MiB. Raise it for SQL files of tens of megabytes.
   * @default - 512
   */
  readonly memorySize?: number;
  /**
   * Allow operators to undo migrations (`down` and `redo`), which may lose data.
   * @default - both are refused
   */
  readonly allowDown?: boolean;
  /**
   * Any text. A change makes the next deploy run the migrations although no file has changed, for example after an
   * operator's `down`.
   * @default - a deploy runs them if the migrations, the database or these options have changed
   */
  readonly forceRun?: string;
  /**
   * Version of the migrations for the history, such as a git commit. While the folder has contracts, each deploy of another
   * version runs the migrations, so that a contract whose time has come is not left waiting.
   * @default - no version is recorded; a contract runs in the next deploy that changes the migrations or `forceRun`
   */
  readonly revision?: string;
  /**
   * Constructs to create or change only after the migrations have run. See also the method `executeBefore`.
   * @default - none
   */
  readonly executeBefore?: Construct[];
  /**
   * Topic that the alarms notify.
   * @default - the alarms are made and notify nobody
   */
  readonly alarmTopic?: sns.ITopic;
  /**
   * How long the logs are kept.
   * @default - one year
   */
  readonly logRetention?: logs.RetentionDays;
  /**
   * What happens to the logs when they leave the stack.
   * @default - they are retained, so that those of a failed first deploy survive its rollback
   */
  readonly logRemovalPolicy?: RemovalPolicy;
}

/**
 * How a deploy goes. `MigrationsProps` says what to migrate, where the functions run, and who may do what, and `EngineProps`
 * how the migrations run.
 */
export interface PostgresMigrationsProps extends MigrationsProps {
  /**
   * How long a deploy may take, the wait for a snapshot included; at most 55 minutes, because CloudFormation waits for one
   * hour. A deploy works in invocations of up to 14 minutes, so that no single statement can take longer than that; an
   * operator's command has one of them. The next deploy continues one that was stopped.
   * @default - 55 minutes
   */
  readonly timeout?: Duration;
  /**
   * What a stack rollback, or a deploy of an older commit, does to the database. "keep" does nothing. "down" undoes what
   * the newer deploy applied, also if its time ran out. Neither fails the rollback: what cannot be undone stays applied
   * and raises the alarm.
   * @default - "keep"
   */
  readonly onRollback?: OnRollback;
  /**
   * Make a snapshot of the RDS instance or the cluster, and wait until it is available, before a deploy runs pending
   * migrations. A deploy that has nothing to run makes none, nor does one to an empty database or a rollback. If no snapshot can be made, the
   * deploy fails and nothing runs. Snapshots outlive the stack: nobody but you deletes them.
   * @default - no snapshot is made
   */
  readonly snapshotBeforeMigrate?: boolean;
  /**
   * How long a deploy waits for its snapshot; it must be shorter than `timeout`, of which it is a part.
   * @default - 40 minutes, or three quarters of `timeout` if that is less
   */
  readonly snapshotTimeout?: Duration;
  /**
   * Plan that a person has approved: the file that `plan --out` has written, absolute or relative to the working
   * directory of synth, or its digest. A deploy then runs exactly that plan, or what an interrupted deploy has left of it.
   * If what would run differs, the deploy fails with the difference before anything runs. A rollback never fails for it.
   * @default - a deploy runs all pending migrations
   */
  readonly approvedPlan?: string;
}
