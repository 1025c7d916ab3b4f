import { ArnFormat, Aws, Duration, type RemovalPolicy, Stack, Tokenization } from "aws-cdk-lib";
import type * as ec2 from "aws-cdk-lib/aws-ec2";
import * as iam from "aws-cdk-lib/aws-iam";
import * as lambda from "aws-cdk-lib/aws-lambda";
import * as logs from "aws-cdk-lib/aws-logs";
import type { Construct } from "constructs";
import { ASSET, ENV, LIMITS } from "../../lambda/contract.ts";
import { given } from "../core/index.ts";
import { type DatabaseLogin, type DatabaseLogins, grantLogin, loginEnvironment } from "./database-login.ts";
import type { DatabaseTarget } from "./database-target.ts";
import type { PostgresMigrationsProps } from "./postgres-migrations-props.ts";
import type { ReleaseAsset } from "./release.ts";
import { grantSnapshots, type Snapshots, snapshotEnvironment } from "./snapshots.ts";

/** Values derived from the props. */
export interface FunctionSettings {
  readonly asset: ReleaseAsset;
  readonly target: DatabaseTarget;
  readonly databaseName: string;
  readonly logins: DatabaseLogins;
  /** See `engineOptions`. */
  readonly options: string;
  /** In seconds. */
  readonly timeout: number;
  readonly vpc: ec2.IVpc;
  readonly subnets: ec2.SelectedSubnets;
  readonly securityGroup: ec2.ISecurityGroup;
  /** Undefined if no snapshots are made. */
  readonly snapshots: Snapshots | undefined;
}

/** Host, port and name of the database, for the properties of resources. */
export function databaseOf({ target, databaseName }: FunctionSettings): string {
  return `${target.host}:${Tokenization.stringifyNumber(target.port)}/${databaseName}`;
}

/** A function and its log group. */
export interface LoggedFunction {
  readonly handler: lambda.Function;
  readonly logGroup: logs.LogGroup;
}

export interface MigrationFunctions {
  /** Called by CDK's provider framework; invokes `deploy`. */
  readonly stackEvent: lambda.Function;
  /** Called by CDK's provider framework until the deploy is complete, if it makes snapshots. */
  readonly snapshot?: lambda.Function;
  readonly deploy: LoggedFunction;
  readonly status: LoggedFunction;
  readonly operate: LoggedFunction;
}

/** Four functions from one asset, and a fifth for snapshots. They differ in their rights and in who may call them. */
export function migrationFunctions(
  scope: Construct,
  props: PostgresMigrationsProps,
  settings: FunctionSettings,
): MigrationFunctions {
  const make = (id: string, own: FunctionProps) => loggedFunction(scope, id, props, settings, own);
  const revision: Record<string, string> =
    props.revision === undefined ? {} : { [ENV.revision]: props.revision };
  const digest = settings.asset.approvedPlan;
  const approved: Record<string, string> = digest === undefined ? {} : { [ENV.approvedPlan]: digest };
  const deploy = make("Deploy", {
    handler: ASSET.deployHandler,
    description: "Runs Postgres migrations when the stack is deployed",
    environment: { ...revision, ...approved, [ENV.onRollback]: props.onRollback ?? "keep" },
  });
  const stackEvent = stackEventFunction(scope, props, settings, deploy);
  const { snapshots } = settings;
  const snapshot =
    snapshots === undefined ? undefined : snapshotFunction(scope, props, settings, deploy, snapshots);
  const status = make("Status", {
    handler: ASSET.statusHandler,
    description: "Says where the Postgres migrations stand; writes nothing",
    login: settings.logins.status,
    retryAttempts: 0,
  });
  const operate = make("Operate", {
    handler: ASSET.operateHandler,
    description: "Runs, undoes and repairs Postgres migrations for an operator",
    environment: { ...revision, [ENV.allowDown]: String(props.allowDown ?? false) },
    // Lambda must not repeat a failed command without the operator's knowledge.
    retryAttempts: 0,
  });
  return { stackEvent, deploy, status, operate, ...given({ snapshot }) };
}

/** Props in which the functions of the VPC differ. */
interface FunctionProps {
  readonly handler: string;
  readonly description: string;
  readonly environment?: Readonly<Record<string, string>>;
  readonly retryAttempts?: number;
  /** @default - that of the deploy and operate functions */
  readonly login?: DatabaseLogin;
}

/** A function of the VPC, which logs in to the database. */
export function loggedFunction(
  scope: Construct,
  id: string,
  props: PostgresMigrationsProps,
  settings: FunctionSettings,
  { login = settings.logins.main, environment, ...own }: FunctionProps,
): LoggedFunction {
  const logGroup = migrationLogs(scope, `${id}Logs`, props);
  const handler = new lambda.Function(scope, id, {
    ...sharedProps(props, settings),
    ...own,
    environment: { ...environmentOf(settings, login), ...environment },
    logGroup,
  });
  grantLogin(login, handler);
  denyNetworkInterfaces(scope, handler);
  return { handler, logGroup };
}

const NETWORK_INTERFACES = [
  "ec2:CreateNetworkInterface",
  "ec2:DeleteNetworkInterface",
  "ec2:DescribeNetworkInterfaces",
  "ec2:DescribeSubnets",
  "ec2:DetachNetworkInterface",
  "ec2:AssignPrivateIpAddresses",
  "ec2:UnassignPrivateIpAddresses",
];

/**
 * Lambda needs these rights of the role to attach the function to the VPC. The code of the function, which includes the
 * migrations, does not.
 * https://docs.aws.amazon.com/lambda/latest/dg/configuration-vpc.html#configuration-vpc-best-practice-security
 */
function denyNetworkInterfaces(scope: Construct, handler: lambda.Function): void {
  const anyFunction = Stack.of(scope).formatArn({
    service: "lambda",
    resource: "function",
    resourceName: "*",
    arnFormat: ArnFormat.COLON_RESOURCE_NAME,
  });
  handler.addToRolePolicy(
    new iam.PolicyStatement({
      effect: iam.Effect.DENY,
      actions: NETWORK_INTERFACES,
      resources: ["*"],
      // Only requests from the code of a function have this key. The name of this function would be a circular reference.
      conditions: { ArnLike: { "lambda:SourceFunctionArn": anyFunction } },
    }),
  );
}

/**
 * Runs outside the VPC, where it can ask CloudFormation whether the stack is rolling back. It shares the log group of the
 * deploy function, so that a deploy has one log to read.
 */
function stackEventFunction(
  scope: Construct,
  props: PostgresMigrationsProps,
  settings: FunctionSettings,
  deploy: LoggedFunction,
): lambda.Function {
  return outsideVpc(scope, "StackEvent", props, settings, deploy, {
    handler: ASSET.stackEventHandler,
    description: "Asks CloudFormation whether the stack is rolling back, and invokes the deploy function",
    environment: { [ENV.onRollback]: props.onRollback ?? "keep" },
  });
}

/** Makes the snapshot, waits for it, and then invokes the deploy function. Only this one may do something in RDS. */
function snapshotFunction(
  scope: Construct,
  props: PostgresMigrationsProps,
  settings: FunctionSettings,
  deploy: LoggedFunction,
  snapshots: Snapshots,
): lambda.Function {
  const handler = outsideVpc(scope, "Snapshot", props, settings, deploy, {
    handler: ASSET.isCompleteHandler,
    description: "Makes a snapshot of the database before the deploy function runs Postgres migrations",
  });
  grantSnapshots(snapshots, handler);
  return handler;
}

function outsideVpc(
  scope: Construct,
  id: string,
  props: PostgresMigrationsProps,
  settings: FunctionSettings,
  { handler: deploy, logGroup }: LoggedFunction,
  { environment, ...own }: Pick<FunctionProps, "handler" | "description" | "environment">,
): lambda.Function {
  const { vpc: _, vpcSubnets: __, securityGroups: ___, ...shared } = sharedProps(props, settings);
  const handler = new lambda.Function(scope, id, {
    ...shared,
    ...own,
    memorySize: 256,
    timeout: Duration.seconds(settings.timeout + LIMITS.relay),
    environment: {
      [ENV.deployFunction]: deploy.functionName,
      ...environment,
      ...snapshotEnvironment(settings.snapshots),
    },
    logGroup,
  });
  const grant = (action: string, resource: string) =>
    handler.addToRolePolicy(new iam.PolicyStatement({ actions: [action], resources: [resource] }));
  grant("lambda:InvokeFunction", deploy.functionArn);
  grant("cloudformation:DescribeStacks", Aws.STACK_ID);
  return handler;
}

/** Log group of a function. */
export function migrationLogs(scope: Construct, id: string, props: LogSettings): logs.LogGroup {
  return new logs.LogGroup(scope, id, {
    retention: props.logRetention ?? logs.RetentionDays.ONE_YEAR,
    ...given({ removalPolicy: props.logRemovalPolicy }),
  });
}

interface LogSettings {
  readonly logRetention?: logs.RetentionDays;
  readonly logRemovalPolicy?: RemovalPolicy;
}

/** By its name, because CDK has had a constant for it only since 2.225. */
const NODEJS_24 = new lambda.Runtime("nodejs24.x", lambda.RuntimeFamily.NODEJS);

/**
 * No function name, which would prevent replacement. No reserved concurrency, which small accounts do not have: the
 * migration lock prevents concurrent runs.
 */
function sharedProps(
  { memorySize = 512 }: PostgresMigrationsProps,
  { asset, timeout, vpc, subnets, securityGroup }: FunctionSettings,
) {
  return {
    code: lambda.Code.fromAsset(asset.dir, { assetHash: asset.hash }),
    runtime: NODEJS_24,
    architecture: lambda.Architecture.ARM_64,
    timeout: Duration.seconds(timeout),
    memorySize,
    loggingFormat: lambda.LoggingFormat.JSON,
    vpc,
    vpcSubnets: { subnets: subnets.subnets },
    securityGroups: [securityGroup],
  };
}

/** Contains no secret: everyone who may read the configuration of the function sees these values. */
function environmentOf(
  { target, databaseName, options }: FunctionSettings,
  login: DatabaseLogin,
): Record<string, string> {
  return {
    [ENV.host]: target.host,
    [ENV.port]: Tokenization.stringifyNumber(target.port),
    [ENV.database]: databaseName,
    ...loginEnvironment(login),
    ...(target.ca === undefined ? {} : { [ENV.caFile]: ASSET.ca }),
    ...(options === "{}" ? {} : { [ENV.options]: options }),
  };
}
