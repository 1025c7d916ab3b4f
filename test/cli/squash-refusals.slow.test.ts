import { readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "@jest/globals";
import { addMigrations, jsonOf, watchScratch } from "./command.ts";
import { migration, withProject } from "./squashing.ts";

const A = { "1_a.sql": migration("CREATE TABLE a (id int);") };

describe("squash of what cannot be squashed", () => {
  it.each([
    ["an unknown name", A, "9_x", 2, 'no migration named "9_x"'],
    ["the first migration", A, "1_a", 2, "nothing to squash"],
    [
      "a role",
      { ...A, "2_b.sql": migration("CREATE ROLE squashed_role;") },
      "2_b",
      1,
      "2_b cannot be squashed: it changes more than its own database",
    ],
    [
      "times without a default, whole or cut to seconds, and a random number of rows",
      {
        ...A,
        "2_b.sql": migration(`CREATE TABLE b (made timestamptz); INSERT INTO b VALUES (now());
          CREATE TABLE c AS SELECT date_trunc('second', now()) AS made;
          INSERT INTO a SELECT 1 FROM generate_series(1, 5000) WHERE random() < 0.5;`),
      },
      "2_b",
      1,
      /the number of rows of public\.a, (public\.a\.id, )?public\.b\.made, public\.c\.made differ between two replays/,
    ],
    [
      "an object that no dump holds",
      { ...A, "2_b.sql": migration("CREATE FOREIGN DATA WRAPPER nothing;") },
      "2_b",
      1,
      "cannot be written as SQL for every machine",
    ],
    [
      "a migration that fails",
      { ...A, "2_b.sql": migration("CREATE TABLE a ();") },
      "2_b",
      1,
      "already exists",
    ],
    [
      "shorthands that a later migration uses",
      {
        "1_a.ts": 'export const shorthands = { key: "int" };\nexport const up = () => {};',
        ...{ "2_b.sql": migration("SELECT 1;") },
        ...{ "3_c.ts": 'export const up = (pgm) => pgm.createTable("c", { id: { type: "key" } });' },
      },
      "2_b",
      1,
      'type "key" does not exist',
    ],
    [
      "code that a later migration imports",
      {
        "1_a.ts": 'export const type = "int";\nexport const up = () => {};',
        ...{ "2_b.sql": migration("SELECT 1;") },
        ...{
          "3_c.ts":
            'import { type } from "./1_a.ts";\nexport const up = (pgm) => pgm.createTable("c", { id: type });',
        },
      },
      "2_b",
      1,
      "1_a",
    ],
  ])("squash refuses %s and changes no file", (_what, migrations, to, code, message) =>
    withProject(async ({ run, files, git, db }) => {
      const before = files();
      const scratchDropped = await watchScratch(db);
      const outcome = await run("squash", "--to", to);
      expect(outcome.stderr).toMatch(message);
      expect(outcome.code).toBe(code);
      expect(files()).toEqual(before);
      expect(git("status", "--porcelain")).toBe("");
      await scratchDropped();
    }, migrations),
  );

  it("squash refuses to delete files that are not committed, and moves them with --keep", () =>
    withProject(async ({ run, files, project }) => {
      addMigrations(project, { "2_b.sql": migration("CREATE TABLE b ();") });
      const refused = await run("squash", "--to", "2_b");
      expect(refused).toMatchObject({ code: 2 });
      expect(refused.stderr).toContain("are not committed: 2_b.sql");
      expect(files()).toEqual(["1_a.sql", "2_b.sql"]);
      const kept = await run("squash", "--to", "2_b", "--keep", "old", "--json");
      expect(jsonOf(kept)).toMatchObject({
        ok: true,
        baseline: "2_b-baseline",
        replaces: ["1_a", "2_b"],
        keep: "old",
      });
      expect(files()).toEqual(["2_b-baseline.sql"]);
      expect(readdirSync(join(project, "old")).toSorted()).toEqual(["1_a.sql", "2_b.sql"]);
    }, A));

  it("squash refuses to delete files in a folder without git, and says so in its own words", () =>
    withProject(async ({ run, files, project }) => {
      rmSync(join(project, ".git"), { recursive: true });
      addMigrations(project, { "2_b.sql": migration("CREATE TABLE b ();") });
      const { code, stderr } = await run("squash", "--to", "2_b");
      expect(code).toBe(2);
      expect(stderr).toContain("the replaced files would be deleted, and are in no git repository");
      expect(stderr).toContain("Name a folder for them with --keep");
      expect(stderr).not.toContain("fatal:");
      expect(files()).toEqual(["1_a.sql", "2_b.sql"]);
    }, A));

  it("squash prints the baseline with --dry-run and writes nothing", () =>
    withProject(async ({ run, git }) => {
      const { code, stdout } = await run("squash", "--to", "3_count", "--dry-run");
      expect(code).toBe(0);
      expect(stdout).toContain("-- migrate: baseline of 3, list ");
      expect(stdout).toMatch(/^-- migrate: replaces 1:[0-9a-f]{16} 1_roles$/m);
      expect(stdout).toContain("INSERT INTO public.roles (id, name, made) OVERRIDING SYSTEM VALUE VALUES");
      expect(stdout).toContain("  (1, 'admin', DEFAULT)");
      expect(git("status", "--porcelain")).toBe("");
    }));
});
