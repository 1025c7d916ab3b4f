import { join } from "node:path";
import { App, type AppProps, Aws, CfnOutput, Stack, type StackProps } from "aws-cdk-lib";
import type * as lambda from "aws-cdk-lib/aws-lambda";
import type { Construct } from "constructs";
import type { DatabaseProfile } from "./constructs/database-profiles.ts";
import { PostgresDatabase } from "./constructs/postgres-database.ts";
import { PostgresMigrations } from "./constructs/postgres-migrations.ts";

const DATABASE_NAME = "aws_framework";
const MIGRATIONS_DIR = join(import.meta.dirname, "..", "migrations");

/** Of a context value that is not given. */
const DEFAULT_PROFILE = "dev";

export interface AppStackProps extends StackProps {
  readonly profile: DatabaseProfile;
  /**
   * Version of the migrations for the history, such as a git commit.
   * @default - unknown
   */
  readonly revision?: string;
  /**
   * Folder of migrations.
   * @default - this project's own
   */
  readonly migrationsDir?: string;
}

/** A database, and this project's migrations in it. */
export class AppStack extends Stack {
  readonly database: PostgresDatabase;
  readonly migrations: PostgresMigrations;

  constructor(scope: Construct, id: string, props: AppStackProps) {
    const { profile, revision, migrationsDir = MIGRATIONS_DIR } = props;
    super(scope, id, { description: `Postgres and its migrations (${profile})`, ...props });
    this.database = new PostgresDatabase(this, "Database", { profile, databaseName: DATABASE_NAME });
    const allowDown = profile === "dev";
    this.migrations = new PostgresMigrations(this, "Migrations", {
      database: this.database,
      migrationsDir,
      allowDown,
      ...(revision === undefined ? {} : { revision }),
    });
    addOutputs(this, outputsOf(this.migrations));
    if (allowDown) addOutputs(this, { DownCommand: operation(this.migrations, "down") });
  }
}

/**
 * The app. Context: `-c env=dev` (default) or `-c env=prod`; `-c revision=<git commit>`, for the history.
 * @throws Error for any other environment
 */
export function createApp(props: AppProps = {}): App {
  const app = new App(props);
  const revision: unknown = app.node.tryGetContext("revision");
  const profile = profileOf(app.node.tryGetContext("env"));
  new AppStack(app, `cdk-pg-migrate-${profile}`, {
    profile,
    ...(typeof revision === "string" && revision !== "" ? { revision } : {}),
  });
  return app;
}

function profileOf(env: unknown): DatabaseProfile {
  if (env === undefined) return DEFAULT_PROFILE;
  if (env === "dev" || env === "prod") return env;
  throw new Error(`context env must be "dev" or "prod", not "${String(env)}": say -c env=dev or -c env=prod`);
}

/** All that somebody needs who has only the stack's outputs before their eyes. */
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
    StatusCommand: invocation(status, { action: "status" }),
    PlanCommand: invocation(status, { action: "plan" }),
    UpCommand: operation(migrations, "up"),
  };
}

function addOutputs(stack: Stack, outputs: Readonly<Record<string, string>>): void {
  for (const [id, value] of Object.entries(outputs)) new CfnOutput(stack, id, { value });
}

function operation({ operateFunction, databaseName }: PostgresMigrations, action: "up" | "down"): string {
  return invocation(operateFunction, { action, confirm: databaseName });
}

/**
 * Left to itself, the AWS CLI gives up after a minute and invokes again: a migration may take longer, and
 * must not run twice.
 */
function invocation(handler: lambda.Function, payload: object): string {
  return (
    `AWS_MAX_ATTEMPTS=1 aws lambda invoke --region ${Aws.REGION} --function-name ${handler.functionName} ` +
    `--cli-binary-format raw-in-base64-out --cli-read-timeout 0 --payload '${JSON.stringify(payload)}' /dev/stdout`
  );
}
