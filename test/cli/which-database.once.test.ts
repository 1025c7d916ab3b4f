import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "@jest/globals";
import { confirmRisk } from "../../lib/cli/confirm.ts";
import { MigrationError } from "../../lib/core/index.ts";
import { type TestDatabase, withDatabase } from "../support/database.ts";
import { appliedNames } from "../support/migrator.ts";
import { COMMAND, jsonOf, runCommand, writeProject } from "./command.ts";
import { createIo } from "./process-io.ts";

const FILES = { "1_a.sql": "CREATE TABLE a ();\n-- Down Migration\nDROP TABLE a;" };

/** Every address of the machine leads to the server; this one is no loopback address. */
const OTHER_HOST = "0.0.0.0";

function urlOf({ connection }: TestDatabase, host = connection.host): string {
  const { user, password, port, database } = connection;
  return `postgres://${user}:${password}@${host}:${port}/${database}?sslmode=disable`;
}

describe("--url and --env-file", () => {
  it("--url and --env-file choose the database, and the first line names it without the password", () =>
    withDatabase(async (db) => {
      const project = writeProject(FILES);
      const elsewhere = { DATABASE_URL: "postgres://nobody@127.0.0.1:1/nowhere" };
      const first = await runCommand(project, ["up", "--url", urlOf(db)], elsewhere);
      expect(first).toMatchObject({ code: 0, stderr: "" });
      expect(first.stdout).toContain(`Database ${db.name} on `);
      expect(first.stdout).toContain("(from --url)\n");
      expect(first.stdout).not.toContain(db.connection.password);
      writeFileSync(join(project, "staging.env"), `DATABASE_URL=${urlOf(db)}\n`);
      const second = await runCommand(project, ["status", "--env-file", "staging.env"], {});
      expect(second).toMatchObject({ code: 0, stdout: expect.stringContaining("(from staging.env)\n") });
    }));

  it.each([
    [["--url", "mysql://x"], "--url must begin with postgres://"],
    [["--url", "postgres://u:a/b@h/d"], "--url cannot be read as a URL"],
    [["--env-file", "no.env"], "the file no.env cannot be read (ENOENT)"],
    [["--local", "--url", "postgres://h/d"], "option '--local' cannot be used with option '--url <url>'"],
    [["--wait", "soon"], "It must be a number of seconds"],
  ])("the flags %j are refused with their reason", async (flags, message) => {
    const outcome = await runCommand(writeProject(FILES), ["status", ...flags], {});
    expect(outcome).toMatchObject({ code: 2, stderr: expect.stringContaining(message) });
  });

  it("with --wait a command waits for a server that does not answer yet", async () => {
    const url = "postgres://nobody:x@127.0.0.1:1/nowhere?sslmode=disable";
    const startedAt = performance.now();
    const outcome = await runCommand(writeProject(FILES), ["status", "--url", url, "--wait", "2"], {});
    expect(outcome).toMatchObject({ code: 1, stderr: expect.stringContaining("Error CONNECTION") });
    expect(performance.now() - startedAt).toBeGreaterThan(1_500);
  });
});

describe("the hint of a connection that fails", () => {
  it("the hint names the setting that holds the URL, not variables that are not set", () =>
    withDatabase(async (db) => {
      const project = writeProject(FILES);
      const wrong = urlOf(db).replace(db.connection.password, "wrong");
      const byFlag = await runCommand(project, ["status", "--url", wrong], {});
      expect(byFlag.stderr).toContain("Check the user in --url and the password in --url (or");
      const byVariable = await runCommand(project, ["status"], { DATABASE_URL: wrong });
      expect(byVariable.stderr).toContain("the password in DATABASE_URL (or");
      const nowhere = urlOf(db).replace(db.name, "nowhere");
      const missing = await runCommand(project, ["status", "--json", "--url", nowhere], {});
      expect(jsonOf(missing)).toMatchObject({
        error: { hint: "Check the database in --url, or create the database first." },
      });
      const empty = urlOf(db).replace(`:${db.connection.password}@`, "@");
      const unset = await runCommand(project, ["status", "--url", empty], {});
      expect(unset.stderr).toContain("Write it into --url: postgres://");
    }));

  it("the hint names a variable that takes precedence over the URL", () =>
    withDatabase(async (db) => {
      const url = urlOf(db).replace("?sslmode=disable", "");
      const project = writeProject(FILES);
      const inUrl = await runCommand(project, ["status"], { DATABASE_URL: `${url}?sslmode=verify-full` });
      const variables = { DATABASE_URL: url, DATABASE_SSL: "verify-full" };
      const byVariable = await runCommand(project, ["status"], variables);
      // A test's server may offer TLS, with a certificate that nobody trusts.
      expect(inUrl.stderr).toMatch(/sslmode=disable in DATABASE_URL|the sslrootcert in DATABASE_URL/);
      expect(byVariable.stderr).toMatch(/set DATABASE_SSL=disable|the sslrootcert in DATABASE_URL/);
    }));
});

describe("a command that takes something away from a database on another machine", () => {
  it.each(["down", "redo", "up --fake", "down --fake"])(
    "the command %s needs --yes where nobody can be asked",
    (line) =>
      withDatabase(async (db) => {
        const project = writeProject(FILES);
        await runCommand(project, ["up", "--url", urlOf(db)], {});
        const command = [...line.split(" "), "--url", urlOf(db, OTHER_HOST)];
        const refused = await runCommand(project, command, {});
        expect(refused).toMatchObject({
          code: 2,
          stderr: expect.stringContaining("has to be confirmed; nothing was run"),
        });
        expect(jsonOf(await runCommand(project, [...command, "--json"], {}))).toMatchObject({
          error: { code: "USAGE" },
        });
        expect(await appliedNames(db)).toEqual(["1_a"]);
        expect(await runCommand(project, [...command, "--yes"], {})).toMatchObject({ code: 0 });
      }),
  );

  it("a command needs no confirmation on this machine, nor for an up or a --dry-run", () =>
    withDatabase(async (db) => {
      const project = writeProject(FILES);
      expect(await runCommand(project, ["up", "--url", urlOf(db, OTHER_HOST)], {})).toMatchObject({
        code: 0,
      });
      const plan = await runCommand(project, ["down", "--dry-run", "--url", urlOf(db, OTHER_HOST)], {});
      expect(plan).toMatchObject({ code: 0, stdout: expect.stringContaining("DROP TABLE a;") });
      expect(await runCommand(project, ["down", "--url", urlOf(db)], {})).toMatchObject({ code: 0 });
    }));

  it("a command goes on at a terminal only after the name of the database is typed", async () => {
    const connection = {
      ...{ host: "db.example.com", port: 5432, database: "shop", user: "u", password: "p" },
      tls: { mode: "disable" } as const,
    };
    const target = { connection, local: false, notes: [] };
    const risk = { command: "down", effect: "This undoes migrations", flags: {} };
    const questions: string[] = [];
    const answering = (answer: string) => ({
      ...createIo(80),
      ask: async (question: string) => {
        questions.push(question);
        return answer;
      },
    });
    await confirmRisk(answering(" shop\n"), target, risk);
    expect(questions).toEqual([
      "This undoes migrations on database shop on db.example.com. Type the name of the database to go on: ",
    ]);
    const refusal = confirmRisk(answering("y"), target, risk);
    await expect(refusal).rejects.toThrow(MigrationError);
    await expect(refusal).rejects.toMatchObject({ code: "CANCELLED" });
  });

  // `script` of util-linux gives a command a terminal.
  const atTerminal = existsSync("/usr/bin/script") ? it : it.skip;

  /** Starts `down` at a terminal, types this at the question, and resolves to what was shown. */
  async function typeAtQuestion(db: TestDatabase, typed: string): Promise<string> {
    const project = writeProject(FILES);
    await runCommand(project, ["up", "--url", urlOf(db)], {});
    const line = [process.execPath, COMMAND, "down", "--url", `'${urlOf(db, OTHER_HOST)}'`].join(" ");
    const terminal = spawn("script", ["-qec", line, "/dev/null"], {
      cwd: project,
      env: { PATH: process.env["PATH"], HOME: project, TERM: "xterm" },
    });
    let shown = "";
    terminal.stdout.setEncoding("utf8").on("data", (text: string) => {
      shown += text;
      if (text.includes("to go on: ")) terminal.stdin.write(typed);
    });
    const [code] = await once(terminal, "close");
    expect(code).toBe(130);
    expect(await appliedNames(db)).toEqual(["1_a"]);
    return shown.replaceAll("\r", "");
  }

  atTerminal("Ctrl-D at the question cancels the command", () =>
    withDatabase(async (db) => {
      const shown = await typeAtQuestion(db, "\u0004");
      expect(shown).toContain(`"" is not the name of the database, "${db.name}"`);
    }),
  );

  atTerminal("Ctrl-C at the question cancels the command, which says of no statement that it stops it", () =>
    withDatabase(async (db) => {
      const shown = await typeAtQuestion(db, "\u0003");
      expect(shown).not.toContain("statement");
      expect(shown).toMatch(/to go on: .*\n.*cancelling \(once more to leave at once\)/);
      expect(shown).toContain("No migration was running; nothing is left partly applied.");
    }),
  );
});
