import { execFileSync } from "node:child_process";
import { createConnection } from "node:net";
import { describe, expect, it } from "@jest/globals";
import { addFiles } from "../support/folders.ts";
import { withProjects } from "../support/launcher.ts";
import { addMigrations, type Environment, jsonOf, type Outcome, runCommand } from "./command.ts";

const MIGRATIONS = { "1_a.sql": "CREATE TABLE a ();\n-- Down Migration\nDROP TABLE a;" };

/** Runs a test in a project with a migration; its embedded server is stopped and deleted afterwards. */
function inProject(test: (run: (...args: string[]) => Promise<Outcome>, project: string) => Promise<void>) {
  return withProjects(1, async (project = "") => {
    addMigrations(project, MIGRATIONS);
    await test((...args) => runCommand(project, args), project);
  });
}

function defaultAddressAnswers(): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = createConnection({ host: "localhost", port: 5432 });
    socket.once("connect", () => {
      socket.destroy();
      resolve(true);
    });
    socket.once("error", () => resolve(false));
  });
}

describe("db:start, db:stop and db:reset", () => {
  it("these commands start the project's server, keep its data, and delete it", () =>
    inProject(async (run) => {
      const started = await run("db:start");
      expect([started.code, started.stderr]).toEqual([0, ""]);
      expect(started.stdout).toMatch(
        /^Postgres 17 started on 127\.0\.0\.1:\d+ \(database aws_framework, user framework_user\)\.\n/,
      );
      expect(started.stdout).toContain(
        "npm run migrate:up -- --local migrates it; npm run db:stop stops it.",
      );
      expect((await run("db:start")).stdout).toContain("already runs on");
      expect(jsonOf(await run("db:start", "--json"))).toMatchObject({
        ok: true,
        command: "db:start",
        started: false,
        major: 17,
        port: expect.any(Number),
      });
      expect((await run("up", "--local")).code).toBe(0);
      expect((await run("db:stop")).stdout).toBe("Stopped. The data stays.\n");
      expect((await run("db:stop")).stdout).toBe("It was not running.\n");
      const again = await run("status", "--local");
      expect(again.stdout).toMatch(
        /^The embedded Postgres 17 was started \(database aws_framework on 127\.0\.0\.1:\d+ as framework_user\)\n/,
      );
      expect(again.stdout).toContain("applied  1_a");
      expect((await run("db:reset")).stdout).toContain("its data are gone");
      expect((await run("status", "--local")).stdout).toContain("pending  1_a");
    }));

  it("db:start never prints the password", () =>
    inProject(async (run) => {
      const outcome = await run("db:start", "--json");
      expect(outcome.stdout).not.toContain("assword");
    }));
});

describe("review on the embedded Postgres", () => {
  it("review names the server once, although report and verify both use it", () =>
    inProject(async (run, project) => {
      const git = (...args: string[]) => execFileSync("git", args, { cwd: project });
      git("init", "--quiet");
      git(
        "-c",
        "user.name=t",
        "-c",
        "user.email=t@example.org",
        "commit",
        "--quiet",
        "--allow-empty",
        "-m",
        "base",
      );
      const { code, stderr } = await run("review", "--base", "HEAD");
      expect([code, stderr.match(/The embedded Postgres 17/g)]).toEqual([0, ["The embedded Postgres 17"]]);
    }));
});

describe("db:psql", () => {
  it("db:psql opens psql on the database of the other commands, or says that there is none", () =>
    inProject(async (run) => {
      await run("up", "--local");
      const { code, stdout, stderr } = await run(
        "db:psql",
        "--local",
        "-Atc",
        "SELECT name FROM pgmigrations",
      );
      if (code === 0) {
        expect(stdout).toBe("1_a\n");
        expect(stderr).toContain("The embedded Postgres 17 is used");
      } else {
        expect([code, stderr]).toEqual([
          1,
          expect.stringMatching(/TOOL_MISSING\n {2}psql is not installed[\s\S]*port \d+/),
        ]);
      }
    }));
});

describe("a command without connection settings", () => {
  it("a command uses the embedded database when nothing listens on the default port, and says so first", () =>
    inProject(async (run) => {
      const { code, stdout, stderr } = await run("up");
      if (await defaultAddressAnswers()) {
        process.stderr.write("something listens on localhost:5432: the embedded database must not step in\n");
        expect(stdout + stderr).not.toContain("embedded Postgres 17");
        return;
      }
      expect([code, stderr]).toEqual([0, ""]);
      expect(stdout).toMatch(
        /^No DATABASE_\* is set and nothing listens on localhost:5432: the embedded Postgres 17 was started \(database aws_framework on 127\.0\.0\.1:\d+ as framework_user\)\n {2}✓ applied 1_a/,
      );
    }));

  it.each<[string, Environment, string]>([
    ["a variable", { DATABASE_NAME: "x" }, ""],
    ["a PG variable", { PGPORT: "5432" }, ""],
    [".env", {}, "DATABASE_PORT=1\n"],
    ["CI", { CI: "true" }, ""],
    ["production", { NODE_ENV: "production" }, ""],
  ])("a command does not use the embedded database with %s", (_, env, dotEnv) =>
    withProjects(1, async (project = "") => {
      addMigrations(project, MIGRATIONS);
      if (dotEnv !== "") addFiles(project, { ".env": dotEnv });
      const { code, stdout, stderr } = await runCommand(project, ["up"], env);
      expect(code).toBe(1);
      expect(stdout).not.toContain("embedded");
      if (!(await defaultAddressAnswers())) {
        const port = dotEnv === "" ? 5432 : 1;
        expect(stderr).toContain(`connection refused (framework_user@localhost:${port}/`);
        expect(stderr).toContain(`Is Postgres running on localhost, and listening on port ${port}?`);
      }
    }),
  );

  it("a command with --local uses the embedded database, whatever is set", () =>
    withProjects(1, async (project = "") => {
      addMigrations(project, MIGRATIONS);
      const env = { CI: "true", DATABASE_URL: "postgres://u:p@localhost:1/d", DATABASE_HOST: "h" };
      const { code, stdout } = await runCommand(project, ["up", "--local"], env);
      expect([code, stdout]).toEqual([0, expect.stringMatching(/^The embedded Postgres 17 was started/)]);
    }));
});
