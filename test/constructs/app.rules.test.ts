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

describe("the app of this repository", () => {
  test("termination protection is on for the prod stack and off for the dev stack", () => {
    expect(stackOf({ env: "prod" }).terminationProtection).toBe(true);
    expect(stackOf({ env: "dev" }).terminationProtection).toBe(false);
  });

  test("every alarm notifies the topic named in the context", () => {
    const alarms = resourcesOf(stackOf({ env: "prod", alarmTopic: TOPIC }), "AWS::CloudWatch::Alarm");
    expect(alarms.length).toBeGreaterThan(0);
    for (const { Properties } of alarms) expect(Properties["AlarmActions"]).toEqual([TOPIC]);
  });

  test("the alarms notify nobody without a topic in the context", () => {
    for (const { Properties } of resourcesOf(stackOf({ env: "prod" }), "AWS::CloudWatch::Alarm")) {
      expect(Properties).not.toHaveProperty("AlarmActions");
    }
  });
});

describe("the properties of the custom resource", () => {
  test("the custom resource has the secret and the network, so that a deploy that changes one tests the new value", () => {
    const [resource] = resourcesOf(stackOf({}), "Custom::PostgresMigrations");
    expect(resource?.Properties).toMatchObject({ Secret: expect.anything(), Network: expect.any(Array) });
  });
});
