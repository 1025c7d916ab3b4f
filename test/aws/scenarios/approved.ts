import { join } from "node:path";
import { describe, expect, test } from "@jest/globals";
import { type PlanFile, writePlan } from "../../../lib/commands/index.ts";
import { writeFolder } from "../../support/folders.ts";
import { openMigrator } from "../../support/migrator.ts";
import type { AwsEnvironment, Deployment, Migrations, Scenarios } from "../environment.ts";
import { sql, tables } from "../migrations.ts";
import { appliedIn, tablesIn } from "../state.ts";

interface Approved {
  readonly file: string;
  readonly digest: string;
}

/** What `plan --out` writes for these migrations on the database as it is. */
export async function approve(
  { server }: AwsEnvironment,
  { db }: Pick<Deployment, "db">,
  migrations: Migrations,
): Promise<Approved> {
  const connection = { ...server.connection, database: db.name, user: db.owner, password: db.password };
  const migrator = await openMigrator({ connection }, writeFolder(migrations));
  const { digest, action, head, schema, steps } = await migrator.planUp();
  const plan: PlanFile = {
    version: 1,
    ...{ action, digest: digest ?? "", head, schema, steps },
    database: { host: connection.host, port: connection.port, name: db.name },
    actor: "tester",
    agent: null,
  };
  const dir = writeFolder({ "plan.json": writePlan(plan) });
  return { file: join(dir, "plan.json"), digest: plan.digest };
}

export const approved: Scenarios = (aws) =>
  describe("a deploy with an approved plan", () => {
    test.each(["file", "digest"] as const)(
      "a deploy runs the plan that is given by its %s, and a later one without it runs what is pending",
      async (by) => {
        const { withStack, deployable } = aws();
        await withStack({}, async ({ stack, db }) => {
          const one = await approve(aws(), { db }, tables(1, 2));
          const version = await deployable(tables(1, 2), { approvedPlan: one[by] });
          expect(await stack.create(version)).toMatchObject({ status: "SUCCESS", data: { Head: "2_t2" } });
          expect(await stack.update(await deployable(tables(1, 2, 3)))).toMatchObject({ status: "SUCCESS" });
          expect(await tablesIn(db)).toEqual(["t1", "t2", "t3"]);
        });
      },
    );

    test.each(["file", "digest"] as const)(
      "a deploy that differs from the plan given by its %s fails with the difference, and its rollback succeeds",
      async (by) => {
        const { withStack, deployable } = aws();
        await withStack({}, async ({ stack, db }) => {
          await stack.create(await deployable(tables(1)));
          const one = await approve(aws(), { db }, tables(1, 2));
          const changed = { ...tables(1, 3), "2_t2.sql": sql("CREATE TABLE other (id int);") };
          const answer = await stack.update(await deployable(changed, { approvedPlan: one[by] }));
          expect(answer).toMatchObject({
            status: "FAILED",
            reason: expect.stringMatching(
              by === "file"
                ? /^PLAN_DIFFERS: .*3_t3 was not in it; 2_t2 has changed\nWhat to do: .*"?plan/s
                : /^PLAN_DIFFERS: the approved plan, \w{12}…, is another one than up of 2_t2, 3_t3, from the head 1_t1/,
            ),
          });
          expect(await appliedIn(db)).toEqual(["1_t1"]);
          expect(await stack.rollBack("new code")).toMatchObject({ status: "SUCCESS" });
          expect(await appliedIn(db)).toEqual(["1_t1"]);
        });
      },
    );

    test("a deploy does what a failed deploy of the same plan has left", async () => {
      const { withStack, deployable } = aws();
      await withStack({}, async ({ stack, db }) => {
        const migrations = { ...tables(1, 3), "2_t2.sql": sql("CREATE TABLE t2 (id not_made_yet);") };
        const { file: approvedPlan } = await approve(aws(), { db }, migrations);
        expect(await stack.create(await deployable(migrations, { approvedPlan }))).toMatchObject({
          status: "FAILED",
          reason: expect.stringContaining("SQL in 2_t2"),
        });
        expect(await appliedIn(db)).toEqual(["1_t1"]);
        await db.query("CREATE DOMAIN not_made_yet AS int");
        const again = await stack.create(await deployable(migrations, { approvedPlan }));
        expect(again).toMatchObject({ status: "SUCCESS", data: { Head: "3_t3" } });
      });
    });

    test("a rollback that undoes what the plan has applied is not held to any plan", async () => {
      const { withStack, deployable } = aws();
      await withStack({}, async ({ stack, db }) => {
        const first = await approve(aws(), { db }, tables(1));
        const options = { onRollback: "down" } as const;
        await stack.create(await deployable(tables(1), { ...options, approvedPlan: first.digest }));
        const second = await approve(aws(), { db }, tables(1, 2));
        const update = await deployable(tables(1, 2), { ...options, approvedPlan: second.file });
        expect(await stack.update(update)).toMatchObject({ status: "SUCCESS" });
        expect(await stack.rollBack("old code")).toMatchObject({ status: "SUCCESS" });
        expect(await appliedIn(db)).toEqual(["1_t1"]);
      });
    });

    test("an operator runs the plan that a colleague has read, or nothing", async () => {
      const { withStack, deployable } = aws();
      await withStack({}, async ({ stack, db }) => {
        await stack.create(await deployable(tables(1, 2), { allowDown: true }));
        const asked = await stack.invoke("on-status.handler", { command: "plan", down: true, count: 2 });
        const { digest: plan } = Object(asked.payload);
        const operate = async (input: object) =>
          (await stack.invoke("on-operate.handler", { command: "down", confirm: db.name, plan, ...input }))
            .payload;
        expect(await operate({})).toMatchObject({ ok: false, error: { code: "PLAN_DIFFERS" } });
        expect(await operate({ plan: "x" })).toMatchObject({ ok: false, error: { code: "USAGE" } });
        expect(await appliedIn(db)).toEqual(["1_t1", "2_t2"]);
        expect(await operate({ count: 2 })).toMatchObject({ ok: true, head: null });
      });
    });
  });
