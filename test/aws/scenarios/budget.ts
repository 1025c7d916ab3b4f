import { describe, expect, test } from "@jest/globals";
import type { Scenarios } from "../environment.ts";
import { sql, tables } from "../migrations.ts";
import { appliedIn, tablesIn } from "../state.ts";

const OPERATE = "on-operate.handler";
const SLOW = {
  "2_slow.sql": sql(
    "ALTER TABLE t1 ADD n int; SELECT pg_sleep(1);",
    "ALTER TABLE t1 DROP n; SELECT pg_sleep(1);",
  ),
};

export const budget: Scenarios = (aws) =>
  describe("a budget for locks", () => {
    test.each(["keep", "down"] as const)(
      "a return under onRollback: %s measures nothing, whatever it applies or undoes",
      async (onRollback) => {
        const { withStack, deployable, services } = aws();
        await withStack({}, async ({ stack, db }) => {
          const options = { onRollback, maxLockMs: 100 };
          await stack.create(await deployable({ ...tables(1), ...SLOW }, { onRollback }));
          await stack.update(await deployable({ ...tables(1, 3), ...SLOW }, options));
          await db.query("DELETE FROM pgmigrations WHERE name = '2_slow'; ALTER TABLE t1 DROP n");
          const before = services.recorder.emissions.length;
          expect(await stack.rollBack("new code")).toMatchObject({ status: "SUCCESS" });
          const log = services.recorder
            .since(before)
            .map(({ text }) => text)
            .join("\n");
          expect(log).not.toContain("measuring");
        });
      },
    );

    test("operators measure what is pending, and hold a run to a budget", async () => {
      const { withStack, deployable } = aws();
      await withStack({}, async ({ stack, db }) => {
        await stack.create(await deployable(tables(1)));
        const bad = { ...tables(1), ...SLOW, "3_bad.sql": sql("SELECT 1 / 0;") };
        await stack.update(await deployable(bad, { maxLockMs: 100 }));
        const ask = async (handler: string, payload: object) =>
          (await stack.invoke(handler, payload)).payload;
        const plan = { command: "plan", measure: true, confirm: db.name };
        expect(await ask(OPERATE, plan)).toMatchObject({
          ok: true,
          measured: [
            { migration: "2_slow", outcome: "stopped", locks: [{ table: "t1", mode: "ACCESS EXCLUSIVE" }] },
            { migration: "3_bad", outcome: "left out" },
          ],
          refusals: [{ code: "LOCK_BUDGET" }],
        });
        expect(await ask(OPERATE, { ...plan, maxLock: 20, count: 1 })).toMatchObject({
          ok: true,
          refusals: [],
        });
        expect(await ask("on-status.handler", { command: "plan", measure: true })).toMatchObject({
          ok: false,
          error: { code: "USAGE", message: "plan with measure is no read-only command" },
        });
        expect(await ask(OPERATE, { command: "plan", confirm: db.name })).toMatchObject({
          ok: false,
          error: { code: "USAGE" },
        });
        const up = { command: "up", count: 1, confirm: db.name };
        expect(await ask(OPERATE, up)).toMatchObject({
          ok: false,
          error: {
            code: "LOCK_BUDGET",
            hint: expect.stringContaining('or "maxLock" in an operator\'s payload'),
          },
        });
        expect(await tablesIn(db)).toEqual(["t1"]);
        expect(await ask(OPERATE, { ...up, maxLock: 20 })).toMatchObject({ ok: true });
        expect(await appliedIn(db)).toEqual(["1_t1", "2_slow"]);
      });
    });
  });
