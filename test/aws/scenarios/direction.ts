import { describe, expect, test } from "@jest/globals";
import { METRICS } from "../../../lambda/contract.ts";
import { startClosableProxy } from "../closable-proxy.ts";
import type { DescribeAnswer } from "../cloud/cloudformation.ts";
import type { AwsEnvironment, Migrations, ProjectOptions, Scenarios } from "../environment.ts";
import { FAILING, holdsLock, sql, tables } from "../migrations.ts";
import { appliedIn, tablesIn } from "../state.ts";

const CODES = ["old code", "new code"] as const;
const DEPLOY = "on-deploy.handler";

/** Fails after its first statement, and stays partial. */
const PARTIAL_MIGRATION: Migrations = {
  "2_half.sql": `-- migrate: no-transaction\n${sql("CREATE TABLE half ();\nSELECT 1 / 0;")}`,
};
const EDITED: Migrations = { "1_t1.sql": sql("CREATE TABLE t1 (id bigint);") };

function loggedSince({ services }: AwsEnvironment, count: number): string {
  return services.recorder
    .since(count)
    .filter(({ kind }) => kind === "log")
    .map(({ text }) => text)
    .join("\n");
}

function failuresSince(aws: AwsEnvironment, count: number): unknown[] {
  const lines = loggedSince(aws, count).split("\n");
  return lines.filter((line) => line.startsWith('{"_aws"')).map((line) => JSON.parse(line)[METRICS.failed]);
}

/** Rollbacks of updates that change neither the head nor the number of the migrations. */
export const direction: Scenarios = (aws) => {
  describe.each(CODES)("what refuses a deploy does not refuse its rollback, by the %s", (handledBy) => {
    test("a rollback succeeds although a migration is partial and the update changed an option alone", async () => {
      const { withStack, deployable } = aws();
      await withStack({}, async ({ stack, db }) => {
        await stack.create(await deployable(tables(1)));
        await stack.update(await deployable({ ...tables(1), ...PARTIAL_MIGRATION }));
        expect(await stack.rollBack("old code")).toMatchObject({ status: "SUCCESS" });
        const forced = await stack.update(await deployable(tables(1), { forceRun: "again" }));
        expect(forced).toMatchObject({
          status: "FAILED",
          reason: expect.stringMatching(/^PARTIAL.*2_half/s),
        });
        expect(await stack.rollBack(handledBy)).toMatchObject({ status: "SUCCESS" });
        expect(await tablesIn(db)).toEqual(["half", "t1"]);
      });
    });

    test("a rollback succeeds although the order refuses an older migration and the update changed forceRun alone", async () => {
      const { withStack, deployable } = aws();
      await withStack({}, async ({ stack, db }) => {
        await stack.create(await deployable(tables(1, 3)));
        await db.query("DELETE FROM pgmigrations WHERE name = '1_t1'");
        const forced = await stack.update(await deployable(tables(1, 3), { forceRun: "again" }));
        expect(forced).toMatchObject({ status: "FAILED", reason: expect.stringMatching(/^ORDER/) });
        expect(await stack.rollBack(handledBy)).toMatchObject({ status: "SUCCESS" });
      });
    });

    test("a rollback succeeds although the database cannot be reached and the update edited a file alone", async () => {
      const { withStack, deployable, server } = aws();
      const proxy = await startClosableProxy(server.connection);
      try {
        await withStack({ port: proxy.port, timeoutSeconds: 8 }, async ({ stack }) => {
          await stack.create(await deployable(tables(1)));
          await proxy.close();
          const failed = await stack.update(await deployable(EDITED));
          expect(failed).toMatchObject({ status: "FAILED", reason: expect.stringMatching(/^CONNECTION/) });
          expect(await stack.rollBack(handledBy)).toMatchObject({ status: "SUCCESS" });
        });
      } finally {
        await proxy.close();
      }
    });

    test("a rollback under onRollback: down has nothing to undo for an edited file, and leaves it without a connection", async () => {
      const { withStack, deployable, services } = aws();
      const down: ProjectOptions = { onRollback: "down" };
      await withStack({}, async ({ stack, db, secretArn }) => {
        await stack.create(await deployable(tables(1), down));
        expect(await stack.update(await deployable(EDITED, down))).toMatchObject({ status: "FAILED" });
        const calls = services.secrets.calls(secretArn);
        expect(await stack.rollBack(handledBy)).toMatchObject({ status: "SUCCESS" });
        expect(services.secrets.calls(secretArn)).toBe(calls);
        expect(await appliedIn(db)).toEqual(["1_t1"]);
      });
    });
  });

  describe("a rollback under onRollback: down", () => {
    const down: ProjectOptions = { onRollback: "down" };

    test("a rollback under onRollback: down succeeds although the deploy function is killed in it, and raises the alarm", async () => {
      const { withStack, deployable, services } = aws();
      await withStack({}, async ({ stack, db }) => {
        await stack.create(await deployable(tables(1), down));
        await stack.update(await deployable(tables(1, 2), down));
        const before = services.recorder.emissions.length;
        const release = await holdsLock(db);
        const rollingBack = stack.rollBack("new code");
        await services.lambda.killWhenBusy(stack.functionName(DEPLOY));
        expect(await rollingBack).toMatchObject({ status: "SUCCESS", data: { Head: "unknown" } });
        await release();
        expect(loggedSince(aws(), before)).toMatch(/"level":"ERROR".*left as it is.*SIGKILL/);
        expect(failuresSince(aws(), before)).toEqual([1]);
      });
    });

    test("a rollback under onRollback: down applies again what the update to an older commit had undone", async () => {
      const { withStack, deployable } = aws();
      await withStack({}, async ({ stack, db }) => {
        await stack.create(await deployable(tables(1), down));
        await stack.update(await deployable(tables(1, 2), down));
        expect(await stack.update(await deployable(tables(1), down))).toMatchObject({ status: "SUCCESS" });
        expect(await tablesIn(db)).toEqual(["t1"]);
        expect(await stack.rollBack("old code")).toMatchObject({ status: "SUCCESS" });
        expect(await tablesIn(db)).toEqual(["t1", "t2"]);
      });
    });
  });

  describe("the question to CloudFormation", () => {
    test("the question to CloudFormation names the stack of the event alone, and is asked for updates only", async () => {
      const { withStack, deployable, services } = aws();
      await withStack({}, async ({ stack }) => {
        const before = services.cloudFormation.asked.length;
        await stack.create(await deployable(tables(1)));
        expect(services.cloudFormation.asked).toHaveLength(before);
        await stack.update(await deployable(tables(1, 2)));
        expect(services.cloudFormation.asked.slice(before)).toEqual([
          "arn:aws:cloudformation:eu-west-1:123456789012:stack/proof/0123",
        ]);
        expect(await stack.delete("ROLLBACK_IN_PROGRESS")).toMatchObject({ status: "SUCCESS" });
        expect(services.cloudFormation.asked).toHaveLength(before + 1);
      });
    });

    test.each<DescribeAnswer>(["denied", "missing", "cut", "hang"])(
      "a deploy and its rollback go on by the properties when CloudFormation does not say the status (%s), and the log says so",
      async (answer) => {
        const { withStack, deployable, services } = aws();
        await withStack({}, async ({ stack, db }) => {
          await stack.create(await deployable(tables(1)));
          services.cloudFormation.answer = answer;
          try {
            const before = services.recorder.emissions.length;
            expect(await stack.update(await deployable({ ...tables(1), "2_t2.sql": FAILING }))).toMatchObject(
              {
                status: "FAILED",
              },
            );
            expect(await stack.rollBack("new code")).toMatchObject({ status: "SUCCESS" });
            expect(loggedSince(aws(), before)).toMatch(/"level":"WARN".*did not say.*"reason":"\w+/);
            expect(await appliedIn(db)).toEqual(["1_t1"]);
          } finally {
            services.cloudFormation.answer = "status";
          }
        });
      },
    );

    test("the deploy function never sees the address for the answer", async () => {
      const { withStack, deployable, services } = aws();
      await withStack({}, async ({ stack }) => {
        const before = services.lambda.payloads.length;
        await stack.create(await deployable(tables(1)));
        const sent = services.lambda.payloads.slice(before);
        const toDeploy = sent.filter(({ name }) => name === stack.functionName(DEPLOY));
        expect(toDeploy).toHaveLength(1);
        expect(toDeploy[0]?.payload).toContain('"StackDirection":"forward"');
        expect(toDeploy[0]?.payload).not.toContain("ResponseURL");
      });
    });

    test("a deploy function that is not active yet is invoked again until it is", async () => {
      const { withStack, deployable, services } = aws();
      await withStack({}, async ({ stack }) => {
        const version = await deployable(tables(1));
        services.lambda.refuse(stack.functionNameIn(version, DEPLOY), "ResourceConflictException", 1);
        expect(await stack.create(version)).toMatchObject({ status: "SUCCESS" });
      });
    });

    test("a deploy function that may not be invoked fails the deploy and not the rollback", async () => {
      const { withStack, deployable, services } = aws();
      const down: ProjectOptions = { onRollback: "down" };
      await withStack({}, async ({ stack }) => {
        await stack.create(await deployable(tables(1), down));
        const next = await deployable(tables(1, 2), down);
        services.lambda.refuse(stack.functionName(DEPLOY), "AccessDeniedException", 2);
        expect(await stack.update(next)).toMatchObject({
          status: "FAILED",
          reason: expect.stringMatching(/cannot be invoked: AccessDeniedException.*Log group \/proof/s),
        });
        expect(await stack.rollBack("new code")).toMatchObject({ status: "SUCCESS" });
      });
    });
  });
};
