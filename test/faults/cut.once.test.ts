import { afterAll, beforeAll, describe, it } from "@jest/globals";
import { atEveryRequest } from "./every-request.ts";
import { type Stage, setStage } from "./faulty-run.ts";

describe("a connection that breaks", () => {
  let stage: Stage;
  beforeAll(async () => {
    stage = await setStage();
  });
  afterAll(() => stage.db.drop());

  it("before any request of a run of ten migrations: a second run ends where an undisturbed one does [G6]", () =>
    atEveryRequest(stage, () => "cut"));
});
