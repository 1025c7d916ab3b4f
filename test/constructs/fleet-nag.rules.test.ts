import { expect, test } from "@jest/globals";
import { CfnElement, Stack, Validations } from "aws-cdk-lib";
import * as sns from "aws-cdk-lib/aws-sns";
import { AwsSolutionsChecks } from "cdk-nag";
import type { IConstruct } from "constructs";
import { addFleet } from "./fleet.ts";
import { findingsOf, newApp } from "./synth.ts";

const managed = (name: string) =>
  `AwsSolutions-IAM4[Policy::arn:<AWS::Partition>:iam::aws:policy/service-role/${name}]`;

const LOGGING = "AWS's own policy for writing logs.";
const KEYS = "Keys have the name of the execution, which nobody knows before it begins.";
const HISTORY =
  "Step Functions keeps the history of an execution for 90 days, and results are in S3. For a log of its own, the role would " +
  "need rights on every log delivery of the account.";
const CHILDREN = "The executions of this one state machine; their names are made when they begin.";
const FRAMEWORK = "CDK's provider framework may call any version of the functions it is given.";

/** What cdk-nag (AwsSolutions) finds below a fleet, by path and rule, and why it stays. */
function acknowledgements(idOf: (path: string) => string): readonly (readonly [string, string, string])[] {
  const inside = ["List", "Status", "Operate"];
  const outside = ["Prepare", "Check", "Summarize", "Event", "IsComplete"];
  const framework = ["framework-onEvent", "framework-isComplete", "framework-onTimeout"].map(
    (name) => `Provider/${name}`,
  );
  const any = (resource: string) => `AwsSolutions-IAM5[Resource::${resource}]`;
  const objects = (keys: string) => any(`<${idOf("Results")}.Arn>/Stack-Fleet/executions/${keys}`);
  const executions = (machine: string, map = "") =>
    any(
      `arn:<AWS::Partition>:states:<AWS::Region>:<AWS::AccountId>:execution:<${idOf(machine)}.Name>${map}:*`,
    );
  const versions = (path: string) => any(`<${idOf(path)}.Arn>:*`);
  return [
    [
      "Results",
      "AwsSolutions-S1",
      "Only the functions and state machines of the fleet use the bucket, and CloudTrail has them.",
    ],
    ...[...inside, ...outside, ...framework].map(
      (path) => [path, managed("AWSLambdaBasicExecutionRole"), LOGGING] as const,
    ),
    ...inside.map(
      (path) =>
        [
          path,
          managed("AWSLambdaVPCAccessExecutionRole"),
          "AWS's own policy for a function in a VPC.",
        ] as const,
    ),
    ...["Prepare", "Check", "Summarize"].map((path) => [path, objects("*"), KEYS] as const),
    ["Summarize", objects("*/summary.json"), KEYS],
    ...["StatusMachine", "OperateMachine"].flatMap(
      (path) =>
        [
          [path, objects("*/items/*"), KEYS],
          [path, objects("*/results/*"), KEYS],
          [path, "AwsSolutions-SF1", HISTORY],
          [path, "AwsSolutions-SF2", HISTORY],
          [path, executions(path), CHILDREN],
          [path, executions(path, "/Targets"), CHILDREN],
        ] as const,
    ),
    ...["Event", "IsComplete"].map((path) => [path, executions("OperateMachine"), CHILDREN] as const),
    ...framework.flatMap((path) => [
      [path, versions("Event"), FRAMEWORK] as const,
      [path, versions("IsComplete"), FRAMEWORK] as const,
    ]),
    ...["AwsSolutions-SF1", "AwsSolutions-SF2"].map(
      (rule) =>
        ["Provider/waiter-state-machine", rule, "It asks the same function again and again."] as const,
    ),
    ...framework
      .slice(1)
      .map((path) => ["Provider/waiter-state-machine", versions(path), FRAMEWORK] as const),
  ];
}

function naggedApp() {
  const app = newApp();
  const stack = new Stack(app, "Stack");
  const topic = new sns.Topic(stack, "Approvals");
  const fleet = addFleet(stack, { approvalTopic: topic, waitForFleet: false });
  Validations.of(app).addPlugins(new AwsSolutionsChecks(app));
  const child = (path: string): IConstruct =>
    path.split("/").reduce<IConstruct>((at, id) => at.node.findChild(id), fleet);
  const idOf = (path: string) => {
    const { defaultChild } = child(path).node;
    return defaultChild instanceof CfnElement ? stack.getLogicalId(defaultChild) : "";
  };
  const findings = () => findingsOf(app).filter((finding) => finding.includes(" Stack/Fleet/"));
  return { app, known: acknowledgements(idOf), findings };
}

test("every finding of cdk-nag below a fleet is acknowledged, and every acknowledgement has its finding", () => {
  const { app, known, findings } = naggedApp();
  expect(() => app.synth()).toThrow("AwsSolutions");
  const places = findings().map((finding) => {
    const [, rule, path] = /^(.*) Stack\/Fleet\/(\S+)$/.exec(finding) ?? [];
    const place = known.find(([at, ruleName]) => ruleName === rule && path?.startsWith(`${at}/`));
    return place === undefined ? finding : `${rule} ${place[0]}`;
  });
  expect(places.toSorted()).toEqual(known.map(([path, rule]) => `${rule} ${path}`).toSorted());
});
