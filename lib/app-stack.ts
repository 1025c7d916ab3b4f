import { join } from "node:path";
import { App, type AppProps, Aws, CfnOutput, Stack, type StackProps } from "aws-cdk-lib";
import type * as lambda from "aws-cdk-lib/aws-lambda";
import * as sns from "aws-cdk-lib/aws-sns";
import type { Construct } from "constructs";
import { type DatabaseProfile, PostgresDatabase, PostgresMigrations } from "./constructs/index.ts";
import { given } from "./core/index.ts";

const DATABASE_NAME = "aws_framework";
const MIGRATIONS_DIR = join(import.meta.dirname, "..", "migrations");

/** The command that undoes migrations must not run by a careless paste: the name has to be typed. */
const CONFIRM = "<DatabaseName>";

const DEFAULT_PROFILE = "dev";

/** Settings of this repository's own stack. */
export interface AppStackProps extends StackProps {
  /** Profile of the database. In "prod", undoing migrations is refused and the stack cannot be deleted by mistake. */
  readonly profile: DatabaseProfile;
  /**
   * Version of the migrations for the history, such as a git commit.
   * @default - no version is recorded
   */
  readonly revision?: string;
  /**
   * ARN of the SNS topic that the alarms notify.
   * @default - the alarms notify nobody
   */
  readonly alarmTopicArn?: string;
  /**
   * Folder of the migrations.
   * @default - `migrations/` of this project
   */
  readonly migrationsDir?: string;
}

/** A database with the migrations of this project. */
export class AppStack extends Stack {
  readonly database: PostgresDatabase;
  readonly migrations: PostgresMigrations;

  constructor(scope: Construct, id: string, props: AppStackProps) {
    const { profile, revision, alarmTopicArn, migrationsDir = MIGRATIONS_DIR } = props;
    super(scope, id, {
      description: `Postgres and its migrations (${profile})`,
      // The deletion protection of the instance stops `cdk destroy` only after most of the stack has been deleted.
      terminationProtection: profile === "prod",
      ...props,
    });
    this.database = new PostgresDatabase(this, "Database", { profile, databaseName: DATABASE_NAME });
    const allowDown = profile === "dev";
    this.migrations = new PostgresMigrations(this, "Migrations", {
      database: this.database,
      migrationsDir,
      allowDown,
      ...given({ revision }),
      ...(alarmTopicArn === undefined
        ? {}
        : { alarmTopic: sns.Topic.fromTopicArn(this, "AlarmTopic", alarmTopicArn) }),
    });
    addOutputs(this, outputsOf(this.migrations));
    if (allowDown) addOutputs(this, { DownCommand: operation(this.migrations, "down", CONFIRM) });
  }
}

/**
 * The CDK app of this repository. Context: `-c env=dev` (default) or `-c env=prod`; `-c revision=<git commit>` for the
 * history; `-c alarmTopic=<ARN of an SNS topic>` for the alarms.
 * @throws Error for any other environment
 */
export function createApp(props: AppProps = {}): App {
  const app = new App(props);
  const revision = textOf(app.node.tryGetContext("revision"));
  const alarmTopicArn = textOf(app.node.tryGetContext("alarmTopic"));
  const profile = profileOf(app.node.tryGetContext("env"));
  new AppStack(app, `cdk-pg-migrate-${profile}`, {
    profile,
    ...given({ revision, alarmTopicArn }),
  });
  return app;
}

function textOf(context: unknown): string | undefined {
  return typeof context === "string" && context !== "" ? context : undefined;
}

function profileOf(env: unknown): DatabaseProfile {
  if (env === undefined) return DEFAULT_PROFILE;
  if (env === "dev" || env === "prod") return env;
  throw new Error(`context env must be "dev" or "prod", not "${String(env)}": say -c env=dev or -c env=prod`);
}

/** What an operator needs to look at and run migrations. */
function outputsOf(migrations: PostgresMigrations): Readonly<Record<string, string>> {
  const { statusFunction: status } = migrations;
  return {
    Head: migrations.head,
    AppliedCount: migrations.appliedCount,
    DatabaseName: migrations.databaseName,
    SecretArn: migrations.secret.secretArn,
    DeployFunction: migrations.deployFunction.functionName,
    StatusFunction: status.functionName,
    OperateFunction: migrations.operateFunction.functionName,
    DeployLogs: migrations.deployLogGroup.logGroupName,
    StatusLogs: migrations.statusLogGroup.logGroupName,
    OperateLogs: migrations.operateLogGroup.logGroupName,
    StatusCommand: invocation(status, { command: "status" }),
    PlanCommand: invocation(status, { command: "plan" }),
    UpCommand: operation(migrations, "up", migrations.databaseName),
    Runner: migrations.runner.stateMachineArn,
    RunCommand: execution(migrations, { command: "up", confirm: migrations.databaseName }),
  };
}

function addOutputs(stack: Stack, outputs: Readonly<Record<string, string>>): void {
  for (const [id, value] of Object.entries(outputs)) new CfnOutput(stack, id, { value });
}

function operation({ operateFunction }: PostgresMigrations, command: "up" | "down", confirm: string): string {
  return invocation(operateFunction, { command, confirm });
}

/** A command to copy, for a run of hours. It answers at once. */
function execution({ runner }: PostgresMigrations, payload: object): string {
  return (
    `aws stepfunctions start-execution --region ${Aws.REGION} --state-machine-arn ${runner.stateMachineArn} ` +
    `--input '${JSON.stringify(payload)}'`
  );
}

/**
 * A command to copy. By default the AWS CLI gives up after a minute and invokes the function again, but a migration may
 * take longer and must not run twice. The CLI opens and truncates its output file: with /dev/stdout it would damage the
 * file that the output is redirected to, so it writes to a pipe. Its own output ("None" on success) goes to stderr.
 */
function invocation(handler: lambda.Function, payload: object): string {
  return (
    `AWS_MAX_ATTEMPTS=1 aws lambda invoke --region ${Aws.REGION} --function-name ${handler.functionName} ` +
    `--cli-binary-format raw-in-base64-out --cli-read-timeout 0 --payload '${JSON.stringify(payload)}' ` +
    "--query FunctionError --output text /dev/fd/3 3>&1 1>&2 | cat"
  );
}
