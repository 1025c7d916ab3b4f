import { beforeAll, expect, test } from "@jest/globals";
import type { Stack } from "aws-cdk-lib";
import { PostgresDatabase, type PostgresMigrations } from "../../lib/index.ts";
import { addMigrations, functionOf, newStack, only, type Resource, resourcesOf, variables } from "./synth.ts";

const FUNCTION = "AWS::Lambda::Function";
const CUSTOM = "Custom::PostgresMigrations";

const isOurs = ({ Properties }: Resource) => /^on-\w+\.handler$/.test(Properties["Handler"]);
const ours = (stack: Stack) => resourcesOf(stack, FUNCTION).filter(isOurs);
let stack: Stack;
let migrations: PostgresMigrations;
beforeAll(() => {
  stack = newStack();
  const database = new PostgresDatabase(stack, "Database", { databaseName: "app" });
  migrations = addMigrations(stack, { database });
});

test("three functions run on one asset, all alike", () => {
  const functions = ours(stack);
  expect(functions.map(({ Properties }) => Properties["Handler"])).toEqual([
    "on-deploy.handler",
    "on-status.handler",
    "on-operate.handler",
  ]);
  expect(new Set(functions.map(({ Properties }) => JSON.stringify(Properties["Code"]))).size).toBe(1);
  for (const { Properties } of functions) {
    expect(Properties).toMatchObject({
      Runtime: "nodejs24.x",
      Architectures: ["arm64"],
      MemorySize: 512,
      Timeout: 840,
      LoggingConfig: { LogFormat: "JSON" },
    });
  }
});

test("nothing has a fixed name, and no concurrency is taken from the account", () => {
  const names = resourcesOf(stack).flatMap(({ Properties = {} }) =>
    Object.keys(Properties).filter((key) =>
      /^(Function|Role|LogGroup|Alarm|Group|Secret|DBInstance|Policy)(Name|Identifier)$/.test(key),
    ),
  );
  // Names of policies belong to their role; the invoke configurations refer to a function.
  expect(new Set(names)).toEqual(new Set(["PolicyName", "FunctionName"]));
  for (const { Properties } of resourcesOf(stack, FUNCTION)) {
    expect(Properties).not.toHaveProperty("FunctionName");
    expect(Properties).not.toHaveProperty("ReservedConcurrentExecutions");
  }
});

test("the environment tells each function what it needs, and nothing secret", () => {
  const { id: attachment } = only(stack, "AWS::SecretsManager::SecretTargetAttachment");
  const { id: instance } = only(stack, "AWS::RDS::DBInstance");
  const common = {
    DATABASE_HOST: { "Fn::GetAtt": [instance, "Endpoint.Address"] },
    DATABASE_PORT: { "Fn::GetAtt": [instance, "Endpoint.Port"] },
    DATABASE_NAME: "app",
    DATABASE_SECRET_ARN: { Ref: attachment },
  };
  expect(variables(stack, "on-deploy.handler")).toEqual({ ...common, ON_ROLLBACK: "keep" });
  expect(variables(stack, "on-status.handler")).toEqual(common);
  expect(variables(stack, "on-operate.handler")).toEqual({ ...common, ALLOW_DOWN: "false" });
  const functions = JSON.stringify(resourcesOf(stack, FUNCTION));
  expect(functions).not.toMatch(/resolve:secretsmanager|SecretString|password/i);
});

test("the functions may reach the database and the endpoint, and nothing else", () => {
  const rules = resourcesOf(stack, "AWS::EC2::SecurityGroupEgress").map(({ Properties }) => Properties);
  expect(rules.map(({ Description, IpProtocol }) => [Description, IpProtocol])).toEqual([
    ["Postgres migrations", "tcp"],
    ["Secrets Manager", "tcp"],
  ]);
  for (const rule of rules) expect(rule).toHaveProperty("DestinationSecurityGroupId");
  expect(rules.at(-1)).toMatchObject({ FromPort: 443, ToPort: 443 });
  const ingress = resourcesOf(stack, "AWS::EC2::SecurityGroupIngress").map(({ Properties }) => Properties);
  expect(ingress).toHaveLength(2);
  for (const rule of ingress) expect(rule).toHaveProperty("SourceSecurityGroupId");
  expect(JSON.stringify(resourcesOf(stack))).not.toMatch(/0\.0\.0\.0\/0|::\/0/);
});

test("each may read the secret; only CDK's framework may call the deploy function", () => {
  const statements = resourcesOf(stack, "AWS::IAM::Policy").flatMap(
    ({ Properties }) => Properties["PolicyDocument"].Statement,
  );
  const { id: attachment } = only(stack, "AWS::SecretsManager::SecretTargetAttachment");
  const reads = statements.filter(({ Resource: resource }) => resource?.Ref === attachment);
  expect(reads).toHaveLength(3);
  for (const { Action, Effect } of reads) {
    expect(Effect).toBe("Allow");
    expect(Action).toEqual(["secretsmanager:DescribeSecret", "secretsmanager:GetSecretValue"]);
  }
  const others = statements.filter((one) => !reads.includes(one)).map(({ Action }) => Action);
  expect(others).toEqual(["lambda:InvokeFunction", "lambda:GetFunction"]);
});

test("the custom resource waits for the database and for the whole way to it", () => {
  const { DependsOn = [] } = only(stack, CUSTOM);
  const byId = new Map(resourcesOf(stack).map(({ id, Type }) => [id, Type]));
  expect(DependsOn.map((id) => byId.get(id)).toSorted()).toEqual([
    "AWS::EC2::SecurityGroup",
    "AWS::EC2::SecurityGroupEgress",
    "AWS::EC2::SecurityGroupEgress",
    "AWS::EC2::SecurityGroupIngress",
    "AWS::EC2::SecurityGroupIngress",
    "AWS::EC2::VPCEndpoint",
    "AWS::RDS::DBInstance",
    "AWS::SecretsManager::SecretTargetAttachment",
  ]);
});

test("the custom resource says what a deploy would run", () => {
  expect(only(stack, CUSTOM).Properties).toEqual({
    ServiceToken: { "Fn::GetAtt": [expect.stringContaining("frameworkonEvent"), "Arn"] },
    ServiceTimeout: "960",
    MigrationsHash: expect.stringMatching(/^[0-9a-f]{64}$/),
    Database: {
      "Fn::Join": [
        "",
        [
          { "Fn::GetAtt": [expect.any(String), "Endpoint.Address"] },
          ":",
          { "Fn::GetAtt": [expect.any(String), "Endpoint.Port"] },
          "/app",
        ],
      ],
    },
    MigrationCount: "2",
    Head: "2_two",
    Newest: ["1_one", "2_two"],
    Options: "{}",
  });
  expect(stack.resolve([migrations.head, migrations.aheadCount])).toEqual([
    { "Fn::GetAtt": [only(stack, CUSTOM).id, "Head"] },
    { "Fn::GetAtt": [only(stack, CUSTOM).id, "AheadCount"] },
  ]);
});

test("CDK's framework answers CloudFormation from outside the VPC", () => {
  const { Properties } = functionOf(stack, "framework.onEvent");
  expect(Properties).not.toHaveProperty("VpcConfig");
  expect(Properties["Timeout"]).toBe(900);
  expect(resourcesOf(stack, "AWS::StepFunctions::StateMachine")).toHaveLength(0);
});

test("every function has a log group of its own that stays, and a failed command is not repeated", () => {
  const groups = resourcesOf(stack, "AWS::Logs::LogGroup");
  expect(groups).toHaveLength(4);
  for (const { DeletionPolicy, Properties } of groups) {
    expect([DeletionPolicy, Properties["RetentionInDays"]]).toEqual(["Retain", 365]);
  }
  const used = [...ours(stack), functionOf(stack, "framework.onEvent")].map(
    ({ Properties }) => Properties["LoggingConfig"].LogGroup.Ref,
  );
  expect(used.toSorted()).toEqual(groups.map(({ id }) => id).toSorted());
  const retries = resourcesOf(stack, "AWS::Lambda::EventInvokeConfig").map(({ Properties }) => Properties);
  expect(retries).toMatchObject([{ MaximumRetryAttempts: 0 }, { MaximumRetryAttempts: 0 }]);
});

test("alarms tell nobody unless there is a topic", () => {
  const alarms = resourcesOf(stack, "AWS::CloudWatch::Alarm").map(({ Properties }) => Properties);
  expect(alarms.map(({ MetricName, Threshold }) => [MetricName, Threshold])).toEqual([
    ["MigrationFailed", 1],
    ["Errors", 1],
    ["Duration", 672_000],
    ["MigrationFailed", 1],
    ["Errors", 1],
    ["Duration", 672_000],
  ]);
  expect(alarms[0]).toMatchObject({
    Namespace: "CdkPgMigrate",
    Dimensions: [{ Name: "Function", Value: { Ref: functionOf(stack, "on-deploy.handler").id } }],
    TreatMissingData: "notBreaching",
  });
  for (const alarm of alarms) expect(alarm).not.toHaveProperty("AlarmActions");
});
