import { describe, expect, it } from "@jest/globals";
import { IN_THIS_DATABASE, type TestDatabase, withDatabase } from "../support/database.ts";
import { appliedNames } from "../support/migrator.ts";
import { environmentOf, jsonOf, runCommand, startCommand, until, writeProject } from "./command.ts";

const ORDERS = {
  "1_orders.sql":
    "CREATE TABLE orders (id serial PRIMARY KEY, total int); INSERT INTO orders (total) SELECT generate_series(1, 1000); ANALYZE orders;",
};
const WIDER = { "2_wider.sql": "ALTER TABLE orders ALTER total TYPE bigint; SELECT pg_sleep(0.3);" };

type Run = (args: string, env?: Record<string, string>) => ReturnType<typeof runCommand>;

/** A database that has the first migration, and commands of a project with others too. */
function withPending(
  pending: Readonly<Record<string, string>>,
  play: (run: Run, db: TestDatabase, project: string) => Promise<void>,
): Promise<void> {
  return withDatabase(async (db) => {
    const env = environmentOf(db.connection);
    await runCommand(writeProject(ORDERS), ["up"], env);
    const project = writeProject({ ...ORDERS, ...pending });
    await play((args, more = {}) => runCommand(project, args.split(" "), { ...env, ...more }), db, project);
  });
}

describe("plan --measure", () => {
  it("plan --measure prints what each migration locks as comments in 80 columns, above its SQL", () =>
    withPending({ ...WIDER, "3_seed.sql": "INSERT INTO orders (total) VALUES (1);" }, async (run, db) => {
      const { code, stdout, stderr } = await run("plan --measure");
      expect(code).toBe(0);
      expect(stdout).toMatch(
        /^-- 2_wider \(up\)\n-- {3}ACCESS EXCLUSIVE on orders \(1\.0 k rows, \d+ kB\) for \d+ ms: blocks reads\n-- {5}and writes; rewrites it\n-- {3}builds index orders_pkey on orders\n-- {3}took \d+ ms, at most [\d.]+ [kM]?B of WAL\nALTER TABLE/,
      );
      expect(stdout).toContain("--   statement 1 was left out: a rollback does not undo nextval()\n");
      for (const line of stdout.split("\n")) expect(line.length).toBeLessThanOrEqual(80);
      expect(stderr).toMatch(/\nMeasured 2 migrations, and rolled everything back\.\n$/);
      expect(await appliedNames(db)).toEqual(["1_orders"]);
      expect(jsonOf(await run("plan --measure --json"))).toMatchObject({
        ok: true,
        steps: [{ migration: "2_wider" }, { migration: "3_seed" }],
        measured: [
          {
            migration: "2_wider",
            outcome: "measured",
            locks: [{ table: "orders", mode: "ACCESS EXCLUSIVE" }],
          },
          { migration: "3_seed", outcome: "measured", omitted: [{ statement: 1, effect: "nextval()" }] },
        ],
      });
    }));

  it("plan --measure fails a pipeline over the budget, and `up` with it runs nothing", () =>
    withPending(WIDER, async (run, db) => {
      const planned = await run("plan --measure --max-lock 100ms");
      expect(planned).toMatchObject({
        code: 1,
        stderr: expect.stringMatching(
          /LOCK_BUDGET 2_wider would block reads and writes of orders for at least \d+ ms/,
        ),
      });
      const refused = await run("up --max-lock 0.1");
      expect(refused.code).toBe(1);
      expect(refused.stderr).toMatch(/^Error LOCK_BUDGET in 2_wider\n {2}2_wider would block/m);
      expect(refused.stderr).toContain("Nothing was run.");
      expect(await appliedNames(db)).toEqual(["1_orders"]);
      expect(await run("plan --measure --max-lock 20s")).toMatchObject({ code: 0 });
      expect(await run("up --max-lock 20s")).toMatchObject({ code: 0 });
      expect(await appliedNames(db)).toEqual(["1_orders", "2_wider"]);
    }));

  it.each([
    ["plan --max-lock 2", "maxLock limits measuring", "Add --measure, or leave --max-lock out."],
    ["plan --measure --down", "a plan of down cannot be measured", "Leave --measure or --down out."],
    ["plan --measure --lock-timeout 0", "It must be more than 0.", "--help"],
    ["plan --measure --max-lock soon", "It must be a number of seconds", "--help"],
    ["up --max-lock -1", "It must be a number of seconds", "--help"],
  ])("%s is a usage error that says what to do", (args, message, hint) =>
    withPending(WIDER, async (run) => {
      const { code, stderr } = await run(args);
      expect(code).toBe(2);
      expect(stderr).toContain(message);
      expect(stderr).toContain(hint);
    }),
  );

  it("a report shows what was measured, and none is measured without rows", () =>
    withPending(WIDER, async (run, db) => {
      const { code, stdout } = await run("report --measure");
      expect(code).toBe(0);
      expect(stdout).toMatch(
        /^Measured on this database, and rolled back:\n\n- ACCESS EXCLUSIVE on orders \\\(.*\\\) for \d+ ms: blocks reads and writes; rewrites it$/m,
      );
      expect((await run("report --measure --format html --output -")).stdout).toContain(
        "<li>ACCESS EXCLUSIVE on orders",
      );
      expect(await appliedNames(db)).toEqual(["1_orders"]);
      expect(await run("report --measure --scratch")).toMatchObject({ code: 2 });
    }));

  it("plan --measure asks before it locks tables on another machine, and a coding agent cannot answer", () =>
    withPending(WIDER, async (run) => {
      const elsewhere = { DATABASE_HOST: "0.0.0.0" };
      expect(await run("plan", elsewhere)).toMatchObject({ code: 0 });
      expect(await run("plan --measure", elsewhere)).toMatchObject({
        code: 2,
        stderr: expect.stringContaining("add --yes: npm run migrate:plan -- --measure --yes"),
      });
      expect(await run("plan --measure --yes", elsewhere)).toMatchObject({ code: 0 });
      const agent = { ...elsewhere, CLAUDECODE: "1" };
      expect(await run("plan --measure --yes", agent)).toMatchObject({
        code: 1,
        stderr: expect.stringContaining("APPROVAL_REQUIRED"),
      });
    }));

  it.each([
    ["SIGINT", 130],
    ["SIGKILL", null],
  ] as const)("leaves nothing behind after %s [G45]", (signal, code) =>
    withPending(
      { "2_long.sql": "ALTER TABLE orders ADD b int; SELECT pg_sleep(60);" },
      async (_, db, project) => {
        const command = startCommand(project, ["plan", "--measure"], environmentOf(db.connection));
        const running = () =>
          db.query(
            `SELECT 1 FROM pg_locks WHERE relation = 'orders'::regclass AND mode = 'AccessExclusiveLock' AND ${IN_THIS_DATABASE}`,
          );
        const locks = () =>
          db.query(`SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND ${IN_THIS_DATABASE}`);
        await until(async () => (await running()).length > 0, "the measured statement");
        command.send(signal);
        expect((await command.ended).code).toBe(code);
        await until(async () => (await running()).length === 0, "the server to roll back");
        await until(async () => (await locks()).length === 0, "the session to end");
        expect(await db.query("SELECT * FROM orders LIMIT 1")).toEqual([{ id: 1, total: 1 }]);
      },
    ),
  );
});
