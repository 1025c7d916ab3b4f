import { Duration, RemovalPolicy } from "aws-cdk-lib";
import * as ec2 from "aws-cdk-lib/aws-ec2";
import type * as kms from "aws-cdk-lib/aws-kms";
import * as rds from "aws-cdk-lib/aws-rds";

/** What a database is for: `dev` is cheap and easy to throw away, `prod` survives a failure and a mistake. */
export type DatabaseProfile = "dev" | "prod";

export interface PostgresDatabaseProps {
  /**
   * What the other settings are unless they are given.
   * @default - "dev": cheap, unprotected, one availability zone
   */
  readonly profile?: DatabaseProfile;
  /**
   * Where the database lives.
   * @default - a VPC is made: two availability zones, isolated subnets only, no NAT gateway, an interface
   * endpoint of Secrets Manager with a security group of its own
   */
  readonly vpc?: ec2.IVpc;
  /**
   * Subnets of the database, in two availability zones at least.
   * @default - the isolated subnets of the VPC; where it has none, the private ones
   */
  readonly vpcSubnets?: ec2.SubnetSelection;
  /**
   * Name of the database that RDS creates in the instance. A change replaces the instance.
   * @default - none is created; "postgres", which every instance has, is used
   */
  readonly databaseName?: string;
  /**
   * Version of Postgres; best without a minor version, because RDS withdraws those.
   * @default - 17, with the minor versions RDS upgrades to
   */
  readonly version?: rds.PostgresEngineVersion;
  /**
   * Name of the master user. A change replaces the instance.
   * @default - "postgres"
   */
  readonly username?: string;
  /** @default - dev: db.t4g.micro; prod: db.t4g.medium */
  readonly instanceType?: ec2.InstanceType;
  /**
   * GiB of gp3 storage at first.
   * @default - dev: 20; prod: 50
   */
  readonly allocatedStorage?: number;
  /**
   * GiB the storage may grow to by itself.
   * @default - dev: 100; prod: 500
   */
  readonly maxAllocatedStorage?: number;
  /**
   * Keep a standby in a second availability zone.
   * @default - dev: no; prod: yes
   */
  readonly multiAz?: boolean;
  /**
   * How far back the instance can be restored to a point in time.
   * @default - dev: 3 days; prod: 14 days
   */
  readonly backupRetention?: Duration;
  /**
   * Whether the automated backups go together with the instance.
   * @default - dev: they go; prod: they stay until they expire
   */
  readonly deleteAutomatedBackups?: boolean;
  /**
   * Make RDS refuse to delete the instance, whoever asks. CloudFormation is refused too, when it rolls back
   * the first deploy: see the class.
   * @default - dev: off; prod: on
   */
  readonly deletionProtection?: boolean;
  /**
   * What becomes of the instance when it leaves the stack. With `RETAIN` or `RETAIN_ON_UPDATE_OR_DELETE` the
   * things the instance cannot do without stay too: its subnets and security group, parameters, secret.
   * Prefer the latter of the two: a first deploy that fails leaves nothing behind then.
   * @default - SNAPSHOT: it is deleted after a last snapshot
   */
  readonly removalPolicy?: RemovalPolicy;
  /**
   * Parameters of Postgres, added to the construct's own or in place of them.
   * @default - TLS is forced, waits for locks and statements of a second or more are logged, transactions
   * that idle for ten minutes are ended
   */
  readonly parameters?: Readonly<Record<string, string>>;
  /**
   * Key for storage, secret and Performance Insights. A change replaces the instance.
   * @default - the account's own keys of RDS and Secrets Manager
   */
  readonly encryptionKey?: kms.IKey;
  /**
   * How often enhanced monitoring looks at the host; zero: never.
   * @default - dev: never; prod: every minute
   */
  readonly monitoringInterval?: Duration;
  /**
   * Performance Insights, kept for a week.
   * @default - dev: off; prod: on
   */
  readonly enablePerformanceInsights?: boolean;
  /**
   * Logs that RDS sends to CloudWatch, where they stay until somebody sets a retention.
   * @default - dev: none; prod: "postgresql" and "upgrade"
   */
  readonly cloudwatchLogsExports?: readonly string[];
  /**
   * Subnets for the Secrets Manager endpoint of a made VPC, one in each availability zone.
   * @default - dev: one isolated subnet; prod: both
   */
  readonly endpointSubnets?: ec2.SubnetSelection;
  /**
   * Anything else that RDS offers. It has the last word over the rest of these props.
   * @default - nothing
   */
  readonly instanceProps?: Partial<
    Omit<rds.DatabaseInstanceProps, "vpc" | "vpcSubnets" | "engine" | "databaseName" | "securityGroups">
  >;
}

/** What a profile decides. */
export interface DatabaseDefaults {
  readonly instanceType: ec2.InstanceType;
  /** GiB. */
  readonly allocatedStorage: number;
  /** GiB that RDS may grow the storage to. */
  readonly maxAllocatedStorage: number;
  readonly multiAz: boolean;
  readonly backupRetention: Duration;
  /** Whether the automated backups go when the instance does. */
  readonly deleteAutomatedBackups: boolean;
  readonly deletionProtection: boolean;
  readonly removalPolicy: RemovalPolicy;
  /** Zero: no enhanced monitoring. */
  readonly monitoringInterval: Duration;
  readonly enablePerformanceInsights: boolean;
  readonly cloudwatchLogsExports: readonly string[];
  /**
   * In how many availability zones a made VPC has its Secrets Manager endpoint: each costs about as much as a
   * micro instance.
   */
  readonly endpointZones: number;
}

/** The one place that says what the profiles set. Docstrings of the props repeat it for the reader. */
export const DATABASE_PROFILES: Readonly<Record<DatabaseProfile, DatabaseDefaults>> = {
  dev: {
    instanceType: ec2.InstanceType.of(ec2.InstanceClass.T4G, ec2.InstanceSize.MICRO),
    allocatedStorage: 20,
    maxAllocatedStorage: 100,
    multiAz: false,
    backupRetention: Duration.days(3),
    deleteAutomatedBackups: true,
    deletionProtection: false,
    removalPolicy: RemovalPolicy.SNAPSHOT,
    monitoringInterval: Duration.seconds(0),
    enablePerformanceInsights: false,
    cloudwatchLogsExports: [],
    endpointZones: 1,
  },
  prod: {
    instanceType: ec2.InstanceType.of(ec2.InstanceClass.T4G, ec2.InstanceSize.MEDIUM),
    allocatedStorage: 50,
    maxAllocatedStorage: 500,
    multiAz: true,
    backupRetention: Duration.days(14),
    deleteAutomatedBackups: false,
    deletionProtection: true,
    removalPolicy: RemovalPolicy.SNAPSHOT,
    monitoringInterval: Duration.seconds(60),
    enablePerformanceInsights: true,
    cloudwatchLogsExports: ["postgresql", "upgrade"],
    endpointZones: 2,
  },
};

/**
 * Only the major version: RDS withdraws minor ones, and a template that names one cannot be deployed afresh
 * then.
 */
export const DATABASE_VERSION = rds.PostgresEngineVersion.VER_17;

/** Parameters of every profile; times in milliseconds. */
export const DATABASE_PARAMETERS = {
  "rds.force_ssl": "1",
  log_lock_waits: "1",
  log_min_duration_statement: "1000",
  idle_in_transaction_session_timeout: "600000",
} as const;
