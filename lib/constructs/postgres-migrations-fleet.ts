import { Aws, type CustomResource } from "aws-cdk-lib";
import type * as cloudwatch from "aws-cdk-lib/aws-cloudwatch";
import type * as ec2 from "aws-cdk-lib/aws-ec2";
import * as iam from "aws-cdk-lib/aws-iam";
import type * as lambda from "aws-cdk-lib/aws-lambda";
import type * as logs from "aws-cdk-lib/aws-logs";
import type * as s3 from "aws-cdk-lib/aws-s3";
import type * as sfn from "aws-cdk-lib/aws-stepfunctions";
import { Construct } from "constructs";
import { ASSET, ENV, FLEET_RESOURCE, type FleetData } from "../../lambda/contract.ts";
import { databaseLogins } from "./database-login.ts";
import { databaseNameOf, databaseTarget, resourceOf } from "./database-target.ts";
import { deployResource } from "./deploy-resource.ts";
import { engineOptions, timeoutsOf } from "./engine-options.ts";
import { fleetFunctions } from "./fleet-functions.ts";
import { APPROVAL_TIMEOUT, executionsOf, operateMachine, statusMachine } from "./fleet-machines.ts";
import { fleetAlarm, fleetWidgets } from "./fleet-metrics.ts";
import { FleetResults } from "./fleet-results.ts";
import { fleetSettings } from "./fleet-settings.ts";
import { fleetSource } from "./fleet-source.ts";
import { describeTargets } from "./fleet-targets.ts";
import { apiFunction, type DatabaseSettings, migrationLogs, releaseOf } from "./functions.ts";
import { allowServers, migrationsNetwork } from "./migrations-network.ts";
import type { PostgresMigrationsFleetProps } from "./postgres-migrations-fleet-props.ts";
import { deployProperties, MigrationsFolder } from "./release.ts";

/**
 * Runs a folder of Postgres migrations in many schemas or databases: those of a query, of a list, of tagged secrets, or of
 * an object in S3. State machines of Step Functions take a canary first, then the others, so many at a time, and write down
 * what became of each.
 *
 * A deploy starts an execution when the migrations, the targets or the options have changed, and waits for its end. What is
 * applied in a target is recorded there: an execution that is started again does only what is left. A rollback of the stack,
 * or deleting it, touches no database.
 *
 * Each target has its own table of applied migrations. A grant to start an execution is a grant of all that the state
 * machine can do: see `grantStatus` and `grantOperate`.
 *
 * @example
 * // A schema for each row of a table: two of them first, and then 50 at a time.
 * const fleet = new PostgresMigrationsFleet(this, "Fleet", {
 *   database: new PostgresDatabase(this, "Database", { databaseName: "shop" }),
 *   migrationsDir: "migrations",
 *   targets: FleetTargets.query({ sql: "SELECT schema FROM public.tenants ORDER BY created_at" }),
 *   createSchema: true,
 *   canary: 2,
 *   maxConcurrency: 50,
 *   maxConcurrencyPerServer: 50,
 * });
 * new CfnOutput(this, "Migrated", { value: fleet.done });
 *
 * @example
 * // Databases on other servers, each with a secret; a person approves after the canary.
 * const vpc = new ec2.Vpc(this, "Vpc", { maxAzs: 2 });
 * new PostgresMigrationsFleet(this, "Fleet", {
 *   database: { host: "db.example.com" },
 *   databaseName: "shop",
 *   secret: secretsmanager.Secret.fromSecretNameV2(this, "Secret", "shop/migrations"),
 *   vpc,
 *   migrationsDir: "migrations",
 *   targets: FleetTargets.secretsByTag({ key: "fleet", value: "shop" }),
 *   servers: [ec2.Peer.ipv4("10.0.0.0/16")],
 *   canary: ["first-customer"],
 *   approvalTopic: new sns.Topic(this, "Approvals"),
 *   waitForFleet: false,
 * });
 */
export class PostgresMigrationsFleet extends Construct {
  /** Name of the fleet. Operators confirm with it. */
  readonly fleetName: string;
  /** State machine for `status` and `plan` of all or some targets. It changes nothing. */
  readonly statusMachine: sfn.StateMachine;
  /** State machine for `up` and `down` of all or some targets. The input confirms the name of the fleet. */
  readonly operateMachine: sfn.StateMachine;
  /** Function that answers for one target. It changes nothing. */
  readonly statusFunction: lambda.Function;
  /** Log group of that function. */
  readonly statusLogGroup: logs.LogGroup;
  /** Function that migrates one target. */
  readonly operateFunction: lambda.Function;
  /** Log group of that function. */
  readonly operateLogGroup: logs.LogGroup;
  /** Log group of what surrounds the targets: waves, summaries, and the deploy. */
  readonly logGroup: logs.LogGroup;
  /** Bucket with the lists of targets and the results of executions. */
  readonly resultsBucket: s3.IBucket;
  /** Security group of the functions. Its rules allow the servers of the fleet and Secrets Manager only. */
  readonly securityGroup: ec2.SecurityGroup;
  /** One alarm: for an execution that failed or was stopped, or in which a target failed. */
  readonly alarms: cloudwatch.Alarm[];
  private readonly results: FleetResults;
  private readonly resource: CustomResource;

  /**
   * @throws Error that names the construct, if a prop is invalid, or the subnets have no route to Secrets Manager
   * @throws MigrationError if the folder is missing or empty, or has a file that cannot be a migration
   */
  constructor(scope: Construct, id: string, props: PostgresMigrationsFleetProps) {
    super(scope, id);
    const settings = fleetSettings(this, props);
    this.fleetName = settings.name;
    this.results = new FleetResults(this, props, settings.name);
    this.resultsBucket = this.results.bucket;
    this.logGroup = migrationLogs(this, "Logs", props);
    const { database, network } = fleetDatabase(this, props);
    this.securityGroup = network.securityGroup;
    const source = fleetSource(this, props.targets._from, database, {
      canary: settings.canary,
      allowEmpty: props.allowNoTargets ?? false,
    });
    const { fleetName, results, logGroup } = this;
    const functions = fleetFunctions(this, props, { ...database, fleetName, results, logGroup });
    this.statusFunction = functions.status.handler;
    this.statusLogGroup = functions.status.logGroup;
    this.operateFunction = functions.operate.handler;
    this.operateLogGroup = functions.operate.logGroup;
    const parts = { functions, settings, source, results, approval: approvalOf(props) };
    this.statusMachine = statusMachine(this, parts);
    this.operateMachine = operateMachine(this, parts);
    this.alarms = [fleetAlarm(this, fleetName, this.operateMachine, props.alarmTopic)];
    const properties = {
      ...deployProperties({ ...releaseOf(props, database), makesSnapshots: false }),
      Fleet: fleetName,
      Targets: describeTargets(this, props.targets._from),
    };
    const { resource } = deployResource(this, props, {
      ...fleetEvents(this, props, database),
      ...{ resourceType: FLEET_RESOURCE, properties },
    });
    this.resource = resource;
    this.resource.node.addDependency(this.operateMachine, ...network.needs);
    if (props.executeBefore !== undefined) this.executeBefore(...props.executeBefore);
  }

  /**
   * ARN of the execution that the deploy has started; "none" if it started none, as a rollback does.
   */
  get execution(): string {
    return this.attribute("Execution");
  }

  /** Number of targets that are migrated after the deploy, as text; "unknown" if the deploy did not wait. */
  get done(): string {
    return this.attribute("Done");
  }

  /** Number of targets that failed, within what is tolerated, as text; "unknown" if the deploy did not wait. */
  get failed(): string {
    return this.attribute("Failed");
  }

  /** Number of targets that the execution did not reach, as text; "unknown" if the deploy did not wait. */
  get untouched(): string {
    return this.attribute("Untouched");
  }

  /**
   * Newest applied migration of all targets; "several" if they differ, "none" if nothing is applied, "unknown" if the deploy
   * did not wait.
   */
  get head(): string {
    return this.attribute("Head");
  }

  /**
   * Creates and changes these constructs only after all targets are migrated, or, with `waitForFleet: false`, after the
   * execution has been started.
   */
  executeBefore(...constructs: Construct[]): void {
    for (const construct of constructs) construct.node.addDependency(this.resource);
  }

  /** Allows the grantee to start executions of `status` and `plan`, and to read their results. */
  grantStatus(grantee: iam.IGrantable): iam.Grant {
    return this.grantExecutions(grantee, this.statusMachine, []);
  }

  /** Allows the grantee to start and stop executions of `up` and `down`, and to read their results. */
  grantOperate(grantee: iam.IGrantable): iam.Grant {
    return this.grantExecutions(grantee, this.operateMachine, ["states:StopExecution"]);
  }

  /** Allows the grantee to approve or refuse what the topic of `approvalTopic` is asked. */
  grantApprove(grantee: iam.IGrantable): iam.Grant {
    const actions = ["states:SendTaskSuccess", "states:SendTaskFailure"];
    return iam.Grant.addToPrincipal({
      grantee,
      actions,
      resourceArns: [this.operateMachine.stateMachineArn],
    });
  }

  /** Adds three graphs: done, failed and untouched targets; executions; invocations of the function that migrates a target. */
  addToDashboard(dashboard: cloudwatch.Dashboard): void {
    dashboard.addWidgets(...fleetWidgets(this.fleetName, this.operateMachine, this.operateFunction));
  }

  private grantExecutions(grantee: iam.IGrantable, machine: sfn.StateMachine, more: string[]): iam.Grant {
    return machine
      .grantStartExecution(grantee)
      .combine(machine.grantExecution(grantee, "states:DescribeExecution", ...more))
      .combine(this.results.allow(grantee, ["s3:GetObject"], "*"));
  }

  private attribute(name: keyof FleetData): string {
    return this.resource.getAttString(name);
  }
}

/** The fleet's own database, and how functions get there and to the other servers of the fleet. */
function fleetDatabase(scope: Construct, props: PostgresMigrationsFleetProps) {
  const target = databaseTarget(scope, props.database);
  const logins = databaseLogins(scope, props, target);
  const { asset } = new MigrationsFolder(scope, "Folder", { ...props, functions: "fleet" }, target);
  const from = props.targets._from;
  const hasSecrets =
    from.secretTag !== undefined || (from.kind === "list" && from.targets.some(({ secret }) => secret));
  const network = migrationsNetwork(scope, props, target, hasSecrets ? "secret" : logins.main.kind);
  const rules = allowServers(network.securityGroup, props.servers ?? []);
  const { main } = logins;
  const secret = main.kind === "secret" ? resourceOf(main.secret) : [];
  const database = {
    ...{ asset, target, logins, ...network },
    databaseName: databaseNameOf(scope, props, target),
    options: engineOptions(scope, props),
    timeout: timeoutsOf(scope, props).timeout,
  };
  return { database, network: { ...network, needs: [...network.needs, ...rules, ...secret] } };
}

function approvalOf({
  approvalTopic: topic,
  approvalTimeout: timeout = APPROVAL_TIMEOUT,
}: PostgresMigrationsFleetProps) {
  return topic === undefined ? undefined : { topic, timeout };
}

/** Enough to ask CloudFormation and Step Functions, again if they do not answer. */
const EVENT_TIMEOUT = 120;

/** The two functions between CloudFormation and the state machine: one starts an execution, the other asks for its end. */
function fleetEvents(
  fleet: PostgresMigrationsFleet,
  props: PostgresMigrationsFleetProps,
  { asset, options }: DatabaseSettings,
) {
  const { operateMachine: machine, fleetName, logGroup } = fleet;
  const make = (id: string, handler: string, description: string) => {
    const made = apiFunction(fleet, id, asset, {
      ...{ handler, description, logGroup, timeout: EVENT_TIMEOUT },
      environment: {
        [ENV.fleetName]: fleetName,
        [ENV.fleetMachine]: machine.stateMachineArn,
        [ENV.fleetWait]: String(props.waitForFleet ?? true),
        ...(options === "{}" ? {} : { [ENV.options]: options }),
      },
    });
    const allow = (actions: string[], resource: string) =>
      made.addToRolePolicy(new iam.PolicyStatement({ actions, resources: [resource] }));
    allow(["states:StartExecution"], machine.stateMachineArn);
    allow(["states:DescribeExecution", "states:StopExecution"], executionsOf(machine));
    allow(["cloudformation:DescribeStacks"], Aws.STACK_ID);
    return made;
  };
  return {
    onEvent: make(
      "Event",
      ASSET.fleetEventHandler,
      "Starts the Postgres migrations of a fleet when the stack is deployed",
    ),
    isComplete: make(
      "IsComplete",
      ASSET.fleetIsCompleteHandler,
      "Asks whether the Postgres migrations of a fleet have ended",
    ),
  };
}
