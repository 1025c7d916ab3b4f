import { describe, expect, test } from "@jest/globals";
import { METRICS } from "../../../lambda/contract.ts";
import { until } from "../../faults/until.ts";
import type { AwsEnvironment, Deployment, Migrations, ProjectOptions, Scenarios } from "../environment.ts";
import { FAILING, holdsLock, STOPPABLE, sql, tables } from "../migrations.ts";
import { appliedIn, historyOf, holdUp, letGo, sessionsIn, tablesIn, untilHeldUp } from "../state.ts";
import { approve } from "./approved.ts";
import { MANY_ROWS } from "./backfills.ts";
import { BUILD, holdSnapshot, indexOf } from "./background.ts";

const DEPLOY = "on-deploy.handler";
/** A slice has four seconds and a half, of which one migration of `slow` takes more than half. */
const TIMES = { timeoutSeconds: 6, deployTimeoutSeconds: 120 };

/** The migrations of `tables`, each of which takes its time, in both directions. */
function slow(...numbers: readonly number[]): Migrations {
  const sleep = "SELECT pg_sleep(2.5);";
  return Object.fromEntries(
    numbers.map((n) => [
      `${n}_t${n}.sql`,
      sql(`CREATE TABLE t${n} (id int); ${sleep}`, `DROP TABLE t${n}; ${sleep}`),
    ]),
  );
}

/** What has happened since it was made. */
class Watch {
  readonly #aws: AwsEnvironment;
  readonly #deployment: Deployment;
  readonly #emissions: number;
  readonly #payloads: number;

  constructor(aws: AwsEnvironment, deployment: Deployment) {
    this.#aws = aws;
    this.#deployment = deployment;
    this.#emissions = aws.services.recorder.emissions.length;
    this.#payloads = aws.services.lambda.payloads.length;
  }

  /** How often the deploy function was invoked. */
  get slices(): number {
    const name = this.#deployment.stack.functionName(DEPLOY);
    return this.#aws.services.lambda.payloads.slice(this.#payloads).filter((one) => one.name === name).length;
  }

  get log(): readonly string[] {
    return this.#aws.services.recorder.since(this.#emissions).map(({ text }) => text);
  }

  /** Values of a metric, in their order. */
  metric(name: string): number[] {
    return this.log
      .filter((text) => text.startsWith('{"_aws"'))
      .flatMap((text) => JSON.parse(text)[name] ?? []);
  }

  untilUnfinished(): Promise<void> {
    const isOver = () => this.log.some((text) => text.includes("another invocation goes on"));
    return until(isOver, "the end of a slice");
  }
}

type Play = (deployment: Deployment & { watch: () => Watch }) => Promise<void>;

/** Ways to play a deploy in slices, and to make what it deploys. */
function waysOf(aws: () => AwsEnvironment) {
  return {
    inSlices: (play: Play, times = TIMES) =>
      aws().withStack(times, (deployment) =>
        play({ ...deployment, watch: () => new Watch(aws(), deployment) }),
      ),
    release: (migrations: Migrations, options?: ProjectOptions) => aws().deployable(migrations, options),
  };
}

/** What every change is tested with. */
export const nextSlice: Scenarios = (aws) => {
  const { inSlices, release } = waysOf(aws);
  test("a deploy waits in all of its invocations for another run, which holds the migration lock", () =>
    inSlices(async ({ stack, db, watch }) => {
      const release1 = await release(tables(1));
      const giveBack = await holdsLock(db);
      const seen = watch();
      const creating = stack.create(release1);
      await seen.untilUnfinished();
      await giveBack();
      expect(await creating).toMatchObject({ status: "SUCCESS", data: { AppliedCount: "1" } });
    }));
};

/** A deploy that takes longer than one invocation. */
export const slices: Scenarios = (aws) => {
  const { inSlices, release } = waysOf(aws);
  describe("a deploy that takes longer than one invocation", () => {
    test("a deploy goes on in as many invocations as it needs, applies everything once, and reports its whole time", () =>
      inSlices(async ({ stack, db, watch }) => {
        const seen = watch();
        const created = await stack.create(await release(slow(1, 2, 3, 4)));
        expect(created).toMatchObject({ status: "SUCCESS", data: { Head: "4_t4", AppliedCount: "4" } });
        expect(seen.slices).toBeGreaterThan(2);
        const finished = (await historyOf(db)).filter((line) => line.endsWith("finished"));
        expect(finished).toEqual([1, 2, 3, 4].map((n) => `${n}_t${n} up finished`));
        expect(new Set(seen.metric(METRICS.failed))).toEqual(new Set([0]));
        expect(seen.metric(METRICS.completed).reduce((sum, count) => sum + count, 0)).toBe(4);
        expect(Math.max(...seen.metric(METRICS.deployDuration))).toBeGreaterThan(10_000);
        const again = watch();
        const options = { forceRun: "again" };
        expect(await stack.update(await release(slow(1, 2, 3, 4), options))).toMatchObject({
          status: "SUCCESS",
        });
        expect(again.slices).toBe(1);
      }));

    test("a backfill goes on in the next invocation, and visits each row once", () =>
      inSlices(async ({ stack, db, watch }) => {
        const seen = watch();
        expect(await stack.create(await release(MANY_ROWS))).toMatchObject({ status: "SUCCESS" });
        expect(seen.slices).toBeGreaterThan(1);
        expect(await db.query("SELECT id FROM many WHERE a IS NULL OR fills <> 1")).toEqual([]);
      }));

    test("an index build that one invocation leaves to the server is recorded by another one of the same deploy", () =>
      inSlices(async ({ stack, db, watch }) => {
        await stack.create(await release(tables(1)));
        const letEnd = await holdSnapshot(db);
        const seen = watch();
        const updating = stack.update(await release({ ...tables(1, 3), ...BUILD }));
        await until(() => seen.log.join().includes("the server goes on with 2_index"), "the end of a slice");
        await letEnd();
        const built = await indexOf(db);
        const data = { Head: "3_t3", AppliedCount: "3", Background: "none" };
        expect(await updating).toMatchObject({ status: "SUCCESS", data });
        expect(await indexOf(db)).toEqual(built);
        expect(built).toMatchObject([{ valid: true }]);
      }));

    test("a statement that takes longer than an invocation fails the deploy after the first one that gets no further", () =>
      inSlices(async ({ stack, db, watch }) => {
        const seen = watch();
        const failed = await stack.create(await release({ "1_long.sql": sql("SELECT pg_sleep(60);") }));
        expect(failed).toMatchObject({ status: "FAILED" });
        expect(failed.reason).toMatch(
          /^DEADLINE in 1_long: the time for this run is up\n.*Applied before it: nothing\.\nStill pending: 1_long\.\nWhat to do: Deploy or run again/s,
        );
        expect(seen.slices).toBe(1);
        expect(seen.metric(METRICS.failed)).toEqual([1]);
        expect(await sessionsIn(db)).toBe(0);
      }));

    test("a failure in a later invocation names what all of them have applied, and the rollback succeeds", () =>
      inSlices(async ({ stack, db, watch }) => {
        await stack.create(await release(tables(1)));
        const seen = watch();
        const next = await release({ ...tables(1), ...slow(2, 3), "4_broken.sql": FAILING });
        const failed = await stack.update(next);
        expect(failed).toMatchObject({ status: "FAILED", reason: expect.stringMatching(/^SQL in 4_broken/) });
        expect(failed?.reason).toContain("Applied before it: 2_t2, 3_t3; the rollback keeps them.");
        expect(seen.slices).toBeGreaterThan(1);
        expect(await stack.rollBack("new code")).toMatchObject({ status: "SUCCESS" });
        expect(await appliedIn(db)).toEqual(["1_t1", "2_t2", "3_t3"]);
      }));

    test.each(["file", "digest"] as const)(
      "an approved plan, given by its %s, holds in each invocation",
      (by) =>
        inSlices(async ({ stack, db, watch }) => {
          const plan = await approve(aws(), { db }, slow(1, 2));
          const seen = watch();
          const version = await release(slow(1, 2), { approvedPlan: plan[by] });
          expect(await stack.create(version)).toMatchObject({ status: "SUCCESS", data: { Head: "2_t2" } });
          expect(seen.slices).toBeGreaterThan(1);
        }),
    );

    test("a deploy whose stack rolls back goes no further, and says what becomes of what it has applied", () =>
      inSlices(async ({ stack, db, watch }) => {
        const { cloudFormation } = aws().services;
        await stack.create(await release(tables(1)));
        const seen = watch();
        const updating = stack.update(await release({ ...tables(1), ...slow(2, 3, 4) }));
        await seen.untilUnfinished();
        cloudFormation.status = "UPDATE_ROLLBACK_IN_PROGRESS";
        const cancelled = await updating;
        expect(cancelled).toMatchObject({ status: "FAILED" });
        expect(cancelled?.reason).toMatch(
          /^CANCELLED: the deploy goes no further: the stack is in UPDATE_ROLLBACK_IN_PROGRESS\nWhat the deploy has applied before stays in the database/,
        );
        expect(await appliedIn(db)).not.toContain("4_t4");
        expect(await stack.rollBack("new code")).toMatchObject({ status: "SUCCESS" });
      }));

    test("a rollback under onRollback: down that comes between two invocations undoes what the deploy has applied, in invocations of its own", () =>
      inSlices(async ({ stack, db, watch }) => {
        const down = { onRollback: "down" } as const;
        await stack.create(await release(tables(1), down));
        const seen = watch();
        const updating = stack.update(await release({ ...tables(1), ...slow(2, 3, 4) }, down));
        await until(async () => (await appliedIn(db)).includes("3_t3"), "the second migration");
        const before = seen.slices;
        expect(await stack.rollBack("new code")).toMatchObject({ status: "SUCCESS" });
        expect(await updating).toMatchObject({
          status: "FAILED",
          reason: expect.stringMatching(/^CANCELLED.*The rollback undoes what the deploy has applied/s),
        });
        expect(seen.slices - before).toBeGreaterThan(1);
        expect([await appliedIn(db), await tablesIn(db)]).toEqual([["1_t1"], ["t1"]]);
      }));

    test("a deploy whose time is up says what is applied, what is not and how to go on, and the next one goes on", () =>
      inSlices(
        async ({ stack, db, watch }) => {
          const seen = watch();
          const version = await release(slow(1, 2, 3, 4, 5, 6));
          const failed = await stack.create(version);
          expect(failed).toMatchObject({ status: "FAILED", reason: expect.stringMatching(/^DEADLINE/) });
          expect(seen.slices).toBeGreaterThan(1);
          const applied = await appliedIn(db);
          expect(failed.reason).toContain(
            `Applied before it: ${applied.join(", ")}; they stay in the database.`,
          );
          const [next = ""] = ["1_t1", "2_t2", "3_t3", "4_t4", "5_t5", "6_t6"].slice(applied.length);
          expect(failed.reason).toMatch(
            RegExp(`\nStill pending: ${next}, .*\nWhat to do: Deploy or run again`),
          );
          let tries = 0;
          for (; (await stack.create(version)).status === "FAILED"; tries += 1) expect(tries).toBeLessThan(5);
          expect(await appliedIn(db)).toHaveLength(6);
        },
        { timeoutSeconds: 6, deployTimeoutSeconds: 11 },
      ));

    test("a deploy whose function is killed in a later invocation fails, and the next deploy goes on", () =>
      inSlices(async ({ stack, db, watch }) => {
        await holdUp(db);
        const seen = watch();
        const version = await release({
          ...slow(1),
          "2_held.sql": sql(`CREATE TABLE t2 (id int);\n${STOPPABLE}`),
        });
        const creating = stack.create(version);
        await seen.untilUnfinished();
        await until(() => seen.slices === 2, "the second slice");
        await untilHeldUp(db);
        aws().services.lambda.kill(stack.functionName(DEPLOY));
        const killed = await creating;
        expect(killed).toMatchObject({ status: "FAILED", reason: expect.stringMatching(/signal: SIGKILL/) });
        expect(killed.reason).toContain("What the deploy has applied before stays in the database");
        await letGo(db);
        expect(await stack.create(version)).toMatchObject({ status: "SUCCESS", data: { AppliedCount: "2" } });
      }));

    test("a deploy with a snapshot makes one, and goes on in as many invocations as it needs", () =>
      inSlices(async ({ stack, db, watch }) => {
        await db.query("CREATE SCHEMA legacy; CREATE TABLE legacy.kept ()");
        const { rds } = aws().services;
        const seen = watch();
        const version = await release({ ...slow(1, 2), "3_broken.sql": FAILING }, { snapshot: true });
        const failed = await stack.create(version);
        expect(rds.snapshots).toHaveLength(1);
        expect(failed.reason).toMatch(/^SQL in 3_broken.*Applied before it: 1_t1, 2_t2;/s);
        expect(failed.reason).toContain(`The snapshot made before is ${rds.snapshots[0]?.id}.`);
        expect(seen.slices).toBeGreaterThan(2);
        rds.reset();
      }));
  });
};
