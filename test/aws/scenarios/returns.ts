import { describe, expect, test } from "@jest/globals";
import type { ProjectOptions, Scenarios } from "../environment.ts";
import { FAILING, sql, tables } from "../migrations.ts";
import { appliedIn, tablesIn } from "../state.ts";

const down: ProjectOptions = { onRollback: "down" };

/** Reversed updates that are not simply "fewer migrations than before". */
export const returns: Scenarios = (aws) =>
  describe.each(["old code", "new code"] as const)("a rollback by the %s", (handledBy) => {
    test("a rollback under onRollback: down undoes what the update had applied before it failed", async () => {
      const { withStack, deployable } = aws();
      await withStack({}, async ({ stack, db }) => {
        await stack.create(await deployable(tables(1), down));
        const failed = await stack.update(
          await deployable({ ...tables(1, 2), "3_broken.sql": FAILING }, down),
        );
        expect(failed).toMatchObject({ status: "FAILED" });
        expect(await stack.rollBack(handledBy)).toMatchObject({ status: "SUCCESS" });
        expect(await appliedIn(db)).toEqual(["1_t1"]);
      });
    });

    test("a rollback under onRollback: down finds nothing to undo where all was one transaction", async () => {
      const { withStack, deployable } = aws();
      const all: ProjectOptions = { ...down, transaction: "all" };
      await withStack({}, async ({ stack, db }) => {
        await stack.create(await deployable(tables(1), all));
        await stack.update(await deployable({ ...tables(1, 2), "3_broken.sql": FAILING }, all));
        expect(await appliedIn(db)).toEqual(["1_t1"]);
        expect(await stack.rollBack(handledBy)).toMatchObject({ status: "SUCCESS" });
        expect(await appliedIn(db)).toEqual(["1_t1"]);
      });
    });

    test("a rollback under onRollback: down keeps the older migrations that the event has no room to name", async () => {
      const { withStack, deployable } = aws();
      const many = Array.from({ length: 30 }, (_, index) => 10 + index);
      await withStack({}, async ({ stack }) => {
        await stack.create(await deployable(tables(...many.slice(0, 27)), down));
        await stack.update(await deployable(tables(...many), down));
        expect(await stack.rollBack(handledBy)).toMatchObject({
          status: "SUCCESS",
          data: { Head: "36_t36", AppliedCount: "27", PendingCount: handledBy === "old code" ? "0" : "3" },
        });
      });
    });

    test("a rollback under onRollback: down succeeds after a failure that the options brought", async () => {
      const { withStack, deployable } = aws();
      await withStack({}, async ({ stack, db }) => {
        await stack.create(await deployable(tables(1)));
        const failed = await stack.update(await deployable(tables(1), { migrationsTable: "elsewhere" }));
        expect(failed).toMatchObject({ status: "FAILED", reason: expect.stringMatching(/^UNMANAGED/) });
        expect(await stack.rollBack(handledBy)).toMatchObject({ status: "SUCCESS" });
        expect(await appliedIn(db)).toEqual(["1_t1"]);
      });
    });

    test("a rollback under onRollback: down succeeds where the update had only an edited file, which was repaired", async () => {
      const { withStack, deployable } = aws();
      const edited = { "1_t1.sql": sql("CREATE TABLE t1 (id int, n int);", "DROP TABLE t1;") };
      await withStack({}, async ({ stack, db }) => {
        await stack.create(await deployable(tables(1)));
        await stack.update(await deployable(edited));
        const repair = await stack.invoke("on-operate.handler", { command: "repair", confirm: db.name });
        expect(repair.payload).toMatchObject({ ok: true, migrations: ["1_t1"] });
        await stack.rollBack("new code");
        expect(await stack.update(await deployable(edited))).toMatchObject({ status: "SUCCESS" });
        expect(await stack.rollBack(handledBy)).toMatchObject({ status: "SUCCESS" });
        expect(await tablesIn(db)).toEqual(["t1"]);
      });
    });
  });
