import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { appliedNames } from "../support/migrator.ts";
import { chosenCases } from "../support/postgres.ts";
import { atEveryRequest, COMMITS, expectRecovery } from "./every-request.ts";
import { type Stage, setStage, typed, upWithFault } from "./faulty-run.ts";

describe("a connection that breaks before the answer comes", () => {
  let stage: Stage;
  beforeAll(async () => {
    stage = await setStage();
  });
  afterAll(() => stage.db.drop());

  it("after a lost answer to any request of a run of ten migrations, a second run ends where an undisturbed run does [G7]", () =>
    atEveryRequest(stage, () => "lose-answer"));

  it("a run without an answer to COMMIT does not claim the migration, which the next run knows as applied [G7]", async () => {
    const commit = stage.requests.find(({ text }) => /INSERT .*'02_people'.*COMMIT$/s.test(text));
    const { error } = await upWithFault(stage, commit?.n ?? 0, () => "lose-answer");
    expect(typed(error)).toMatchObject({
      code: "CONNECTION",
      details: { migration: "02_people", applied: ["01_log"] },
    });
    expect(await appliedNames(stage.db)).toEqual(["01_log", "02_people"]);
  });

  it("after a lost answer with one transaction for all, a second run ends where an undisturbed run does [G8]", async () => {
    const commits = stage.requests.filter(({ text }) => COMMITS.test(text));
    const everySecond = commits.filter((_, index) => index % 2 === 0);
    for (const { n } of chosenCases(everySecond, 3)) {
      await upWithFault(stage, n, () => "lose-answer", { transaction: "all" });
      await expectRecovery(stage, n);
    }
  });
});
