import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { failureOf, openMigrator } from "../support/migrator.ts";
import { runsEveryCase } from "../support/postgres.ts";
import { expectRecovery } from "./every-request.ts";
import { type Stage, setStage, throughProxy, typed } from "./faulty-run.ts";
import { empty } from "./state.ts";
import { until } from "./until.ts";

describe("a deadline", () => {
  let stage: Stage;
  beforeAll(async () => {
    stage = await setStage();
  });
  afterAll(() => stage.db.drop());

  it("after a deadline at any moment of a run, a second run ends where an undisturbed run does [G12]", async () => {
    const { db, dir, requests } = stage;
    for (let n = 2; n < requests.length; n += runsEveryCase() ? 6 : 18) {
      await empty(db);
      const deadline = Date.now() + 300;
      // The answer to a request that came earlier is not waited for: time runs out while this one is under way.
      const passing = async ({ link, n: number }: { link: number; n: number }) => {
        if (link === 0 && number === n) await until(() => Date.now() > deadline + 20, "the deadline");
        return "pass" as const;
      };
      const error = await throughProxy({ db, dir, decide: passing, setup: { deadline } }, (run) => run);
      if (error !== undefined) expect([n, typed(error).code]).toEqual([n, "DEADLINE"]);
      await expectRecovery(stage, n);
    }
  });

  it("after a deadline during CREATE INDEX CONCURRENTLY that is to fail then, the next run rebuilds the invalid index [G13]", async () => {
    const { db, dir } = stage;
    await empty(db);
    await (await openMigrator(db, dir)).up({ to: "03_function" });
    const holder = await db.client();
    await holder.query("BEGIN; INSERT INTO people (name) VALUES ('nobody')");
    const options = { onDeadline: "fail" } as const;
    const error = await failureOf(
      (await openMigrator(db, dir, options, { deadline: Date.now() + 1500 })).up(),
    );
    expect(error).toMatchObject({ code: "DEADLINE", details: { migration: "04_index", partial: 0 } });
    const index = "SELECT indisvalid FROM pg_index WHERE indexrelid = 'people_name'::regclass";
    expect(await db.query(index)).toEqual([{ indisvalid: false }]);
    await holder.query("ROLLBACK; SELECT setval('people_id_seq', 2)");
    await expectRecovery(stage, 2);
  });
});
