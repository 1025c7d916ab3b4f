import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "@jest/globals";
import { github, ourComments, withRepository } from "./action-run.ts";
import { linkPackage } from "./workflow.ts";

const PEOPLE = "CREATE TABLE people (id int PRIMARY KEY);\n-- Down Migration\nDROP TABLE people;";
const ORDERS = `CREATE TABLE orders (id int PRIMARY KEY, person int REFERENCES people);
-- Down Migration
DROP TABLE orders;`;
const CARELESS = `CREATE INDEX people_i ON people (id);
-- Down Migration
DROP INDEX people_i;`;

describe("the action in a pull request", () => {
  it("the action writes one comment and the summary, and updates the comment for the next commit", () =>
    withRepository({ "migrations/1_people.sql": PEOPLE }, async (repository, run) => {
      const stranger = { login: "stranger", type: "User" };
      const others = Array.from({ length: 120 }, (_, id) => ({ id, body: `comment ${id}`, user: stranger }));
      github().comments = [...others];
      repository.propose({ "migrations/2_orders.sql": ORDERS });
      const first = await run();
      expect(first).toMatchObject({
        failed: false,
        outputs: { ok: "true", errors: "0", changed: "true", pending: '["2_orders"]' },
      });
      expect(first.summary).toContain("# Migrations in `migrations`\n\n✅ **No problems**");
      expect(first.summary).toContain('```mermaid\nerDiagram\n  "orders"["orders (new)"]');
      expect(readFileSync(first.outputs["report"] ?? "", "utf8")).toBe(first.summary.replace(/\n$/, ""));
      expect(ourComments()).toHaveLength(1);
      expect(ourComments()[0]?.body).toContain(first.summary.trim());
      expect(ourComments()[0]?.body).toContain("https://github.example/o/r/actions/runs/42");

      // Anybody may copy the mark.
      github().comments.unshift({ id: 999, body: ourComments()[0]?.body ?? "", user: stranger });
      github().comments.push({
        id: 500,
        body: ourComments()[0]?.body ?? "",
        user: { login: "b", type: "Bot" },
      });
      const copied = github().comments[0]?.body;
      repository.propose({ "migrations/2_orders.sql": ORDERS.replace("person int", "owner int") });
      expect(await run()).toMatchObject({ failed: false });
      expect(ourComments().map(({ user }) => user.login)).toEqual(["stranger", "github-actions[bot]"]);
      expect(ourComments()[1]?.body).toContain("owner int");
      expect(ourComments()[0]?.body).toBe(copied);
      expect(github().comments.slice(1, 121)).toEqual(others);
    }));

  it("a lint error and a down that does not undo fail the step, and the comment is still written", () =>
    withRepository({ "app/migrations/1_people.sql": PEOPLE }, async (repository, run) => {
      linkPackage(join(repository.dir, "app"));
      const inputs = { "working-directory": "app" };
      repository.propose({
        "app/migrations/2_careless.sql": CARELESS,
        "app/migrations/3_forgetful.sql": "CREATE TABLE kept ();\n-- Down Migration\nSELECT 1;",
      });
      const result = await run({ inputs });
      expect(result.steps).toEqual({
        "Find cdk-pg-migrate": 0,
        "Review the migrations": 1,
        "Keep the comment up to date": 0,
      });
      expect(result.outputs).toMatchObject({ ok: "false", pending: '["2_careless","3_forgetful"]' });
      expect(result.log).toMatch(
        /^::error file=app\/migrations\/2_careless\.sql,line=1,.*title=require-concurrent-index-creation/m,
      );
      expect(result.log).toMatch(/^::error file=app\/migrations\/3_forgetful\.sql,title=verify/m);
      expect(ourComments()[0]?.body).toContain("| `verify` | ❌ 1 failed, 2 can be undone |");
      expect(ourComments()[0]?.body).toMatch(
        /### ❌ `3_forgetful` cannot be undone[\s\S]*```diff\n.*\n\+ table public\.kept/,
      );
      expect(ourComments()[0]?.body).toContain("<!-- cdk-pg-migrate app%2Fmigrations -->");

      expect(await run({ inputs: { ...inputs, "fail-on": "never", comment: "false" } })).toMatchObject({
        failed: false,
        outputs: { ok: "true", errors: result.outputs["errors"] },
      });
      const careless = { ...inputs, verify: "false", "migrations-dir": "migrations", key: "another" };
      expect(await run({ inputs: careless })).toMatchObject({ failed: true });
      expect(ourComments().map(({ body }) => /^<!-- .* -->/.exec(body)?.[0])).toEqual([
        "<!-- cdk-pg-migrate app%2Fmigrations -->",
        "<!-- cdk-pg-migrate another -->",
      ]);
      expect(ourComments()[1]?.body).toContain("| `verify` | left out |");
    }));
});
