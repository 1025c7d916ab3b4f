import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "@jest/globals";
import { type TestDatabase, withDatabase } from "../support/database.ts";
import { appliedNames, userTables } from "../support/migrator.ts";
import { addMigrations, environmentOf, runCommand, writeProject } from "./command.ts";

const commands =
  (db: TestDatabase, project: string, env: Record<string, string> = {}) =>
  (args: string) =>
    runCommand(project, args.split(" "), { ...environmentOf(db.connection), ...env });

describe("the loop of writing a migration", () => {
  it.each(["ts", "sql", "js"])(
    "a developer can apply the template, fill it in, and apply it again with redo (%s)",
    (language) =>
      withDatabase(async (db) => {
        const project = writeProject({});
        const run = commands(db, project);
        await run(`create users -j ${language}`);
        const [file = ""] = readdirSync(join(project, "migrations"));
        const name = file.replace(/\.\w+$/, "");
        const empty = await run("up");
        expect([empty.code, empty.stdout]).toEqual([0, expect.stringContaining(`${name} is empty`)]);

        const path = join(project, "migrations", file);
        const template = readFileSync(path, "utf8");
        const filled =
          language === "sql"
            ? template
                .replace(
                  "-- CREATE TABLE users (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, email text NOT NULL UNIQUE);",
                  "CREATE TABLE users ();",
                )
                .replace("-- DROP TABLE", "DROP TABLE")
            : template.replace(/(function up\(.*\{\n)/, '$1  pgm.createTable("users", {});\n');
        expect(filled).not.toBe(template);
        writeFileSync(path, filled);
        const refused = await run("up");
        expect(refused.code).toBe(1);
        expect(refused.stderr).toContain(
          "On a database of your own, `npm run migrate:redo` undoes what was applied",
        );

        const redone = await run("redo");
        expect([redone.code, redone.stderr]).toEqual([0, ""]);
        expect(redone.stdout).toContain(`the down of ${name} was changed: what was recorded`);
        expect(await userTables(db)).toEqual(["users"]);
        expect((await run("up")).code).toBe(0);
        expect((await run("down")).code).toBe(0);
        expect(await userTables(db)).toEqual([]);
      }),
  );

  const table = (column: string, down: string) =>
    `CREATE TABLE a (${column} int);\n-- Down Migration\nDROP TABLE ${down};`;

  it("a developer is told how many to redo if the edited migration is not the last", () =>
    withDatabase(async (db) => {
      const project = writeProject({
        "1_a.sql": table("i", "a"),
        "2_b.sql": "CREATE TABLE b ();\n-- Down Migration\nDROP TABLE b;",
      });
      const run = commands(db, project);
      await run("up");
      addMigrations(project, { "1_a.sql": table("n", "IF EXISTS a") });
      expect((await run("up")).stderr).toContain("`npm run migrate:redo 2`");
      expect((await run("redo 2")).code).toBe(0);
      expect(await db.query("SELECT n FROM a")).toEqual([]);
    }));

  it("down and redo ask which SQL to undo with, where the database may be somebody else's", () =>
    withDatabase(async (db) => {
      const project = writeProject({ "1_a.sql": table("i", "a") });
      const run = commands(db, project, { CI: "true" });
      await run("up");
      addMigrations(project, { "1_a.sql": table("n", "IF EXISTS a") });
      expect((await run("up")).stderr).not.toContain("redo");
      const redone = await run("redo");
      expect([redone.code, redone.stderr]).toEqual([1, expect.stringContaining("Error CHANGED in 1_a")]);
      expect(redone.stderr).toContain(
        "npm run migrate:down -- --from history` undoes what was applied".replace("`", ""),
      );
      expect((await run("redo --from history")).code).toBe(0);
    }));
});

describe("a migration that does nothing", () => {
  it("plan and up mention that such a migration has no SQL to apply", () =>
    withDatabase(async (db) => {
      const project = writeProject({ "1_a.sql": "", "2_b.ts": "export const up = () => {};" });
      const run = commands(db, project);
      const texts = [(await run("plan")).stderr, (await run("up")).stdout];
      for (const text of texts)
        for (const name of ["1_a", "2_b"]) expect(text).toContain(`${name} is empty: it has no SQL to apply`);
      expect(await appliedNames(db)).toEqual(["1_a", "2_b"]);
    }));

  it("up and down mention a migration whose down does nothing", () =>
    withDatabase(async (db) => {
      const project = writeProject({
        "1_a.ts":
          "export const up = (pgm: any) => { pgm.createTable('a', {}); };\nexport const down = () => {};",
      });
      const run = commands(db, project);
      expect((await run("up")).stdout).toContain("the down of 1_a is empty");
      expect((await run("plan --down")).stderr).toContain("the SQL to undo 1_a is empty");
      expect((await run("down")).stdout).toContain("the SQL to undo 1_a is empty");
      expect(await userTables(db)).toEqual(["a"]);
    }));
});
