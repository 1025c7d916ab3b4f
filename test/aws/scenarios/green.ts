import { describe, expect, test } from "@jest/globals";
import { startClosableProxy } from "../closable-proxy.ts";
import type { ProjectOptions, Scenarios } from "../environment.ts";
import { tables } from "../migrations.ts";
import { appliedIn, tablesIn } from "../state.ts";

/** A deploy that succeeds has applied what it names, and says nothing that nobody asked for. */
export const green: Scenarios = (aws) =>
  describe("a deploy that reverts the newest migration and brings an older one", () => {
    test("a deploy fails when the order refuses the older migration that it brings, and its rollback succeeds", async () => {
      const { withStack, deployable } = aws();
      await withStack({}, async ({ stack, db }) => {
        await stack.create(await deployable(tables(1, 2, 5, 8)));
        const merged = await stack.update(await deployable(tables(1, 2, 5, 7)));
        expect(merged).toMatchObject({ status: "FAILED", reason: expect.stringMatching(/^ORDER.*7_t7/s) });
        expect(await stack.rollBack("old code")).toMatchObject({ status: "SUCCESS" });
        expect(await appliedIn(db)).toEqual(["1_t1", "2_t2", "5_t5", "8_t8"]);
      });
    });

    test("a deploy fails when the newest migration was renamed to an older number", async () => {
      const { withStack, deployable } = aws();
      await withStack({}, async ({ stack }) => {
        await stack.create(await deployable(tables(1, 2, 5)));
        const renamed = { ...tables(1, 2), "4_t5.sql": tables(5)["5_t5.sql"] ?? "" };
        expect(await stack.update(await deployable(renamed))).toMatchObject({ status: "FAILED" });
        expect(await stack.rollBack("new code")).toMatchObject({ status: "SUCCESS" });
      });
    });

    test("a deploy applies an older migration that it brings where the order allows it", async () => {
      const { withStack, deployable } = aws();
      const allow: ProjectOptions = { order: "allow" };
      await withStack({}, async ({ stack, db }) => {
        await stack.create(await deployable(tables(1, 8), allow));
        expect(await stack.update(await deployable(tables(1, 7), allow))).toMatchObject({
          status: "SUCCESS",
          data: { Head: "8_t8", PendingCount: "0" },
        });
        expect(await tablesIn(db)).toEqual(["t1", "t7", "t8"]);
      });
    });

    test("a deploy under onRollback: down undoes the newest migration and applies the older one that is in its place", async () => {
      const { withStack, deployable } = aws();
      const down: ProjectOptions = { onRollback: "down" };
      await withStack({}, async ({ stack, db }) => {
        await stack.create(await deployable(tables(1), down));
        await stack.update(await deployable(tables(1, 8), down));
        expect(await stack.update(await deployable(tables(1, 7), down))).toMatchObject({
          status: "SUCCESS",
          data: { Head: "7_t7", PendingCount: "0" },
        });
        expect(await tablesIn(db)).toEqual(["t1", "t7"]);
      });
    });

    test("a deploy succeeds when what it brings is applied already, and says which is the database's head", async () => {
      const { withStack, deployable } = aws();
      await withStack({}, async ({ stack }) => {
        await stack.create(await deployable(tables(1, 7, 8)));
        await stack.update(await deployable(tables(1, 8)));
        expect(await stack.update(await deployable(tables(1, 7)))).toMatchObject({
          status: "SUCCESS",
          data: { Head: "8_t8", AppliedCount: "3", PendingCount: "0" },
        });
      });
    });

    test("a deploy fails when the database cannot be asked and CloudFormation says that it is no rollback", async () => {
      const { withStack, deployable, server } = aws();
      const proxy = await startClosableProxy(server.connection);
      try {
        await withStack({ port: proxy.port, timeoutSeconds: 8 }, async ({ stack }) => {
          await stack.create(await deployable(tables(1, 8)));
          await proxy.close();
          expect(await stack.update(await deployable(tables(1, 7)))).toMatchObject({
            status: "FAILED",
            reason: expect.stringMatching(/^CONNECTION/),
          });
          expect(await stack.rollBack("new code")).toMatchObject({ status: "SUCCESS" });
        });
      } finally {
        await proxy.close();
      }
    });

    test("a deploy fails for a new migration with the number of an applied one and a name that comes before it", async () => {
      const { withStack, deployable } = aws();
      const first = { "1_B.sql": "CREATE TABLE b ();" };
      await withStack({}, async ({ stack, db }) => {
        await stack.create(await deployable(first));
        const second = await stack.update(await deployable({ ...first, "1_a.sql": "CREATE TABLE a ();" }));
        expect(second).toMatchObject({ status: "FAILED", reason: expect.stringMatching(/^ORDER.*1_a/s) });
        expect(await tablesIn(db)).toEqual(["b"]);
      });
    });
  });
