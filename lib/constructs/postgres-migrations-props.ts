import type { Duration, RemovalPolicy } from "aws-cdk-lib";
import type * as ec2 from "aws-cdk-lib/aws-ec2";
import type * as logs from "aws-cdk-lib/aws-logs";
import type * as rds from "aws-cdk-lib/aws-rds";
import type * as secretsmanager from "aws-cdk-lib/aws-secretsmanager";
import type * as sns from "aws-cdk-lib/aws-sns";
import type { Construct } from "constructs";
import type { OnRollback, OrderPolicy, TransactionMode } from "../../lambda/contract.ts";
import type { PostgresDatabase } from "./postgres-database.ts";

export type { OnRollback, OrderPolicy, TransactionMode };

/** A Postgres server that is no RDS construct, or one in another account. */
export interface PostgresEndpoint {
  /** Name of the server, as its certificate has it; not that of an RDS Proxy. */
  readonly host: string;
  /** @default - 5432 */
  readonly port?: number;
  /**
   * Text (PEM) of the certificates to trust, instead of those of public authorities and of RDS.
   * @default - public authorities, those of RDS in the commercial regions, and those that the Lambda runtime brings
   */
  readonly ca?: string;
  /**
   * Of the server: the functions are let in by a rule, and out to nothing else.
   * @default - the functions may open connections to that port at any IPv4 address; letting them in is left
   * to you
   */
  readonly securityGroup?: ec2.ISecurityGroup;
}

/** Whose migrations run: our construct, one of CDK's, or any server. Of a cluster, the writer. */
export type MigrationsDatabase =
  | PostgresDatabase
  | rds.IDatabaseInstance
  | rds.IDatabaseCluster
  | PostgresEndpoint;

/** How the migrations are run. Everything has the default it has on a laptop. */
export interface EngineProps {
  /**
   * Schemas on the search path; the first one holds the table of applied migrations.
   * @default - "public"
   */
  readonly schema?: string | readonly string[];
  /**
   * Create these schemas when they do not exist.
   * @default - they must exist
   */
  readonly createSchema?: boolean;
  /**
   * Schema of the table of applied migrations.
   * @default - the first of `schema`
   */
  readonly migrationsSchema?: string;
  /**
   * Table of applied migrations. Another name is another history: everything would run again.
   * @default - "pgmigrations"
   */
  readonly migrationsTable?: string;
  /**
   * Write the camelCase names of the builder as snake_case.
   * @default - names stay as they are written
   */
  readonly decamelize?: boolean;
  /**
   * What a new migration older than an applied one means: "strict" refuses it, "warn" and "allow" run it.
   * @default - "strict"
   */
  readonly order?: OrderPolicy;
  /**
   * "each": a transaction for each migration; a failure leaves those before it applied (on an empty database some
   * share one: docs/guarantees.md). "all": one for all of them.
   * @default - "each"
   */
  readonly transaction?: TransactionMode;
  /**
   * How long to wait for another run to finish. It must leave time to work within `timeout`.
   * @default - a deploy waits as long as it has time; an operator's command waits a minute
   */
  readonly lockWait?: Duration;
  /**
   * How long a statement waits for a lock on a table before it gives up and is tried again.
   * @default - ten seconds
   */
  readonly lockTimeout?: Duration;
  /**
   * How often a migration that met a lock timeout or a deadlock is tried again.
   * @default - five times
   */
  readonly lockRetries?: number;
  /**
   * How long to wait before the first of those tries; each next one waits twice as long, up to half a minute.
   * @default - a second
   */
  readonly lockRetryDelay?: Duration;
  /**
   * How long one statement may run.
   * @default - as long as the function has time
   */
  readonly statementTimeout?: Duration;
  /**
   * How long one attempt to connect may take.
   * @default - ten seconds
   */
  readonly connectTimeout?: Duration;
  /**
   * How long to wait for a server that says it is starting up.
   * @default - half a minute
   */
  readonly startingWait?: Duration;
  /**
   * How long to wait for a database that refuses connections or does not answer: a failover, a restart, a cluster that
   * resumes.
   * @default - a deploy waits two minutes, an operator's command half a minute
   */
  readonly databaseWait?: Duration;
}

export interface PostgresMigrationsProps extends EngineProps {
  readonly database: MigrationsDatabase;
  /** Folder of migrations, absolute or relative to the working directory of synth. */
  readonly migrationsDir: string;
  /**
   * Regular expression over file names; those that match are no migrations.
   * @default - names that begin with a dot
   */
  readonly ignorePattern?: string;
  /**
   * Where the functions run: it must reach the database.
   * @default - the VPC of a `PostgresDatabase`; required for any other database
   */
  readonly vpc?: ec2.IVpc;
  /**
   * Subnets of the functions. They must reach Secrets Manager, and cannot be public: a function gets no
   * public address.
   * @default - the private subnets of the VPC; where it has none, the isolated ones
   */
  readonly vpcSubnets?: ec2.SubnetSelection;
  /**
   * The interface endpoint by which the functions reach Secrets Manager. A rule lets them in.
   * @default - that of a `PostgresDatabase`, else one found in the app for the same VPC; without any, subnets
   * with a way out use that
   */
  readonly secretsManagerEndpoint?: ec2.IInterfaceVpcEndpoint;
  /**
   * Where the functions reach Secrets Manager (port 443) when CDK cannot know: `ec2.Peer.ipv4("10.1.0.0/16")`
   * for a central endpoint, `ec2.Peer.anyIpv4()` for a transit gateway. Only the way out is opened.
   * @default - see `secretsManagerEndpoint`
   */
  readonly secretsManagerPeer?: ec2.IPeer;
  /**
   * JSON with `username` and `password`. Only its ARN is given to the functions; they read it each time they
   * run.
   * @default - the database's own secret; required for a database that has none
   */
  readonly secret?: secretsmanager.ISecret;
  /**
   * Secret of the status function, in the same form: of a user who may read the table of applied migrations and the
   * history, and nothing else.
   * @default - `secret`; the status function only opens sessions that are read-only
   */
  readonly statusSecret?: secretsmanager.ISecret;
  /**
   * Name of the database.
   * @default - the one the database construct was made with; required for a database that does not say
   */
  readonly databaseName?: string;
  /**
   * How long a run may take; at most 14 minutes. A run that is stopped goes on at the next deploy.
   * @default - 14 minutes
   */
  readonly timeout?: Duration;
  /**
   * MiB for each function.
   * @default - 512
   */
  readonly memorySize?: number;
  /**
   * What a rollback of the stack, or a deploy of an older commit, does to the database. "keep": nothing. "down":
   * undo what the newer deploy had applied, also where it was stopped half-way by its time. Neither fails the
   * rollback: what cannot be undone stays, and raises the alarm.
   * @default - "keep"
   */
  readonly onRollback?: OnRollback;
  /**
   * Let the operate function undo migrations (`down` and `redo`), which may lose data.
   * @default - they are refused
   */
  readonly allowDown?: boolean;
  /**
   * Any text: a change runs the migrations again though no file has changed, say after an operator's `down`.
   * @default - a deploy runs them when the migrations or these options have changed
   */
  readonly forceRun?: string;
  /**
   * Version of the migrations for the history, such as a git commit.
   * @default - unknown
   */
  readonly revision?: string;
  /**
   * What must not be made or changed before the migrations have run. See also the method of that name.
   * @default - nothing waits
   */
  readonly executeBefore?: readonly Construct[];
  /**
   * Who hears of the alarms.
   * @default - the alarms are made, and tell nobody
   */
  readonly alarmTopic?: sns.ITopic;
  /**
   * How long logs are kept.
   * @default - a year
   */
  readonly logRetention?: logs.RetentionDays;
  /**
   * What becomes of the logs when they leave the stack.
   * @default - they stay: those of a first deploy that failed say why, after its rollback too
   */
  readonly logRemovalPolicy?: RemovalPolicy;
}
