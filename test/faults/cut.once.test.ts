import { afterAll, beforeAll, describe, it } from "@jest/globals";
import { atEveryRequest } from "./every-request.ts";
import { type Stage, setStage } from "./faulty-run.ts";

describe("a connection that breaks", () => {
  let stage: Stage;
  beforeAll(async () => {
    stage = await setStage();
  });
  afterAll(() => stage.db.drop());

  it("after a connection breaks before any request of a run, a second run ends where an undisturbed run does [G6]", () =>
    atEveryRequest(stage, () => "cut"));
});
