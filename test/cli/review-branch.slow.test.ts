import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "@jest/globals";
import { withDatabase } from "../support/database.ts";
import { addFiles, removeFiles, writeFolder } from "../support/folders.ts";
import { jsonOf, type Outcome, runCommand } from "./command.ts";
import { Repository } from "./repository.ts";

const PEOPLE = "CREATE TABLE people (id int PRIMARY KEY);\n-- Down Migration\nDROP TABLE people;";
const ORDERS = PEOPLE.replaceAll("people", "orders");
const MODULE = `import { NAME } from "../names.ts";
export const up = (pgm) => pgm.createTable(NAME, { id: "id" });
export const down = (pgm) => pgm.dropTable(NAME);`;

type Run = (...args: string[]) => Promise<Outcome>;

function withRepository(
  files: Readonly<Record<string, string>>,
  test: (repository: Repository, run: Run) => Promise<void>,
): Promise<void> {
  return withDatabase(async ({ connection: { user, password, host, port, database } }) => {
    const url = `postgres://${user}:${password}@${host}:${port}/${database}?sslmode=disable`;
    const repository = new Repository(files);
    await test(repository, (...args) =>
      runCommand(repository.dir, ["review", ...args], { SHADOW_DATABASE_URL: url }),
    );
  });
}

describe("review of a branch", () => {
  it("review finds what up would refuse on a database that has the base", () =>
    withRepository(
      {
        "migrations/1_people.sql": PEOPLE,
        "migrations/3_x.ts": MODULE,
        "migrations/4_gone.sql": ORDERS.replaceAll("orders", "gone"),
        "names.ts": 'export const NAME = "x";',
      },
      async (repository, run) => {
        addFiles(repository.dir, {
          "migrations/1_people.sql": `-- A comment is no change.\n${PEOPLE}`,
          "migrations/2_orders.sql": ORDERS,
          "names.ts": 'export const NAME = "y";',
        });
        removeFiles(repository.dir, "migrations/4_gone.sql");
        const { code, stdout } = await run("--base", "main", "--output", "page.md");
        expect(code).toBe(1);
        expect(stdout).toContain("error CHANGED migrations/3_x.ts\n");
        expect(stdout).toContain("error ORDER migrations/2_orders.sql\n");
        expect(stdout).not.toContain("1_people");
        const page = readFileSync(join(repository.dir, "page.md"), "utf8");
        expect(page).toMatch(/\| `up` \| ❌ would refuse: CHANGED, (MISSING, ORDER|ORDER) \|/);
        expect(page).toContain(
          "> The schema after could not be made: \\`up\\` would refuse".replaceAll("\\", ""),
        );
        expect(await run("--base", "main", "--fail-on", "never")).toMatchObject({ code: 0 });
        expect(repository.git("status", "--porcelain")).not.toContain("base-");
      },
    ));

  it("review takes the files that are not committed yet, and prints one object with --json", () =>
    withRepository({ "migrations/1_people.sql": PEOPLE }, async (repository, run) => {
      addFiles(repository.dir, { "migrations/2_orders.sql": ORDERS });
      const { code, stdout } = await run("--base", "main");
      expect({ code, stdout }).toEqual({
        code: 0,
        stdout: expect.stringMatching(
          /^1 migration to run, no problems, compared with commit [0-9a-f]{10}\.\n$/,
        ),
      });
      expect(jsonOf(await run("--base", "main", "--json", "--skip-verify"))).toMatchObject({
        ok: true,
        command: "review",
        folder: "migrations",
        problems: [],
        results: { report: { result: { pending: [{ name: "2_orders" }] } } },
      });
    }));

  it("a warning fails the review with --fail-on warning only", () =>
    withRepository({ "migrations/1_people.sql": PEOPLE }, async (repository, run) => {
      addFiles(repository.dir, {
        "migrations/2_warn.sql": "UPDATE people SET id = id;\n-- Down Migration\n",
      });
      expect(await run("--base", "main")).toMatchObject({
        code: 0,
        stdout: expect.stringContaining("warning update-every-row"),
      });
      expect(await run("--base", "main", "--fail-on", "warning")).toMatchObject({ code: 1 });
    }));

  it("a migration of the base that cannot be undone is a warning, and one of the branch an error", () => {
    const forgetful = (name: string) => `CREATE TABLE ${name} ();\n-- Down Migration\nSELECT 1;`;
    return withRepository({ "migrations/1_old.sql": forgetful("old") }, async (repository, run) => {
      addFiles(repository.dir, { "migrations/2_new.sql": forgetful("new") });
      const { stdout } = await run("--base", "main");
      expect(stdout).toContain("warning verify migrations/1_old.sql");
      expect(stdout).toContain("error verify migrations/2_new.sql");
    });
  });

  it("review says when nothing differs, whatever else has changed", () =>
    withRepository({ "migrations/1_people.sql": PEOPLE }, async (repository, run) => {
      addFiles(repository.dir, { "README.md": "x", "migrations/notes.md": "x" });
      expect(await run("--base", "main", "--output", "page.md")).toMatchObject({
        code: 0,
        stdout: expect.stringContaining("Nothing in the folder differs from commit"),
      });
      expect(readdirSync(repository.dir)).toContain("page.md");
    }));

  it("the event of a workflow says what the branch is compared with", () =>
    withRepository({ "migrations/1_people.sql": PEOPLE }, async (repository) => {
      const main = repository.git("rev-parse", "main");
      const merge = repository.propose({ "migrations/2_orders.sql": ORDERS });
      const baseOf = async (name: string, event: object, sha = merge): Promise<string | undefined> => {
        addFiles(repository.dir, { "event.json": JSON.stringify(event) });
        const env = { GITHUB_EVENT_NAME: name, GITHUB_EVENT_PATH: "event.json", GITHUB_SHA: sha };
        const args = ["review", "--migrations-dir", "none"];
        addFiles(repository.dir, { "none/.keep": "" });
        const { stdout, stderr } = await runCommand(repository.dir, args, env);
        return /from commit (\w+)/.exec(stdout)?.[1] ?? stderr;
      };
      const pullRequest = (sha: string) => ({
        pull_request: { number: 7, base: { sha }, head: { sha: merge } },
      });
      expect(main).toContain(await baseOf("pull_request", pullRequest("0".repeat(40))));
      // Another commit than the merge is checked out.
      expect(main).toContain(await baseOf("pull_request", pullRequest(main), "0".repeat(40)));
      expect(main).toContain(await baseOf("merge_group", { merge_group: { base_sha: main } }));
      expect(await baseOf("push", {})).toContain("there is no commit origin/HEAD");
    }));

  it("the first migrations of a project are compared with an empty database", () =>
    withRepository({ "README.md": "x" }, async (repository, run) => {
      addFiles(repository.dir, { "migrations/1_people.sql": PEOPLE });
      expect(await run("--base", "main")).toMatchObject({
        code: 0,
        stdout: expect.stringMatching(/^1 migration/),
      });
    }));

  it("review says which base it cannot use", () =>
    withRepository({ "migrations/1_bad.sql": "CREATE TABLE x (y nowhere);" }, async (repository, run) => {
      expect(await run()).toMatchObject({
        code: 2,
        stderr: expect.stringContaining("there is no commit origin/HEAD in this checkout"),
      });
      expect((await run()).stderr).toContain("`git remote set-head origin --auto`");
      expect((await run("--base", "nowhere")).stderr).not.toContain("set-head");
      addFiles(repository.dir, { "migrations/2_people.sql": PEOPLE });
      const { code, stdout } = await run("--base", "main", "--skip-verify");
      expect(code).toBe(1);
      expect(stdout).toContain("the migrations of main cannot be applied to a scratch database");
      repository.git("switch", "--quiet", "--orphan", "other");
      repository.git("commit", "--quiet", "--allow-empty", "--message=other");
      addFiles(repository.dir, { "migrations/2_people.sql": PEOPLE });
      expect(await run("--base", "main")).toMatchObject({
        code: 2,
        stderr: expect.stringContaining("have no commit in common"),
      });
      const nowhere = writeFolder({ "migrations/1_people.sql": PEOPLE });
      expect(await runCommand(nowhere, ["review", "--base", "main"])).toMatchObject({
        code: 2,
        stderr: expect.stringContaining("not a git repository"),
      });
    }));
});
