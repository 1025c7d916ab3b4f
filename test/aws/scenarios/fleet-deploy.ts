import { expect, test } from "@jest/globals";
import { until } from "../../faults/until.ts";
import type { Scenarios } from "../environment.ts";
import {
  appliedByTenants,
  held,
  hold,
  release,
  TENANT_MIGRATIONS,
  tenants,
  timesApplied,
  withTenants,
} from "../fleets.ts";
import { sessionsIn } from "../state.ts";

const BOTH = "1_t1 2_t2";
const ONE_AT_A_TIME = { maxConcurrency: 1 };

export const fleetDeploys: Scenarios = (aws) => {
  test("a deploy that is cancelled while it waits stops the execution, and the next one does what is left", async () => {
    const version = await aws().fleet(TENANT_MIGRATIONS, ONE_AT_A_TIME);
    await withTenants(aws(), tenants(5), async ({ stack, db, executions }) => {
      await hold(db, ["t003"]);
      const creating = stack.create(version);
      await until(async () => (await held(db)) === 1, "the third target");
      aws().services.cloudFormation.status = "ROLLBACK_IN_PROGRESS";
      expect(await creating).toMatchObject({
        status: "FAILED",
        reason: expect.stringMatching(/^CANCELLED: .*ROLLBACK_IN_PROGRESS.*start an execution/s),
      });
      expect(executions().map(({ status }) => status)).toEqual(["ABORTED"]);
      await release(db);
      await until(async () => (await sessionsIn(db)) === 0, "the function to end");
      expect(await stack.create(version)).toMatchObject({ status: "SUCCESS", data: { Done: "5" } });
      expect(await appliedByTenants(db)).toEqual({ [BOTH]: 5 });
      expect(await timesApplied(db)).toEqual({ least: 1, most: 1 });
    });
  });

  test("a deploy that does not wait succeeds while the execution goes on", async () => {
    const version = await aws().fleet(TENANT_MIGRATIONS, { ...ONE_AT_A_TIME, waitForFleet: false });
    await withTenants(aws(), tenants(2), async ({ stack, db, executions }) => {
      await hold(db, ["t001"]);
      expect(await stack.create(version)).toMatchObject({ status: "SUCCESS", data: { Done: "unknown" } });
      const [{ executionArn, status } = { executionArn: "", status: "" }] = executions();
      expect(status).toBe("RUNNING");
      await release(db);
      expect(await aws().services.stepFunctions.ended(executionArn)).toMatchObject({ status: "SUCCEEDED" });
      expect(await appliedByTenants(db)).toEqual({ [BOTH]: 2 });
    });
  });

  test("a request that is delivered twice starts one execution", async () => {
    const version = await aws().fleet(TENANT_MIGRATIONS, ONE_AT_A_TIME);
    await withTenants(aws(), tenants(2), async ({ stack, executions }) => {
      stack.deliveries = 2;
      expect(await stack.create(version)).toMatchObject({ status: "SUCCESS", data: { Done: "2" } });
      expect(executions()).toHaveLength(1);
    });
  });

  test("a deploy without targets succeeds where the fleet allows it, and says so", async () => {
    const version = await aws().fleet(TENANT_MIGRATIONS, ONE_AT_A_TIME);
    await withTenants(aws(), [], async ({ stack }) => {
      const data = { Done: "0", Failed: "0", Untouched: "0", Head: "none" };
      expect(await stack.create(version)).toMatchObject({ status: "SUCCESS", data });
    });
  });
};
