import { describe, expect, test } from "@jest/globals";
import type { OwnedDatabase } from "../database.ts";
import type { Scenarios } from "../environment.ts";
import { tables } from "../migrations.ts";
import { appliedIn, tablesIn } from "../state.ts";

/** The user of the deploy may see it, as the master user of RDS does. */
async function openTransaction(db: OwnedDatabase): Promise<void> {
  await db.query(`GRANT pg_monitor TO ${db.owner}`);
  await db.query("BEGIN; SELECT count(*) FROM t1");
}

export const preflight: Scenarios = (aws) =>
  describe("the pre-flight check of a deploy", () => {
    test("an old transaction with preflight strict fails the deploy before anything runs; the rollback and a later deploy succeed", async () => {
      const { withStack, deployable } = aws();
      const options = { strictPreflight: true };
      await withStack({}, async ({ stack, db }) => {
        await stack.create(await deployable(tables(1), options));
        await openTransaction(db);
        const refused = await stack.update(await deployable(tables(1, 2), options));
        expect(refused).toMatchObject({ status: "FAILED" });
        expect(refused?.reason).toMatch(
          /^PREFLIGHT: the pre-flight check found 1 obstacle:\s+an idle transaction has been open for long: .*pid \d+/,
        );
        expect(refused?.reason).toMatch(/To run all the same: the construct's `preflight: "warn"`/);
        expect(await appliedIn(db)).toEqual(["1_t1"]);
        expect(await stack.rollBack("new code")).toMatchObject({ status: "SUCCESS" });
        await db.query("COMMIT");
        expect(await stack.update(await deployable(tables(1, 2), options))).toMatchObject({
          status: "SUCCESS",
        });
        expect(await appliedIn(db)).toEqual(["1_t1", "2_t2"]);
      });
    });

    test("an operator may run all the same on a stack whose preflight is strict", async () => {
      const { withStack, deployable } = aws();
      await withStack({}, async ({ stack, db }) => {
        await stack.create(await deployable(tables(1), { strictPreflight: true }));
        await openTransaction(db);
        await stack.update(await deployable(tables(1, 2), { strictPreflight: true }));
        const up = { command: "up", confirm: db.name };
        const refused = await stack.invoke("on-operate.handler", up);
        expect(refused.payload).toMatchObject({ ok: false, error: { code: "PREFLIGHT" } });
        const done = await stack.invoke("on-operate.handler", { ...up, preflight: "warn" });
        expect(done.payload).toMatchObject({ ok: true, warnings: [{ check: "old-transaction" }] });
        await db.query("COMMIT");
        expect(await appliedIn(db)).toEqual(["1_t1", "2_t2"]);
      });
    });

    test("no old transaction refuses a rollback that undoes, even with preflight strict", async () => {
      const { withStack, deployable } = aws();
      const options = { strictPreflight: true, onRollback: "down" } as const;
      await withStack({}, async ({ stack, db }) => {
        await stack.create(await deployable(tables(1), options));
        await stack.update(await deployable(tables(1, 2), options));
        await openTransaction(db);
        expect(await stack.rollBack("new code")).toMatchObject({ status: "SUCCESS" });
        await db.query("COMMIT");
        expect(await tablesIn(db)).toEqual(["t1"]);
      });
    });
  });
