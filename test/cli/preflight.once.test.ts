import { expect, it } from "@jest/globals";
import { type TestDatabase, withDatabase } from "../support/database.ts";
import { addMigrations, environmentOf, runCommand, writeProject } from "./command.ts";

const NOTE = { "2_note.sql": "ALTER TABLE lines ADD note text;" };

/** A project with a pending migration, and an old transaction of another session. */
function withOldTransaction(
  play: (run: (...args: string[]) => ReturnType<typeof runCommand>, db: TestDatabase) => Promise<void>,
) {
  return withDatabase(async (db) => {
    const project = writeProject({ "1_orders.sql": "CREATE TABLE orders (); CREATE TABLE lines ();" });
    const run = (...args: string[]) => runCommand(project, args, environmentOf(db.connection));
    await run("up");
    addMigrations(project, NOTE);
    const beside = await db.client();
    await beside.query("BEGIN; SELECT count(*) FROM orders");
    await play(run, db);
  });
}

const OLD = /an idle transaction has been open for long: "test", pid \d+, user \w+/;

it("up mentions an old transaction and what to do before it applies, once, and succeeds", () =>
  withOldTransaction(async (run) => {
    const { code, stdout, stderr } = await run("up", "--old-transaction", "0");
    const output = `${stderr}\n${stdout}`;
    expect([code, output.match(new RegExp(OLD, "g"))?.length]).toEqual([0, 1]);
    expect(output).toMatch(
      / {2}warning: an idle transaction .*\n {4}Statements of the run wait .*\n[\s\S]*✓ applied 2_note/,
    );
  }));

it("up --json has what was found among the warnings", () =>
  withOldTransaction(async (run) => {
    const { stdout } = await run("up", "--json", "--old-transaction", "0");
    const report = JSON.parse(stdout);
    expect(report).toMatchObject({ ok: true, completed: [{ migration: "2_note" }] });
    expect(report.warnings).toMatchObject([
      {
        code: "PREFLIGHT",
        check: "old-transaction",
        session: { application: "test", pid: expect.any(Number) },
      },
    ]);
  }));

it("up --preflight strict exits with 1 before anything runs, and says how to go on", () =>
  withOldTransaction(async (run, db) => {
    const { code, stderr } = await run("up", "--preflight", "strict", "--old-transaction", "0");
    expect(code).toBe(1);
    expect(stderr).toMatch(
      /Error PREFLIGHT\n {2}the pre-flight check found 1 obstacle:\n {2}an idle transaction/,
    );
    expect(stderr).toMatch(/Nothing was run\.[\s\S]*To run all the same: --preflight warn\./);
    expect(await db.query("SELECT name FROM pgmigrations")).toEqual([{ name: "1_orders" }]);
  }));

it("plan mentions what was found beside its SQL; with --preflight strict it exits with 1", () =>
  withOldTransaction(async (run) => {
    const plan = await run("plan", "--old-transaction", "0");
    expect(plan.code).toBe(0);
    expect(plan.stdout).not.toMatch(OLD);
    expect(plan.stderr).toMatch(OLD);
    const strict = await run("plan", "--preflight", "strict", "--old-transaction", "0");
    expect(strict.code).toBe(1);
    expect(strict.stderr).toMatch(/^PREFLIGHT an idle transaction/m);
  }));

it("--preflight off mentions nothing, and a word that is no mode is refused", () =>
  withOldTransaction(async (run) => {
    const { stderr, stdout } = await run("up", "--preflight", "off", "--old-transaction", "0");
    expect(stderr + stdout).not.toMatch(OLD);
    const wrong = await run("up", "--preflight", "loud");
    expect(wrong.code).toBe(2);
    expect(wrong.stderr).toContain("Allowed choices are warn, strict, off.");
  }));
