import { describe, expect, it } from "@jest/globals";
import { withDatabase } from "../support/database.ts";
import { appliedNames } from "../support/migrator.ts";
import {
  COMMAND,
  environmentOf,
  jsonOf,
  runCommand,
  startCommand,
  startProgram,
  writeProject,
} from "./command.ts";

const TWO = {
  "1_a.sql": "CREATE TABLE a ();\n-- Down Migration\nDROP TABLE a;",
  "2_b.sql": "CREATE TABLE b ();\n-- Down Migration\nDROP TABLE b;",
};

const undated = (text: string) => text.replace(/\b\d+ ms/g, "<time>");

describe("a run", () => {
  it("a run says which database it works on, what it did, the resulting state, and what comes next", () =>
    withDatabase(async (db) => {
      const [project, env] = [writeProject(TWO), environmentOf(db.connection)];
      const { host, port, user } = db.connection;
      const where = `Database ${db.name} on ${host}:${port} as ${user} (from the environment)\n`;
      const run = async (...args: string[]) => {
        const { code, stdout, stderr } = await runCommand(project, args, env);
        expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
        return undated(stdout);
      };
      expect(await run("up", "1")).toBe(
        `${where}  ✓ applied 1_a <time>\nApplied 1 migration in <time>.\n  + table a\nHead is 1_a; 1 migration pending.\nnpm run migrate:up applies the rest.\n`,
      );
      expect(await run("up")).toBe(
        `${where}  ✓ applied 2_b <time>\nApplied 1 migration in <time>.\n  + table b\nHead is 2_b; nothing is pending.\n`,
      );
      expect(await run("up")).toBe(
        `${where}Nothing to do: all is applied.\nHead is 2_b; nothing is pending.\n`,
      );
      expect(await run("redo", "2")).toContain("Undid and applied again 2 migrations in <time>.\n");
      expect(await run("down", "--to", "2_b")).toContain(
        'Nothing to undo: no migration was applied after "2_b".\n',
      );
      expect(await run("down", "2")).toBe(
        `${where}  ✓ [1/2] undid 2_b <time>\n  ✓ [2/2] undid 1_a <time>\nUndid 2 migrations in <time>.\n  - table a\n  - table b\nNo migration is applied; 2 migrations pending.\n`,
      );
      expect(await run("down")).toContain("Nothing to undo: no migration is applied.\n");
      expect(await run("up", "--fake")).toContain("Recorded 2 migrations as applied; no SQL was run.\n");
      expect(await run("down", "--fake")).toContain("Took 1 migration off the record; no SQL was run.\n");
    }));

  it("a run of code prints no warning of Node", () =>
    withDatabase(async (db) => {
      const project = writeProject({ "1_a.ts": 'export const up = (pgm) => pgm.createTable("a", {});' });
      const { code, stderr } = await startCommand(project, ["up"], environmentOf(db.connection)).ended;
      expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    }));

  it("a run with --json prints one object on stdout and progress on stderr", () =>
    withDatabase(async (db) => {
      const [project, env] = [writeProject(TWO), environmentOf(db.connection)];
      const outcome = await runCommand(project, ["up", "--json"], env);
      expect(jsonOf(outcome)).toMatchObject({
        ok: true,
        command: "up",
        head: "2_b",
        completed: [{ migration: "1_a", direction: "up" }, { migration: "2_b" }],
        pending: [],
        tables: ["a", "b"],
        changes: [
          { kind: "table", name: "a", change: "added" },
          { kind: "table", name: "b", change: "added" },
        ],
      });
      expect(outcome.stderr).toContain("✓ [1/2] applied 1_a");
    }));

  it("a run finishes although the reader of its output has gone away", () =>
    withDatabase(async (db) => {
      const command = 'set -o pipefail; "$0" "$1" up 2>&1 | true';
      const env = environmentOf(db.connection);
      const { code } = await startProgram(
        writeProject(TWO),
        "bash",
        ["-c", command, process.execPath, COMMAND],
        env,
      ).ended;
      expect(code).toBe(0);
      expect(await appliedNames(db)).toEqual(["1_a", "2_b"]);
    }));

  it("a run on a terminal shows a live line, colours and the server's notices", () =>
    withDatabase(async (db) => {
      const project = writeProject({ "1_a.sql": "DO $$ BEGIN RAISE NOTICE 'half of it'; END $$;" });
      const command = `"${process.execPath}" "${COMMAND}" up`;
      const env = { ...environmentOf(db.connection), TERM: "xterm" };
      const { code, stdout } = await startProgram(project, "script", ["-qec", command, "/dev/null"], env)
        .ended;
      expect(code).toBe(0);
      expect(stdout).toContain("… applying 1_a");
      expect(stdout).toContain("notice: half of it");
      expect(stdout).toContain("\x1b[32m✓\x1b[39m applied 1_a");
    }));
});
