import { existsSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "@jest/globals";
import { withDatabase } from "../support/database.ts";
import { removeFiles } from "../support/folders.ts";
import { type Given, github, ourComments, withRepository } from "./action-run.ts";

const PEOPLE = "CREATE TABLE people (id int PRIMARY KEY);\n-- Down Migration\nDROP TABLE people;";
const ORDERS = `CREATE TABLE orders (id int PRIMARY KEY, person int REFERENCES people);
-- Down Migration
DROP TABLE orders;`;
describe("what the action must survive", () => {
  it("without a changed migration there is no comment, and an older one is updated", () =>
    withRepository({ "migrations/1_people.sql": PEOPLE }, async (repository, run) => {
      repository.propose({ "README.md": "other" });
      const quiet = await run();
      expect(quiet).toMatchObject({ failed: false, outputs: { changed: "false", pending: "[]" } });
      expect(quiet.summary).toContain("Nothing in this folder differs");
      expect(github().comments).toEqual([]);
      repository.propose({ "migrations/2_orders.sql": ORDERS });
      await run();
      repository.git("switch", "--quiet", "topic");
      repository.git("rm", "--quiet", "migrations/2_orders.sql");
      repository.propose({});
      await run();
      expect(ourComments()).toHaveLength(1);
      expect(ourComments()[0]?.body).toContain("Nothing in this folder differs");
    }));

  it("the page of a fork is in the summary, and the missing right to comment is a warning", () =>
    withRepository({}, async (repository, run) => {
      repository.propose({ "migrations/1_people.sql": PEOPLE });
      github().failures.push({ status: 403, body: "Resource not accessible by integration" });
      const result = await run({ fork: true });
      expect(result).toMatchObject({ failed: false, outputs: { ok: "true" } });
      expect(result.summary).toContain("CREATE TABLE people");
      expect(result.log).toMatch(/^::warning title=No comment::The token may not write comments/m);
      expect(result.log).not.toContain("the-token");
      expect(github().comments).toEqual([]);
    }));

  it("a failure of GitHub is tried again, even if the comment was made", () =>
    withRepository({}, async (repository, run) => {
      repository.propose({ "migrations/1_people.sql": PEOPLE });
      github().failures.push({ status: 500 }, { status: 403, headers: { "retry-after": "1" } });
      expect(await run()).toMatchObject({ failed: false });
      expect(ourComments()).toHaveLength(1);
      expect(github().requests).toHaveLength(4);
      github().failures.push({ status: 422, body: "Validation Failed" });
      const refused = await run();
      expect(refused).toMatchObject({ failed: true, steps: { "Keep the comment up to date": 1 } });
      expect(refused.log).toContain("Error GITHUB");
      expect(refused.log).toContain("422 Validation Failed");
    }));

  it("a page that is too long for a comment is shortened with a note, and whole in the summary", () =>
    withRepository({}, async (repository, run) => {
      const columns = Array.from({ length: 3000 }, (_, n) => `  c${n} text /* ${"x".repeat(20)} */`);
      const large = Array.from({ length: 2 }, (_, n) => `CREATE TABLE wide_${n} (id int);`).join("\n");
      repository.propose({
        "migrations/1_large.sql": `/*\n${columns.join("\n")}\n*/\n${large}`,
        "migrations/2_small.sql": "CREATE TABLE small (id int);",
      });
      const result = await run({ inputs: { verify: "false" } });
      expect(result.summary.length).toBeGreaterThan(65_536);
      const body = ourComments()[0]?.body ?? "";
      expect(body.length).toBeLessThan(10_000);
      expect(body).toMatch(
        /^> ✂ \d+ lines left out: a comment has at most 65536 characters\. \[The summary of the run\]\(https:/m,
      );
      expect(body).toContain("CREATE TABLE small");
      expect(body).toContain("```mermaid");
    }));

  it("names of folders and branches with shell syntax are only names", () =>
    withRepository({}, async (repository, run) => {
      const folder = `it's "$(touch pwned)" \`touch pwned\`; touch pwned #`;
      const branch = `a'"$(touch$IFS'pwned')`;
      repository.propose({ [`${folder}/1_people.sql`]: PEOPLE });
      repository.git("branch", branch, "main");
      const inputs = { "migrations-dir": folder, base: branch, options: "--schema=$(touch pwned)\n--create" };
      expect((await run({ inputs })).log).toContain("unknown option '--create'");
      const result = await run({ inputs: { ...inputs, options: "--schema=public\n\n--order=warn" } });
      expect(result).toMatchObject({ failed: false, outputs: { pending: '["1_people"]' } });
      expect(ourComments()).toHaveLength(1);
      expect(existsSync(join(repository.dir, "pwned"))).toBe(false);
    }));

  it("the action says what is missing", () =>
    withRepository({ "migrations/1_people.sql": PEOPLE }, async (repository, run) => {
      repository.propose({ "migrations/2_orders.sql": ORDERS, "none/.keep": "" });
      const log = async (given: Given) => {
        const { failed, log: text } = await run(given);
        return { failed, log: text };
      };
      const failure = (text: string) => ({ failed: true, log: expect.stringContaining(text) });
      expect(await log({ eventName: "pull_request_target" })).toEqual(failure("Use pull_request."));
      expect(await log({ inputs: { verify: "maybe" } })).toEqual(failure("verify must be true or false"));
      expect(await log({ inputs: { base: "nowhere" } })).toEqual(failure("fetch-depth: 0"));
      expect(await log({ inputs: { "fail-on": "sometimes" } })).toEqual(failure("Allowed choices are error"));
      expect(await log({ inputs: { "migrations-dir": "away" } })).toEqual(
        failure("migrations folder not found"),
      );
      expect(await log({ inputs: { "migrations-dir": "none" } })).toMatchObject({ failed: false });
      removeFiles(repository.dir, "node_modules/.bin/cdk-pg-migrate");
      expect(await log({})).toEqual(failure("Run npm ci there"));
    }));
});

describe("the action with a database", () => {
  it("the action shows the status of the database, and tells the pull request nothing of its place", () =>
    withRepository({ "migrations/1_people.sql": PEOPLE }, async (repository, run, shadow) => {
      await withDatabase(async (db) => {
        repository.propose({ "migrations/2_orders.sql": ORDERS });
        const url = shadow.replace(/\/[^/?]+\?/, `/${db.name}?`);
        const result = await run({ inputs: { "database-url": url } });
        expect(result).toMatchObject({ failed: false });
        expect(ourComments()[0]?.body).toContain(
          `| \`status\` | database \`${db.name}\`: 0 applied, 2 pending (\`1_people\`, \`2_orders\`), no head |`,
        );
        expect(ourComments()[0]?.body).not.toContain(db.connection.host);
        expect(await db.query("SELECT FROM pg_class WHERE relname = 'people'")).toEqual([]);

        const away = await run({ inputs: { "database-url": "postgres://u:secret@127.0.0.1:1/gone" } });
        expect(away).toMatchObject({ failed: true });
        expect(ourComments()[0]?.body).toContain("> ❌ `status` could not run: the log has the reason");
        expect(ourComments()[0]?.body).not.toMatch(/127\.0\.0\.1|secret/);
        expect(away.log.replace(/^::add-mask::.*$/m, "")).not.toContain("secret");
      });
    }));
});
