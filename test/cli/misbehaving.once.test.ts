import { spawn } from "node:child_process";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "@jest/globals";
import { type TestDatabase, withDatabase } from "../support/database.ts";
import { appliedNames, userTables } from "../support/migrator.ts";
import { chosenCases } from "../support/postgres.ts";
import {
  COMMAND,
  environmentOf,
  jsonOf,
  runInOwnProcess,
  startCommand,
  startProgram,
  until,
  writeProject,
} from "./command.ts";

const up = (statements: string, head = ""): string =>
  `${head}\nexport async function up(pgm: any) {\n${statements}\npgm.sql("CREATE TABLE a ()");\n}\nexport const down = (pgm: any) => { pgm.sql("DROP TABLE a"); };`;

const runUp = (db: TestDatabase, text: string, ...args: string[]) =>
  runInOwnProcess(writeProject({ "1_a.ts": text }), ["up", ...args], environmentOf(db.connection));

const count = (text: string, part: string): number => text.split(part).length - 1;

const locks = async (db: TestDatabase): Promise<number> =>
  (
    await db.query(
      "SELECT FROM pg_locks l JOIN pg_database d ON d.oid = l.database WHERE datname = current_database() AND locktype = 'advisory'",
    )
  ).length;

describe("the output of a migration", () => {
  const PRINTS = `console.log("printed"); console.info("told");
process.stdout.write("written\\n"); console.error("complained"); console.table([1]);`;

  it.each(chosenCases(["up", "plan", "lint", "verify"], 2))(
    "the output of a migration goes to stderr once, and %s leaves stdout to one JSON object",
    (command) =>
      withDatabase(async (db) => {
        const project = writeProject({ "1_a.ts": up(PRINTS, 'console.log("loaded");') });
        const outcome = await runInOwnProcess(project, [command, "--json"], environmentOf(db.connection));
        expect(jsonOf(outcome)).toMatchObject({ ok: true });
        for (const text of ["printed", "told", "written", "complained", "loaded", "(index)"])
          expect([text, count(outcome.stderr, text)]).toEqual([text, 1]);
      }),
  );

  it.each([
    ["ends", 'process.stdout.end("the last words\\n");'],
    ["destroys", 'console.log("the last words"); process.stdout.destroy();'],
  ])("the command's JSON still reaches stdout when a migration %s it", (_what, statements) =>
    withDatabase(async (db) => {
      const outcome = await runUp(db, up(statements), "--json");
      expect(outcome.code).toBe(0);
      expect(jsonOf(outcome)).toMatchObject({ ok: true });
      expect(count(outcome.stderr, "the last words")).toBe(1);
    }),
  );

  it("the output of a migration that asks the database is shown once, and what it says of the answer too", () =>
    withDatabase(async (db) => {
      const text = up(
        `console.log("before"); const [row] = await pgm.db.select("SELECT 7 AS n"); console.log("answer " + row.n);`,
      );
      const { code, stdout, stderr } = await runUp(db, text);
      expect(code).toBe(0);
      expect([count(stderr, "before"), count(stderr, "answer 7"), stdout.includes("before")]).toEqual([
        1,
        1,
        false,
      ]);
    }));
});

describe("a migration that ends the process", () => {
  it.each(
    chosenCases(
      [
        ["with success", up("process.exit(0);"), "process.exit(0)"],
        ["with a code of its own", up("process.exit(7);"), "process.exit(7)"],
        ["and catches what stops it", up("try { process.exit(0); } catch {}"), "process.exit(0)"],
        ["when it is loaded", up("", "process.exit(0);"), "process.exit(0)"],
        [
          "after an answer of the database",
          up('await pgm.db.query("SELECT 1"); process.exit(0);'),
          "process.exit(0)",
        ],
        [
          "in a timer",
          up("setTimeout(() => process.exit(0), 1); await new Promise((r) => setTimeout(r, 50));"),
          "process.exit(0)",
        ],
        ["by a way that is not for users", up("process.reallyExit(0);"), "process.reallyExit()"],
        ["by abort", up("process.abort();"), "process.abort()"],
        ["by a signal", up("process.kill(process.pid, 'SIGKILL');"), "process.kill()"],
      ],
      3,
    ),
  )("a migration that ends the process %s fails the run and is named", (_what, text, call) =>
    withDatabase(async (db) => {
      const outcome = await runUp(db, text, "--json");
      expect(outcome.code).toBe(1);
      expect(jsonOf(outcome)).toMatchObject({
        ok: false,
        error: {
          code: "MIGRATION",
          migration: "1_a",
          message: expect.stringContaining(`ends the process: ${call}`),
        },
      });
      expect(await userTables(db)).toEqual([]);
    }),
  );

  it.each([
    ["sets another exit code", "process.exitCode = 0;"],
    ["exits once more", "process.exit(0);"],
  ])("a listener that %s cannot make a failed run succeed", (_what, statement) =>
    withDatabase(async (db) => {
      const text = up('throw new Error("no");', `process.on("exit", () => { ${statement} });`);
      expect(await runUp(db, text)).toMatchObject({ code: 1, stderr: expect.stringContaining("no") });
    }),
  );
});

describe("an uncaught error", () => {
  const SLOW = 'pgm.sql("SELECT pg_sleep(0.5)");';

  it.each(
    chosenCases(
      [
        ["of a promise that is not awaited", up('Promise.reject(new Error("lost"));')],
        [
          "of an async function that is not awaited",
          up('(async () => { await null; throw new Error("lost"); })();'),
        ],
        ["of a promise, with a reason that is no error", up('Promise.reject("lost");')],
        ["of a promise when it is loaded", up("", 'Promise.reject(new Error("lost"));')],
        ["of a tick", up('process.nextTick(() => { throw new Error("lost"); });')],
        [
          "of a timer after up has returned",
          up(`setTimeout(() => { throw new Error("lost"); }, 100); ${SLOW}`),
        ],
        [
          "of an event emitter",
          up(
            'setImmediate(() => new E().emit("error", new Error("lost")));',
            'import { EventEmitter as E } from "node:events";',
          ),
        ],
      ],
      3,
    ),
  )("an uncaught error %s fails the run and names the migration", (_what, text) =>
    withDatabase(async (db) => {
      const outcome = await runUp(db, text, "--json");
      expect(outcome.code).toBe(1);
      expect(jsonOf(outcome)).toMatchObject({
        ok: false,
        error: { code: "MIGRATION", message: expect.stringContaining("lost") },
      });
      expect(outcome.stdout).toContain("1_a");
      expect(await userTables(db)).toEqual([]);
      expect(await appliedNames(db).catch(() => [])).toEqual([]);
    }),
  );

  it("an uncaught error is shown with its place in the file", () =>
    withDatabase(async (db) => {
      const { stderr } = await runUp(db, up('Promise.reject(new Error("lost"));'));
      expect(stderr).toContain(
        "Error MIGRATION in 1_a\n  code of migration 1_a failed where nothing caught it: lost",
      );
      expect(stderr).toMatch(/at migrations\/1_a\.ts:3:\d+/);
    }));
});

describe("the end of a command", () => {
  const LEFTOVERS = `setInterval(() => {}, 1000); net.createServer().listen(0);`;
  const NET = 'import net from "node:net";';

  it.each(chosenCases(["up", "plan", "lint", "verify", "down"], 2))(
    "the command %s ends although a migration has left a timer and a server",
    (command) =>
      withDatabase(async (db) => {
        const project = writeProject({ "1_a.ts": up(LEFTOVERS, `${NET} setInterval(() => {}, 1000);`) });
        const env = environmentOf(db.connection);
        if (command === "down") await runInOwnProcess(project, ["up"], env);
        expect((await runInOwnProcess(project, [command], env)).code).toBe(0);
      }),
  );

  it("a failed command ends although a migration has left a timer", () =>
    withDatabase(async (db) => {
      expect((await runUp(db, up(`${LEFTOVERS} throw new Error("no");`, NET))).code).toBe(1);
    }));

  it("a command ends only after a slow reader has taken all its output", () =>
    withDatabase(async (db) => {
      const sql = `-- ${"x".repeat(100)}\n`.repeat(20_000);
      const project = writeProject({ "1_a.sql": `${sql}SELECT 1;` });
      const child = spawn(process.execPath, [COMMAND, "plan", "--json"], {
        cwd: project,
        env: { PATH: process.env["PATH"] ?? "", ...environmentOf(db.connection) },
        stdio: ["ignore", "pipe", "ignore"],
      });
      await sleep(1500);
      let text = "";
      for await (const chunk of child.stdout.setEncoding("utf8")) text += chunk;
      expect(jsonOf({ code: 0, stdout: text, stderr: "" })).toMatchObject({ ok: true });
      expect(text.length).toBeGreaterThan(sql.length);
    }));
});

describe("Ctrl-C during a migration that waits", () => {
  const WAITS = "await new Promise((done) => setTimeout(done, 30_000));";

  it.each(
    chosenCases(
      [
        ["up waits on a timer", up(`console.error("reached"); ${WAITS}`)],
        [
          "up waits on a timer after it has asked the database",
          up(`await pgm.db.query("SELECT 1"); console.error("reached"); ${WAITS}`),
        ],
        ["a file waits on a timer while it is loaded", up("", `console.error("reached"); ${WAITS}`)],
      ],
      2,
    ),
  )("Ctrl-C ends a command at once while %s", (_what, text) =>
    withDatabase(async (db) => {
      const project = writeProject({ "1_a.ts": text });
      const command = startCommand(project, ["up"], environmentOf(db.connection));
      await until(() => command.output().includes("reached"), "the timer");
      const sentAt = Date.now();
      command.send("SIGINT");
      const { code, stderr } = await command.ended;
      expect([code, Date.now() - sentAt < 20_000]).toEqual([130, true]);
      expect(stderr).toContain("cancelled (SIGINT)");
    }),
  );
});

describe("the second signal in an endless loop of a migration", () => {
  const LOOP = 'console.error("reached"); for (;;);';

  it.each(
    chosenCases(
      [
        ["SIGINT", "in up", up(LOOP)],
        ["SIGTERM", "in up", up(LOOP)],
        ["SIGINT", "in up, after it has asked the database", up(`await pgm.db.query("SELECT 1"); ${LOOP}`)],
        ["SIGINT", "while the file is loaded", up("", LOOP)],
      ] as const,
      3,
    ),
  )("the second signal, %s, ends a command that loops %s", (signal, _where, text) =>
    withDatabase(async (db) => {
      const project = writeProject({ "1_a.ts": text });
      const command = startCommand(project, ["up"], environmentOf(db.connection));
      await until(() => command.output().includes("reached"), "the loop");
      await sleep(500);
      command.send("SIGINT");
      await sleep(100);
      command.send(signal);
      const outcome = await Promise.race([command.ended, sleep(20_000)]);
      command.send("SIGKILL");
      expect(outcome).toMatchObject({ code: null, stderr: expect.stringContaining("Left without waiting") });
      await until(async () => (await locks(db)) === 0, "the lock to be free");
    }),
  );
});

describe("a command that npm has started", () => {
  it("a signal that ends npm cancels the command and rolls it back", () =>
    withDatabase(async (db) => {
      const project = writeProject({ "1_a.sql": "CREATE TABLE a (); SELECT pg_sleep(60);" });
      const root = fileURLToPath(new URL("../..", import.meta.url));
      const npm = startProgram(root, "npm", ["run", "migrate:up", "--", "-m", `${project}/migrations`], {
        ...environmentOf(db.connection),
      });
      const running = async (): Promise<number> =>
        (
          await db.query(
            "SELECT FROM pg_stat_activity WHERE datname = current_database() AND query ~ 'pg_sleep' AND pid <> pg_backend_pid()",
          )
        ).length;
      await until(async () => (await running()) === 1, "the migration");
      npm.send("SIGTERM");
      const sentAt = Date.now();
      await until(async () => (await running()) === 0, "the end of the migration");
      expect(Date.now() - sentAt).toBeLessThan(20_000);
      expect(await userTables(db)).toEqual([]);
      expect(await appliedNames(db).catch(() => [])).toEqual([]);
    }));
});
