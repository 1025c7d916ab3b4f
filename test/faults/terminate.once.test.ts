import { afterAll, beforeAll, describe, it } from "@jest/globals";
import { atEveryRequest } from "./every-request.ts";
import { type Stage, setStage } from "./faulty-run.ts";
import type { Fate } from "./proxy.ts";
import { until } from "./until.ts";

describe("pg_terminate_backend", () => {
  let stage: Stage;
  beforeAll(async () => {
    stage = await setStage();
  });
  afterAll(() => stage.db.drop());

  it("after pg_terminate_backend at any request of a run, a second run ends where an undisturbed run does [G4]", () =>
    atEveryRequest(stage, async ({ pid }): Promise<Fate> => {
      const { db } = stage;
      await db.query("SELECT pg_terminate_backend($1)", [pid]);
      const isGone = async () =>
        (await db.query("SELECT FROM pg_stat_activity WHERE pid = $1", [pid])).length === 0;
      await until(isGone, "the backend to go");
      return "pass";
    }));
});
