import { describe, expect, test } from "@jest/globals";
import { until } from "../../faults/until.ts";
import type { Execution } from "../cloud/step-functions.ts";
import type { Assembly } from "../cloud/template.ts";
import type { Deployment, Scenarios } from "../environment.ts";
import { FAILING, STOPPABLE, sql, tables } from "../migrations.ts";
import { appliedIn, historyOf, holdUp, letGo, sessionsIn, tablesIn, untilHeldUp } from "../state.ts";

const OPERATE = "on-operate.handler";

/** Applied and undone as long as nobody holds it up. */
const SLOW = {
  "2_slow.sql": sql(`CREATE TABLE slow (id int);\n${STOPPABLE}`, `${STOPPABLE}\nDROP TABLE slow;`),
};
const INDEX = {
  "2_index.sql":
    "-- migrate: no-transaction\nCREATE INDEX CONCURRENTLY t1_id ON t1 (id);\n-- Down Migration\nDROP INDEX t1_id;",
};
/** Once there are 5,000 rows, it takes longer than one slice has. */
const FILL = {
  "1_rows.sql": sql("CREATE TABLE many (id int PRIMARY KEY, a int, fills int NOT NULL DEFAULT 0);"),
  "2_fill.sql":
    "-- migrate: backfill\n-- batch: 50\nUPDATE many SET a = 1, fills = fills + 1 FROM pg_sleep(0.1) WHERE a IS NULL AND :batch;",
};

/** Output of an execution that has succeeded. */
function outputOf({ status, output = "{}", cause }: Execution): unknown {
  expect([status, cause]).toEqual(["SUCCEEDED", undefined]);
  return JSON.parse(output);
}

/** Cause of one that has failed. */
function causeOf({ status, cause = "{}" }: Execution): unknown {
  expect(status).toBe("FAILED");
  return JSON.parse(cause);
}

const completed = (...names: readonly string[]) => names.map((migration) => ({ migration }));

/** Deploys a release whose slow migration is not held up yet. */
async function deployIdle({ stack, db }: Deployment, release: Assembly): Promise<void> {
  await holdUp(db);
  await letGo(db);
  expect(await stack.create(release)).toMatchObject({ status: "SUCCESS" });
}

/** What every change is tested with. */
export const runner: Scenarios = (aws) =>
  describe("the runner", () => {
    test("an execution answers as the operate function does, and fails with the code and the answer of a failure", async () => {
      const { withStack, deployable } = aws();
      await withStack({}, async ({ stack, db }) => {
        const confirm = db.name;
        const run = (input: object) => stack.execute("Runner", input);
        await stack.create(await deployable(tables(1), { allowDown: true }));
        const broken = { ...tables(1, 2), "3_broken.sql": FAILING };
        await stack.update(await deployable(broken, { allowDown: true }));
        const failed = await run({ command: "up", confirm });
        expect(failed.error).toBe("SQL");
        expect(causeOf(failed)).toMatchObject({
          ok: false,
          error: { code: "SQL", migration: "3_broken", message: "division by zero" },
        });
        const refused = await run({ command: "down", count: 2, confirm: "another" });
        expect([refused.error, causeOf(refused)]).toMatchObject(["USAGE", { error: { code: "USAGE" } }]);
        expect(await appliedIn(db)).toEqual(["1_t1", "2_t2"]);
        expect(outputOf(await run({ command: "down", count: 2, confirm }))).toMatchObject({
          ok: true,
          command: "down",
          completed: completed("2_t2", "1_t1"),
          head: null,
          slices: 2,
        });
        expect(outputOf(await run({ command: "up", count: 1, confirm }))).toMatchObject({ head: "1_t1" });
        expect(await tablesIn(db)).toEqual(["t1"]);
      });
    });

    test("an execution may undo no more than the operate function may", async () => {
      const { withStack, deployable } = aws();
      await withStack({}, async ({ stack, db }) => {
        await stack.create(await deployable(tables(1)));
        for (const command of ["down", "redo"]) {
          const refused = await stack.execute("Runner", { command, confirm: db.name });
          expect(causeOf(refused)).toMatchObject({
            error: { message: expect.stringContaining("not allowed") },
          });
        }
        expect(await tablesIn(db)).toEqual(["t1"]);
      });
    });
  });

export const runnerSlices: Scenarios = (aws) =>
  describe("a run that takes many invocations", () => {
    test("down and up go on in further slices when the time of one is up, and tell of all that was done", async () => {
      const { withStack, deployable } = aws();
      await withStack({ timeoutSeconds: 8 }, async (deployment) => {
        const { stack, db } = deployment;
        await deployIdle(deployment, await deployable({ ...tables(1, 3, 4), ...SLOW }, { allowDown: true }));
        for (const [command, names, head] of [
          ["down", ["4_t4", "3_t3", "2_slow", "1_t1"], null],
          ["up", ["1_t1", "2_slow", "3_t3", "4_t4"], "4_t4"],
        ] as const) {
          await holdUp(db);
          const running = stack.execute("Runner", { command, count: 4, confirm: db.name });
          const isCut = async () => (await historyOf(db)).includes(`2_slow ${command} failed`);
          await until(isCut, "the first slice to end");
          await letGo(db);
          const output = outputOf(await running);
          expect(output).toMatchObject({ ok: true, command, completed: completed(...names), head });
          expect(Reflect.get(Object(output), "slices")).toBeGreaterThan(2);
        }
        expect(await tablesIn(db)).toEqual(["slow", "t1", "t3", "t4"]);
      });
    });

    test("a backfill goes on from slice to slice, and changes each row once", async () => {
      const { withStack, deployable } = aws();
      await withStack({ timeoutSeconds: 8 }, async ({ stack, db }) => {
        const confirm = db.name;
        await stack.create(await deployable(FILL, { allowDown: true }));
        expect((await stack.invoke(OPERATE, { command: "down", fake: true, confirm })).payload).toMatchObject(
          {
            ok: true,
          },
        );
        await db.query("INSERT INTO many (id) SELECT generate_series(1, 5000)");
        const filled = outputOf(await stack.execute("Runner", { command: "up", confirm }));
        expect(filled).toMatchObject({ head: "2_fill", completed: completed("2_fill") });
        expect(Reflect.get(Object(filled), "slices")).toBeGreaterThan(1);
        expect(await db.query("SELECT id FROM many WHERE a IS NULL OR fills <> 1")).toEqual([]);
      });
    });

    test("an index build is left to the server, waited for, and recorded", async () => {
      const { withStack, deployable, services } = aws();
      await withStack({ timeoutSeconds: 9 }, async ({ stack, db }) => {
        const confirm = db.name;
        await stack.create(await deployable({ ...tables(1), ...INDEX }, { allowDown: true }));
        await stack.invoke(OPERATE, { command: "down", confirm });
        const reader = await db.client();
        await reader.query("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1");
        const before = services.recorder.emissions.length;
        const up = stack.execute("Runner", { command: "up", confirm });
        const logged = () => services.recorder.since(before).map(({ text }) => text);
        await until(
          () => logged().join().includes("time is up; the server goes on with 2_index"),
          "the end of a slice",
        );
        await until(() => logged().join().includes("LOCK_HELD"), "a slice that waits for the server");
        await reader.query("ROLLBACK");
        expect(outputOf(await up)).toMatchObject({ head: "2_index", completed: completed("2_index") });
        expect(
          await db.query("SELECT indisvalid AS valid FROM pg_index WHERE indrelid = 't1'::regclass"),
        ).toEqual([{ valid: true }]);
        expect(logged().join()).not.toContain('"MigrationFailed":1');
      });
    });

    test("an execution whose function is killed fails, and another one does the rest", async () => {
      const { withStack, deployable, services } = aws();
      await withStack({}, async (deployment) => {
        const { stack, db } = deployment;
        await deployIdle(deployment, await deployable({ ...tables(1, 3), ...SLOW }, { allowDown: true }));
        await holdUp(db);
        const input = { command: "down", to: "1_t1", confirm: db.name };
        const killed = stack.execute("Runner", input);
        await untilHeldUp(db);
        expect(services.lambda.kill(stack.functionName(OPERATE))).toBe(1);
        expect(await killed).toMatchObject({ status: "FAILED", cause: expect.stringContaining("SIGKILL") });
        await until(async () => (await sessionsIn(db)) === 0, "the server to notice");
        expect(await appliedIn(db)).toEqual(["1_t1", "2_slow"]);
        await letGo(db);
        expect(outputOf(await stack.execute("Runner", input))).toMatchObject({
          completed: completed("2_slow"),
        });
        expect(await tablesIn(db)).toEqual(["t1"]);
      });
    });

    test("of two executions at the same time one does the work, and both succeed", async () => {
      const { withStack, deployable } = aws();
      await withStack({}, async (deployment) => {
        const { stack, db } = deployment;
        await deployIdle(deployment, await deployable({ ...tables(1, 3), ...SLOW }, { allowDown: true }));
        await holdUp(db);
        const input = { command: "down", to: "1_t1", confirm: db.name };
        const both = [stack.execute("Runner", input), stack.execute("Runner", input)];
        await untilHeldUp(db);
        await until(async () => (await sessionsIn(db)) > 1, "the other one to wait");
        await letGo(db);
        const outputs = (await Promise.all(both)).map(outputOf);
        expect(outputs).toContainEqual(expect.objectContaining({ completed: [] }));
        expect(await historyOf(db)).toEqual(
          expect.arrayContaining(["3_t3 down finished", "2_slow down finished"]),
        );
        expect(await appliedIn(db)).toEqual(["1_t1"]);
      });
    });
  });
