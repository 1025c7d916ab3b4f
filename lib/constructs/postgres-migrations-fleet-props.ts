import type { Duration, RemovalPolicy } from "aws-cdk-lib";
import type * as ec2 from "aws-cdk-lib/aws-ec2";
import type * as s3 from "aws-cdk-lib/aws-s3";
import type * as sns from "aws-cdk-lib/aws-sns";
import type { FleetTargets } from "./fleet-targets.ts";
import type { MigrationsProps } from "./postgres-migrations-props.ts";

/**
 * Which schemas and databases are migrated, and in which waves. `MigrationsProps` says which migrations, where the functions
 * run, and who may do what; its `database` is the fleet's own, where the query for targets runs, and what a target leaves
 * out comes from there. `EngineProps` decides how the migrations run in each target.
 */
export interface PostgresMigrationsFleetProps extends MigrationsProps {
  /** The schemas and databases of the fleet. */
  readonly targets: FleetTargets;
  /**
   * Name of the fleet: commands confirm with it, and the metrics have it. Letters, digits and the characters _ . and -.
   * @default - the path of the construct, with hyphens
   */
  readonly fleetName?: string;
  /**
   * Accept that there are no targets, as before the first tenant is made.
   * @default - an execution without targets fails, because it has most likely asked in the wrong place
   */
  readonly allowNoTargets?: boolean;
  /**
   * Targets that go first, alone: so many, a share such as "10 %", or these by their names. The others follow when all of
   * them are done. 0 is none.
   * @default - 1
   */
  readonly canary?: number | string | string[];
  /**
   * Pause after the canary. With `waitForFleet` at most half an hour.
   * @default - none
   */
  readonly pause?: Duration;
  /**
   * Topic that is asked for approval after the canary. Its message has the commands that approve and refuse; see
   * `grantApprove`. CloudFormation does not wait for people: it needs `waitForFleet: false`.
   * @default - nobody is asked
   */
  readonly approvalTopic?: sns.ITopic;
  /**
   * How long an execution waits for approval. After that it fails, and the other targets stay as they are.
   * @default - one week
   */
  readonly approvalTimeout?: Duration;
  /**
   * How many targets are migrated at the same time. Each needs a function, and two connections to its server.
   * @default - 20
   */
  readonly maxConcurrency?: number;
  /**
   * How many targets on the same server are migrated at the same time.
   * @default - 10
   */
  readonly maxConcurrencyPerServer?: number;
  /**
   * How many targets may fail before the others are left as they are. A canary tolerates no failure. Targets that run on
   * other servers at that time are finished.
   * @default - 0
   */
  readonly toleratedFailures?: number;
  /**
   * Whether a deploy waits until all targets are migrated, 55 minutes at most, and fails if that fails. Otherwise it only
   * starts the execution, and the alarm says when that fails.
   * @default - true
   */
  readonly waitForFleet?: boolean;
  /**
   * Further servers that targets are on: databases and security groups, or addresses such as `ec2.Peer.ipv4("10.0.0.0/16")`.
   * Rules allow the functions to connect to their default port, or to 5432.
   * @default - the functions can connect to the fleet's own database only
   */
  readonly servers?: ec2.IConnectable[];
  /**
   * Bucket for the lists of targets and the results of executions, in the account and region of the stack. The name of the
   * fleet is the first part of each key.
   * @default - a private, encrypted one is made
   */
  readonly resultsBucket?: s3.IBucket;
  /**
   * How long the results are kept in the bucket that is made.
   * @default - one year
   */
  readonly resultsRetention?: Duration;
  /**
   * What happens to the bucket that is made when it leaves the stack. With `RemovalPolicy.DESTROY` its objects are deleted,
   * too.
   * @default - it is retained, as the logs are
   */
  readonly resultsRemovalPolicy?: RemovalPolicy;
}
