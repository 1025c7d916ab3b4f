import { type CustomResource, Tokenization } from "aws-cdk-lib";
import type * as cloudwatch from "aws-cdk-lib/aws-cloudwatch";
import type * as ec2 from "aws-cdk-lib/aws-ec2";
import type * as iam from "aws-cdk-lib/aws-iam";
import type * as lambda from "aws-cdk-lib/aws-lambda";
import type * as logs from "aws-cdk-lib/aws-logs";
import type * as secretsmanager from "aws-cdk-lib/aws-secretsmanager";
import type * as sns from "aws-cdk-lib/aws-sns";
import type * as sfn from "aws-cdk-lib/aws-stepfunctions";
import { Construct } from "constructs";
import type { DeployData } from "../../lambda/contract.ts";
import { databaseLogins } from "./database-login.ts";
import { databaseNameOf, databaseTarget, requireOnePerDatabase, resourceOf } from "./database-target.ts";
import { deployResource } from "./deploy-resource.ts";
import { engineOptions, timeoutsOf } from "./engine-options.ts";
import { releaseOf } from "./functions.ts";
import { commandRuns, deployRuns, migrationAlarms, runnerAlarm } from "./migration-alarms.ts";
import { migrationWidgets, runnerWidget } from "./migration-dashboard.ts";
import { type FunctionSettings, type MigrationFunctions, migrationFunctions } from "./migration-functions.ts";
import { migrationsNetwork } from "./migrations-network.ts";
import type { PostgresMigrationsProps } from "./postgres-migrations-props.ts";
import { deployProperties, MigrationsFolder } from "./release.ts";
import { grantExecutions, migrationRunner } from "./runner.ts";
import { migrationSnapshots } from "./snapshots.ts";
import { checkChoice, constructError } from "./validation.ts";

/**
 * Runs a folder of Postgres migrations in every deploy of the stack, and adds two functions for operators: one to ask for
 * the status, one to run, undo and repair migrations. A state machine does the same for runs that take hours.
 *
 * A deploy runs the pending migrations when the migrations, the database or the options have changed. A migration that
 * fails fails the deploy, and CloudFormation's event gives the reason. `cdk diff` shows which migrations are new.
 * Deleting the stack does not touch the database.
 *
 * A grant to invoke a function is a grant of all that the function can do: see `grantStatus`, `grantOperate` and `grantRun`.
 *
 * @example
 * const database = new PostgresDatabase(this, "Database", { databaseName: "shop" });
 * const api = new lambda.Function(this, "Api", {
 *   runtime: lambda.Runtime.NODEJS_22_X,
 *   handler: "index.handler",
 *   code: lambda.Code.fromInline("exports.handler = async () => {};"),
 * });
 * const migrations = new PostgresMigrations(this, "Migrations", {
 *   database,
 *   migrationsDir: "migrations",
 *   executeBefore: [api],
 * });
 * new CfnOutput(this, "Head", { value: migrations.head });
 *
 * @example
 * // A server that is not part of the app.
 * new PostgresMigrations(this, "Migrations", {
 *   database: { host: "db.example.com" },
 *   databaseName: "shop",
 *   secret: secretsmanager.Secret.fromSecretNameV2(this, "Secret", "shop/migrations"),
 *   vpc: new ec2.Vpc(this, "Vpc", { maxAzs: 2 }),
 *   migrationsDir: "migrations",
 *   timeout: Duration.minutes(5),
 * });
 *
 * @example
 * // A snapshot before each deploy that has something to run.
 * const database = new PostgresDatabase(this, "Database", { databaseName: "shop" });
 * const migrations = new PostgresMigrations(this, "Migrations", {
 *   database,
 *   migrationsDir: "migrations",
 *   snapshotBeforeMigrate: true,
 * });
 * new CfnOutput(this, "Snapshot", { value: migrations.snapshot });
 */
export class PostgresMigrations extends Construct {
  /** Function that runs the migrations of a deploy. CloudFormation calls it; nothing else should. */
  readonly deployFunction: lambda.Function;
  /** Log group of the deploy function. */
  readonly deployLogGroup: logs.LogGroup;
  /** Function that answers `status`, `plan` and `history` for an operator. It changes nothing. */
  readonly statusFunction: lambda.Function;
  /** Log group of the status function. */
  readonly statusLogGroup: logs.LogGroup;
  /**
   * Function that carries out `up`, `down`, `redo`, `repair`, `resolve` and `baseline` for an operator. The payload
   * confirms the name of the database.
   */
  readonly operateFunction: lambda.Function;
  /** Log group of the operate function. */
  readonly operateLogGroup: logs.LogGroup;
  /**
   * State machine that carries out the commands of the operate function for longer than a function can: a run of hours is
   * one execution. Its input is the payload of that function, its output the answer; an execution that fails has the code of
   * the error, and the answer as its cause. It ends after seven days at the latest.
   */
  readonly runner: sfn.StateMachine;
  /** Security group of the functions. Its rules allow the database and Secrets Manager only. */
  readonly securityGroup: ec2.SecurityGroup;
  /** Name of the database; operators confirm with it. */
  readonly databaseName: string;
  /**
   * Alarms for deploys and operators' commands: two each, for one that fails and for one that takes 80 % of its timeout; and
   * one for executions of the runner that fail.
   */
  readonly alarms: cloudwatch.Alarm[];
  private readonly resource: CustomResource;
  private readonly givenSecret: secretsmanager.ISecret | undefined;
  private readonly makesSnapshots: boolean;
  /**
   * What a role needs to know.
   * @internal
   */
  readonly _forRoles: ForRoles;

  /**
   * @throws Error that names the construct, if a prop is invalid, the database is an RDS Proxy or a read replica, another
   * construct migrates the same table, or the subnets have no route to Secrets Manager
   * @throws MigrationError if the folder is missing or empty, or has a file that cannot be a migration
   */
  constructor(scope: Construct, id: string, props: PostgresMigrationsProps) {
    super(scope, id);
    checkChoice(this, "onRollback", props.onRollback, ["keep", "down"]);
    const target = databaseTarget(this, props.database);
    const options = engineOptions(this, props);
    const times = timeoutsOf(this, props);
    const logins = databaseLogins(this, props, target);
    const secret = logins.main.kind === "secret" ? logins.main.secret : undefined;
    this.givenSecret = secret;
    this.databaseName = databaseNameOf(this, props, target);
    const port = Tokenization.stringifyNumber(target.port);
    requireOnePerDatabase(this, { host: target.host, port, databaseName: this.databaseName, options });
    const { asset } = new MigrationsFolder(this, "Folder", props, target);
    const network = migrationsNetwork(this, props, target, logins.main.kind);
    this.securityGroup = network.securityGroup;
    const { databaseName } = this;
    const snapshots = migrationSnapshots(this, props, target, times.deployTimeout);
    const settings = { ...{ asset, target, databaseName, logins, options, snapshots }, ...times, ...network };
    const functions = migrationFunctions(this, props, settings);
    const { deploy, status, operate } = functions;
    this.makesSnapshots = snapshots !== undefined;
    this.deployFunction = deploy.handler;
    this.deployLogGroup = deploy.logGroup;
    this.statusFunction = status.handler;
    this.statusLogGroup = status.logGroup;
    this.operateFunction = operate.handler;
    this.operateLogGroup = operate.logGroup;
    this.runner = migrationRunner(this, operate.handler);
    this.alarms = allAlarms(this, functions, settings, props.alarmTopic);
    const deployed = deployResource(this, props, {
      ...{ onEvent: functions.stackEvent, isComplete: functions.completion },
      resourceType: "Custom::PostgresMigrations",
      properties: deployProperties({
        ...releaseOf(props, settings),
        makesSnapshots: snapshots !== undefined,
      }),
    });
    this.resource = deployed.resource;
    this._forRoles = { props, settings, ...deployed };
    // Includes the rules: without them CloudFormation could call the function before it can reach anything.
    this.resource.node.addDependency(...network.needs, ...(secret === undefined ? [] : resourceOf(secret)));
    if (props.executeBefore !== undefined) this.executeBefore(...props.executeBefore);
  }

  /**
   * Secret with `username` and `password` that the functions use.
   * @throws Error if the functions use IAM authentication, which has no secret
   */
  get secret(): secretsmanager.ISecret {
    if (this.givenSecret !== undefined) return this.givenSecret;
    throw constructError(this, 'there is no secret: authentication is "iam"');
  }

  /** Newest applied migration after the deploy; "none" if there is none, "unknown" if the deploy did not connect. */
  get head(): string {
    return this.attribute("Head");
  }

  /** Number of applied migrations after the deploy, as text; "unknown" if the deploy did not connect. */
  get appliedCount(): string {
    return this.attribute("AppliedCount");
  }

  /**
   * Number of migrations in the folder that are still pending, without contracts that wait, as text; "unknown" if the deploy
   * did not connect.
   */
  get pendingCount(): string {
    return this.attribute("PendingCount");
  }

  /** Number of contracts that wait for a later deploy, as text; "unknown" if the deploy did not connect. */
  get waitingCount(): string {
    return this.attribute("WaitingCount");
  }

  /**
   * Name of the migration whose index Postgres still builds after the deploy; "none" if there is none, "unknown" if the
   * deploy did not connect. A later run records that it has ended.
   */
  get background(): string {
    return this.attribute("Background");
  }

  /**
   * Number of applied migrations that are newer than the folder, as text; "unknown" if the deploy did not connect.
   */
  get aheadCount(): string {
    return this.attribute("AheadCount");
  }

  /**
   * Identifier of the snapshot that the deploy has made before it ran the migrations; "none" if it had nothing to run.
   * @throws Error if `snapshotBeforeMigrate` is not set
   */
  get snapshot(): string {
    if (this.makesSnapshots) return this.attribute("Snapshot");
    throw constructError(this, "there is no snapshot: snapshotBeforeMigrate is not set");
  }

  /**
   * Creates and changes these constructs only after the migrations have run, for example an API that needs the new
   * schema.
   */
  executeBefore(...constructs: Construct[]): void {
    for (const construct of constructs) construct.node.addDependency(this.resource);
  }

  /** Allows the grantee to ask for status, plan and history. */
  grantStatus(grantee: iam.IGrantable): iam.Grant {
    return this.statusFunction.grantInvoke(grantee);
  }

  /** Allows the grantee to run, undo and repair migrations. Asking for the status needs `grantStatus`. */
  grantOperate(grantee: iam.IGrantable): iam.Grant {
    return this.operateFunction.grantInvoke(grantee);
  }

  /**
   * Allows the grantee to run, undo and repair migrations with the runner: to start executions, look at them, stop them and
   * redrive them. What may be undone depends on `allowDown`, as for the operate function.
   */
  grantRun(grantee: iam.IGrantable): iam.Grant {
    return grantExecutions(this.runner, grantee);
  }

  /**
   * Adds five graphs: runs and failures, duration, completed and pending migrations, retries because of locked tables, each of
   * the deploy function and the operate function; and executions of the runner.
   */
  addToDashboard(dashboard: cloudwatch.Dashboard): void {
    const functions = { deploy: this.deployFunction, operate: this.operateFunction };
    const ofFunctions = migrationWidgets(this.databaseName, functions);
    dashboard.addWidgets(...ofFunctions, runnerWidget(this.databaseName, this.runner));
  }

  private attribute(name: keyof DeployData): string {
    return this.resource.getAttString(name);
  }
}

/** What `PostgresRole` needs to know. */
export interface ForRoles {
  readonly props: PostgresMigrationsProps;
  readonly settings: FunctionSettings;
  /** The one that runs the migrations. */
  readonly resource: CustomResource;
  /** Of the function that answers for both. */
  readonly serviceToken: string;
}

function allAlarms(
  scope: PostgresMigrations,
  { deploy, operate }: MigrationFunctions,
  { deployTimeout }: FunctionSettings,
  topic: sns.ITopic | undefined,
): cloudwatch.Alarm[] {
  return [
    ...migrationAlarms(scope, "Deploy", deployRuns(deploy.handler, deployTimeout), topic),
    ...migrationAlarms(scope, "Operate", commandRuns(operate.handler), topic),
    runnerAlarm(scope, scope.runner, topic),
  ];
}
