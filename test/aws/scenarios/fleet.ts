import { describe, expect, test } from "@jest/globals";
import type { Scenarios } from "../environment.ts";
import { appliedByTenants, summaryOf, TENANT_MIGRATIONS, tenants, withTenants } from "../fleets.ts";
import { sql } from "../migrations.ts";

const NEXT = { ...TENANT_MIGRATIONS, "3_t3.sql": sql("CREATE TABLE t3 (id int);", "DROP TABLE t3;") };
const [TWO, THREE] = ["1_t1 2_t2", "1_t1 2_t2 3_t3"];

export const fleet: Scenarios = (aws) =>
  describe("the life of a fleet", () => {
    test("a deploy migrates all targets, fails when one fails, goes on there next time, and a return touches none", async () => {
      // In the order of their names, because one at a time.
      const options = { canary: 1, maxConcurrency: 1 };
      const [first, next] = [await aws().fleet(TENANT_MIGRATIONS, options), await aws().fleet(NEXT, options)];
      await withTenants(aws(), tenants(5), async ({ stack, db, executions, run }) => {
        expect(await stack.create(first)).toMatchObject({
          status: "SUCCESS",
          data: {
            Done: "5",
            Failed: "0",
            Untouched: "0",
            Head: "2_t2",
            Execution: executions()[0]?.executionArn,
          },
        });
        expect(await appliedByTenants(db)).toEqual({ [TWO]: 5 });
        await db.query("CREATE TABLE t004.t3 (in_the_way int)");
        const failed = await stack.update(next);
        expect(failed).toMatchObject({
          status: "FAILED",
          reason: expect.stringMatching(
            /^FLEET: up on the fleet tenants: 3 done, 1 failed, 1 untouched\nt004: SQL: .*"t3" already exists/s,
          ),
        });
        expect(await stack.rollBack("old code")).toMatchObject({ status: "SUCCESS" });
        expect(await appliedByTenants(db)).toEqual({ [THREE]: 3, [TWO]: 2 });
        await db.query("DROP TABLE t004.t3");
        expect(await stack.update(next)).toMatchObject({
          status: "SUCCESS",
          data: { Done: "5", Head: "3_t3" },
        });
        expect(await stack.update(first)).toMatchObject({ status: "SUCCESS" });
        expect(summaryOf(await run({ command: "status" }))).toMatchObject({ counts: { done: 5 } });
        expect(await stack.delete()).toMatchObject({ status: "SUCCESS" });
        expect(await appliedByTenants(db)).toEqual({ [THREE]: 5 });
        expect(executions().map(({ status }) => status)).toEqual(["SUCCEEDED", "FAILED", "SUCCEEDED"]);
      });
    });
  });
