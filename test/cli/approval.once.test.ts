import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "@jest/globals";
import { type TestDatabase, withDatabase } from "../support/database.ts";
import { appliedNames } from "../support/migrator.ts";
import { addMigrations, environmentOf, jsonOf, runCommand, writeProject } from "./command.ts";

const table = (name: string) => `CREATE TABLE ${name} (id int);\n-- Down Migration\nDROP TABLE ${name};`;
const FILES = { "1_a.sql": table("a"), "2_b.sql": table("b") };

/** Every address of the machine leads to the server; this one is no loopback address. */
const ELSEWHERE = { DATABASE_HOST: "0.0.0.0" };
const AGENT = { CLAUDECODE: "1" };

const commands =
  (db: TestDatabase, project: string) =>
  (args: string, env: Record<string, string> = {}) =>
    runCommand(project, args.split(" "), { ...environmentOf(db.connection), ...env });

/** A project with commands on a database of its own. */
function withProject(
  play: (run: ReturnType<typeof commands>, db: TestDatabase, project: string) => Promise<void>,
): Promise<void> {
  return withDatabase((db) => {
    const project = writeProject(FILES);
    return play(commands(db, project), db, project);
  });
}

describe("plan --out and --plan", () => {
  it("up runs the plan in a file, and does nothing when it runs again", () =>
    withProject(async (run, db, project) => {
      const planned = await run("plan --out plan.json");
      expect(planned).toMatchObject({ code: 0, stdout: expect.stringContaining("CREATE TABLE b") });
      const { digest, agent } = JSON.parse(readFileSync(join(project, "plan.json"), "utf8"));
      expect(planned.stderr).toContain(`The plan is in plan.json; its digest is ${digest}.`);
      expect(planned.stderr).toContain(
        "npm run migrate:up -- --plan plan.json runs exactly that, or nothing.",
      );
      expect(agent).toBeNull();
      expect(jsonOf(await run("plan --json"))).toMatchObject({ digest, action: "up", head: null });
      expect(await run("up --plan plan.json")).toMatchObject({ code: 0, stderr: "" });
      expect(await appliedNames(db)).toEqual(["1_a", "2_b"]);
      for (const plan of ["plan.json", digest]) {
        expect(await run(`up --plan ${plan}`)).toMatchObject({
          code: 0,
          stdout: expect.stringContaining("Nothing to do: all is applied."),
        });
      }
    }));

  it("a plan with a contract that a person has named says how it is run, with its name", () =>
    withProject(async (run, db, project) => {
      await run("up");
      await db.query("UPDATE pgmigrations_history SET origin = 'deploy'");
      addMigrations(project, { "3_contract.sql": "-- migrate: contract after 1_a\nDROP TABLE b;" });
      const planned = await run("plan --contract 3_contract --out plan.json");
      const [, command = ""] = /npm run migrate:(.*) runs exactly/.exec(planned.stderr) ?? [];
      expect(command).toBe("up -- --plan plan.json --contract 3_contract");
      expect(await run(command.replace(" --", ""))).toMatchObject({ code: 0 });
      expect(await appliedNames(db)).toEqual(["1_a", "2_b", "3_contract"]);
    }));

  it("what differs from the plan is shown, and nothing is run", () =>
    withProject(async (run, db, project) => {
      await run("plan --out plan.json");
      addMigrations(project, { "2_b.sql": table("other"), "3_c.sql": table("c") });
      const refused = await run("up --plan plan.json");
      expect(refused.code).toBe(1);
      expect(refused.stderr).toContain("Error PLAN_DIFFERS");
      expect(refused.stderr).toContain("3_c was not in it; 2_b has changed");
      expect(refused.stderr).toContain("2_b: - as approved  + as it is now");
      expect(refused.stderr).toContain("    -CREATE TABLE b (id int);\n    +CREATE TABLE other (id int);");
      expect(refused.stderr).toContain("Nothing was run.");
      expect(jsonOf(await run("up --plan plan.json --json"))).toMatchObject({
        ok: false,
        error: { code: "PLAN_DIFFERS", changes: [{ migration: "2_b" }] },
      });
      expect(await db.query("SELECT to_regclass('a') AS made")).toEqual([{ made: null }]);
    }));

  it("down and redo run the plan in a file, which says how many and from where", () =>
    withProject(async (run, db, project) => {
      await run("up");
      await run("plan 2 --redo --out redo.json");
      expect(await run("redo --plan redo.json")).toMatchObject({
        code: 0,
        stdout: expect.stringContaining("Undid and applied again 2 migrations"),
      });
      addMigrations(project, { "2_b.sql": table("b").replace("DROP TABLE b", "DROP TABLE IF EXISTS b") });
      await run("plan 2 --down --from history --out down.json");
      expect(await run("down --plan down.json")).toMatchObject({ code: 0 });
      expect(await appliedNames(db)).toEqual([]);
      expect(await run("down --plan down.json")).toMatchObject({ code: 0 });
    }));

  it("a plan as far as a migration leaves the others pending", () =>
    withProject(async (run, db) => {
      await run("plan 1 --out plan.json");
      for (let time = 0; time < 2; time += 1)
        expect(await run("up --plan plan.json")).toMatchObject({
          code: 0,
          stdout: expect.stringContaining("Head is 1_a; 1 migration pending."),
        });
      expect(await appliedNames(db)).toEqual(["1_a"]);
    }));

  it("a plan that would be refused is not written", () =>
    withProject(async (run, _, project) => {
      await run("up");
      addMigrations(project, { "1_a.sql": table("other"), "3_c.sql": table("c") });
      const planned = await run("plan --out plan.json");
      expect(planned).toMatchObject({
        code: 1,
        stderr: expect.stringContaining("plan.json was not written"),
      });
      expect(await run("up --plan plan.json")).toMatchObject({ code: 2 });
    }));

  it.each<[what: string, text: (plan: string) => string, says: string]>([
    ["is no JSON", () => "digest", "plan.json is not JSON"],
    ["is a list", () => "[]", "plan.json is not a plan"],
    ["is another file", () => '{"name":"x"}', "plan.json is not a plan"],
    [
      "shows other SQL than it was written with",
      (plan) => plan.replace("CREATE TABLE a", "CREATE TABLE x"),
      "plan.json was edited after it was written",
    ],
    [
      "has another agent than it was written with",
      (plan) => plan.replace('"agent": null', '"agent": "x"'),
      "plan.json was edited after it was written",
    ],
  ])("a file that %s is refused as a plan", (_what, edit, says) =>
    withProject(async (run, _, project) => {
      await run("plan --out plan.json");
      const path = join(project, "plan.json");
      writeFileSync(path, edit(readFileSync(path, "utf8")));
      expect(await run("up --plan plan.json")).toMatchObject({
        code: 2,
        stderr: expect.stringContaining(says),
      });
    }),
  );

  it("the hint names what to do with a plan of another command, and with a file that is none", () =>
    withProject(async (run, _, project) => {
      await run("plan --out plan.json");
      const wrongCommand = await run("redo --plan plan.json");
      expect(wrongCommand.stderr).toContain("plan.json is a plan of up, not of redo");
      expect(wrongCommand.stderr).toContain("`plan --redo --out` writes a plan of redo");
      expect(wrongCommand.stderr).toContain("npm run migrate:up -- --plan plan.json runs this one");
      writeFileSync(join(project, "package.json"), "{}");
      expect((await run("up --plan package.json")).stderr).toContain(
        "Give a file that `plan --out` has written.",
      );
    }));

  it("the hint for what differs names the command that writes the plan of what would run now", () =>
    withProject(async (run, _db, project) => {
      await run("plan --to 1_a --out plan.json");
      addMigrations(project, { "1_a.sql": table("other") });
      const byFile = await run("up --plan plan.json");
      expect(byFile.stderr).toContain(
        "npm run migrate:plan -- --to 1_a --out plan.json shows what would run",
      );
      const byDigest = await run(`up 1 --plan ${"0".repeat(64)}`);
      expect(byDigest.stderr).toContain("npm run migrate:plan -- 1 --out plan.json shows what would run now");
    }));

  it.each([
    ["", "--plan is empty: it names no plan"],
    ["4f0c1d2e", "4f0c1d2e is no file, and not the digest of a plan: it has 8 digits of 64"],
    ["4f0c…", "it has 4 digits of 64"],
    ["migrations", "the plan migrations cannot be read: EISDIR"],
  ])("a --plan of %j is refused with what is wrong with it", async (plan, message) => {
    const refused = await runCommand(writeProject(FILES), ["up", "--plan", plan]);
    expect(refused).toMatchObject({ code: 2, stderr: expect.stringContaining(message) });
    expect(refused.stderr).toContain("npm run migrate:plan -- --out plan.json has written");
  });

  it("the history names the approved plan of each migration that it let run", () =>
    withProject(async (run, db, project) => {
      addMigrations(project, { "3_c.sql": `-- migrate: no-transaction\n${table("c")}` });
      await run("plan --out plan.json");
      const { digest } = JSON.parse(readFileSync(join(project, "plan.json"), "utf8"));
      await run("up --plan plan.json");
      const note = `approved plan sha256:${digest}`;
      expect(await db.query("SELECT note FROM pgmigrations_history ORDER BY id")).toEqual([
        { note },
        { note },
        { note },
      ]);
      await run("plan --down --out down.json");
      await run("down --plan down.json");
      expect((await run("history --limit 1")).stdout).toMatch(
        /down +3_c .*\n.*\n +approved plan sha256:[0-9a-f]{64}\n/,
      );
      await run("up");
      expect(await db.query("SELECT note FROM pgmigrations_history ORDER BY id DESC LIMIT 1")).toEqual([
        { note: null },
      ]);
    }));

  it.each([
    ["a time", 'export const up = (pgm) => pgm.sql("SELECT " + process.hrtime.bigint());'],
    [
      "a value of its module",
      'const id = Math.random();\nexport const up = (pgm) => pgm.sql("SELECT " + id);',
    ],
  ])("a plan with SQL that holds %s has no digest, says why, and is not written", (_, text) =>
    withProject(async (run, db, project) => {
      addMigrations(project, { "3_now.js": `${text}\nexport const down = false;` });
      const planned = await run("plan --out plan.json");
      expect(planned.code).toBe(1);
      expect(planned.stderr).toContain(
        "a plan of 3_now cannot be approved: the SQL is another one each time",
      );
      expect(planned.stderr).toContain("plan.json was not written: the plan cannot be approved.");
      expect(existsSync(join(project, "plan.json"))).toBe(false);
      expect(jsonOf(await run("plan --json"))).toMatchObject({
        ok: true,
        digest: null,
        warnings: [{ code: "PLAN_DIFFERS", migrations: ["3_now"] }],
      });
      expect(jsonOf(await run("plan --to 2_b --json"))).toMatchObject({ digest: expect.any(String) });
      expect(await run("up")).toMatchObject({ code: 0 });
      expect(await appliedNames(db)).toEqual(["1_a", "2_b", "3_now"]);
    }),
  );

  it("plan --out replaces a plan, and refuses to replace another file", () =>
    withProject(async (run, _, project) => {
      writeFileSync(join(project, "notes.txt"), "keep");
      expect(await run("plan --out notes.txt")).toMatchObject({
        code: 2,
        stderr: expect.stringContaining("notes.txt was not written by plan, and would be overwritten"),
      });
      expect(readFileSync(join(project, "notes.txt"), "utf8")).toBe("keep");
      for (let time = 0; time < 2; time += 1)
        expect(await run("plan --out plan.json")).toMatchObject({ code: 0 });
    }));

  it("plan --json prints one object if the plan cannot be written", () =>
    withProject(async (run) => {
      const { code, stdout } = await run("plan --json --out nowhere/plan.json");
      expect({ code, answer: JSON.parse(stdout) }).toMatchObject({
        code: 1,
        answer: { ok: false, error: { code: "FILE_SYSTEM" } },
      });
    }));

  it("a plan that a formatter has changed is the same plan", () =>
    withProject(async (run, _, project) => {
      await run("plan --out plan.json");
      const path = join(project, "plan.json");
      writeFileSync(path, JSON.stringify(JSON.parse(readFileSync(path, "utf8"))));
      expect(await run("up --plan plan.json")).toMatchObject({ code: 0 });
    }));

  it.each([
    ["up 1 --plan plan.json", "plan.json says already which migrations it is about"],
    ["up --fake --plan plan.json", "a plan is about SQL that runs, and --fake runs none"],
    ["up --dry-run --plan plan.json", "'--dry-run' cannot be used with option '--plan <plan>'"],
    ["down --plan plan.json", "plan.json is a plan of up, not of down"],
    ["up --plan nowhere.json", "the plan nowhere.json cannot be read"],
    ["plan --redo --down", "a plan of redo cannot have down too"],
    ["plan --redo --to 1_a", "a plan of redo cannot have to too"],
  ])("the command line %s is refused with its reason", (line, says) =>
    withProject(async (run) => {
      await run("plan --out plan.json");
      expect(await run(line)).toMatchObject({ code: 2, stderr: expect.stringContaining(says) });
    }),
  );
});

describe("in the environment of a coding agent", () => {
  it.each(["down", "redo", "down 2", "down --fake"])("%s needs a plan that a person has made", (line) =>
    withProject(async (run, db) => {
      await run("up");
      const refused = await run(`${line} --yes`, AGENT);
      expect(refused.code).toBe(1);
      expect(refused.stderr).toContain("Error APPROVAL_REQUIRED");
      expect(refused.stderr).toContain("a coding agent runs it (CLAUDECODE is set); nothing was run");
      expect(refused.stderr).toContain("Stop, and ");
      expect(jsonOf(await run(`${line} --json`, AGENT))).toMatchObject({
        error: { code: "APPROVAL_REQUIRED" },
      });
      expect(await appliedNames(db)).toEqual(["1_a", "2_b"]);
    }),
  );

  it("an up on another machine needs a plan, and one on this machine does not", () =>
    withProject(async (run, db) => {
      for (const line of ["up", "up --fake"]) {
        expect(await run(line, { ...AGENT, ...ELSEWHERE })).toMatchObject({
          code: 1,
          stderr: expect.stringContaining(`${line} needs the approval of a person`),
        });
      }
      expect(await run("up", AGENT)).toMatchObject({ code: 0 });
      expect(await appliedNames(db)).toEqual(["1_a", "2_b"]);
    }));

  it.each(["repair", "baseline", "resolve 1_a --applied", "rename 1_a 1_x"])(
    "%s on another machine is left to a person",
    (line) =>
      withProject(async (run) => {
        expect(await run(line, { ...AGENT, ...ELSEWHERE })).toMatchObject({
          code: 1,
          stderr: expect.stringContaining("they run it themselves"),
        });
        expect((await run(line, AGENT)).stderr).not.toContain("APPROVAL_REQUIRED");
      }),
  );

  it("a plan that a person has made lets the agent run it without another question", () =>
    withProject(async (run, db) => {
      await run("plan --out up.json", ELSEWHERE);
      expect(await run("up --plan up.json", { ...AGENT, ...ELSEWHERE })).toMatchObject({ code: 0 });
      await run("plan 2 --down --out down.json", ELSEWHERE);
      expect(await run("down --plan down.json", { ...AGENT, ...ELSEWHERE })).toMatchObject({ code: 0 });
      expect(await appliedNames(db)).toEqual([]);
    }));

  it("a plan that the agent has made approves nothing, and neither does its digest", () =>
    withProject(async (run, db, project) => {
      await run("up");
      const planned = await run("plan --down --out down.json", AGENT);
      expect(planned.stderr).toContain("It was made for a coding agent (CLAUDECODE is set)");
      expect(await run("down --plan down.json", AGENT)).toMatchObject({
        code: 1,
        stderr: expect.stringContaining("down.json was made by an agent (CLAUDECODE was set)"),
      });
      const { digest } = JSON.parse(readFileSync(join(project, "down.json"), "utf8"));
      expect(await run(`down --plan ${digest}`, AGENT)).toMatchObject({
        code: 1,
        stderr: expect.stringContaining("A digest alone does not tell who approved it"),
      });
      expect(await appliedNames(db)).toEqual(["1_a", "2_b"]);
    }));

  it("a plan is good for the database on which it was approved, and for no other", () =>
    withProject(async (run) => {
      await run("up");
      await run("plan --down --out down.json");
      expect(await run("down --plan down.json", { ...AGENT, ...ELSEWHERE })).toMatchObject({
        code: 1,
        stderr: expect.stringMatching(
          /down\.json was made on the database \S+ on \S+, not on \S+ on 0\.0\.0\.0:/,
        ),
      });
    }));

  it("db:reset is left to a person", () =>
    withProject(async (run) => {
      expect(await run("db:reset", AGENT)).toMatchObject({
        code: 1,
        stderr: expect.stringContaining("they run it themselves, in a terminal of their own"),
      });
      expect(jsonOf(await run("db:reset --json", AGENT))).toMatchObject({
        error: { code: "APPROVAL_REQUIRED" },
      });
    }));
});
