import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it, test } from "@jest/globals";
import { withDatabase } from "../support/database.ts";
import { appliedNames, userTables } from "../support/migrator.ts";
import { COMMAND, environmentOf, jsonOf, runCommand, startProgram, writeProject } from "./command.ts";

const TWO = {
  "1_a.ts":
    'export const up = (pgm) => {\n  pgm.createTable("a", { id: "id" });\n  pgm.sql("CREATE VIEW v AS SELECT 1 AS x");\n};\n',
  "2_b.sql": "CREATE TABLE b (id int); -- last\n-- Down Migration\nDROP TABLE b;\n",
};

describe("plan", () => {
  it("plan prints SQL that can be run, with everything else in comments or on stderr", () =>
    withDatabase(async (db) => {
      const [project, env] = [writeProject(TWO), environmentOf(db.connection)];
      const { code, stdout, stderr } = await runCommand(project, ["plan"], env);
      expect({ code, stderr }).toEqual({ code: 0, stderr: expect.stringMatching(/^Database .*\n$/) });
      expect(stdout).not.toContain("\x1b");
      expect(stdout).toMatch(/^-- 1_a \(up\)\nCREATE TABLE "a"/);
      expect(await userTables(db)).toEqual([]);
      await db.query(stdout);
      expect(await userTables(db)).toEqual(["a", "b"]);
    }));

  it("plan prints the same as up --dry-run and down --dry-run", () =>
    withDatabase(async (db) => {
      const [project, env] = [writeProject(TWO), environmentOf(db.connection)];
      const plan = await runCommand(project, ["plan", "1"], env);
      expect((await runCommand(project, ["up", "1", "--dry-run"], env)).stdout).toBe(plan.stdout);
      await runCommand(project, ["up"], env);
      const down = await runCommand(project, ["plan", "--down"], env);
      expect(down.stdout).toContain("DROP TABLE b;");
      expect((await runCommand(project, ["down", "--dry-run"], env)).stdout).toBe(down.stdout);
      expect(await appliedNames(db)).toEqual(["1_a", "2_b"]);
      expect((await runCommand(project, ["plan"], env)).stdout).toBe("-- Nothing to do: no SQL would run.\n");
    }));

  it("plan is highlighted on a terminal, and not with NO_COLOR", () =>
    withDatabase(async (db) => {
      const [project, env] = [writeProject(TWO), { ...environmentOf(db.connection), TERM: "xterm" }];
      const args = ["-qec", `"${process.execPath}" "${COMMAND}" plan`, "/dev/null"];
      const coloured = await startProgram(project, "script", args, env).ended;
      expect(coloured.stdout).toContain("\x1b[0m");
      const plain = await startProgram(project, "script", args, { ...env, NO_COLOR: "1" }).ended;
      expect(plain.stdout).toContain("CREATE TABLE");
      // The progress line erases itself, which is no colour.
      expect(plain.stdout.replaceAll("\x1b[2K", "")).not.toContain("\x1b");
    }));

  it("plan exits with 1 when the run would be refused, and says why on stderr", () =>
    withDatabase(async (db) => {
      const [project, env] = [writeProject(TWO), environmentOf(db.connection)];
      await runCommand(project, ["up", "--fake"], env);
      const late = writeProject({ ...TWO, "0_late.sql": "SELECT 1;" });
      const { code, stdout, stderr } = await runCommand(late, ["plan"], env);
      expect(code).toBe(1);
      expect(stdout).toMatch(/^-- 0_late \(up\)/);
      expect(stderr).toContain("ORDER not applied");
      const json = await runCommand(late, ["plan", "--json"], env);
      expect([json.code, jsonOf(json)]).toMatchObject([1, { ok: false, refusals: [{ code: "ORDER" }] }]);
    }));

  it("plan masks passwords", () =>
    withDatabase(async (db) => {
      const project = writeProject({ "1_a.sql": "CREATE ROLE r PASSWORD 's3cret';" });
      for (const args of [["plan"], ["plan", "--json"]]) {
        const { stdout } = await runCommand(project, args, environmentOf(db.connection));
        expect(stdout).toContain("PASSWORD '********'");
        expect(stdout).not.toContain("s3cret");
      }
    }));
});

describe("create", () => {
  test.each([
    [[], "ts"],
    [["--sql"], "sql"],
    [["-j", "js"], "js"],
    [["-j", "mjs"], "mjs"],
    [["-j", "cjs"], "cjs"],
    [["-j", "mts"], "mts"],
  ])("create with %p writes a .%s file that loads, runs and can be undone unchanged", (flags, extension) =>
    withDatabase(async (db) => {
      const [project, env] = [writeProject({}), environmentOf(db.connection)];
      const { code, stdout } = await runCommand(project, ["create", "add-user", "table", ...flags]);
      expect(code).toBe(0);
      const [file = "", ...others] = readdirSync(join(project, "migrations"));
      expect(others).toEqual([]);
      expect(file).toMatch(new RegExp(`^\\d{13}_add-user-table\\.${extension}$`));
      expect(stdout).toContain(`Created migrations/${file}\n`);
      const up = await runCommand(project, ["up"], env);
      expect([up.code, up.stderr]).toEqual([0, ""]);
      const redo = await runCommand(project, ["redo"], env);
      expect([redo.code, redo.stdout]).toEqual([
        0,
        expect.stringContaining("Undid and applied again 1 migration in"),
      ]);
    }),
  );

  it("create never numbers a file below the newest, and --json names it", async () => {
    const project = writeProject({ "9999999999999_future.sql": "SELECT 1;" });
    const outcome = await runCommand(project, ["create", "next", "--sql", "--json"]);
    expect(jsonOf(outcome)).toEqual({
      ok: true,
      command: "create",
      name: "10000000000000_next",
      file: join("migrations", "10000000000000_next.sql"),
    });
    expect(readFileSync(join(project, "migrations/10000000000000_next.sql"), "utf8")).toContain(
      "-- Down Migration",
    );
  });

  test.each(["../x", "a/b", "x.ts", "x.down", "...", "a:b", " ", "x".repeat(300)])(
    "create refuses the name %p",
    async (name) => {
      const project = writeProject({ "1_a.sql": "SELECT 1;" });
      const { code, stderr } = await runCommand(project, ["create", "--", name]);
      expect([code, stderr]).toEqual([2, expect.stringContaining("Error USAGE\n  migration name")]);
      expect(readdirSync(join(project, "migrations"))).toEqual(["1_a.sql"]);
    },
  );
});
