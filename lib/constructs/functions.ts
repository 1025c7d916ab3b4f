import { ArnFormat, Duration, Stack, Tokenization } from "aws-cdk-lib";
import type * as ec2 from "aws-cdk-lib/aws-ec2";
import * as iam from "aws-cdk-lib/aws-iam";
import * as lambda from "aws-cdk-lib/aws-lambda";
import * as logs from "aws-cdk-lib/aws-logs";
import type { Construct } from "constructs";
import { ASSET, ENV } from "../../lambda/contract.ts";
import { given } from "../core/index.ts";
import { type DatabaseLogin, type DatabaseLogins, grantLogin, loginEnvironment } from "./database-login.ts";
import type { DatabaseTarget } from "./database-target.ts";
import type { MigrationsProps } from "./postgres-migrations-props.ts";
import type { Release, ReleaseAsset } from "./release.ts";

/** What a function needs to reach a database, derived from the props. */
export interface DatabaseSettings {
  readonly asset: ReleaseAsset;
  readonly target: DatabaseTarget;
  readonly databaseName: string;
  readonly logins: DatabaseLogins;
  /** See `engineOptions`. */
  readonly options: string;
  /** Of each function, in seconds. */
  readonly timeout: number;
  readonly vpc: ec2.IVpc;
  readonly subnets: ec2.SelectedSubnets;
  readonly securityGroup: ec2.ISecurityGroup;
}

/** Host, port and name of the database, for the properties of resources. */
export function databaseOf({ target, databaseName }: DatabaseSettings): string {
  return `${target.host}:${Tokenization.stringifyNumber(target.port)}/${databaseName}`;
}

/** What a deploy depends on. */
export function releaseOf(
  props: Pick<MigrationsProps, "forceRun" | "revision">,
  settings: DatabaseSettings,
): Omit<Release, "makesSnapshots"> {
  const { asset, target, logins, securityGroup, subnets, options } = settings;
  const { main } = logins;
  return {
    asset,
    database: databaseOf(settings),
    login: main.kind === "secret" ? { Secret: main.secret.secretArn } : { User: main.user },
    ca: target.ca,
    network: [securityGroup.securityGroupId, ...subnets.subnetIds],
    options,
    forceRun: props.forceRun,
    revision: props.revision,
  };
}

/** A function and its log group. */
export interface LoggedFunction {
  readonly handler: lambda.Function;
  readonly logGroup: logs.LogGroup;
}

type FunctionSizes = Pick<MigrationsProps, "memorySize"> & LogSettings;

/** Props in which the functions of the VPC differ. */
export interface FunctionProps {
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
  props: FunctionSizes,
  settings: DatabaseSettings,
  { login = settings.logins.main, environment, ...own }: FunctionProps,
): LoggedFunction {
  const logGroup = migrationLogs(scope, `${id}Logs`, props);
  const handler = new lambda.Function(scope, id, {
    ...sharedProps(settings),
    memorySize: props.memorySize ?? 512,
    vpc: settings.vpc,
    vpcSubnets: { subnets: settings.subnets.subnets },
    securityGroups: [settings.securityGroup],
    ...own,
    environment: { ...databaseEnvironment(settings, login), ...environment },
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

/** Props in which the functions outside the VPC differ. */
interface ApiFunctionProps extends Pick<FunctionProps, "handler" | "description" | "environment"> {
  /** In seconds. */
  readonly timeout: number;
  readonly memorySize?: number;
  readonly logGroup: logs.ILogGroup;
}

/** A function outside the VPC, where it reaches the APIs of AWS from every VPC. It connects to no database. */
export function apiFunction(
  scope: Construct,
  id: string,
  asset: ReleaseAsset,
  { timeout, memorySize = 256, ...own }: ApiFunctionProps,
): lambda.Function {
  return new lambda.Function(scope, id, { ...sharedProps({ asset, timeout }), memorySize, ...own });
}

/** Log group of a function. */
export function migrationLogs(scope: Construct, id: string, props: LogSettings): logs.LogGroup {
  return new logs.LogGroup(scope, id, {
    retention: props.logRetention ?? logs.RetentionDays.ONE_YEAR,
    ...given({ removalPolicy: props.logRemovalPolicy }),
  });
}

export type LogSettings = Pick<MigrationsProps, "logRetention" | "logRemovalPolicy">;

/** By its name, because CDK has had a constant for it only since 2.225. */
const NODEJS_24 = new lambda.Runtime("nodejs24.x", lambda.RuntimeFamily.NODEJS);

/**
 * No function name, which would prevent replacement. No reserved concurrency, which small accounts do not have: the
 * migration lock prevents concurrent runs.
 */
function sharedProps({ asset, timeout }: Pick<DatabaseSettings, "asset" | "timeout">) {
  return {
    code: lambda.Code.fromAsset(asset.dir, { assetHash: asset.hash }),
    runtime: NODEJS_24,
    architecture: lambda.Architecture.ARM_64,
    timeout: Duration.seconds(timeout),
    loggingFormat: lambda.LoggingFormat.JSON,
  };
}

/** Contains no secret: everyone who may read the configuration of the function sees these values. */
export function databaseEnvironment(
  { target, databaseName, options }: DatabaseSettings,
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
