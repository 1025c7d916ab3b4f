import { beforeAll, expect, test } from "@jest/globals";
import type { Stack } from "aws-cdk-lib";
import * as iam from "aws-cdk-lib/aws-iam";
import * as sns from "aws-cdk-lib/aws-sns";
import { runnerDefinition } from "../../lib/constructs/runner.ts";
import { PostgresDatabase, type PostgresMigrations } from "../../lib/index.ts";
import { parseDefinition } from "../aws/cloud/definition.ts";
import { addMigrations, functionOf, newStack, only, type Resource, resourcesOf } from "./synth.ts";

let stack: Stack;
let migrations: PostgresMigrations;
beforeAll(() => {
  stack = newStack();
  const alarmTopic = new sns.Topic(stack, "Topic");
  migrations = addMigrations(stack, { database: new PostgresDatabase(stack, "Database"), alarmTopic });
});

/** The state machine; CDK's own waits for deploys. */
function runnerOf(scope: Stack): Resource {
  const machines = resourcesOf(scope, "AWS::StepFunctions::StateMachine");
  const [runner, ...others] = machines.filter(({ id }) => id.includes("Runner"));
  if (runner !== undefined && others.length === 0) return runner;
  throw new Error("there is not one runner");
}

/** What the policies of a role or a user allow. */
const allowedTo = (scope: Stack, owner: string) =>
  resourcesOf(scope, "AWS::IAM::Policy")
    .filter(({ id }) => id.includes(owner))
    .flatMap(({ Properties }) => Properties["PolicyDocument"].Statement);

const operate = () => ({ "Fn::GetAtt": [functionOf(stack, "on-operate.handler").id, "Arn"] });

test("the definition of the runner keeps the rules of the states language", () => {
  const functionArn = "arn:aws:lambda:eu-west-1:123456789012:function:operate";
  const definition = runnerDefinition({ partition: "aws", functionArn });
  expect(() => parseDefinition(JSON.stringify(definition))).not.toThrow();
  expect(definition).toMatchObject({ TimeoutSeconds: 604_800 });
});

test("the runner is a Standard state machine without a log of its own, which would need rights on every log delivery", () => {
  const { Properties } = runnerOf(stack);
  expect(Properties).not.toHaveProperty("LoggingConfiguration");
  expect(Properties).not.toHaveProperty("StateMachineName");
  expect([undefined, "STANDARD"]).toContain(Properties["StateMachineType"]);
});

test("the runner may invoke the operate function and do nothing else", () => {
  expect(allowedTo(stack, "Runner")).toEqual([
    { Effect: "Allow", Action: "lambda:InvokeFunction", Resource: operate() },
  ]);
  const [role] = resourcesOf(stack, "AWS::IAM::Role").filter(({ id }) => id.includes("Runner"));
  expect(role?.Properties).not.toHaveProperty("ManagedPolicyArns");
  expect(runnerOf(stack).Properties["DefinitionSubstitutions"]).toEqual({
    partition: { Ref: "AWS::Partition" },
    operate: operate(),
  });
});

test("grantRun allows to start executions of the runner, and to look at, stop and redrive these", () => {
  const scope = newStack();
  const made = addMigrations(scope, { database: new PostgresDatabase(scope, "Database") });
  made.grantRun(new iam.User(scope, "Operator"));
  const { id } = runnerOf(scope);
  const [start, executions, ...others] = allowedTo(scope, "Operator");
  expect(start).toEqual({ Effect: "Allow", Action: "states:StartExecution", Resource: { Ref: id } });
  expect(executions).toMatchObject({
    Effect: "Allow",
    Action: ["states:DescribeExecution", "states:RedriveExecution", "states:StopExecution"],
  });
  expect(JSON.stringify(executions.Resource)).toMatch(/:execution:.*:\*"/);
  expect(others).toEqual([]);
});

test("an alarm tells of executions of the runner that fail or take too long", () => {
  const [alarm, ...others] = resourcesOf(stack, "AWS::CloudWatch::Alarm").filter(({ id }) =>
    id.includes("Runner"),
  );
  expect(others).toEqual([]);
  expect(alarm?.Properties).toMatchObject({
    AlarmActions: [{ Ref: only(stack, "AWS::SNS::Topic").id }],
    TreatMissingData: "notBreaching",
    Threshold: 1,
  });
  const metrics = JSON.stringify(alarm?.Properties["Metrics"]);
  for (const name of ["ExecutionsFailed", "ExecutionsTimedOut"]) expect(metrics).toContain(`"${name}"`);
  expect(migrations.alarms).toHaveLength(5);
});
