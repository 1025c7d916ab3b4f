import { describe, expect, test } from "@jest/globals";
import { until } from "../../faults/until.ts";
import type { OwnedDatabase } from "../database.ts";
import type { Scenarios } from "../environment.ts";
import { tables } from "../migrations.ts";
import { appliedIn, sessionsIn } from "../state.ts";

export const BUILD = {
  "2_index.sql": "-- migrate: no-transaction\nCREATE INDEX CONCURRENTLY t1_id ON t1 (id);",
};
const DEPLOY = "on-deploy.handler";

/** A snapshot that index builds wait for. @returns what lets them end */
export async function holdSnapshot(db: OwnedDatabase): Promise<() => Promise<void>> {
  const reader = await db.client();
  await reader.query("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1");
  return async () => {
    await reader.query("ROLLBACK");
    await until(async () => (await sessionsIn(db)) === 0, "the index build to end");
  };
}

export const indexOf = (db: OwnedDatabase) =>
  db.query("SELECT indexrelid AS oid, indisvalid AS valid FROM pg_index WHERE indrelid = 't1'::regclass");

export const background: Scenarios = (aws) =>
  describe("an index build that takes longer than a deploy", () => {
    test("a deploy leaves its last index build to the server and says so, and the next one records it", async () => {
      const { withStack, deployable, services } = aws();
      await withStack({ timeoutSeconds: 9 }, async ({ stack, db }) => {
        await stack.create(await deployable(tables(1)));
        const release = await holdSnapshot(db);
        const before = services.recorder.emissions.length;
        const updated = await stack.update(await deployable({ ...tables(1), ...BUILD }));
        expect(updated).toMatchObject({
          status: "SUCCESS",
          data: { AppliedCount: "1", PendingCount: "0", Background: "2_index" },
        });
        const logged = services.recorder.since(before).map(({ text }) => text);
        expect(logged.join()).toContain("time is up; the server goes on with 2_index");
        expect(logged.join()).toContain('"LeftInBackground":1');
        await until(async () => (await sessionsIn(db)) === 1, "the index build to be alone");
        const { payload } = await stack.invoke("on-status.handler", { command: "status" });
        expect(payload).toMatchObject({
          ok: true,
          migrations: [
            { name: "1_t1" },
            {
              name: "2_index",
              state: "partial",
              background: { running: true, progress: { phase: "waiting for old snapshots" } },
            },
          ],
        });
        await release();
        const built = await indexOf(db);
        const next = await stack.update(await deployable({ ...tables(1, 3), ...BUILD }));
        expect(next).toMatchObject({ status: "SUCCESS", data: { AppliedCount: "3", Background: "none" } });
        expect(await indexOf(db)).toEqual(built);
        expect(built).toMatchObject([{ valid: true }]);
      });
    });

    test("a deploy fails when migrations come after the index build, and its rollback succeeds while the server builds", async () => {
      const { withStack, deployable } = aws();
      for (const onRollback of ["keep", "down"] as const) {
        await withStack({ timeoutSeconds: 9 }, async ({ stack, db }) => {
          await stack.create(await deployable(tables(1), { onRollback }));
          const release = await holdSnapshot(db);
          const next = await deployable({ ...tables(1, 3), ...BUILD }, { onRollback });
          expect(await stack.update(next)).toMatchObject({
            status: "FAILED",
            reason: expect.stringMatching(
              /^DEADLINE.*the server goes on with statement 1 of 2_index.*pg_cancel_backend/s,
            ),
          });
          await until(async () => (await sessionsIn(db)) === 1, "the index build to be alone");
          expect(await stack.rollBack("old code")).toMatchObject({ status: "SUCCESS" });
          await release();
          expect(await stack.update(next)).toMatchObject({ status: "SUCCESS", data: { AppliedCount: "3" } });
          expect(await appliedIn(db)).toEqual(["1_t1", "2_index", "3_t3"]);
        });
      }
    });

    test("the index of a deploy that was killed is finished by the server, and an operator records it", async () => {
      const { withStack, deployable, services } = aws();
      await withStack({}, async ({ stack, db }) => {
        await stack.create(await deployable(tables(1)));
        const release = await holdSnapshot(db);
        const updating = stack.update(await deployable({ ...tables(1), ...BUILD }));
        const waiting =
          "SELECT FROM pg_stat_progress_create_index WHERE datname = current_database() AND phase = 'waiting for old snapshots'";
        await until(async () => (await db.query(waiting)).length > 0, "the index build to wait");
        services.lambda.kill(stack.functionName(DEPLOY));
        expect(await updating).toMatchObject({ status: "FAILED" });
        await release();
        const built = await indexOf(db);
        const up = { command: "up", confirm: db.name };
        expect((await stack.invoke("on-operate.handler", up)).payload).toMatchObject({
          ok: true,
          completed: [{ migration: "2_index" }],
        });
        expect(await indexOf(db)).toEqual(built);
      });
    });
  });
