import { describe, expect, it } from "@jest/globals";
import { type TestDatabase, withDatabase } from "../support/database.ts";
import { removeFiles } from "../support/folders.ts";
import {
  addMigrations,
  COMMAND,
  environmentOf,
  jsonOf,
  runCommand,
  startProgram,
  writeProject,
} from "./command.ts";

const THREE = { "1_a.sql": "SELECT 1;", "2_b.sql": "SELECT 2;", "3_c.sql": "SELECT 3;" };

async function statusOf(db: TestDatabase, project: string, ...args: string[]) {
  return runCommand(project, ["status", ...args], environmentOf(db.connection));
}

async function migrate(db: TestDatabase, project: string, ...args: string[]) {
  return runCommand(project, ["up", ...args], environmentOf(db.connection));
}

const undated = (text: string) => text.replace(/\d{4}-\d\d-\d\d \d\d:\d\d:\d\d/g, "<time>");

describe("status", () => {
  it("status shows the database, every migration, a summary and what comes next", () =>
    withDatabase(async (db) => {
      const project = writeProject(THREE);
      await migrate(db, project, "2");
      const { code, stdout, stderr } = await statusOf(db, project);
      const { host, port, user } = db.connection;
      expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
      expect(undated(stdout)).toBe(`Database ${db.name} on ${host}:${port} as ${user} (from the environment)
  applied  1_a  <time> UTC
  applied  2_b  <time> UTC
  pending  3_c

2 applied, 1 pending; head is 2_b.
npm run migrate:plan shows the SQL of what is pending, npm run migrate:up applies it.
`);
    }));

  it.each([
    ["status", 0],
    ["plan", 1],
    ["up", 1],
  ])("the error names a schema that does not exist, and how to create it: %s", (command, code) =>
    withDatabase(async (db) => {
      const project = writeProject(THREE);
      await migrate(db, project);
      const run = (...args: string[]) =>
        runCommand(project, [command, "-s", "typo", ...args], environmentOf(db.connection));
      const refused = await run();
      expect([refused.code, `${refused.stdout}${refused.stderr}`]).toEqual([
        code,
        expect.stringMatching(/SCHEMA_NOT_FOUND.*schema "typo" does not exist.*--create-schema/s),
      ]);
      expect(refused.stdout).not.toContain("applies it");
      expect((await run("--create-schema")).stdout).not.toContain("does not exist");
    }),
  );

  it("status shows a run under way, and who runs it", () =>
    withDatabase(async (db) => {
      const holder = await db.client();
      await holder.query("SELECT pg_advisory_lock(7241865325823964)");
      const { code, stdout } = await statusOf(db, writeProject(THREE));
      expect(code).toBe(0);
      expect(stdout).toMatch(/^A run is under way: "test", pid \d+, user \w+/m);
      expect(stdout).not.toContain("applies it");
      const json = jsonOf(await statusOf(db, writeProject(THREE), "--json"));
      expect(json).toMatchObject({ running: { application: "test", migration: null } });
    }));

  it("status --check exits with 3 if something is pending, and with 0 if nothing is", () =>
    withDatabase(async (db) => {
      const project = writeProject(THREE);
      expect((await statusOf(db, project, "--check")).code).toBe(3);
      expect(jsonOf(await statusOf(db, project, "--check", "--json"))).toMatchObject({ ok: false });
      expect(jsonOf(await statusOf(db, project, "--json"))).toMatchObject({ ok: true });
      await migrate(db, project);
      expect((await statusOf(db, project, "--check")).code).toBe(0);
      removeFiles(project, "migrations/3_c.sql");
      const ahead = await statusOf(db, project, "--check");
      expect([ahead.code, ahead.stdout]).toEqual([0, expect.stringContaining("ahead    3_c")]);
    }));

  it("status advises on changed, missing and overtaken migrations, and says that up refuses", () =>
    withDatabase(async (db) => {
      const project = writeProject({ "0_z.sql": "SELECT 0;", ...THREE });
      await migrate(db, project);
      addMigrations(project, { "1_a.sql": "SELECT 11;", "1_overtaken.sql": "SELECT 1;" });
      removeFiles(project, "migrations/2_b.sql");
      const { code, stdout } = await statusOf(db, project, "--check");
      expect(code).toBe(3);
      expect(stdout).toContain("changed  1_a");
      expect(stdout).toContain("missing  2_b");
      expect(stdout).toContain("pending  1_overtaken");
      expect(stdout).toContain("CHANGED changed after it was applied: 1_a\n  Restore the file");
      expect(stdout).toContain(
        "MISSING applied to the database, but the file is gone: 2_b\n  Bring the file back",
      );
      expect(stdout).toContain(
        "ORDER not applied, and older than what is: 1_overtaken\n  Give it a newer timestamp",
      );
      expect(stdout).toContain("npm run migrate:up refuses to run");
      expect(stdout).not.toContain("applies it");
      expect((await migrate(db, project)).code).toBe(1);
    }));

  it("status gives the first steps without a migration or a folder", () =>
    withDatabase(async (db) => {
      const empty = await statusOf(db, writeProject({ "notes.md": "x" }));
      expect([empty.code, empty.stdout]).toEqual([
        0,
        expect.stringContaining("No migrations yet: npm run migrate:create <name> writes the first one."),
      ]);
      const missing = await statusOf(db, writeProject({}));
      expect([missing.code, missing.stderr]).toEqual([
        2,
        expect.stringContaining("npm run migrate:create writes the first migration"),
      ]);
      const up = await migrate(db, writeProject({ "notes.md": "x" }));
      expect([up.code, up.stdout]).toEqual([0, expect.stringContaining("there are no migrations yet")]);
    }));

  it("status with --json prints one object", () =>
    withDatabase(async (db) => {
      const project = writeProject(THREE);
      await migrate(db, project, "1");
      expect(jsonOf(await statusOf(db, project, "--json"))).toMatchObject({
        ok: true,
        command: "status",
        head: "1_a",
        counts: { applied: 1, pending: 2 },
      });
    }));

  it("status of 500 migrations shows what matters, and everything when asked", () =>
    withDatabase(async (db) => {
      const names = Array.from({ length: 500 }, (_, index) => `${1_000 + index}_m`);
      const project = writeProject(Object.fromEntries(names.map((name) => [`${name}.sql`, "SELECT 1;"])));
      await migrate(db, project, "1", "--fake");
      await db.query(
        "INSERT INTO pgmigrations (name, run_on) SELECT n || '_m', now() FROM generate_series(1001, 1249) n",
      );
      const { stdout } = await statusOf(db, project);
      expect(stdout.split("\n").length).toBeLessThan(60);
      expect(stdout).toContain("… 230 more (--all shows them)\n  applied  1230_m");
      expect(stdout).toContain("pending  1269_m\n  … 230 more (--all shows them)\n");
      expect(stdout).toContain("250 applied, 250 pending; head is 1249_m.");
      expect((await statusOf(db, project, "--all")).stdout.match(/_m\b/g)).toHaveLength(501);
    }));

  it("status on a terminal of 40 columns keeps the state visible and wraps no date", () =>
    withDatabase(async (db) => {
      const project = writeProject({ "1707000000000_create-tables.sql": "SELECT 1;" });
      await migrate(db, project);
      const command = `stty cols 40; "${process.execPath}" "${COMMAND}" status`;
      const env = { ...environmentOf(db.connection), TERM: "xterm", NO_COLOR: "1" };
      const { stdout } = await startProgram(project, "script", ["-qec", command, "/dev/null"], env).ended;
      expect(stdout).toContain("  applied  1707000000000_create-tables\r\n");
    }));
});
