import { describe, expect, test } from "@jest/globals";
import type { Deployment, Scenarios } from "../environment.ts";
import { sql, tables } from "../migrations.ts";
import { appliedIn, historyOf, tablesIn } from "../state.ts";

const STATUS = "on-status.handler";
const OPERATE = "on-operate.handler";

/** What a function answers; it may not fail as a function. */
async function ask({ stack }: Deployment, handler: string, payload: unknown): Promise<unknown> {
  const answer = await stack.invoke(handler, payload);
  expect(answer.failed).toBe(false);
  return answer.payload;
}

function refused(confirm: string): readonly (readonly [string, string, unknown, RegExp])[] {
  return [
    ["no confirmation", OPERATE, { command: "up" }, /confirm is missing/],
    ["another database", OPERATE, { command: "up", confirm: "another" }, /confirm is "another"/],
    ["an unknown field", OPERATE, { command: "up", confirm, force: true }, /unknown field "force"/],
    ["no command", OPERATE, { confirm }, /command/],
    ["an unknown command", OPERATE, { command: "drop", confirm }, /command/],
    ["a question to the wrong function", OPERATE, { command: "status", confirm }, /command/],
    ["a count of 0", OPERATE, { command: "up", count: 0, confirm }, /count/],
    ["a count as text", OPERATE, { command: "up", count: "1", confirm }, /count/],
    ["down", OPERATE, { command: "down", confirm }, /down is not allowed/],
    ["redo", OPERATE, { command: "redo", confirm }, /redo is not allowed/],
    ["an unknown migration", OPERATE, { command: "up", to: "9_nowhere", confirm }, /9_nowhere/],
    [
      "settling what is settled",
      OPERATE,
      { command: "resolve", migration: "1_t1", outcome: "retry", confirm },
      /1_t1/,
    ],
    ["nothing at all", OPERATE, null, /payload/],
    ["a command to the status function", STATUS, { command: "up", confirm }, /command/],
    [
      "a confirmation of the status function",
      STATUS,
      { command: "status", confirm },
      /unknown field "confirm"/,
    ],
    ["too much history", STATUS, { command: "history", limit: 5_000 }, /limit/],
    ["batch with a plan of up", STATUS, { command: "plan", batch: true }, /batch/],
    ["an event of CloudFormation's", STATUS, { RequestType: "Create" }, /command/],
  ];
}

export const operators: Scenarios = (aws) =>
  describe("operators", () => {
    test("operators see status, plan and history", async () => {
      const { withStack, deployable } = aws();
      await withStack({}, async (deployment) => {
        await deployment.stack.create(await deployable(tables(1)));
        await deployment.stack.update(await deployable({ ...tables(1), "2_t2.sql": "broken" }));
        expect(await ask(deployment, STATUS, { command: "status" })).toMatchObject({
          ok: true,
          command: "status",
          head: "1_t1",
          migrations: [
            { name: "1_t1", state: "applied" },
            { name: "2_t2", state: "pending" },
          ],
        });
        expect(await ask(deployment, STATUS, { command: "plan" })).toMatchObject({
          ok: true,
          steps: [{ migration: "2_t2", sql: ["broken;"] }],
        });
        expect(await ask(deployment, STATUS, { command: "plan", down: true, count: 1 })).toMatchObject({
          ok: true,
          steps: [{ migration: "1_t1", direction: "down", sql: [expect.stringContaining("DROP TABLE t1")] }],
        });
        expect(await ask(deployment, STATUS, { command: "history", state: "failed" })).toMatchObject({
          ok: true,
          entries: [{ migration: "2_t2", origin: "deploy", errorCode: "SQL" }],
        });
        const downs = { command: "history", action: "down" };
        expect(await ask(deployment, STATUS, downs)).toMatchObject({ ok: true, entries: [] });
      });
    });

    test("operators apply, undo and redo once they have said which database they mean", async () => {
      const { withStack, deployable } = aws();
      await withStack({}, async (deployment) => {
        const { stack, db } = deployment;
        const confirm = db.name;
        await stack.create(await deployable(tables(1, 2, 3), { allowDown: true }));
        const down = await ask(deployment, OPERATE, { command: "down", count: 2, confirm });
        expect(down).toMatchObject({ ok: true, command: "down", head: "1_t1", pending: ["2_t2", "3_t3"] });
        expect(await tablesIn(db)).toEqual(["t1"]);
        expect(await ask(deployment, OPERATE, { command: "up", to: "2_t2", confirm })).toMatchObject({
          head: "2_t2",
        });
        expect(await ask(deployment, OPERATE, { command: "redo", confirm })).toMatchObject({
          ok: true,
          head: "2_t2",
        });
        expect(await ask(deployment, OPERATE, { command: "up", count: 1, confirm })).toMatchObject({
          head: "3_t3",
        });
        expect(await ask(deployment, OPERATE, { command: "down", to: "1_t1", confirm })).toMatchObject({
          head: "1_t1",
        });
        expect(await ask(deployment, OPERATE, { command: "up", confirm })).toMatchObject({ head: "3_t3" });
        const redo = { command: "redo", batch: true, from: "history", confirm };
        const { completed } = Object(await ask(deployment, OPERATE, redo));
        expect(completed).toHaveLength(4);
        expect(
          await ask(deployment, OPERATE, { command: "down", batch: true, from: "history", confirm }),
        ).toMatchObject({
          head: "1_t1",
        });
        expect(await appliedIn(db)).toEqual(["1_t1"]);
        const [row] = await db.query(
          "SELECT origin, actor FROM pgmigrations_history ORDER BY id DESC LIMIT 1",
        );
        expect(row).toMatchObject({
          origin: "command",
          actor: expect.stringMatching(/Operate.*request [0-9a-f-]{36}/),
        });
      });
    });

    test("operators repair an edited file and baseline a database that was there before", async () => {
      const { withStack, deployable } = aws();
      const edited = { "1_t1.sql": sql("CREATE TABLE t1 (id bigint);") };
      await withStack({}, async (deployment) => {
        const { stack, db } = deployment;
        await stack.create(await deployable(tables(1)));
        await stack.update(await deployable(edited));
        const repair = { command: "repair", migrations: ["1_t1"], note: "same on purpose", confirm: db.name };
        expect(await ask(deployment, OPERATE, repair)).toMatchObject({ ok: true, migrations: ["1_t1"] });
        expect(await ask(deployment, STATUS, { command: "status" })).toMatchObject({
          counts: { applied: 1, changed: 0 },
        });
      });
      await withStack({}, async (deployment) => {
        const { stack, db } = deployment;
        await db.query(`CREATE TABLE t1 (id int); ALTER TABLE t1 OWNER TO ${db.owner}`);
        await stack.create(await deployable(tables(1, 2)));
        const baseline = { command: "baseline", to: "1_t1", confirm: db.name };
        expect(await ask(deployment, OPERATE, baseline)).toMatchObject({ ok: true, head: "1_t1" });
        expect(await ask(deployment, OPERATE, { command: "up", confirm: db.name })).toMatchObject({
          head: "2_t2",
        });
      });
    });

    test("invalid payloads of operators are refused with a hint, and nothing happens", async () => {
      const { withStack, deployable } = aws();
      await withStack({}, async (deployment) => {
        const { stack, db } = deployment;
        await stack.create(await deployable(tables(1)));
        for (const [what, handler, payload, message] of refused(db.name)) {
          expect([what, await ask(deployment, handler, payload)]).toMatchObject([
            what,
            {
              ok: false,
              error: { code: "USAGE", message: expect.stringMatching(message), hint: expect.any(String) },
            },
          ]);
        }
        const { failed, payload } = await stack.invoke("on-deploy.handler", { command: "status" });
        expect(failed).toBe(true);
        expect(payload).toMatchObject({
          errorType: "USAGE",
          errorMessage: expect.stringMatching(/CloudFormation/),
        });
        expect(await historyOf(db)).toEqual(["1_t1 up finished"]);
      });
    });

    test("operators cannot make the status function write, because its session is read-only", async () => {
      const { withStack, deployable } = aws();
      // Fails where it can write, so that it stays pending; where it cannot, the plan says why.
      const sneaky = `export const up = (pgm) => pgm.db.query("CREATE TABLE sneaky ()").then(
        () => { throw new Error("written"); },
        ({ code }) => pgm.sql("refused " + code),
      );`;
      await withStack({}, async (deployment) => {
        const created = await deployment.stack.create(
          await deployable({ ...tables(1), "2_sneaky.ts": sneaky }),
        );
        expect(created).toMatchObject({ status: "FAILED", reason: expect.stringMatching(/written/) });
        expect(await ask(deployment, STATUS, { command: "plan" })).toMatchObject({
          steps: [{ migration: "2_sneaky", dynamic: true, sql: ["refused 25006;"] }],
        });
        expect(await tablesIn(deployment.db)).toEqual(["t1"]);
      });
    });
  });
