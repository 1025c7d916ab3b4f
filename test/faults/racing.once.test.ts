import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { writeFolder } from "../support/folders.ts";
import { openMigrator } from "../support/migrator.ts";
import { expectRecovery } from "./every-request.ts";
import { type Stage, setStage } from "./faulty-run.ts";
import { type Fate, startProxy } from "./proxy.ts";
import { empty, expectNothingLeft } from "./state.ts";
import { SIX, TEN_NAMES } from "./ten.ts";
import { until } from "./until.ts";

describe("two versions of the code at the same time", () => {
  let stage: Stage;
  let older: string;
  beforeAll(async () => {
    stage = await setStage();
    older = writeFolder(SIX);
  });
  afterAll(() => stage.db.drop());

  /** Starts `held`, stops it at its n-th request until `other` has ended or waits for the lock, and waits for both. */
  async function interleave(n: number, held: string, other: string) {
    const { db } = stage;
    await empty(db);
    let reached = false;
    let free = false;
    const proxy = await startProxy(db.connection, async ({ link, n: number }): Promise<Fate> => {
      if (link !== 0 || number !== n) return "pass";
      reached = true;
      await until(() => free, "the other run");
      return "pass";
    });
    try {
      const first = (await openMigrator(db, held, {}, { connection: proxy.connection })).up();
      await until(() => reached, `request ${n}`);
      const second = await openMigrator(db, other);
      const ended = second.up().finally(() => {
        free = true;
      });
      await until(() => free || second.events.some(({ type }) => type === "lock-wait"), "the other run");
      free = true;
      return await Promise.all([first, ended]);
    } finally {
      await proxy.close();
    }
  }

  it.each([
    ["before it has looked", 2],
    ["before it has the lock", 3],
    ["before it makes the tables", 5],
    ["in its first transaction", 7],
    ["at its third COMMIT", 18],
    ["between two migrations", 19],
    ["in an index built concurrently", 22],
  ])(
    "both versions succeed, and each migration runs once, with the older one stopped %s [G14]",
    async (_, n) => {
      const [first, second] = await interleave(n, older, stage.dir);
      const names = [...first.completed, ...second.completed].map(({ migration }) => migration);
      expect(names.sort()).toEqual(TEN_NAMES);
      await expectRecovery(stage, n);
    },
  );

  it.each([3, 7, 22, 44])(
    "both versions succeed, and each migration runs once, with the newer one stopped at request %i [G14]",
    async (n) => {
      const [first, second] = await interleave(n, stage.dir, older);
      const names = [...first.completed, ...second.completed].map(({ migration }) => migration);
      expect(names.sort()).toEqual(TEN_NAMES);
      await expectRecovery(stage, n);
    },
  );

  it("up and down at the same time run one after the other, in either order [G15]", async () => {
    const { db, dir } = stage;
    for (let turn = 0; turn < 4; turn += 1) {
      await empty(db);
      await (await openMigrator(db, older)).up();
      const [up, down] = [await openMigrator(db, dir), await openMigrator(db, dir)];
      const runs = turn % 2 === 0 ? [up.up(), down.down({ count: 3 })] : [down.down({ count: 3 }), up.up()];
      await Promise.all(runs);
      await expectNothingLeft(db);
      const { counts } = await up.status();
      expect([7, 10]).toContain(counts.applied);
      await expectRecovery(stage, turn);
    }
  });
});
