import { Duration, RemovalPolicy } from "aws-cdk-lib";
import * as ec2 from "aws-cdk-lib/aws-ec2";
import type * as kms from "aws-cdk-lib/aws-kms";
import * as rds from "aws-cdk-lib/aws-rds";

/**
 * Use of a database, which decides the defaults of the other props. `dev` is cheap and easy to delete; `prod` survives
 * the loss of an availability zone and an accidental deletion.
 */
export type DatabaseProfile = "dev" | "prod";

/**
 * How functions log in to a database: "secret" with a user and password from Secrets Manager, "iam" with a token that
 * the role of the function signs.
 */
export type DatabaseAuthentication = "secret" | "iam";

/** All props are optional: the profile decides the defaults. */
export interface PostgresDatabaseProps {
  /**
   * Decides the defaults of the other props.
   * @default - "dev": cheap, unprotected, one availability zone
   */
  readonly profile?: DatabaseProfile;
  /**
   * VPC of the database.
   * @default - a new VPC with two availability zones, isolated subnets only, no NAT gateway, and an interface endpoint
   * for Secrets Manager unless `authentication` is "iam"
   */
  readonly vpc?: ec2.IVpc;
  /**
   * Subnets of the database, in at least two availability zones.
   * @default - the isolated subnets of the VPC; the private ones if it has no isolated ones
   */
  readonly vpcSubnets?: ec2.SubnetSelection;
  /**
   * Name of the database that RDS creates in the instance: a letter, then up to 62 letters, digits or underscores. A
   * change replaces the instance.
   * @default - RDS creates none; the functions use "postgres", which every instance has
   */
  readonly databaseName?: string;
  /**
   * Version of Postgres. Give a major version only: RDS withdraws minor versions, and a template that names a withdrawn
   * one cannot be deployed again.
   * @default - 17, with the minor versions that RDS upgrades to
   */
  readonly version?: rds.PostgresEngineVersion;
  /**
   * Name of the master user. A change replaces the instance.
   * @default - "postgres"
   */
  readonly username?: string;
  /**
   * Size of the instance.
   * @default - dev: db.t4g.micro; prod: db.t4g.medium
   */
  readonly instanceType?: ec2.InstanceType;
  /**
   * Initial gp3 storage in GiB.
   * @default - dev: 20; prod: 50
   */
  readonly allocatedStorage?: number;
  /**
   * Size in GiB up to which RDS may grow the storage.
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
   * Delete the automated backups together with the instance.
   * @default - dev: yes; prod: no, they stay until they expire
   */
  readonly deleteAutomatedBackups?: boolean;
  /**
   * Make RDS refuse to delete the instance. This also stops CloudFormation from rolling back a first deploy: see
   * `PostgresDatabase`.
   * @default - dev: off; prod: on
   */
  readonly deletionProtection?: boolean;
  /**
   * What happens to the instance when it leaves the stack. With `RETAIN` or `RETAIN_ON_UPDATE_OR_DELETE`, the resources
   * that the instance needs are retained too: subnets, security group, parameters, secret. Prefer
   * `RETAIN_ON_UPDATE_OR_DELETE`: a failed first deploy then leaves nothing behind.
   * @default - SNAPSHOT: the instance is deleted after a final snapshot
   */
  readonly removalPolicy?: RemovalPolicy;
  /**
   * Postgres parameters, added to the default ones; a parameter of the same name replaces the default.
   * @default - TLS is required, lock waits and statements of a second or more are logged, and transactions that idle for
   * ten minutes are ended
   */
  readonly parameters?: Readonly<Record<string, string>>;
  /**
   * How `PostgresMigrations` logs in. "iam" turns IAM database authentication on, and a new VPC gets no Secrets Manager
   * endpoint, which costs as much as a small instance. The master user keeps its secret.
   * @default - "secret"
   */
  readonly authentication?: DatabaseAuthentication;
  /**
   * Key for the storage, the secret and Performance Insights. A change replaces the instance.
   * @default - the AWS managed keys for RDS and Secrets Manager
   */
  readonly encryptionKey?: kms.IKey;
  /**
   * Interval of enhanced monitoring; zero turns it off.
   * @default - dev: off; prod: one minute
   */
  readonly monitoringInterval?: Duration;
  /**
   * Turn on Performance Insights, with a week of data.
   * @default - dev: off; prod: on
   */
  readonly enablePerformanceInsights?: boolean;
  /**
   * Logs that RDS sends to CloudWatch, which keeps them until you set a retention on their log groups.
   * @default - dev: none; prod: "postgresql" and "upgrade"
   */
  readonly cloudwatchLogsExports?: string[];
  /**
   * Subnets for the Secrets Manager endpoint, one in each availability zone. Only used for a new VPC.
   * @default - dev: one isolated subnet; prod: two
   */
  readonly endpointSubnets?: ec2.SubnetSelection;
  /**
   * Other settings of the RDS instance. They override all other props.
   * @default - none
   * @jsii ignore
   */
  readonly instanceProps?: Partial<
    Omit<rds.DatabaseInstanceProps, "vpc" | "vpcSubnets" | "engine" | "databaseName" | "securityGroups">
  >;
}

/** Values that a profile sets. */
export interface DatabaseDefaults {
  readonly instanceType: ec2.InstanceType;
  /** In GiB. */
  readonly allocatedStorage: number;
  /** In GiB. */
  readonly maxAllocatedStorage: number;
  readonly multiAz: boolean;
  readonly backupRetention: Duration;
  readonly deleteAutomatedBackups: boolean;
  readonly deletionProtection: boolean;
  readonly removalPolicy: RemovalPolicy;
  /** Zero turns enhanced monitoring off. */
  readonly monitoringInterval: Duration;
  readonly enablePerformanceInsights: boolean;
  readonly cloudwatchLogsExports: readonly string[];
  /** Availability zones with a Secrets Manager endpoint in a new VPC. Each costs about as much as a micro instance. */
  readonly endpointZones: number;
}

/** The `@default` texts above repeat these values. */
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
    // Not RETAIN_ON_UPDATE_OR_DELETE: `cdk deploy` deletes a stack in ROLLBACK_FAILED before it tries again, and a
    // retained instance would be left behind unnoticed, and charged for.
    removalPolicy: RemovalPolicy.SNAPSHOT,
    monitoringInterval: Duration.seconds(60),
    enablePerformanceInsights: true,
    cloudwatchLogsExports: ["postgresql", "upgrade"],
    endpointZones: 2,
  },
};

/** A major version only: RDS withdraws minor versions, and their templates cannot be deployed again. */
export const DATABASE_VERSION = rds.PostgresEngineVersion.VER_17;

/** Parameters of both profiles; times are in milliseconds. */
export const DATABASE_PARAMETERS = {
  "rds.force_ssl": "1",
  log_lock_waits: "1",
  log_min_duration_statement: "1000",
  idle_in_transaction_session_timeout: "600000",
} as const;
