import { Duration, RemovalPolicy } from "aws-cdk-lib";
import * as ec2 from "aws-cdk-lib/aws-ec2";
import * as rds from "aws-cdk-lib/aws-rds";

/** What a database is for: `dev` is cheap and easy to throw away, `prod` survives a failure and a mistake. */
export type DatabaseProfile = "dev" | "prod";

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
