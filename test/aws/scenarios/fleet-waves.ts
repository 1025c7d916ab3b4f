import { expect, test } from "@jest/globals";
import { until } from "../../faults/until.ts";
import type { Scenarios } from "../environment.ts";
import {
  addTenants,
  appliedByTenants,
  cure,
  held,
  hold,
  poison,
  release,
  summaryOf,
  tenants,
  timesApplied,
  withFleet,
} from "../fleets.ts";
import { sql } from "../migrations.ts";
import { sessionsIn } from "../state.ts";

const BOTH = "1_t1 2_t2";

/** Targets that fail. */
export const fleetFailures: Scenarios = (aws) => {
  test("200 schemas are migrated although three fail, as tolerated, and another execution does only what is left", async () => {
    const names = tenants(200);
    const bad = ["t050", "t100", "t150"];
    await withFleet(aws(), { names, options: { canary: 2 } }, async ({ db, run }) => {
      await poison(db, ...bad);
      const done = await run({ command: "up", toleratedFailures: 3 });
      expect(done).toMatchObject({ status: "SUCCEEDED" });
      expect(summaryOf(done)).toMatchObject({
        ok: true,
        counts: { done: 197, failed: 3, untouched: 0 },
        versions: [
          { head: "2_t2", count: 197 },
          { head: "1_t1", count: 3 },
        ],
        failed: bad.map((target) => ({ target, code: "SQL", migration: "2_t2" })),
      });
      expect(await appliedByTenants(db)).toEqual({ [BOTH]: 197, "1_t1": 3 });
      await cure(db);
      const again = await run({ command: "up" });
      expect(summaryOf(again)).toMatchObject({ ok: true, counts: { done: 200, failed: 0, untouched: 0 } });
      expect(await appliedByTenants(db)).toEqual({ [BOTH]: 200 });
      expect(await timesApplied(db)).toEqual({ least: 1, most: 1 });
    });
  });

  test("a failure that is not tolerated leaves the targets that have not begun as they are", async () => {
    const names = tenants(20);
    await withFleet(
      aws(),
      { names, options: { maxConcurrency: 1, maxConcurrencyPerServer: 1 } },
      async (fleet) => {
        const { db, run } = fleet;
        await poison(db, "t005");
        const failed = await run({ command: "up" });
        expect(failed).toMatchObject({ status: "FAILED", error: "FLEET" });
        expect(summaryOf(failed)).toMatchObject({
          ok: false,
          counts: { done: 4, failed: 1, untouched: 15 },
          failed: [{ target: "t005", code: "SQL", message: expect.stringContaining('a "poisoned" schema') }],
        });
        expect(await appliedByTenants(db)).toEqual({ [BOTH]: 4, "1_t1": 1, untouched: 15 });
      },
    );
  });

  test("a canary that fails stops the execution, and no other target is touched", async () => {
    const names = tenants(8);
    await withFleet(
      aws(),
      { names, options: { canary: ["t003", "t006"], maxConcurrency: 1 } },
      async ({ db, run }) => {
        await poison(db, "t006");
        const failed = await run({ command: "up", toleratedFailures: 5 });
        expect(summaryOf(failed)).toMatchObject({
          code: "FLEET",
          counts: { done: 1, failed: 1, untouched: 6 },
          failed: [{ target: "t006" }],
        });
        expect(await appliedByTenants(db)).toEqual({ [BOTH]: 1, "1_t1": 1, untouched: 6 });
      },
    );
  });
};

/** Executions that are killed, that meet another one, or whose targets take long. */
export const fleetInterruptions: Scenarios = (aws) => {
  test("an execution whose functions are killed in the second wave loses nothing: the next one does the rest, and nothing twice", async () => {
    const names = tenants(12);
    await withFleet(aws(), { names, options: { canary: 2 } }, async ({ stack, db, start, run }) => {
      const { lambda, stepFunctions } = aws().services;
      await hold(db, names.slice(4));
      const arn = start({ command: "up" });
      await until(async () => (await held(db)) === 4, "the second wave");
      stepFunctions.stopExecution(arn);
      expect(lambda.kill(stack.functionName("on-fleet-target.operate"))).toBe(4);
      expect(await stepFunctions.ended(arn)).toMatchObject({ status: "ABORTED" });
      await until(async () => (await sessionsIn(db)) === 0, "the server to notice");
      expect(await appliedByTenants(db)).toEqual({ [BOTH]: 4, "1_t1": 4, untouched: 4 });
      await release(db);
      expect(summaryOf(await run({ command: "up" }))).toMatchObject({ ok: true, counts: { done: 12 } });
      expect(await appliedByTenants(db)).toEqual({ [BOTH]: 12 });
      expect(await timesApplied(db)).toEqual({ least: 1, most: 1 });
    });
  });

  test("two executions at once both succeed, and every target is migrated once", async () => {
    const names = tenants(8);
    await withFleet(aws(), { names }, async ({ db, start }) => {
      const { stepFunctions } = aws().services;
      const both = [start({ command: "up" }), start({ command: "up" })];
      for (const arn of both) {
        const ended = await stepFunctions.ended(arn);
        expect(summaryOf(ended)).toMatchObject({ ok: true, counts: { done: 8, failed: 0 } });
      }
      expect(await appliedByTenants(db)).toEqual({ [BOTH]: 8 });
      expect(await timesApplied(db)).toEqual({ least: 1, most: 1 });
    });
  });

  test("a target whose migrations take longer than a function runs is migrated by several, one after the other", async () => {
    const numbers = [1, 2, 3, 4, 5, 6];
    const slow = Object.fromEntries(
      numbers.map((n) => [`${n}_s.sql`, sql(`CREATE TABLE s${n} (id int); SELECT pg_sleep(0.8);`)]),
    );
    const setUp = { names: ["t001"], migrations: slow, changes: { timeoutSeconds: 5 } };
    await withFleet(aws(), setUp, async ({ db, run, stack }) => {
      const before = aws().services.recorder.emissions.length;
      expect(summaryOf(await run({ command: "up" }))).toMatchObject({ ok: true, counts: { done: 1 } });
      expect(await appliedByTenants(db)).toEqual({ "1_s 2_s 3_s 4_s 5_s 6_s": 1 });
      const target = stack.functionName("on-fleet-target.operate");
      const answers = aws()
        .services.recorder.since(before)
        .filter(({ source, kind }) => kind === "answer" && source === target)
        .map(({ text }) => JSON.parse(text).outcome);
      expect(answers.length).toBeGreaterThan(1);
      expect([...new Set(answers)]).toEqual(["continue", "done"]);
    });
  });
};

/** What an execution is asked for. */
export const fleetChoices: Scenarios = (aws) => {
  test("chosen targets alone are migrated and undone, such as a tenant that is new", async () => {
    await withFleet(aws(), { names: tenants(4) }, async ({ db, run }) => {
      await run({ command: "up" });
      await addTenants(db, ["acme", "later"]);
      const only = await run({ command: "up", targets: ["acme"] });
      expect(summaryOf(only)).toMatchObject({ ok: true, counts: { done: 1, failed: 0, untouched: 0 } });
      expect(await appliedByTenants(db)).toEqual({ [BOTH]: 5, untouched: 1 });
      const down = await run({ command: "down", to: "1_t1", targets: ["t001", "acme"] });
      expect(summaryOf(down)).toMatchObject({ ok: true, counts: { done: 2 } });
      expect(await appliedByTenants(db)).toEqual({ [BOTH]: 3, "1_t1": 2, untouched: 1 });
      expect(summaryOf(await run({ command: "status" }))).toMatchObject({
        versions: [
          { head: "2_t2", count: 3, behind: 0 },
          { head: "1_t1", count: 2, behind: 2 },
          { head: null, count: 1, behind: 1 },
        ],
      });
      expect(await run({ command: "up", targets: ["acne"] })).toMatchObject({
        status: "FAILED",
        error: "TARGETS",
        cause: expect.stringContaining("acne"),
      });
    });
  });

  test("an execution says what is wrong with its input, and touches nothing", async () => {
    await withFleet(aws(), { names: ["t001"], options: { allowDown: false } }, async ({ db, run }) => {
      for (const [input, cause] of [
        [{ command: "up", confirm: "shops" }, 'confirm is \\"shops\\"'],
        [{ command: "up", count: 1 }, "count"],
        [{ command: "down", to: "1_t1" }, "down is not allowed"],
      ] as const) {
        const ended = await run(input);
        expect(ended).toMatchObject({
          status: "FAILED",
          error: "USAGE",
          cause: expect.stringContaining(cause),
        });
      }
      expect(await appliedByTenants(db)).toEqual({ untouched: 1 });
    });
  });
};
