import { chmodSync, existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "@jest/globals";
import { MIGRATION_LOCK_ID } from "../../lib/core/index.ts";
import { type TestDatabase, withDatabase } from "../support/database.ts";
import { addFiles } from "../support/folders.ts";
import { withProjects } from "../support/launcher.ts";
import { appliedNames, userTables } from "../support/migrator.ts";
import {
  addMigrations,
  environmentOf,
  jsonOf,
  type RunningCommand,
  runCommand,
  startCommand,
  until,
  writeProject,
} from "./command.ts";

const SLOW = writeProject({
  "1_a.sql": "CREATE TABLE a (id int);",
  "2_b.sql": "CREATE TABLE b (id int); SELECT pg_sleep(30);",
  "3_c.sql": "CREATE TABLE c (id int);",
});

const sleepers = async (db: TestDatabase) =>
  (
    await db.query(
      "SELECT FROM pg_stat_activity WHERE datname = current_database() AND query ~ '^[^-]*pg_sleep' AND state = 'active' AND pid <> pg_backend_pid()",
    )
  ).length;

const locks = async (db: TestDatabase) =>
  (
    await db.query(
      "SELECT FROM pg_locks l JOIN pg_database d ON d.oid = l.database WHERE datname = current_database() AND locktype = 'advisory'",
    )
  ).length;

/** Starts `up` and waits until the server is in the long statement. */
async function startSlow(
  db: TestDatabase,
  args: readonly string[] = [],
  project = SLOW,
): Promise<RunningCommand> {
  const command = startCommand(project, ["up", ...args], environmentOf(db.connection));
  await until(async () => (await sleepers(db)) === 1, "the long statement");
  return command;
}

async function expectClean(db: TestDatabase): Promise<void> {
  await until(async () => (await sleepers(db)) + (await locks(db)) === 0, "the server to be quiet");
}

describe("Ctrl-C and SIGTERM", () => {
  it.each(["SIGINT", "SIGTERM"] as const)(
    "%s cancels the statement, rolls back, unlocks, and says what is left",
    (signal) =>
      withDatabase(async (db) => {
        const command = await startSlow(db);
        const sentAt = Date.now();
        command.send(signal);
        const { code, stdout, stderr } = await command.ended;
        expect(code).toBe(130);
        expect(Date.now() - sentAt).toBeLessThan(20_000);
        await expectClean(db);
        expect(stdout).toContain("cancelling");
        expect(stderr).toContain(`Cancelled in 2_b\n  cancelled (${signal})`);
        expect(stderr).toContain("Applied and kept: 1_a.\n  Rolled back: 2_b.\n  Not started: 3_c.\n");
        expect(stderr).toContain("The lock is released; npm run migrate:up goes on from here.");
        expect(await appliedNames(db)).toEqual(["1_a"]);
        expect(await userTables(db)).toEqual(["a"]);
      }),
  );

  it("with one transaction for all, a cancelled run keeps nothing", () =>
    withDatabase(async (db) => {
      const command = await startSlow(db, ["--transaction", "all"]);
      command.send("SIGINT");
      const { code, stderr } = await command.ended;
      expect(code).toBe(130);
      expect(stderr).toContain("Applied and kept: nothing.\n  Rolled back: 1_a, 2_b.\n  Not started: 3_c.\n");
      expect(await userTables(db)).toEqual([]);
    }));

  it("with --json, a cancelled run prints one object that says the same", () =>
    withDatabase(async (db) => {
      const command = await startSlow(db, ["--json"]);
      command.send("SIGINT");
      const outcome = await command.ended;
      expect(outcome.code).toBe(130);
      expect(jsonOf(outcome)).toMatchObject({
        ok: false,
        error: { code: "CANCELLED", migration: "2_b", applied: ["1_a"], remaining: ["2_b", "3_c"] },
      });
    }));

  it("a second signal ends the command at once, and the server cleans up by itself", () =>
    withDatabase(async (db) => {
      const command = await startSlow(db);
      command.send("SIGINT");
      command.send("SIGTERM");
      const { code, stderr } = await command.ended;
      expect(code).toBe(130);
      expect(stderr).toContain("Left without waiting");
      await expectClean(db);
      expect(await appliedNames(db)).toEqual(["1_a"]);
    }));

  it("a signal cancels a command that waits for the migration lock", () =>
    withDatabase(async (db) => {
      const holder = await db.client();
      await holder.query("SELECT pg_advisory_lock($1)", [MIGRATION_LOCK_ID]);
      const command = startCommand(SLOW, ["up"], environmentOf(db.connection));
      await until(() => command.output().includes("for another run to finish"), "the wait");
      expect(command.output()).toContain('"test", pid');
      command.send("SIGINT");
      const { code, stderr } = await command.ended;
      expect(code).toBe(130);
      expect(stderr).toContain("No migration was running; nothing is left partly applied.");
    }));

  it("a cancelled migration outside a transaction is partly applied, and the next run says so", () =>
    withDatabase(async (db) => {
      const project = writeProject({
        "1_a.sql": "CREATE TABLE a (id int);",
        "2_b.sql": "-- migrate: no-transaction\nCREATE TABLE b (id int);\nSELECT pg_sleep(30);",
      });
      const command = await startSlow(db, [], project);
      command.send("SIGINT");
      const { code, stderr } = await command.ended;
      expect(code).toBe(130);
      expect(stderr).toContain(
        "Applied and kept: 1_a.\n  Partly applied: 2_b runs outside a transaction; 1 of its 2 statements is done and stays.\n",
      );
      expect(stderr).not.toContain("goes on from here");
      await expectClean(db);
      const status = await runCommand(project, ["status", "--check"], environmentOf(db.connection));
      expect([status.code, status.stdout]).toEqual([
        3,
        expect.stringMatching(/partial {2}2_b +1 of 2 statements done/),
      ]);
      const again = await runCommand(project, ["up"], environmentOf(db.connection));
      expect([again.code, again.stderr]).toEqual([1, expect.stringContaining("Error PARTIAL in 2_b")]);
    }));
});

describe("Ctrl-C, which ends the children of the command as well", () => {
  const pressCtrlC = ({ pid }: RunningCommand) => process.kill(-pid, "SIGINT");
  const CANCELLED = { code: 130, stderr: expect.stringMatching(/^\nCancelled\n {2}cancelled \(SIGINT\)/) };

  it.each([
    ["both at once", pressCtrlC],
    [
      "the compiler first",
      ({ pid }: RunningCommand, compiler: number) => {
        process.kill(compiler, "SIGKILL");
        process.kill(pid, "SIGINT");
      },
    ],
  ])("Ctrl-C cancels a command while the migrations are compiled (%s)", (_order, interrupt) =>
    withDatabase(async (db) => {
      const project = writeProject({ "1_a.ts": "export const up = () => {};" });
      // The program itself may have to be compiled first, by the true compiler.
      await runCommand(project, ["--help"]);
      addFiles(project, { esbuild: "#!/bin/sh\necho $$ >pid\nexec sleep 60\n" });
      chmodSync(join(project, "esbuild"), 0o755);
      const env = { ...environmentOf(db.connection), ESBUILD_BINARY_PATH: join(project, "esbuild") };
      const command = startCommand(project, ["up"], env, { detached: true });
      const compiler = () =>
        existsSync(join(project, "pid")) ? Number(readFileSync(join(project, "pid"))) : 0;
      await until(() => compiler() > 0, "the compiler");
      interrupt(command, compiler());
      expect(await command.ended).toMatchObject(CANCELLED);
      expect(await appliedNames(db).catch(() => [])).toEqual([]);
    }),
  );

  it("Ctrl-C cancels a command while initdb makes the embedded database, and leaves nothing unfinished", () =>
    withProjects(1, async (project) => {
      addMigrations(project, { "1_a.sql": "SELECT 1;" });
      const folder = join(project, ".local-postgres");
      const names = () => (existsSync(folder) ? readdirSync(folder) : []);
      const command = startCommand(project, ["up", "--local"], {}, { detached: true });
      const isRunning = (name: string) => existsSync(join(folder, name, "global"));
      await until(() => names().some((name) => name.startsWith("data.new-") && isRunning(name)), "initdb");
      pressCtrlC(command);
      expect(await command.ended).toMatchObject(CANCELLED);
      expect(names().filter((name) => name.startsWith("data.new-"))).toEqual([]);
    }));
});
