import { expect, test } from "@jest/globals";
import { Duration, RemovalPolicy, Stack } from "aws-cdk-lib";
import * as iam from "aws-cdk-lib/aws-iam";
import * as kms from "aws-cdk-lib/aws-kms";
import * as logs from "aws-cdk-lib/aws-logs";
import * as sns from "aws-cdk-lib/aws-sns";
import { PostgresDatabase } from "../../lib/index.ts";
import {
  addMigrations,
  functionOf,
  newApp,
  newStack,
  only,
  resourcesOf,
  sqlFolder,
  variables,
} from "./synth.ts";

const CUSTOM = "Custom::PostgresMigrations";

test("every prop reaches the resources that it configures", () => {
  const stack = newStack();
  const topic = new sns.Topic(stack, "Topic");
  const waiting = new sns.Topic(stack, "Waiting");
  const alsoWaiting = new sns.Topic(stack, "AlsoWaiting");
  const operator = new iam.Role(stack, "Operator", { assumedBy: new iam.AccountRootPrincipal() });
  const migrations = addMigrations(stack, {
    database: new PostgresDatabase(stack, "Database"),
    schema: ["app", "public"],
    createSchema: true,
    migrationsTable: "pgmigrations",
    order: "warn",
    transaction: "all",
    lockWait: Duration.minutes(2),
    lockTimeout: Duration.seconds(10),
    lockRetries: 0,
    timeout: Duration.minutes(5),
    memorySize: 1024,
    onRollback: "down",
    allowDown: true,
    forceRun: "again",
    approvedPlan: "a".repeat(64),
    revision: "abc123",
    executeBefore: [waiting],
    alarmTopic: topic,
    logRetention: logs.RetentionDays.ONE_WEEK,
    logRemovalPolicy: RemovalPolicy.DESTROY,
  });
  migrations.executeBefore(alsoWaiting);
  migrations.grantStatus(operator);
  const options =
    '{"createSchema":true,"lockRetries":0,"lockWaitMs":120000,"order":"warn","schema":["app","public"],"transaction":"all"}';
  const custom = only(stack, CUSTOM);
  expect(custom.Properties).toMatchObject({
    Options: options,
    ForceRun: "again",
    ApprovedPlan: "a".repeat(64),
  });
  const common = { DATABASE_NAME: "postgres", MIGRATE_OPTIONS: options };
  expect(variables(stack, "on-deploy.handler")).toMatchObject({
    ...common,
    ON_ROLLBACK: "down",
    MIGRATIONS_REVISION: "abc123",
  });
  expect(variables(stack, "on-operate.handler")).toMatchObject({
    ...common,
    ALLOW_DOWN: "true",
    MIGRATIONS_REVISION: "abc123",
  });
  expect(variables(stack, "on-status.handler")).not.toHaveProperty("MIGRATIONS_REVISION");
  for (const { Properties } of ["on-deploy.handler", "on-status.handler", "on-operate.handler"].map(
    (handler) => functionOf(stack, handler),
  ))
    expect(Properties).toMatchObject({ Timeout: 300, MemorySize: 1024 });
  for (const { DeletionPolicy, Properties } of resourcesOf(stack, "AWS::Logs::LogGroup")) {
    expect([DeletionPolicy, Properties["RetentionInDays"]]).toEqual(["Delete", 7]);
  }
  const [first, second, third] = resourcesOf(stack, "AWS::SNS::Topic");
  expect([first, second, third].map((one) => one?.DependsOn ?? [])).toEqual([[], [custom.id], [custom.id]]);
  for (const { Properties } of resourcesOf(stack, "AWS::CloudWatch::Alarm")) {
    expect(Properties["AlarmActions"]).toEqual([{ Ref: first?.id }]);
  }
  const granted = resourcesOf(stack, "AWS::IAM::Policy").find(({ id }) => id.startsWith("Operator"));
  const { id: status } = functionOf(stack, "on-status.handler");
  expect(granted?.Properties["PolicyDocument"].Statement).toMatchObject([
    { Action: "lambda:InvokeFunction", Resource: [{ "Fn::GetAtt": [status, "Arn"] }, expect.anything()] },
  ]);
});

test("only the newest names of very many migrations become properties", () => {
  const stack = newStack();
  const names = Array.from({ length: 30 }, (_, index) => `${1000 + index}_${"long-name-".repeat(12)}`);
  addMigrations(stack, {
    database: new PostgresDatabase(stack, "Database"),
    migrationsDir: sqlFolder(...names),
  });
  const { MigrationCount, Newest, Head } = only(stack, CUSTOM).Properties;
  expect([MigrationCount, Head]).toEqual(["30", names.at(-1)]);
  expect(Newest).toEqual(names.slice(-16));
  expect(Buffer.byteLength(Newest.join(""))).toBeLessThanOrEqual(2_000);
});

test("the same files in another folder give the same template", () => {
  const [first, second] = [0, 1].map(() => {
    const stack = newStack();
    addMigrations(stack, {
      database: new PostgresDatabase(stack, "Database"),
      migrationsDir: sqlFolder("1_one"),
    });
    return resourcesOf(stack);
  });
  expect(first).toEqual(second);
});

test("a given key encrypts storage, secret and Performance Insights, and the functions may decrypt with it", () => {
  const stack = newStack();
  const encryptionKey = new kms.Key(stack, "Key");
  const database = new PostgresDatabase(stack, "Database", { profile: "prod", encryptionKey });
  addMigrations(stack, { database });
  const key = { "Fn::GetAtt": [only(stack, "AWS::KMS::Key").id, "Arn"] };
  expect(only(stack, "AWS::RDS::DBInstance").Properties).toMatchObject({
    KmsKeyId: key,
    PerformanceInsightsKMSKeyId: key,
  });
  expect(only(stack, "AWS::SecretsManager::Secret").Properties["KmsKeyId"]).toEqual(key);
  const { Statement: statements } = only(stack, "AWS::KMS::Key").Properties["KeyPolicy"];
  const roles = ["Deploy", "Operate", "Status"].map((name) => ({
    "Fn::GetAtt": [expect.stringContaining(`Migrations${name}ServiceRole`), "Arn"],
  }));
  expect(statements).toContainEqual(
    expect.objectContaining({
      Action: "kms:Decrypt",
      Principal: { AWS: roles },
      Condition: { StringEquals: { "kms:ViaService": expect.anything() } },
    }),
  );
});

test("an app without CDK feature flags can use both constructs", () => {
  const stack = new Stack(newApp({ context: {} }), "Stack");
  addMigrations(stack, { database: new PostgresDatabase(stack, "Database") });
  expect(only(stack, CUSTOM).Properties["Head"]).toBe("2_two");
});
