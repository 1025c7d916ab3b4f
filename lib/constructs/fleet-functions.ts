import { ArnFormat, Aws, Stack } from "aws-cdk-lib";
import * as iam from "aws-cdk-lib/aws-iam";
import type * as lambda from "aws-cdk-lib/aws-lambda";
import type * as logs from "aws-cdk-lib/aws-logs";
import type * as s3 from "aws-cdk-lib/aws-s3";
import type { Construct } from "constructs";
import { ASSET, ENV, LIMITS } from "../../lambda/contract.ts";
import { given } from "../core/index.ts";
import type { FleetResults } from "./fleet-results.ts";
import type { FleetSecretTag, TargetsFrom } from "./fleet-targets.ts";
import {
  apiFunction,
  type DatabaseSettings,
  databaseEnvironment,
  type LoggedFunction,
  loggedFunction,
} from "./functions.ts";
import type { PostgresMigrationsFleetProps } from "./postgres-migrations-fleet-props.ts";

/** What the functions of a fleet need, derived from the props. */
export interface FleetFunctionSettings extends DatabaseSettings {
  readonly fleetName: string;
  readonly results: FleetResults;
  /** Of the functions outside the VPC. */
  readonly logGroup: logs.LogGroup;
}

/** The functions that the state machines invoke. */
export interface FleetFunctions {
  /** In the VPC: one target each. */
  readonly status: LoggedFunction;
  readonly operate: LoggedFunction;
  /** In the VPC: runs the query; absent for targets from elsewhere. */
  readonly list?: LoggedFunction;
  /** Outside the VPC, because isolated subnets have no way to S3. */
  readonly prepare: lambda.Function;
  readonly check: lambda.Function;
  readonly summarize: lambda.Function;
}

/** Check and summarize read the results of a thousand targets. */
const SUMMARY = { timeout: 300, memorySize: 512 } as const;

export function fleetFunctions(
  scope: Construct,
  props: PostgresMigrationsFleetProps,
  settings: FleetFunctionSettings,
): FleetFunctions {
  const { _from: from } = props.targets;
  const list = from.kind === "query" ? listFunction(scope, props, settings, from.sql) : undefined;
  const targets = targetFunctions(scope, props, settings);
  for (const { handler } of Object.values(targets)) grantTargets(scope, from, settings, handler);
  const prepare = prepareFunction(scope, settings, from, list);
  const { asset, results, logGroup } = settings;
  const environment = results.environment;
  const check = apiFunction(scope, "Check", asset, {
    ...{ ...SUMMARY, logGroup, environment },
    handler: ASSET.fleetCheckHandler,
    description: "Decides whether the next wave of a fleet's Postgres migrations begins",
  });
  const summarize = apiFunction(scope, "Summarize", asset, {
    ...{ ...SUMMARY, logGroup, environment },
    handler: ASSET.fleetSummarizeHandler,
    description: "Says what became of every target of a fleet's Postgres migrations",
  });
  for (const reader of [check, summarize]) {
    results.allow(reader, ["s3:GetObject"], "*");
    results.allowList(reader);
  }
  results.allow(summarize, ["s3:PutObject"], "*/summary.json");
  return { ...targets, prepare, check, summarize, ...given({ list }) };
}

function targetFunctions(
  scope: Construct,
  props: PostgresMigrationsFleetProps,
  settings: FleetFunctionSettings,
): Pick<FleetFunctions, "status" | "operate"> {
  const fleet = { [ENV.fleetName]: settings.fleetName };
  const revision: Record<string, string> =
    props.revision === undefined ? {} : { [ENV.revision]: props.revision };
  const status = loggedFunction(scope, "Status", props, settings, {
    handler: ASSET.fleetStatusHandler,
    description: "Says where the Postgres migrations of one target of a fleet stand; writes nothing",
    environment: fleet,
    login: settings.logins.status,
    retryAttempts: 0,
  });
  const operate = loggedFunction(scope, "Operate", props, settings, {
    handler: ASSET.fleetOperateHandler,
    description: "Runs or undoes the Postgres migrations of one target of a fleet",
    environment: { ...fleet, ...revision, [ENV.allowDown]: String(props.allowDown ?? false) },
    retryAttempts: 0,
  });
  return { status, operate };
}

function listFunction(
  scope: Construct,
  props: PostgresMigrationsFleetProps,
  settings: FleetFunctionSettings,
  sql: string,
): LoggedFunction {
  return loggedFunction(scope, "List", props, settings, {
    handler: ASSET.fleetListHandler,
    description: "Asks the database for the targets of a fleet; writes nothing",
    environment: { [ENV.fleetName]: settings.fleetName, [ENV.fleetQuery]: sql },
    login: settings.logins.status,
    retryAttempts: 0,
  });
}

/** It gets the settings of the fleet's own database, which targets have by default, but not the right to log in there. */
function prepareFunction(
  scope: Construct,
  settings: FleetFunctionSettings,
  from: TargetsFrom,
  list: LoggedFunction | undefined,
): lambda.Function {
  const { asset, results, logGroup, logins, timeout } = settings;
  const handler = apiFunction(scope, "Prepare", asset, {
    handler: ASSET.fleetPrepareHandler,
    description: "Divides the targets of a fleet into waves",
    timeout: timeout + LIMITS.relay,
    memorySize: SUMMARY.memorySize,
    environment: {
      ...databaseEnvironment(settings, logins.main),
      ...results.environment,
      ...(list === undefined ? {} : { [ENV.fleetListFunction]: list.handler.functionName }),
    },
    logGroup,
  });
  results.allow(handler, ["s3:PutObject"], "*");
  if (list !== undefined) allow(handler, ["lambda:InvokeFunction"], [list.handler.functionArn]);
  if (from.kind === "json") grantObject(from.bucket, from.key, handler);
  if (from.kind === "secretsByTag") {
    // The names of all secrets in the account are listed: the service knows no resources for this action.
    // https://docs.aws.amazon.com/service-authorization/latest/reference/list_awssecretsmanager.html
    allow(handler, ["secretsmanager:ListSecrets"], ["*"]);
    grantTagged(scope, from.secretTag, handler);
  }
  return handler;
}

/** Allows a function to log in to the targets that have a secret or a user of their own. */
function grantTargets(
  scope: Construct,
  from: TargetsFrom,
  { target }: DatabaseSettings,
  handler: lambda.Function,
): void {
  if (from.secretTag !== undefined) grantTagged(scope, from.secretTag, handler);
  if (from.kind !== "list") return;
  for (const { secret, user, host = target.host } of from.targets) {
    secret?.grantRead(handler);
    if (user !== undefined && secret === undefined && host === target.host)
      target.grantConnect?.(handler, user);
  }
}

/** The tag takes the place of names, which nobody knows beforehand. Secrets of other accounts and regions are not among them. */
function grantTagged(
  scope: Construct,
  { key, value, encryptionKey }: FleetSecretTag,
  handler: lambda.Function,
): void {
  const secrets = Stack.of(scope).formatArn({
    service: "secretsmanager",
    resource: "secret",
    resourceName: "*",
    arnFormat: ArnFormat.COLON_RESOURCE_NAME,
  });
  handler.addToRolePolicy(
    new iam.PolicyStatement({
      actions: ["secretsmanager:GetSecretValue"],
      resources: [secrets],
      conditions: { StringEquals: { [`aws:ResourceTag/${key}`]: value } },
    }),
  );
  if (encryptionKey === undefined) return;
  handler.addToRolePolicy(
    new iam.PolicyStatement({
      actions: ["kms:Decrypt"],
      resources: [encryptionKey.keyArn],
      conditions: { StringEquals: { "kms:ViaService": `secretsmanager.${Aws.REGION}.amazonaws.com` } },
    }),
  );
}

/** Without the right to list the bucket, S3 says of a missing object that access is denied. */
function grantObject(bucket: s3.IBucket, key: string, handler: lambda.Function): void {
  allow(handler, ["s3:GetObject"], [bucket.arnForObjects(key)]);
  bucket.encryptionKey?.grantDecrypt(handler);
}

function allow(handler: lambda.Function, actions: string[], resources: string[]): void {
  handler.addToRolePolicy(new iam.PolicyStatement({ actions, resources }));
}
