import { describe, expect, test } from "@jest/globals";
import { METRICS } from "../../../lambda/contract.ts";
import type { Scenarios } from "../environment.ts";
import { sql, tables } from "../migrations.ts";
import { appliedIn, historyOf, sessionsIn, tablesIn } from "../state.ts";

const BUILDER = `
export const up = (pgm) => { pgm.createTable("people", { id: "id", email: { type: "text", notNull: true } }); };
export const down = (pgm) => { pgm.dropTable("people"); };
`;

export const lifecycle: Scenarios = (aws) =>
  describe("the life of a stack", () => {
    test("create migrates an empty database, update applies what is new, delete touches nothing", async () => {
      const { withStack, deployable } = aws();
      await withStack({}, async ({ stack, db }) => {
        const created = await stack.create(await deployable(tables(1)));
        expect(created).toMatchObject({
          status: "SUCCESS",
          data: { Head: "1_t1", AppliedCount: "1", PendingCount: "0", AheadCount: "0" },
        });
        const later = { ...tables(1, 2), "3_people.ts": BUILDER };
        const updated = await stack.update(await deployable(later));
        expect(updated).toMatchObject({
          status: "SUCCESS",
          data: { Head: "3_people", AppliedCount: "3", PendingCount: "0", AheadCount: "0" },
          physicalId: created.physicalId,
        });
        expect(await tablesIn(db)).toEqual(["people", "t1", "t2"]);
        expect(await stack.delete()).toMatchObject({ status: "SUCCESS", physicalId: created.physicalId });
        expect(await tablesIn(db)).toEqual(["people", "t1", "t2"]);
      });
    });

    test("the history says which deploy has applied what, and no session is left behind", async () => {
      const { withStack, deployable } = aws();
      await withStack({}, async ({ stack, db }) => {
        await stack.create(await deployable(tables(1)));
        const rows = await db.query(
          "SELECT origin, actor, bundle ~ '^[0-9a-f]{64}$' AS hash FROM pgmigrations_history",
        );
        const actor = expect.stringMatching(/^proof\/Migrations/);
        expect(rows).toEqual([{ origin: "deploy", actor, hash: true }]);
        expect(await sessionsIn(db)).toBe(0);
      });
    });

    test("the same migrations are no update, and with forceRun they find nothing pending", async () => {
      const { withStack, deployable } = aws();
      await withStack({}, async ({ stack, db }) => {
        await stack.create(await deployable(tables(1)));
        expect(await stack.update(await deployable(tables(1)))).toBeUndefined();
        const history = await historyOf(db);
        const forced = await stack.update(await deployable(tables(1), { forceRun: "again" }));
        expect(forced).toMatchObject({ status: "SUCCESS", data: { AppliedCount: "1", PendingCount: "0" } });
        expect(await historyOf(db)).toEqual(history);
      });
    });

    test("an older commit is deployed without a connection, and a newer one goes on from there", async () => {
      const { withStack, deployable, services } = aws();
      await withStack({}, async ({ stack, db, secretArn }) => {
        await stack.create(await deployable(tables(1, 2)));
        const calls = services.secrets.calls(secretArn);
        expect(await stack.update(await deployable(tables(1)))).toMatchObject({
          status: "SUCCESS",
          data: { Head: "unknown", AppliedCount: "unknown" },
        });
        expect(services.secrets.calls(secretArn)).toBe(calls);
        const newer = await stack.update(await deployable(tables(1, 2, 3)));
        expect(newer).toMatchObject({ status: "SUCCESS", data: { Head: "3_t3", AppliedCount: "3" } });
        expect(await appliedIn(db)).toEqual(["1_t1", "2_t2", "3_t3"]);
      });
    });

    test("an older bundle that runs on a database ahead of it warns and touches nothing", async () => {
      const { withStack, deployable, services } = aws();
      await withStack({}, async ({ stack, db }) => {
        await stack.create(await deployable(tables(1, 2)));
        await stack.update(await deployable(tables(1)));
        const before = services.recorder.emissions.length;
        const forced = await stack.update(await deployable(tables(1), { forceRun: "again" }));
        expect(forced).toMatchObject({ status: "SUCCESS", data: { Head: "2_t2", AheadCount: "1" } });
        expect(await appliedIn(db)).toEqual(["1_t1", "2_t2"]);
        const log = services.recorder.since(before).map(({ text }) => text);
        expect(log.filter((line) => line.includes('"WARN"') && line.includes("2_t2"))).not.toEqual([]);
      });
    });

    test("metrics are lines of their own, as CloudWatch finds them", async () => {
      const { withStack, deployable, services } = aws();
      await withStack({}, async ({ stack }) => {
        const before = services.recorder.emissions.length;
        await stack.create(await deployable(tables(1, 2)));
        const lines = services.recorder.since(before).filter(({ text }) => text.startsWith('{"_aws"'));
        expect(lines.map(({ text }) => JSON.parse(text))).toEqual([
          expect.objectContaining({
            Function: stack.functionName("on-deploy.handler"),
            [METRICS.failed]: 0,
            [METRICS.completed]: 2,
            [METRICS.duration]: expect.any(Number),
            [METRICS.pending]: 0,
            [METRICS.lockRetries]: 0,
          }),
        ]);
      });
    });

    test("a database that plain node-pg-migrate has migrated is taken over as it is", async () => {
      const { withStack, deployable } = aws();
      await withStack({}, async ({ stack, db }) => {
        await db.query(
          `SET ROLE ${db.owner};
         CREATE TABLE pgmigrations (id serial PRIMARY KEY, name varchar(255) NOT NULL, run_on timestamp NOT NULL);
         INSERT INTO pgmigrations (name, run_on) VALUES ('1_t1', now());
         CREATE TABLE t1 (id int);
         RESET ROLE`,
        );
        const created = await stack.create(
          await deployable({ ...tables(1), "2_more.sql": sql("ALTER TABLE t1 ADD n int;") }),
        );
        expect(created).toMatchObject({ status: "SUCCESS", data: { AppliedCount: "2" } });
        expect(await appliedIn(db)).toEqual(["1_t1", "2_more"]);
      });
    });
  });
