import { beforeAll, expect, test } from "@jest/globals";
import { Duration, Stack } from "aws-cdk-lib";
import { PostgresDatabase, type PostgresMigrations } from "../../lib/index.ts";
import { writeFolder } from "../support/folders.ts";
import {
  addMigrations,
  CONTEXT,
  functionOf,
  importedSecret,
  newApp,
  newStack,
  only,
  type Resource,
  resourcesOf,
  SECRET_ARN,
  variables,
} from "./synth.ts";

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

test("the three functions have the same asset, runtime, memory and timeout", () => {
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

test("no resource has a fixed name, and no function reserves concurrency", () => {
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

test("the environment of each function has what it needs and no secret", () => {
  const { id: attachment } = only(stack, "AWS::SecretsManager::SecretTargetAttachment");
  const { id: instance } = only(stack, "AWS::RDS::DBInstance");
  const common = {
    DATABASE_HOST: { "Fn::GetAtt": [instance, "Endpoint.Address"] },
    DATABASE_PORT: { "Fn::GetAtt": [instance, "Endpoint.Port"] },
    DATABASE_NAME: "app",
    DATABASE_SECRET_ARN: { Ref: attachment },
  };
  expect(variables(stack, "on-deploy.handler")).toEqual({ ...common, ON_ROLLBACK: "keep" });
  expect(variables(stack, "on-stack-event.handler")).toEqual({
    DEPLOY_FUNCTION: { Ref: functionOf(stack, "on-deploy.handler").id },
    DEPLOY_TIMEOUT: "3300",
    ON_ROLLBACK: "keep",
  });
  expect(variables(stack, "on-status.handler")).toEqual(common);
  expect(variables(stack, "on-operate.handler")).toEqual({ ...common, ALLOW_DOWN: "false" });
  const functions = JSON.stringify(resourcesOf(stack, FUNCTION));
  expect(functions).not.toMatch(/resolve:secretsmanager|SecretString|password/i);
});

test("the security group of the functions allows only the database and the endpoint", () => {
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

test("each function may read the secret, and only the two in front of it may invoke the deploy function", () => {
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
  const denied = statements.filter(({ Effect }) => Effect === "Deny");
  expect(denied).toHaveLength(3);
  for (const { Action, Condition } of denied) {
    expect(Action).toContain("ec2:CreateNetworkInterface");
    expect(Object.keys(Condition.ArnLike)).toEqual(["lambda:SourceFunctionArn"]);
  }
  const others = statements.filter((one) => !reads.includes(one) && !denied.includes(one));
  const arnOf = (handler: string) => ({ "Fn::GetAtt": [functionOf(stack, handler).id, "Arn"] });
  const inFront = [
    { Effect: "Allow", Action: "lambda:InvokeFunction", Resource: arnOf("on-deploy.handler") },
    { Effect: "Allow", Action: "cloudformation:DescribeStacks", Resource: { Ref: "AWS::StackId" } },
  ];
  const { id: deploy } = functionOf(stack, "on-deploy.handler");
  const isInFront = (one: unknown) => JSON.stringify(one).match(`${deploy}|AWS::StackId`) !== null;
  expect(others.filter(isInFront)).toEqual([...inFront, ...inFront]);
  const actions = others.filter((one) => !isInFront(one)).map(({ Action: action }) => action);
  expect(new Set(actions)).toEqual(
    new Set(["lambda:InvokeFunction", "lambda:GetFunction", "states:StartExecution"]),
  );
});

test("a status function with its own secret may read no other secret", () => {
  const scope = newStack();
  const statusSecret = importedSecret(scope);
  addMigrations(scope, { database: new PostgresDatabase(scope, "Database"), statusSecret });
  expect(variables(scope, "on-status.handler")["DATABASE_SECRET_ARN"]).toBe(SECRET_ARN);
  expect(variables(scope, "on-operate.handler")["DATABASE_SECRET_ARN"]).not.toBe(SECRET_ARN);
  const resources = resourcesOf(scope, "AWS::IAM::Policy")
    .filter(({ id }) => id.includes("Status"))
    .flatMap(({ Properties }) => Properties["PolicyDocument"].Statement)
    .filter(({ Effect }) => Effect === "Allow")
    .map(({ Resource: resource }) => resource);
  expect(resources).toEqual([SECRET_ARN]);
});

test("the endpoint serves only the account of the stack", () => {
  const [statement] = only(stack, "AWS::EC2::VPCEndpoint").Properties["PolicyDocument"].Statement;
  expect(statement).toMatchObject({
    Effect: "Allow",
    Condition: { StringEquals: { "aws:PrincipalAccount": { Ref: "AWS::AccountId" } } },
  });
});

test("the custom resource waits for the database and for every rule on the route to it", () => {
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

test("the properties of the custom resource tell what a deploy would run", () => {
  expect(only(stack, CUSTOM).Properties).toEqual({
    ServiceToken: { "Fn::GetAtt": [expect.stringContaining("frameworkonEvent"), "Arn"] },
    ServiceTimeout: "3600",
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
    Secret: { Ref: only(stack, "AWS::SecretsManager::SecretTargetAttachment").id },
    Network: [
      { "Fn::GetAtt": [expect.stringContaining("MigrationsSecurityGroup"), "GroupId"] },
      { Ref: expect.stringContaining("Subnet1") },
      { Ref: expect.stringContaining("Subnet2") },
    ],
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

test("the functions that talk to CloudFormation run outside the VPC and longer than the deploy function", () => {
  const timeoutsOf = (...handlers: readonly string[]) =>
    handlers.map((handler) => {
      const { Properties } = functionOf(stack, handler);
      expect("VpcConfig" in Properties).toBe(handler === "on-deploy.handler");
      return Properties["Timeout"];
    });
  expect(timeoutsOf("framework.onEvent", "on-stack-event.handler", "on-deploy.handler")).toEqual([
    900, 885, 840,
  ]);
  expect(timeoutsOf("framework.isComplete", "on-stack-event.isComplete")).toEqual([900, 885]);
});

test("a deploy goes on for an hour in a state machine that logs nothing", () => {
  const machines = resourcesOf(stack, "AWS::StepFunctions::StateMachine");
  const [machine, ...others] = machines.filter(({ id }) => id.includes("Provider"));
  expect(others).toEqual([]);
  const definition = JSON.stringify(machine?.Properties["DefinitionString"]);
  expect(definition).toContain(String.raw`\"IntervalSeconds\":10,\"MaxAttempts\":360,\"BackoffRate\":1`);
  expect(machine?.Properties).not.toHaveProperty("LoggingConfiguration");
});

test.each([
  [Duration.minutes(5), 300, "300", 240_000],
  [Duration.minutes(14), 840, "840", 672_000],
  [Duration.minutes(30), 840, "1800", 1_440_000],
])(
  "with a timeout of %s each function has its share, and the alarm looks at the whole deploy",
  (timeout, seconds, whole, slow) => {
    const scope = newStack();
    addMigrations(scope, { database: new PostgresDatabase(scope, "Database"), timeout });
    for (const handler of ["on-deploy.handler", "on-operate.handler", "on-status.handler"]) {
      expect(functionOf(scope, handler).Properties["Timeout"]).toBe(seconds);
    }
    expect(variables(scope, "on-stack-event.handler")["DEPLOY_TIMEOUT"]).toBe(whole);
    const [, deploy, , operate] = resourcesOf(scope, "AWS::CloudWatch::Alarm").map(
      ({ Properties }) => Properties,
    );
    expect([deploy?.["Threshold"], operate?.["Threshold"]]).toEqual([slow, seconds * 800]);
    expect(JSON.stringify(deploy)).toContain('"MetricName":"DeployDuration"');
    expect(JSON.stringify(operate)).toContain('"MetricName":"RunDuration"');
  },
);

test("the stack event function and the deploy function share a log group", () => {
  const [front, later, deploy] = [
    "on-stack-event.handler",
    "on-stack-event.isComplete",
    "on-deploy.handler",
  ].map((handler) => functionOf(stack, handler).Properties["LoggingConfig"].LogGroup);
  expect([front, later]).toEqual([deploy, deploy]);
});

test.each([[[]], [["Other"]], [["Other/*"]]])(
  "a migration that does not compile does not stop a command for other stacks: %j",
  (stacks) => {
    const context = { ...CONTEXT, "aws:cdk:bundling-stacks": stacks };
    const scope = new Stack(newApp({ context }), "Stack");
    const migrationsDir = writeFolder({ "1_broken.ts": "export const = ;" });
    addMigrations(scope, { database: new PostgresDatabase(scope, "Database"), migrationsDir });
    expect(only(scope, CUSTOM).Properties).toMatchObject({ MigrationCount: "0", Head: "" });
  },
);

test("a migration that does not compile stops a command for its own stack", () => {
  const context = { ...CONTEXT, "aws:cdk:bundling-stacks": ["Stack"] };
  const scope = new Stack(newApp({ context }), "Stack");
  const migrationsDir = writeFolder({ "1_broken.ts": "export const = ;" });
  const database = new PostgresDatabase(scope, "Database");
  expect(() => addMigrations(scope, { database, migrationsDir })).toThrow(/1_broken/);
});

test("log groups are retained for a year, and Lambda does not repeat a failed command", () => {
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

test("a failure raises one alarm, which notifies nobody without a topic", () => {
  const alarms = resourcesOf(stack, "AWS::CloudWatch::Alarm").map(({ Properties }) => Properties);
  expect(alarms.map(({ Metrics, Threshold }) => [Metrics[0].Expression, Threshold])).toEqual([
    ["FILL(failed, 0) + FILL(errors, 0)", 1],
    ["IF(FILL(failed, 0) + FILL(errors, 0) > 0, 0, duration)", 2_640_000],
    ["FILL(failed, 0) + FILL(errors, 0)", 1],
    ["IF(FILL(failed, 0) + FILL(errors, 0) > 0, 0, duration)", 672_000],
    ["FILL(failed, 0) + FILL(timedOut, 0)", 1],
  ]);
  const failed = { Namespace: "CdkPgMigrate", MetricName: "MigrationFailed" };
  const dimension = { Name: "Function", Value: { Ref: functionOf(stack, "on-deploy.handler").id } };
  expect(alarms[0]?.["Metrics"][1].MetricStat.Metric).toEqual({ ...failed, Dimensions: [dimension] });
  for (const alarm of alarms) {
    expect(alarm["TreatMissingData"]).toBe("notBreaching");
    expect(alarm).not.toHaveProperty("AlarmActions");
  }
});
