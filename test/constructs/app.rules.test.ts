import { describe, expect, test } from "@jest/globals";
import { Stack } from "aws-cdk-lib";
import { createApp } from "../../lib/app-stack.ts";
import { CONTEXT, resourcesOf } from "./synth.ts";

const TOPIC = "arn:aws:sns:eu-west-1:111122223333:on-call";

function stackOf(context: Readonly<Record<string, string>>): Stack {
  const app = createApp({ context: { ...CONTEXT, ...context }, builtinCloudFormationValidation: false });
  const stack = app.node.children.find((one): one is Stack => one instanceof Stack);
  if (stack === undefined) throw new Error("the app has no stack");
  return stack;
}

describe("the app", () => {
  test("protects the stack of prod from being deleted, and that of dev not", () => {
    expect(stackOf({ env: "prod" }).terminationProtection).toBe(true);
    expect(stackOf({ env: "dev" }).terminationProtection).toBe(false);
  });

  test("has every alarm tell the topic that the context names", () => {
    const alarms = resourcesOf(stackOf({ env: "prod", alarmTopic: TOPIC }), "AWS::CloudWatch::Alarm");
    expect(alarms.length).toBeGreaterThan(0);
    for (const { Properties } of alarms) expect(Properties["AlarmActions"]).toEqual([TOPIC]);
  });

  test("has alarms that tell nobody without one", () => {
    for (const { Properties } of resourcesOf(stackOf({ env: "prod" }), "AWS::CloudWatch::Alarm")) {
      expect(Properties).not.toHaveProperty("AlarmActions");
    }
  });
});

describe("the properties of the custom resource", () => {
  test("say the secret and the network, so that a change of one is tried by the deploy that makes it", () => {
    const [resource] = resourcesOf(stackOf({}), "Custom::PostgresMigrations");
    expect(resource?.Properties).toMatchObject({ Secret: expect.anything(), Network: expect.any(Array) });
  });
});
