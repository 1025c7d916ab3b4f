import { describe, expect, test } from "@jest/globals";
import { METRICS } from "../../../lambda/contract.ts";
import { chosenCases } from "../../support/postgres.ts";
import { startClosableProxy } from "../closable-proxy.ts";
import type { AwsEnvironment, ProjectOptions, Scenarios } from "../environment.ts";
import { sql, tables } from "../migrations.ts";
import { appliedIn, tablesIn } from "../state.ts";

const CODES = ["old code", "new code"] as const;
const down: ProjectOptions = { onRollback: "down" };

/** Values of the metric that alarms, oldest first. */
function failuresSince({ services }: AwsEnvironment, count: number): unknown[] {
  const lines = services.recorder.since(count).filter(({ text }) => text.startsWith('{"_aws"'));
  return lines.map(({ text }) => JSON.parse(text)[METRICS.failed]);
}

export const rollback: Scenarios = (aws) =>
  describe("a later resource of the update fails", () => {
    describe.each(chosenCases(CODES, 2))("and the %s answers the reversed update", (handledBy) => {
      test("a rollback under onRollback: keep leaves the database as it is", async () => {
        const { withStack, deployable } = aws();
        await withStack({}, async ({ stack, db }) => {
          await stack.create(await deployable(tables(1)));
          await stack.update(await deployable(tables(1, 2, 3)));
          expect(await stack.rollBack(handledBy)).toMatchObject({
            status: "SUCCESS",
            data: {
              Head: "unknown",
              AppliedCount: "unknown",
              PendingCount: "unknown",
              AheadCount: "unknown",
            },
          });
          expect(await tablesIn(db)).toEqual(["t1", "t2", "t3"]);
          const again = await stack.update(await deployable(tables(1, 2, 3)));
          expect(again).toMatchObject({ status: "SUCCESS", data: { AppliedCount: "3" } });
        });
      });

      test("a rollback under onRollback: down undoes what the update had applied, and nothing else", async () => {
        const { withStack, deployable } = aws();
        await withStack({}, async ({ stack, db }) => {
          await stack.create(await deployable(tables(1), down));
          await stack.update(await deployable(tables(1, 2), down));
          await stack.update(await deployable(tables(1, 2, 3, 4), down));
          expect(await stack.rollBack(handledBy)).toMatchObject({
            status: "SUCCESS",
            data: { Head: "2_t2", AppliedCount: "2", AheadCount: "0" },
          });
          expect(await tablesIn(db)).toEqual(["t1", "t2"]);
          const again = await stack.update(await deployable(tables(1, 2, 3, 4), down));
          expect(again).toMatchObject({ status: "SUCCESS", data: { AppliedCount: "4" } });
        });
      });

      test.each(["keep", "down"] as const)(
        "a rollback under onRollback: %s succeeds although the database is out of reach",
        async (onRollback) => {
          const { withStack, deployable, server, services } = aws();
          const proxy = await startClosableProxy(server.connection);
          try {
            // It waits for the database as long as it has time.
            await withStack({ port: proxy.port, timeoutSeconds: 8 }, async ({ stack, db }) => {
              await stack.create(await deployable(tables(1), { onRollback }));
              await stack.update(await deployable(tables(1, 2), { onRollback }));
              await proxy.close();
              const before = services.recorder.emissions.length;
              expect(await stack.rollBack(handledBy)).toMatchObject({ status: "SUCCESS" });
              // Under keep nothing ran that could count anything.
              expect(failuresSince(aws(), before)).toEqual(onRollback === "keep" ? [] : [1]);
              expect(await tablesIn(db)).toEqual(["t1", "t2"]);
            });
          } finally {
            await proxy.close();
          }
        },
      );

      test("a rollback under onRollback: down leaves what cannot be undone, succeeds and says so", async () => {
        const { withStack, deployable, services } = aws();
        await withStack({}, async ({ stack, db }) => {
          await stack.create(await deployable(tables(1), down));
          const oneWay = { ...tables(1, 2), "3_one_way.sql": sql("CREATE TABLE kept ();"), ...tables(4) };
          await stack.update(await deployable(oneWay, down));
          const before = services.recorder.emissions.length;
          expect(await stack.rollBack(handledBy)).toMatchObject({ status: "SUCCESS" });
          expect(failuresSince(aws(), before)).toEqual([1]);
          expect(await tablesIn(db)).toEqual(expect.arrayContaining(["kept", "t1", "t2"]));
          const text = services.recorder
            .since(before)
            .map((one) => one.text)
            .join("\n");
          expect(text).toMatch(/"level":"ERROR".*left as it is.*3_one_way/);
        });
      });

      test.each([
        ["keep", ["1_t1", "3_t3", "2_t2"]],
        ["down", ["1_t1", "3_t3"]],
      ] as const)(
        "a rollback under onRollback: %s succeeds after an update that brought an older file, as order allows",
        async (onRollback, applied) => {
          const { withStack, deployable } = aws();
          const options = { onRollback, order: "allow" } as const;
          await withStack({}, async ({ stack, db }) => {
            await stack.create(await deployable(tables(1, 3), options));
            expect(await stack.update(await deployable(tables(1, 2, 3), options))).toMatchObject({
              status: "SUCCESS",
            });
            expect(await stack.rollBack(handledBy)).toMatchObject({ status: "SUCCESS" });
            expect(await appliedIn(db)).toEqual(applied);
          });
        },
      );

      test("a rollback succeeds after an update that failed because order refuses its older file", async () => {
        const { withStack, deployable } = aws();
        await withStack({}, async ({ stack, db }) => {
          await stack.create(await deployable(tables(1, 3), down));
          const failed = await stack.update(await deployable(tables(1, 2, 3), down));
          expect(failed).toMatchObject({ status: "FAILED", reason: expect.stringMatching(/^ORDER.*2_t2/s) });
          expect(await stack.rollBack(handledBy)).toMatchObject({ status: "SUCCESS" });
          expect(await appliedIn(db)).toEqual(["1_t1", "3_t3"]);
        });
      });

      test.each([
        ["keep", ["1_t1", "2_t2"]],
        ["down", ["1_t1"]],
      ] as const)(
        "a rollback under onRollback: %s succeeds after an applied file was edited and repaired",
        async (onRollback, applied) => {
          const { withStack, deployable } = aws();
          const edited = {
            ...tables(1, 2),
            "1_t1.sql": sql("CREATE TABLE t1 (id int, n int);", "DROP TABLE t1;"),
          };
          await withStack({}, async ({ stack, db }) => {
            await stack.create(await deployable(tables(1), { onRollback }));
            const failed = await stack.update(await deployable(edited, { onRollback }));
            expect(failed).toMatchObject({ status: "FAILED", reason: expect.stringMatching(/^CHANGED/) });
            const repair = await stack.invoke("on-operate.handler", { command: "repair", confirm: db.name });
            expect(repair.payload).toMatchObject({ ok: true, migrations: ["1_t1"] });
            expect(await stack.rollBack(handledBy)).toMatchObject({ status: "SUCCESS" });
            expect(await stack.update(await deployable(edited, { onRollback }))).toMatchObject({
              status: "SUCCESS",
            });
            expect(await stack.rollBack(handledBy)).toMatchObject({ status: "SUCCESS" });
            expect(await appliedIn(db)).toEqual(applied);
          });
        },
      );
    });
  });
