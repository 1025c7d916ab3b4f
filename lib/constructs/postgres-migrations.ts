import { CustomResource, Duration, Tokenization } from "aws-cdk-lib";
import type * as cloudwatch from "aws-cdk-lib/aws-cloudwatch";
import type * as ec2 from "aws-cdk-lib/aws-ec2";
import type * as iam from "aws-cdk-lib/aws-iam";
import type * as lambda from "aws-cdk-lib/aws-lambda";
import type * as logs from "aws-cdk-lib/aws-logs";
import type * as secretsmanager from "aws-cdk-lib/aws-secretsmanager";
import { Provider } from "aws-cdk-lib/custom-resources";
import { Construct } from "constructs";
import { type DeployData, LIMITS } from "../../lambda/contract.ts";
import { type DatabaseTarget, databaseTarget, requireOnePerDatabase, resourceOf } from "./database-target.ts";
import { engineOptions, functionTimeout } from "./engine-options.ts";
import { migrationAlarms } from "./migration-alarms.ts";
import { migrationFunctions, migrationLogs } from "./migration-functions.ts";
import { migrationsNetwork } from "./migrations-network.ts";
import type { PostgresMigrationsProps } from "./postgres-migrations-props.ts";
import { deployProperties, migrationsAsset } from "./release.ts";
import { checkChoice, constructError } from "./validation.ts";

/**
 * Runs a folder of Postgres migrations when the stack is deployed, and gives operators two functions to look
 * and to act with.
 *
 * A deploy runs what is pending when the migrations or the options have changed; a migration that fails fails
 * the deploy, with the reason in CloudFormation's event. `cdk diff` shows what a deploy would run. Deleting
 * the stack touches no database.
 *
 * Whoever may invoke the functions may do what they do: see `grantStatus` and `grantOperate`.
 */
export class PostgresMigrations extends Construct {
  /** Run by CloudFormation. */
  readonly deployFunction: lambda.Function;
  readonly deployLogGroup: logs.LogGroup;
  /** Payload `{"command": "status" | "plan" | "history"}`. */
  readonly statusFunction: lambda.Function;
  readonly statusLogGroup: logs.LogGroup;
  /**
   * Payload `{"command": "up" | "down" | "redo" | "repair" | "resolve" | "baseline", "confirm": "<name of the
   * database>"}`.
   */
  readonly operateFunction: lambda.Function;
  readonly operateLogGroup: logs.LogGroup;
  /** Of the functions: may reach the database and Secrets Manager. */
  readonly securityGroup: ec2.SecurityGroup;
  readonly secret: secretsmanager.ISecret;
  readonly databaseName: string;
  /** Deploys and operators' commands that fail, end in an error, or take almost as long as they may. */
  readonly alarms: readonly cloudwatch.Alarm[];
  private readonly resource: CustomResource;

  /**
   * @throws Error naming the construct: a prop that cannot be, a database behind an RDS Proxy, a read replica, a
   * second construct on the same table, subnets that cannot reach Secrets Manager; MigrationError: a folder that is missing or empty, or has a file that cannot
   * be a migration
   */
  constructor(scope: Construct, id: string, props: PostgresMigrationsProps) {
    super(scope, id);
    checkChoice(this, "onRollback", props.onRollback, ["keep", "down"]);
    const target = databaseTarget(this, props.database);
    const options = engineOptions(this, props);
    const timeout = functionTimeout(this, props);
    this.secret = secretOf(this, props, target);
    this.databaseName = databaseNameOf(this, props, target);
    const port = Tokenization.stringifyNumber(target.port);
    requireOnePerDatabase(this, { host: target.host, port, databaseName: this.databaseName, options });
    const asset = migrationsAsset(this, props, target);
    const network = migrationsNetwork(this, props, target);
    this.securityGroup = network.securityGroup;
    const { secret, databaseName } = this;
    const settings = { asset, target, databaseName, secret, options, timeout, ...network };
    const { stackEvent, deploy, status, operate } = migrationFunctions(this, props, settings);
    this.deployFunction = deploy.handler;
    this.deployLogGroup = deploy.logGroup;
    this.statusFunction = status.handler;
    this.statusLogGroup = status.logGroup;
    this.operateFunction = operate.handler;
    this.operateLogGroup = operate.logGroup;
    this.alarms = [
      ...migrationAlarms(this, "Deploy", deploy.handler, props.alarmTopic),
      ...migrationAlarms(this, "Operate", operate.handler, props.alarmTopic),
    ];
    const connection = {
      database: `${target.host}:${port}/${databaseName}`,
      secret: secret.secretArn,
      ca: target.ca,
      network: [network.securityGroup.securityGroupId, ...network.subnets.subnetIds],
    };
    const properties = deployProperties(asset.manifest, connection, options, props.forceRun);
    this.resource = deployResource(this, props, stackEvent, properties);
    // The rules as well: without them CloudFormation may call the function before it can reach anything.
    this.resource.node.addDependency(...network.needs, ...resourceOf(secret));
    if (props.executeBefore !== undefined) this.executeBefore(...props.executeBefore);
  }

  /** Newest migration of the database after the deploy; "unknown" when the deploy had nothing to ask it. */
  get head(): string {
    return this.attribute("Head");
  }

  /** How many migrations the database has after the deploy. */
  get appliedCount(): string {
    return this.attribute("AppliedCount");
  }

  /** How many migrations of this folder the database still lacks. */
  get pendingCount(): string {
    return this.attribute("PendingCount");
  }

  /** How many migrations the database has beyond those of this folder. */
  get aheadCount(): string {
    return this.attribute("AheadCount");
  }

  /** Makes and changes these only after the migrations have run: what serves requests needs the new schema. */
  executeBefore(...constructs: Construct[]): void {
    for (const construct of constructs) construct.node.addDependency(this.resource);
  }

  /** Lets somebody ask for status, plan and history. */
  grantStatus(grantee: iam.IGrantable): iam.Grant {
    return this.statusFunction.grantInvoke(grantee);
  }

  /** Lets somebody run, undo and repair migrations; not ask for the status. */
  grantOperate(grantee: iam.IGrantable): iam.Grant {
    return this.operateFunction.grantInvoke(grantee);
  }

  private attribute(name: keyof DeployData): string {
    return this.resource.getAttString(name);
  }
}

/**
 * CDK's framework stands between CloudFormation and the function, outside the VPC: it can answer when the
 * function cannot. Its path must stay: CloudFormation refuses another service token for a resource that
 * exists.
 */
function deployResource(
  scope: Construct,
  props: PostgresMigrationsProps,
  onEventHandler: lambda.Function,
  properties: object,
): CustomResource {
  const provider = new Provider(scope, "Provider", {
    onEventHandler,
    logGroup: migrationLogs(scope, "ProviderLogs", props),
  });
  return new CustomResource(scope, "Resource", {
    serviceToken: provider.serviceToken,
    resourceType: "Custom::PostgresMigrations",
    serviceTimeout: Duration.seconds(LIMITS.serviceTimeout),
    properties,
  });
}

function secretOf(
  scope: Construct,
  props: PostgresMigrationsProps,
  target: DatabaseTarget,
): secretsmanager.ISecret {
  const secret = props.secret ?? target.secret;
  if (secret !== undefined) return secret;
  throw constructError(scope, "secret is required: the database brings none with it");
}

function databaseNameOf(scope: Construct, props: PostgresMigrationsProps, target: DatabaseTarget): string {
  const name = props.databaseName ?? target.databaseName;
  if (name !== undefined && name !== "") return name;
  throw constructError(scope, "databaseName is required: the database does not say what it is called");
}
