import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import type { Migrator } from "../../lib/engine/index.ts";
import { appliedNames, openMigrator } from "../support/migrator.ts";
import { runsEveryCase } from "../support/postgres.ts";
import { expectRecovery } from "./every-request.ts";
import { hitting, type Stage, setStage, throughProxy, typed } from "./faulty-run.ts";
import type { Fate } from "./proxy.ts";
import { empty } from "./state.ts";

const undo = (migrator: Migrator): Promise<unknown> => migrator.down({ count: 4 });

describe("a connection that breaks while migrations are undone", () => {
  let stage: Stage;
  beforeAll(async () => {
    stage = await setStage();
  });
  afterAll(() => stage.db.drop());

  it.each<[string, Fate]>([
    ["before a request", "cut"],
    ["before the answer", "lose-answer"],
  ])(
    "after a cut %s, each migration is undone, not undone, or reported as partly undone, and up applies them again [G10]",
    async (_, fate) => {
      const { db, dir } = stage;
      for (let n = 2; ; n += runsEveryCase() ? 4 : 12) {
        await empty(db);
        await (await openMigrator(db, dir)).up();
        const { decide, hit } = hitting(n, () => fate);
        const error = await throughProxy({ db, dir, decide, work: undo }, (run) => run);
        if (hit() === undefined) {
          expect(n).toBeGreaterThan(20);
          return;
        }
        if (error !== undefined) expect(typed(error).code).toBe("CONNECTION");
        expect((await appliedNames(db)).length).toBeGreaterThanOrEqual(6);
        // An odd number: the person takes back what is part-way, which is what `down` was about to do.
        await expectRecovery(stage, 1).catch((cause: unknown) => {
          throw new Error(`fault at request ${n}: ${hit()?.text}`, { cause });
        });
      }
    },
  );
});
