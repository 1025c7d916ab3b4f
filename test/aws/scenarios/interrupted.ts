import { describe, expect, test } from "@jest/globals";
import { until } from "../../faults/until.ts";
import type { Scenarios } from "../environment.ts";
import { STOPPABLE, sql, tables } from "../migrations.ts";
import { appliedIn, historyOf, holdUp, letGo, sessionsIn, tablesIn, untilHeldUp } from "../state.ts";

const SLOW = { "2_slow.sql": sql(`CREATE TABLE slow (id int);\n${STOPPABLE}`, "DROP TABLE slow;") };
const SLOW_OUTSIDE = {
  "2_slow.sql": `-- migrate: no-transaction\n${sql(`CREATE TABLE slow (id int);\n${STOPPABLE}\nCREATE TABLE rest ();`)}`,
};
const DEPLOY = "on-deploy.handler";

export const interrupted: Scenarios = (aws) =>
  describe("an invocation that does not come alone, or not to its end", () => {
    test("two simultaneous invocations with the same event both succeed, and everything is done once", async () => {
      const { withStack, deployable } = aws();
      await withStack({}, async ({ stack, db }) => {
        stack.deliveries = 2;
        const created = await stack.create(await deployable(tables(1, 2)));
        expect(created.bodies).toHaveLength(2);
        for (const body of created.bodies) {
          expect(JSON.parse(body)).toMatchObject({ Status: "SUCCESS", Data: { AppliedCount: "2" } });
        }
        expect(await historyOf(db)).toEqual(["1_t1 up finished", "2_t2 up finished"]);
      });
    });

    test("a second call by the framework waits for the first, which still works", async () => {
      const { withStack, deployable, services } = aws();
      await withStack({}, async ({ stack, db }) => {
        await stack.create(await deployable(tables(1)));
        await holdUp(db);
        services.lambda.loseAnswers(1);
        const updating = stack.update(await deployable({ ...tables(1), ...SLOW }));
        await untilHeldUp(db);
        await until(async () => (await sessionsIn(db)) > 1, "the second call");
        await letGo(db);
        // Nobody hears what the first call answers; the second finds its work done.
        expect(await updating).toMatchObject({ status: "SUCCESS", data: { AppliedCount: "2" } });
        expect(await appliedIn(db)).toEqual(["1_t1", "2_slow"]);
      });
    });

    test("a deploy killed in the middle of a migration fails, and its rollback and the next try succeed", async () => {
      const { withStack, deployable, services } = aws();
      await withStack({}, async ({ stack, db }) => {
        await stack.create(await deployable(tables(1)));
        await holdUp(db);
        const updating = stack.update(await deployable({ ...tables(1), ...SLOW }));
        await untilHeldUp(db);
        expect(services.lambda.kill(stack.functionName(DEPLOY))).toBe(1);
        expect(await updating).toMatchObject({
          status: "FAILED",
          reason: expect.stringMatching(/signal: SIGKILL/),
        });
        expect(await stack.rollBack("old code")).toMatchObject({ status: "SUCCESS" });
        await until(async () => (await sessionsIn(db)) === 0, "the server to notice");
        expect(await tablesIn(db)).toEqual(["t1"]);
        await letGo(db);
        const again = await stack.update(await deployable({ ...tables(1), ...SLOW }));
        expect(again).toMatchObject({ status: "SUCCESS", data: { AppliedCount: "2" } });
      });
    });

    test("after a deploy is killed in a migration without a transaction, the next one says so, and goes on there once it is settled", async () => {
      const { withStack, deployable, services } = aws();
      await withStack({}, async ({ stack, db }) => {
        await stack.create(await deployable(tables(1)));
        await holdUp(db);
        const next = await deployable({ ...tables(1), ...SLOW_OUTSIDE });
        const updating = stack.update(next);
        await untilHeldUp(db);
        services.lambda.kill(stack.functionName(DEPLOY));
        expect(await updating).toMatchObject({ status: "FAILED" });
        await until(async () => (await sessionsIn(db)) === 0, "the server to notice");
        expect(await stack.rollBack("new code")).toMatchObject({ status: "SUCCESS" });
        await letGo(db);
        const refused = await stack.update(next);
        expect(refused).toMatchObject({
          status: "FAILED",
          reason: expect.stringMatching(/^PARTIAL.*2_slow.*resolve/s),
        });
        expect(await tablesIn(db)).toEqual(["slow", "t1"]);
        const resolve = { command: "resolve", migration: "2_slow", outcome: "retry", confirm: db.name };
        expect((await stack.invoke("on-operate.handler", resolve)).payload).toMatchObject({ ok: true });
        await stack.rollBack("old code");
        expect(await stack.update(next)).toMatchObject({ status: "SUCCESS" });
        expect(await tablesIn(db)).toEqual(["rest", "slow", "t1"]);
      });
    });

    test("when time runs out, Postgres stops before Lambda does, and nothing of the migration stays", async () => {
      const { withStack, deployable } = aws();
      await withStack({ timeoutSeconds: 4 }, async ({ stack, db }) => {
        await holdUp(db);
        const failed = await stack.create(await deployable({ ...tables(1), ...SLOW }));
        expect(failed).toMatchObject({
          status: "FAILED",
          reason: expect.stringMatching(/^DEADLINE.*2_slow.*1_t1/s),
        });
        expect(await sessionsIn(db)).toBe(0);
        expect(await tablesIn(db)).toEqual(["t1"]);
      });
    });
  });
