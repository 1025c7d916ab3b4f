import { Aws } from "aws-cdk-lib";
import * as iam from "aws-cdk-lib/aws-iam";
import type * as lambda from "aws-cdk-lib/aws-lambda";
import type { Construct } from "constructs";
import { ASSET, ENV, LIMITS } from "../../lambda/contract.ts";
import {
  apiFunction,
  type DatabaseSettings,
  type FunctionProps,
  type LoggedFunction,
  loggedFunction,
} from "./functions.ts";
import type { PostgresMigrationsProps } from "./postgres-migrations-props.ts";
import { grantSnapshots, type Snapshots, snapshotEnvironment } from "./snapshots.ts";

/** What the functions of one database need, derived from the props. */
export interface FunctionSettings extends DatabaseSettings {
  /** Of a whole deploy, in seconds; `timeout` is that of each function. */
  readonly deployTimeout: number;
  /** Undefined if no snapshots are made. */
  readonly snapshots: Snapshots | undefined;
}

export interface MigrationFunctions {
  /** Called by CDK's provider framework; invokes `deploy`. */
  readonly stackEvent: lambda.Function;
  /** Called by CDK's provider framework until the deploy is complete. */
  readonly completion: lambda.Function;
  readonly deploy: LoggedFunction;
  readonly status: LoggedFunction;
  readonly operate: LoggedFunction;
}

/** Five functions from one asset. They differ in their rights and in who may call them. */
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
  const completion = completionFunction(scope, props, settings, deploy);
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
  return { stackEvent, completion, deploy, status, operate };
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
    environment: { [ENV.deployTimeout]: String(settings.deployTimeout) },
  });
}

/** Waits for the snapshot, if there is to be one, and runs the later slices. Only this one may do something in RDS. */
function completionFunction(
  scope: Construct,
  props: PostgresMigrationsProps,
  settings: FunctionSettings,
  deploy: LoggedFunction,
): lambda.Function {
  const handler = outsideVpc(scope, "Completion", props, settings, deploy, {
    handler: ASSET.isCompleteHandler,
    description:
      "Makes a snapshot before a deploy if wanted, and goes on with one that takes more than one invocation",
  });
  if (settings.snapshots !== undefined) grantSnapshots(settings.snapshots, handler);
  return handler;
}

function outsideVpc(
  scope: Construct,
  id: string,
  props: PostgresMigrationsProps,
  settings: FunctionSettings,
  { handler: deploy, logGroup }: LoggedFunction,
  { environment, ...own }: OutsideProps,
): lambda.Function {
  const handler = apiFunction(scope, id, settings.asset, {
    ...own,
    timeout: settings.timeout + LIMITS.relay,
    environment: {
      [ENV.deployFunction]: deploy.functionName,
      [ENV.onRollback]: props.onRollback ?? "keep",
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

interface OutsideProps {
  readonly handler: string;
  readonly description: string;
  readonly environment?: Readonly<Record<string, string>>;
}
