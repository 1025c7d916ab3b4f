import { describe, expect, it } from "@jest/globals";
import type { ApprovedPlan, PlanReport } from "../../lib/core/index.ts";
import { isLocked, LOCK, UNLOCK } from "../engine/locking.ts";
import { type TestDatabase, withDatabase } from "../support/database.ts";
import { addFiles, writeFolder } from "../support/folders.ts";
import { appliedNames, failureOf, openMigrator } from "../support/migrator.ts";
import { chosenCases } from "../support/postgres.ts";
import { hitting, throughProxy } from "./faulty-run.ts";
import type { Fate } from "./proxy.ts";
import { empty } from "./state.ts";
import { until } from "./until.ts";

const table = (name: string) => `CREATE TABLE ${name} (id int);\n-- Down Migration\nDROP TABLE ${name};`;
const THREE = { "1_a.sql": table("a"), "2_b.sql": table("b"), "3_c.sql": table("c") };
const NAMES = ["1_a", "2_b", "3_c"];

function approvedOf({ action, digest, head, schema, steps }: PlanReport): ApprovedPlan {
  return { action, digest: digest ?? "", head, schema, steps };
}

describe("the database changes between an approved plan and its run", () => {
  /** Lets a run of the plan wait for the lock, changes the database meanwhile, and lets it go on. */
  async function changedMeanwhile(db: TestDatabase, dir: string, change: () => Promise<unknown>) {
    const approved = approvedOf(await (await openMigrator(db, dir)).planUp());
    const holder = await db.client();
    await holder.query(LOCK);
    const migrator = await openMigrator(db, dir, { order: "allow" });
    const running = migrator.up({ approved });
    await until(() => migrator.events.some(({ type }) => type === "lock-wait"), "the run to wait");
    await change();
    await holder.query(UNLOCK);
    return running;
  }

  it("a run that waits for the lock refuses what another run has made of the database [G31]", () =>
    withDatabase(async (db) => {
      const dir = writeFolder(THREE);
      await (await openMigrator(db, dir)).up({ count: 1 });
      const run = changedMeanwhile(db, dir, async () => {
        await db.query("INSERT INTO pgmigrations (name, run_on) VALUES ('9_other', now())");
      });
      expect(await failureOf(run)).toMatchObject({
        code: "PLAN_DIFFERS",
        message: expect.stringContaining("it was for the head 1_a, which is 9_other here"),
      });
      expect(await appliedNames(db)).toEqual(["1_a", "9_other"]);
      expect(await isLocked(db)).toBe(false);
    }));

  it("a run that waits for the lock does what another run of the plan has left [G31]", () =>
    withDatabase(async (db) => {
      const run = changedMeanwhile(db, writeFolder(THREE), async () => {
        await db.query("CREATE TABLE pgmigrations (id serial PRIMARY KEY, name text, run_on timestamp)");
        await db.query("INSERT INTO pgmigrations (name, run_on) VALUES ('1_a', now())");
      });
      expect((await run).completed.map(({ migration }) => migration)).toEqual(["2_b", "3_c"]);
    }));

  it("ten runs of one plan at the same time apply each migration once, and all succeed [G31]", () =>
    withDatabase(async (db) => {
      const dir = writeFolder(THREE);
      const approved = approvedOf(await (await openMigrator(db, dir)).planUp());
      const runs = Array.from({ length: 10 }, async () => (await openMigrator(db, dir)).up({ approved }));
      const completed = (await Promise.all(runs)).flatMap((report) => report.completed);
      expect(completed.map(({ migration }) => migration)).toEqual(NAMES);
    }));

  it("a file that is edited between the plan and the run is refused by its digest too [G31]", () =>
    withDatabase(async (db) => {
      const dir = writeFolder(THREE);
      const { digest } = await (await openMigrator(db, dir)).planUp();
      addFiles(dir, { "3_c.sql": table("other") });
      const run = (await openMigrator(db, dir)).up({ approved: digest ?? "" });
      expect(await failureOf(run)).toMatchObject({ code: "PLAN_DIFFERS" });
      expect(await db.query("SELECT to_regclass('pgmigrations') AS made")).toEqual([{ made: null }]);
    }));
});

describe("a run of an approved plan is interrupted", () => {
  it.each(
    chosenCases<readonly ["up" | "down", Fate]>(
      [
        ["up", "cut"],
        ["up", "lose-answer"],
        ["down", "cut"],
        ["down", "lose-answer"],
      ],
      3,
    ),
  )("after %s is broken off at any request (%s), the same plan does the rest [G32]", (action, fate) =>
    withDatabase(async (db) => {
      const dir = writeFolder(THREE);
      const direct = await openMigrator(db, dir);
      const prepare = async (): Promise<ApprovedPlan> => {
        await empty(db);
        if (action === "up") return approvedOf(await direct.planUp());
        await direct.up();
        return approvedOf(await direct.planDown({ count: 3 }));
      };
      let hits = 0;
      for (let n = 1; ; n += 1) {
        const approved = await prepare();
        const { decide, hit } = hitting(n, () => fate);
        await throughProxy(
          { db, dir, decide, work: (migrator) => migrator[action]({ approved }) },
          (run) => run,
        );
        if (hit() === undefined) break;
        hits += 1;
        await direct[action]({ approved });
        expect([n, await appliedNames(db)]).toEqual([n, action === "up" ? NAMES : []]);
      }
      expect(hits).toBeGreaterThan(8);
    }),
  );
});
