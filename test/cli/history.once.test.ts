import { rmSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "@jest/globals";
import { type TestDatabase, withDatabase } from "../support/database.ts";
import { removeFiles } from "../support/folders.ts";
import { appliedNames, userTables } from "../support/migrator.ts";
import { addMigrations, environmentOf, jsonOf, runCommand, writeProject } from "./command.ts";

const TWO = {
  "1_a.sql": "CREATE TABLE a ();\n-- Down Migration\nDROP TABLE a;",
  "2_b.sql": "CREATE TABLE b ();\n-- Down Migration\nDROP TABLE b;",
};
const ON_FILE_ONLY = "CREATE TABLE b ();\n-- Down Migration\nALTER TABLE b RENAME TO from_file;";

type Run = (...args: string[]) => ReturnType<typeof runCommand>;

function withProject(
  files: Readonly<Record<string, string>>,
  test: (run: Run, project: string, db: TestDatabase) => Promise<void>,
): Promise<void> {
  return withDatabase(async (db) => {
    const project = writeProject(files);
    await test((...args) => runCommand(project, args, environmentOf(db.connection)), project, db);
  });
}

/** What `history --json` lists, each row as "action migration state". */
async function listed(run: Run, ...args: string[]): Promise<string[]> {
  const { entries } = jsonOf(await run("history", "--json", ...args));
  if (!Array.isArray(entries)) throw new Error("no entries");
  return entries.map(({ action, migration, state }) => `${action} ${migration} ${state}`);
}

describe("history", () => {
  it("history of a new database says that nothing is recorded", () =>
    withProject(TWO, async (run) => {
      expect(await run("history")).toEqual({
        code: 0,
        stdout: expect.stringMatching(/^Database .*\nNothing is recorded yet\.\n$/),
        stderr: "",
      });
      expect(await listed(run)).toEqual([]);
    }));

  it("history needs only the database, not the migrations folder", () =>
    withProject(TWO, async (run, project) => {
      await run("up");
      rmSync(join(project, "migrations"), { recursive: true });
      expect(await listed(run)).toEqual(["up 2_b finished", "up 1_a finished"]);
      expect((await run("status")).code).not.toBe(0);
    }));

  it("history shows when, what, how it ended, and who did it, newest first", () =>
    withProject(TWO, async (run) => {
      await run("up");
      const { code, stdout } = await run("history");
      expect(code).toBe(0);
      const [, first = "", second = "", third = ""] = stdout.split("\n");
      expect(first).toMatch(/^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC {2}up {7}2_b {2}finished in \d+ ms$/);
      expect(second).toMatch(/^ {4}\S+@\S+ · cli · .*cdk-pg-migrate \d/);
      expect(third).toContain("1_a");
    }));

  it("history filters by migration, action, failure and number", () =>
    withProject({ ...TWO, "3_c.sql": "SELECT 1/0;" }, async (run) => {
      expect((await run("up")).code).toBe(1);
      await run("redo", "2");
      expect(await listed(run, "--migration", "1_a")).toEqual([
        "up 1_a finished",
        "down 1_a finished",
        "up 1_a finished",
      ]);
      expect(await listed(run, "--action", "down")).toEqual(["down 1_a finished", "down 2_b finished"]);
      expect(await listed(run, "--failed")).toEqual(["up 3_c failed"]);
      expect(await listed(run, "--migration", "1_a", "--action", "up", "--limit", "1")).toEqual([
        "up 1_a finished",
      ]);
      expect(await listed(run, "--migration", "nope")).toEqual([]);
      expect((await run("history", "--failed")).stdout).toContain("3_c  failed SQL");
      for (const args of [["--action", "apply"], ["--limit", "0"], ["--limit", "x"], ["1_a"]])
        expect([args, (await run("history", ...args)).code]).toEqual([args, 2]);
    }));

  it("history stays newest first past the tenth row", () =>
    withProject({ "1_a.sql": TWO["1_a.sql"] }, async (run) => {
      for (let round = 0; round < 3; round++) {
        await run("up");
        await run("redo");
        await run("down");
      }
      const { entries } = jsonOf(await run("history", "--json", "--limit", "4"));
      expect(entries).toMatchObject(["12", "11", "10", "9"].map((id) => ({ id })));
    }));
});

describe("--batch", () => {
  it("down --batch undoes what the last run applied, and nothing before it", () =>
    withProject({ "1_a.sql": TWO["1_a.sql"] }, async (run, project, db) => {
      await run("up");
      addMigrations(project, { "2_b.sql": TWO["2_b.sql"], "3_c.sql": "-- Down Migration\nSELECT 3;" });
      await run("up");
      const planned = await run("plan", "--down", "--batch");
      expect(planned.stdout.match(/^-- \d_\w .*/gm)).toEqual(["-- 3_c (down)", "-- 2_b (down)"]);
      const { stdout } = await run("redo", "--batch");
      expect(stdout).toContain("Undid and applied again 2 migrations");
      expect((await run("down", "--batch")).stdout).toContain("Undid 2 migrations");
      expect(await appliedNames(db)).toEqual(["1_a"]);
      for (const args of [
        ["2", "--batch"],
        ["--batch", "--to", "1_a"],
      ])
        expect([args, (await run("down", ...args)).code]).toEqual([args, 2]);
    }));
});

describe("down without the file", () => {
  it("down runs the SQL stored when the migration was applied, and the plan says so", () =>
    withProject(TWO, async (run, project, db) => {
      await run("up");
      removeFiles(project, "migrations/2_b.sql");
      expect((await run("plan", "--down")).stdout).toContain(
        "-- 2_b (down, as stored when it was applied)\n",
      );
      const without = await run("down", "--from", "file");
      expect([without.code, without.stderr]).toEqual([1, expect.stringContaining("Error MISSING in 2_b")]);
      const { code, stdout } = await run("down");
      expect([code, stdout]).toEqual([0, expect.stringContaining("✓ undid 2_b")]);
      expect(await userTables(db)).toEqual(["a"]);
    }));

  it("down is refused if the file only has another name", () =>
    withProject(TWO, async (run, project, db) => {
      await run("up");
      removeFiles(project, "migrations/2_b.sql");
      addMigrations(project, { "2_renamed.sql": TWO["2_b.sql"] });
      const { code, stderr } = await run("down");
      expect([code, stderr]).toEqual([1, expect.stringContaining("its file was renamed to 2_renamed")]);
      expect(await appliedNames(db)).toEqual(["1_a", "2_b"]);
    }));

  it("down is refused when other roles may write the history, except with --fake, which runs no SQL", () =>
    withProject(TWO, async (run, project, db) => {
      await run("up");
      removeFiles(project, "migrations/2_b.sql");
      await db.query("GRANT INSERT ON pgmigrations_history TO PUBLIC");
      const { code, stderr } = await run("down");
      expect([code, stderr]).toEqual([1, expect.stringContaining("Error UNTRUSTED_HISTORY")]);
      expect(stderr).toContain("or its history: PUBLIC");
      expect((await run("down", "--fake")).code).toBe(0);
      expect(await appliedNames(db)).toEqual(["1_a"]);
      expect(await userTables(db)).toEqual(["a", "b"]);
    }));
});

describe("--from, where file and history disagree", () => {
  it.each([
    ["file", ["a", "from_file"]],
    ["history", ["a"]],
  ])("--from %s decides, and without it nothing is run", (from, tables) =>
    withProject(TWO, async (run, project, db) => {
      await run("up");
      addMigrations(project, { "2_b.sql": ON_FILE_ONLY });
      expect((await run("status", "--check")).code).toBe(0);
      const refused = await run("down", "--json");
      expect([refused.code, jsonOf(refused)]).toEqual([
        1,
        expect.objectContaining({
          ok: false,
          error: expect.objectContaining({ code: "CHANGED", migration: "2_b" }),
        }),
      ]);
      expect((await run("plan", "--down", "--from", from)).code).toBe(0);
      expect(await userTables(db)).toEqual(["a", "b"]);
      expect((await run("down", "--from", from)).code).toBe(0);
      expect(await userTables(db)).toEqual(tables);
    }),
  );

  it("--from takes no other word", () =>
    withProject(TWO, async (run) => {
      expect((await run("down", "--from", "memory")).code).toBe(2);
    }));
});

it("a TypeScript migration that was edited after it was applied is `changed`", () =>
  withProject({ "1_a.ts": typescript("a1") }, async (run, project) => {
    await run("up");
    expect((await run("status", "--check")).code).toBe(0);
    // Of the same length, at once: a cache that looks at times and sizes only would not see it.
    addMigrations(project, { "1_a.ts": typescript("a2") });
    const { code, stdout } = await run("status", "--check");
    expect([code, stdout]).toEqual([3, expect.stringContaining("changed  1_a")]);
    const { stderr } = await run("up");
    expect(stderr).toMatch(/-CREATE TABLE "a1"[\s\S]*\+CREATE TABLE "a2"/);
  }));

function typescript(table: string): string {
  return `export async function up(pgm: { createTable(name: string, columns: object): void }): Promise<void> {
  pgm.createTable("${table}", { id: "id" });
}
`;
}
