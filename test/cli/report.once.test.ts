import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "@jest/globals";
import { type TestDatabase, withDatabase } from "../support/database.ts";
import { addMigrations, environmentOf, jsonOf, runCommand, watchScratch, writeProject } from "./command.ts";

const FIRST = {
  "1_people.sql": "CREATE TABLE people (id int PRIMARY KEY);\n-- Down Migration\nDROP TABLE people;",
};
const SECOND = {
  "2_orders.sql": `-- Up Migration
CREATE TABLE orders (id int PRIMARY KEY, person int NOT NULL REFERENCES people);
CREATE INDEX people_i ON people (id);
-- Down Migration
DROP INDEX people_i;
DROP TABLE orders;`,
};

type Run = (...args: string[]) => ReturnType<typeof runCommand>;

function withProject(
  migrations: Readonly<Record<string, string>>,
  test: (run: Run, project: string, db: TestDatabase) => Promise<void>,
): Promise<void> {
  return withDatabase(async (db) => {
    const project = writeProject(migrations);
    await test((...args) => runCommand(project, args, environmentOf(db.connection)), project, db);
  });
}

describe("report of a database", () => {
  it("report shows what is pending with its SQL and findings, the schema before and after, and the history", () =>
    withProject(FIRST, async (run, project, db) => {
      const scratchDropped = await watchScratch(db);
      await run("up");
      await db.query("CREATE TABLE by_hand (id int)");
      addMigrations(project, SECOND);
      const { code, stdout, stderr } = await run("report");
      expect(code).toBe(0);
      expect(stderr).toContain(`Database ${db.name} on`);
      expect(stdout).toContain("**1 pending migration, 1 lint error**");
      expect(stdout).toContain("## 1. `2_orders`\n\nin a transaction · can be undone");
      expect(stdout).toContain("- \\+ new table `public.orders`");
      expect(stdout).toContain("**require-concurrent-index-creation** (lock) `migrations/2_orders.sql:3`");
      expect(stdout).toContain("```sql\nCREATE TABLE orders");
      expect(stdout).toContain('"orders"["orders (new)"] {');
      expect(stdout).toContain('"by_hand" {');
      expect(stdout).toMatch(/<summary>Schema before<\/summary>[\s\S]*"people" \{[\s\S]*<\/details>/);
      expect(stdout).toMatch(/\| up \| `1_people` \| finished \|/);
      const { digest } = jsonOf(await run("plan", "--json"));
      expect(stdout).toContain(`Digest of the plan: \`${digest}\``);
      const scratch = await run("report", "--scratch", "--after", "1_people");
      expect(scratch.stdout).toContain(`Digest of the plan: \`${digest}\``);
      expect(await run("status")).toMatchObject({ stdout: expect.stringContaining("1 pending") });
      await scratchDropped();
    }));

  it("report shows a pending contract without the migration that it comes after", () =>
    withProject(FIRST, async (run, project) => {
      await run("up");
      addMigrations(project, {
        "2_drop.ts":
          'export const contractAfter = "1_people";\nexport const up = (pgm) => pgm.dropTable("people");\nexport const down = false;',
      });
      const { code, stdout } = await run("report");
      expect(code).toBe(0);
      expect(stdout).toMatch(/dropped table `public\.people`|- table `public\.people`|people \(dropped\)/);
    }));

  it("report says which contract waits, and shows what it will drop", () =>
    withProject(FIRST, async (run, project, db) => {
      await run("up");
      await db.query("UPDATE pgmigrations_history SET origin = 'deploy'");
      addMigrations(project, { "2_drop.sql": "-- migrate: contract after 1_people\nDROP TABLE people;" });
      const { stdout } = await run("report");
      expect(stdout).toContain("a contract that waits, after 1_people: up leaves it out");
      expect(stdout).toContain("dropped table `public.people`");
    }));

  it("report says that nothing is pending, and still shows the schema", () =>
    withProject(FIRST, async (run) => {
      await run("up");
      const { code, stdout } = await run("report");
      expect(code).toBe(0);
      expect(stdout).toContain("**nothing is pending**");
      expect(stdout).toContain('## Schema\n\n```mermaid\nerDiagram\n  "people" {');
    }));

  it("report names the migration that fails on the scratch database, and goes on without it", () =>
    withProject({ ...FIRST, "2_bad.sql": "CREATE TABLE x (y nowhere);" }, async (run) => {
      const { code, stdout } = await run("report");
      expect(code).toBe(0);
      expect(stdout).toContain(
        'It failed on the scratch database, which has no rows: type "nowhere" does not exist',
      );
      expect(stdout).toContain('"people"["people (new)"]');
    }));

  it("report says why there is no schema after, where no scratch database can be made", () =>
    withProject(FIRST, async (_run, project, db) => {
      const shadow = `postgres://nobody:x@127.0.0.1:1/none`;
      const env = { ...environmentOf(db.connection), SHADOW_DATABASE_URL: shadow };
      const { code, stdout } = await runCommand(project, ["report"], env);
      expect(code).toBe(0);
      expect(stdout).toContain("## 1. `1_people`");
      expect(stdout).toMatch(/> The schema after could not be made: the shadow database: .*refused/);
    }));

  it("report fails when the server does not answer", async () => {
    const env = { DATABASE_HOST: "127.0.0.1", DATABASE_PORT: "1", DATABASE_NAME: "x" };
    const { code, stdout, stderr } = await runCommand(writeProject(FIRST), ["report"], env);
    expect({ code, stdout }).toEqual({ code: 1, stdout: "" });
    expect(stderr).toContain("CONNECTION");
  });
});

describe("report of a folder", () => {
  it("report shows what the migrations make of an empty database, or of one that has the first of them", () =>
    withProject({ ...FIRST, ...SECOND }, async (run, _project, db) => {
      const all = await run("report", "--scratch");
      expect(all).toMatchObject({ code: 0, stdout: expect.stringContaining("# Migrations in migrations") });
      expect(all.stdout).toContain("**2 pending migrations, 1 lint error**");
      const { stdout } = await run("report", "--scratch", "--after", "1_people");
      expect(stdout).toContain("## 1. `2_orders`");
      expect(all.stdout).toContain("on an empty scratch database; no migration is applied yet");
      expect(stdout).toContain("on a scratch database with the migrations before; head is `1_people`");
      expect(await db.query("SELECT relname FROM pg_class WHERE relname = 'people'")).toEqual([]);
      expect(await run("report", "--scratch", "--after", "9_none")).toMatchObject({ code: 2 });
      expect(await run("report", "--after", "1_people")).toMatchObject({ code: 2 });
    }));

  it("report says that an empty folder has nothing pending", () =>
    withProject({ "README.md": "" }, async (run) => {
      const { code, stdout } = await run("report", "--scratch");
      expect({ code, stdout }).toMatchObject({ code: 0, stdout: expect.stringContaining("No tables.") });
    }));
});

describe("the file of a report", () => {
  it("the report is written whole, and a failed write is an error", () =>
    withProject(FIRST, async (run, project) => {
      expect(await run("report", "--output", "r.md")).toMatchObject({ code: 0, stdout: "Wrote r.md.\n" });
      expect(readFileSync(join(project, "r.md"), "utf8")).toMatch(/^# Migrations of /);
      const { code, stderr } = await run("report", "--output", "nowhere/r.md");
      expect(code).toBe(1);
      expect(stderr).toContain("its folder does not exist");
      expect(await run("report", "--output", "r.md")).toMatchObject({ code: 0 });
      const other = await run("report", "--output", "migrations/1_people.sql");
      expect([other.code, other.stderr]).toEqual([2, expect.stringContaining("would be overwritten")]);
      expect(await run("status")).toMatchObject({ code: 0 });
      expect(await run("report", "--format", "pdf")).toMatchObject({ code: 2 });
      expect(jsonOf(await run("report", "--json"))).toMatchObject({
        ok: true,
        command: "report",
        head: null,
      });
    }));

  it("the report is a page for a browser with --format html, or when its name ends in .html", () =>
    withProject({ "1_<script>.sql": FIRST["1_people.sql"] }, async (run, project) => {
      expect(await run("report", "--format", "html")).toMatchObject({
        code: 0,
        stdout: "Wrote report.html.\n",
      });
      expect(await run("report", "--output", "other.html")).toMatchObject({ code: 0 });
      expect(await run("report", "--output", "other.html")).toMatchObject({ code: 0 });
      const page = readFileSync(join(project, "report.html"), "utf8");
      expect(readFileSync(join(project, "other.html"), "utf8")).toBe(page);
      expect(page).toMatch(/^<!doctype html>/);
      expect(page).toContain("1_&#60;script&#62;");
      expect(page).toContain("<svg");
      expect(page).not.toMatch(/<script|https?:\/\//);
    }));

  it("the report has no HTML and no markup that comes from a name", () =>
    withProject({ "1_<script>`|x.sql": 'CREATE TABLE "<script>" (id int);' }, async (run) => {
      await run("up");
      const { code, stdout } = await run("report");
      expect(code).toBe(0);
      const outsideCode = stdout.replace(/(`+)[\s\S]*?\1/g, "");
      expect(outsideCode).not.toContain("<script>");
    }));
});
