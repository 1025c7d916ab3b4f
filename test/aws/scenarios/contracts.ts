import { describe, expect, test } from "@jest/globals";
import type { Migrations, Scenarios } from "../environment.ts";
import { FAILING, sql } from "../migrations.ts";
import { appliedIn } from "../state.ts";

const base: Migrations = { "1_a.sql": sql("CREATE TABLE a (old int);", "DROP TABLE a;") };
const expand: Migrations = {
  ...base,
  "2_expand.sql": sql("ALTER TABLE a ADD COLUMN new int;", "ALTER TABLE a DROP COLUMN new;"),
};
const contract: Migrations = {
  ...expand,
  "3_contract.sql": `-- migrate: contract after 2_expand\n${sql("ALTER TABLE a DROP COLUMN old;", "ALTER TABLE a ADD COLUMN old int;")}`,
};
const later = (number: number): Migrations => ({
  ...contract,
  [`${number}_later.sql`]: sql("SELECT 1;", "SELECT 2;"),
});

const WAITS = { status: "SUCCESS", data: { WaitingCount: "1", PendingCount: "0" } };
const RUNS = { status: "SUCCESS", data: { WaitingCount: "0", PendingCount: "0" } };

export const contracts: Scenarios = (aws) =>
  describe("contracts of a stack", () => {
    test("a contract that comes with its expand waits for two deploys, and runs in the third", async () => {
      const { withStack, deployable } = aws();
      await withStack({}, async ({ stack, db }) => {
        await stack.create(await deployable(base));
        expect(await stack.update(await deployable(contract))).toMatchObject(WAITS);
        expect(await stack.update(await deployable(later(4)))).toMatchObject(WAITS);
        expect(await appliedIn(db)).toEqual(["1_a", "2_expand", "4_later"]);
        expect(await stack.update(await deployable({ ...later(4), ...later(5) }))).toMatchObject(RUNS);
        expect(await appliedIn(db)).toEqual(["1_a", "2_expand", "4_later", "3_contract", "5_later"]);
        expect(await stack.rollBack("old code")).toMatchObject({ status: "SUCCESS" });
        expect(await stack.delete()).toMatchObject({ status: "SUCCESS" });
      });
    });

    test("a contract that comes in a release of its own waits there, and runs when forceRun changes", async () => {
      const { withStack, deployable } = aws();
      await withStack({}, async ({ stack, db }) => {
        await stack.create(await deployable(base));
        await stack.update(await deployable(expand));
        expect(await stack.update(await deployable(contract))).toMatchObject(WAITS);
        expect(await stack.update(await deployable(contract))).toBeUndefined();
        expect(await stack.update(await deployable(contract, { forceRun: "again" }))).toMatchObject(RUNS);
        expect(await appliedIn(db)).toEqual(["1_a", "2_expand", "3_contract"]);
      });
    });

    test("each deploy of another revision asks whether a contract may run", async () => {
      const { withStack, deployable } = aws();
      await withStack({}, async ({ stack }) => {
        await stack.create(await deployable(base, { revision: "v1" }));
        // Without contracts, a revision changes nothing for CloudFormation.
        expect(await stack.update(await deployable(base, { revision: "v2" }))).toBeUndefined();
        expect(await stack.update(await deployable(contract, { revision: "v3" }))).toMatchObject(WAITS);
        expect(await stack.update(await deployable(contract, { revision: "v4" }))).toMatchObject(WAITS);
        expect(await stack.update(await deployable(contract, { revision: "v5" }))).toMatchObject(RUNS);
      });
    });

    test.each(["old code", "new code"] as const)(
      "a failed update proves nothing: the contract goes on waiting when the %s answers its rollback",
      async (handledBy) => {
        const { withStack, deployable } = aws();
        await withStack({}, async ({ stack, db }) => {
          await stack.create(await deployable(base));
          await stack.update(await deployable(expand));
          for (const failing of [{ ...contract, "4_fails.sql": FAILING }, later(4)]) {
            await stack.update(await deployable(failing));
            expect(await stack.rollBack(handledBy)).toMatchObject({ status: "SUCCESS" });
          }
          expect(await stack.update(await deployable(later(4)))).toMatchObject(WAITS);
          expect(await appliedIn(db)).toEqual(["1_a", "2_expand", "4_later"]);
          expect(await stack.update(await deployable(later(4), { forceRun: "again" }))).toMatchObject(RUNS);
        });
      },
    );

    test("a first deploy applies a contract to an empty database at once, and leaves it waiting in another", async () => {
      const { withStack, deployable } = aws();
      await withStack({}, async ({ stack, db }) => {
        expect(await stack.create(await deployable(contract))).toMatchObject(RUNS);
        expect(await appliedIn(db)).toEqual(["1_a", "2_expand", "3_contract"]);
      });
      await withStack({}, async ({ stack, db }) => {
        await stack.create(await deployable(base));
        await stack.delete();
        expect(await stack.create(await deployable(contract))).toMatchObject(WAITS);
        expect(await appliedIn(db)).toEqual(["1_a", "2_expand"]);
      });
    });

    test("an operator's up leaves a contract waiting, and a payload that names it runs it", async () => {
      const { withStack, deployable } = aws();
      await withStack({}, async ({ stack, db }) => {
        await stack.create(await deployable(base));
        await stack.update(await deployable(contract));
        const operate = (payload: object) =>
          stack.invoke("on-operate.handler", { command: "up", confirm: db.name, ...payload });
        expect((await operate({})).payload).toMatchObject({
          ...{ ok: true, completed: [] },
          waiting: [{ migration: "3_contract", waitsFor: { reason: "outside-deploy" } }],
        });
        expect((await operate({ note: "nobody reads it" })).payload).toMatchObject({
          error: { code: "USAGE" },
        });
        const word = { contract: "3_contract", note: "nobody reads it" };
        expect((await operate(word)).payload).toMatchObject({ completed: [{ migration: "3_contract" }] });
        const history = { command: "history", migration: "3_contract" };
        expect((await stack.invoke("on-status.handler", history)).payload).toMatchObject({
          entries: [{ note: "ran although it waited: nobody reads it", origin: "command" }],
        });
      });
    });
  });
