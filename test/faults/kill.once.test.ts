import { dirname, join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { environmentOf, type RunningCommand, startCommand, writeProject } from "../cli/command.ts";
import { chosenCases } from "../support/postgres.ts";
import { expectRecovery } from "./every-request.ts";
import { hitting, type Stage, setStage } from "./faulty-run.ts";
import { type Fate, type Request, startProxy } from "./proxy.ts";
import { empty } from "./state.ts";
import { TEN } from "./ten.ts";

/** Runs the command and kills it with -9 when its n-th request passes. @returns that request */
async function killAt({ db, dir }: Stage, n: number, thenFate: Fate): Promise<Request | undefined> {
  await empty(db);
  let command: RunningCommand | undefined;
  const { decide, hit } = hitting(n, async () => {
    command?.send("SIGKILL");
    await command?.ended;
    return thenFate;
  });
  const proxy = await startProxy(db.connection, decide);
  try {
    command = startCommand(dirname(dir), ["up"], environmentOf(proxy.connection));
    const { code } = await command.ended;
    expect(code).toBe(hit() === undefined ? 0 : null);
    return hit();
  } finally {
    await proxy.close();
  }
}

/** Every request of the first four migrations (SQL, builder, function, without a transaction), then every fourth. */
function moments(requests: readonly Request[]): number[] {
  const fourDone = requests.findIndex(({ text }) => /INSERT .*'04_index'.*COMMIT$/s.test(text)) + 1;
  return requests.map(({ n }) => n).filter((n) => n <= fourDone + 1 || n % 4 === 0);
}

describe("kill -9 of the command", () => {
  let stage: Stage;
  beforeAll(async () => {
    const project = writeProject(TEN);
    stage = { ...(await setStage()), dir: join(project, "migrations") };
  });
  afterAll(() => stage.db.drop());

  it.each<[string, Fate, number]>([
    ["before the server has the request [G1]", "cut", 0],
    ["with the request under way [G1]", "pass", 1],
  ])(
    "after kill -9 %s, at any request of a run of ten migrations, a second run ends where an undisturbed run does",
    async (_, fate, turn) => {
      const halves = moments(stage.requests).filter((_, index) => index % 2 === turn);
      const chosen = chosenCases(halves, 3);
      expect(chosen.length).toBeGreaterThan(4);
      for (const n of chosen) {
        const hit = await killAt(stage, n, fate);
        await expectRecovery(stage, n).catch((cause: unknown) => {
          throw new Error(`killed at request ${n}: ${hit?.text}`, { cause });
        });
      }
    },
  );
});
