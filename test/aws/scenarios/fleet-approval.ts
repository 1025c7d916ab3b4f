import { expect, test } from "@jest/globals";
import { until } from "../../faults/until.ts";
import type { Scenarios } from "../environment.ts";
import { appliedByTenants, summaryOf, tenants, withFleet } from "../fleets.ts";

const SET_UP = {
  names: tenants(4),
  options: { canary: 1, approval: true, waitForFleet: false, pauseSeconds: 60 },
};

export const fleetApproval: Scenarios = (aws) => {
  /** Starts an execution and waits for the message that it publishes. */
  const asked = async (start: () => string): Promise<{ arn: string; token: string; text: string }> => {
    const { stepFunctions } = aws().services;
    const before = stepFunctions.messages.length;
    const arn = start();
    await until(() => stepFunctions.messages.length > before, "the message");
    const { token = "", text = "" } = stepFunctions.messages[before] ?? {};
    return { arn, token, text };
  };

  test("the second wave waits for approval, which its message asks for, and begins with it", async () => {
    await withFleet(aws(), SET_UP, async ({ db, start }) => {
      const { stepFunctions } = aws().services;
      const { arn, token, text } = await asked(() => start({ command: "up" }));
      expect(JSON.parse(text)).toMatchObject({
        fleet: "tenants",
        wave: "rest",
        targets: 3,
        approve: expect.stringContaining(
          `send-task-success --task-output true --region eu-west-1 --task-token ${token}`,
        ),
      });
      expect(await appliedByTenants(db)).toEqual({ "1_t1 2_t2": 1, untouched: 3 });
      stepFunctions.sendTaskSuccess(token, "true");
      expect(summaryOf(await stepFunctions.ended(arn))).toMatchObject({ ok: true, counts: { done: 4 } });
      expect(await appliedByTenants(db)).toEqual({ "1_t1 2_t2": 4 });
    });
  });

  test("a wave that is refused does not begin, and the execution fails with what it has done", async () => {
    await withFleet(aws(), SET_UP, async ({ db, start }) => {
      const { stepFunctions } = aws().services;
      const { arn, token } = await asked(() => start({ command: "up" }));
      stepFunctions.sendTaskFailure(token, "REFUSED", "not today");
      const ended = await stepFunctions.ended(arn);
      expect(ended).toMatchObject({ status: "FAILED", error: "FLEET" });
      expect(summaryOf(ended)).toMatchObject({
        counts: { done: 1, failed: 0, untouched: 3 },
        error: { Error: "REFUSED", Cause: "not today" },
      });
      expect(await appliedByTenants(db)).toEqual({ "1_t1 2_t2": 1, untouched: 3 });
    });
  });
};
