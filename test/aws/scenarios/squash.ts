import { describe, expect, test } from "@jest/globals";
import { baselineHeader } from "../../../lib/core/index.ts";
import type { ProjectOptions, Scenarios } from "../environment.ts";
import { tables } from "../migrations.ts";
import { appliedIn, tablesIn } from "../state.ts";

const full = tables(1, 2, 3);
/** As `squash --to 2_t2` leaves the folder. */
const squashed = {
  "2_t2-baseline.sql": [
    ...baselineHeader(["1_t1", "2_t2"].map((name) => ({ name, sqlDigest: undefined, replaces: [] }))),
    "CREATE TABLE t1 (id int);",
    "CREATE TABLE t2 (id int);",
  ].join("\n"),
  ...tables(3),
};
/** As `squash --to 3_t3` does. */
const whole = {
  "3_t3-baseline.sql": [
    ...baselineHeader(["1_t1", "2_t2", "3_t3"].map((name) => ({ name, sqlDigest: undefined, replaces: [] }))),
    "CREATE TABLE t1 (id int);",
    "CREATE TABLE t2 (id int);",
    "CREATE TABLE t3 (id int);",
  ].join("\n"),
};

const BEFORE = ["1_t1", "2_t2", "3_t3"];

/** Releases before and after a squash. */
export const squash: Scenarios = (aws) =>
  describe.each([
    ["some of the migrations", squashed, "2_t2-baseline"],
    ["all migrations", whole, "3_t3-baseline"],
  ] as const)("after a squash of %s", (_what, after, baseline) => {
    test("a deploy of a squash to a new database runs the baseline", async () => {
      const { withStack, deployable } = aws();
      await withStack({}, async ({ stack, db }) => {
        expect(await stack.create(await deployable(after))).toMatchObject({ status: "SUCCESS" });
        expect(await tablesIn(db)).toEqual(["t1", "t2", "t3"]);
        expect(await appliedIn(db)).toContain(baseline);
      });
    });

    test("a deploy of a squash to a database with a part of the replaced migrations fails and names the rest", async () => {
      const { withStack, deployable } = aws();
      await withStack({}, async ({ stack, db }) => {
        await stack.create(await deployable(tables(1)));
        expect(await stack.update(await deployable(after))).toMatchObject({
          status: "FAILED",
          reason: expect.stringMatching(/^SQUASHED.*not applied: 2_t2/s),
        });
        expect(await appliedIn(db)).toEqual(["1_t1"]);
      });
    });

    describe.each(["keep", "down"] as const)("under onRollback: %s", (onRollback) => {
      const options: ProjectOptions = { onRollback };

      test.each(["old code", "new code"] as const)(
        "a deploy of a squash records the baseline, and its rollback by the %s undoes nothing that it replaces",
        async (handledBy) => {
          const { withStack, deployable } = aws();
          await withStack({}, async ({ stack, db }) => {
            await stack.create(await deployable(full, options));
            expect(await stack.update(await deployable(after, options))).toMatchObject({
              status: "SUCCESS",
              data: { PendingCount: "0", AheadCount: "0" },
            });
            expect(await appliedIn(db)).toEqual([...BEFORE, baseline]);
            expect(await stack.rollBack(handledBy)).toMatchObject({ status: "SUCCESS" });
            expect(await tablesIn(db)).toEqual(["t1", "t2", "t3"]);
            expect((await appliedIn(db)).slice(0, 3)).toEqual(BEFORE);
            const again = await stack.update(await deployable({ ...full, ...tables(4) }, options));
            expect(again).toMatchObject({
              status: "SUCCESS",
              data: { Head: "4_t4", AppliedCount: "4", PendingCount: "0", AheadCount: "0" },
            });
          });
        },
      );

      test.each(["old code", "new code"] as const)(
        "the rollback by the %s of an update back to the files before a squash undoes nothing",
        async (handledBy) => {
          const { withStack, deployable } = aws();
          await withStack({}, async ({ stack, db }) => {
            await stack.create(await deployable(full, options));
            await stack.update(await deployable(after, options));
            await stack.update(await deployable(full, options));
            expect(await stack.rollBack(handledBy)).toMatchObject({ status: "SUCCESS" });
            expect(await tablesIn(db)).toEqual(["t1", "t2", "t3"]);
            const next = await stack.update(await deployable({ ...after, ...tables(4) }, options));
            expect(next).toMatchObject({ status: "SUCCESS", data: { PendingCount: "0" } });
            expect(await tablesIn(db)).toEqual(["t1", "t2", "t3", "t4"]);
          });
        },
      );
    });
  });
