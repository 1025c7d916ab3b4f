import { describe, expect, it, test } from "@jest/globals";
import { withDatabase } from "../support/database.ts";
import { writeFolder } from "../support/folders.ts";
import { appliedNames } from "../support/migrator.ts";
import { environmentOf, jsonOf, type Outcome, runCommand, writeProject } from "./command.ts";

/** Runs `up` on a fresh database and these migrations. */
async function up(migrations: Record<string, string>, args: string[] = []): Promise<Outcome> {
  let outcome: Outcome | undefined;
  await withDatabase(async (db) => {
    outcome = await runCommand(writeProject(migrations), ["up", ...args], environmentOf(db.connection));
  });
  if (outcome === undefined) throw new Error("it did not run");
  return outcome;
}

/** What stands above the caret, from there on. */
function underlined(stderr: string): string {
  const lines = stderr.split("\n");
  const at = lines.findIndex((line) => /^ *\| *\^$/.test(line));
  const caret = lines[at]?.indexOf("^") ?? -1;
  return [...(lines[at - 1] ?? "")].slice(caret).join("");
}

describe("a statement that the server refuses", () => {
  it("the error shows the place in the file, the SQLSTATE, what was kept and what remains", async () => {
    const { code, stdout, stderr } = await up({
      "1_a.sql": "CREATE TABLE a (id int);",
      "2_b.sql": `-- Up Migration\n${"-- a comment\n".repeat(37)}CREATE TABLE b (\n\tid int,\n\tname nosuchtype\n);\n-- Down Migration\nDROP TABLE b;\n`,
      "3_c.sql": "SELECT 3;",
      "4_d.sql": "SELECT 4;",
    });
    expect(code).toBe(1);
    expect(stdout).toMatch(/^Database .*\n {2}✓ \[1\/4\] applied 1_a \d+ ms\n {2}✗ 2_b\n$/);
    expect(stderr).toBe(`
Error SQL (SQLSTATE 42704) in 2_b
  type "nosuchtype" does not exist

  migrations/2_b.sql:41:
  39 | CREATE TABLE b (
  40 |  id int,
  41 |  name nosuchtype
     |       ^
  42 | );
  43 | -- Down Migration

  Applied and kept: 1_a.
  Rolled back: 2_b.
  Not started: 3_c, 4_d.

  What to do: It is not there at this point of the order. Does a migration before this one make it, under this name? Outside of the search path (--schema) write schema.name.

  More: docs/troubleshooting.md#sql
`);
  });

  test.each<[string, string]>([
    ["tabs", "SELECT\t1,\t\twrong here"],
    ["letters of several bytes", "SELECT 'äöü', 'ß' AS s, wrong here"],
    ["characters of two code units", "SELECT '𝒳' AS s, wrong here"],
    ["Windows line ends", "SELECT 1;\r\nSELECT 2,\r\n wrong here"],
    ["a byte order mark", "\ufeffSELECT wrong here"],
    ["a very long line", `SELECT ${"1, ".repeat(5000)} wrong here`],
  ])("the caret is in the right place after %s", async (_, sql) => {
    expect(underlined((await up({ "1_a.sql": sql })).stderr)).toMatch(/^wrong here/);
  });

  it("the error keeps the hint and the detail of the server", async () => {
    const { stderr } = await up({
      "1_a.sql": "CREATE TABLE a (x int UNIQUE);\nINSERT INTO a VALUES (7), (7);",
    });
    expect(stderr).toContain("(SQLSTATE 23505)");
    expect(stderr).toContain("Detail: Key (x)=(7) already exists.");
    const other = await up({ "1_a.sql": "SELECT round('x'::text);" });
    expect(other.stderr).toContain("What to do: No function matches");
  });

  it("the error does not show a password", async () => {
    const migrations = { "1_a.sql": "CREATE ROLE r PASSWORD 's3cret' NOSUCHOPTION;\nSELECT 'fine';" };
    for (const { stdout, stderr } of [await up(migrations), await up(migrations, ["--json"])]) {
      expect(stdout + stderr).toContain("CREATE ROLE r PASSWORD '********' NOSUCHOPTION");
      expect(stdout + stderr).not.toContain("s3cret");
    }
  });

  it("the database cannot write to the terminal by notices, values, names of objects, or the statement", async () => {
    const evil = "\x1b]52;c;aGk=\x07\x1b[2J\u202e";
    const migrations = {
      "1_a.sql": `DO $$ BEGIN RAISE NOTICE '${evil}'; END $$; CREATE TABLE "t${evil}" (x text UNIQUE);`,
      "2_b.sql": `INSERT INTO "t${evil}" VALUES ('${evil}'), ('${evil}');`,
    };
    const { stdout, stderr } = await up(migrations);
    expect(stdout + stderr).not.toMatch(/(?!\n)\p{Cc}|\u202e/u);
    expect(stderr).toContain("Key (x)=(\\u001b]52;c;aGk=\\u0007\\u001b[2J\\u202e) already exists");
    expect(stdout).toContain("notice: \\u001b]52");
    const { error } = jsonOf(await up(migrations, ["--json"]));
    expect(JSON.stringify(error)).toContain(JSON.stringify(evil).slice(1, -1));
  });

  it("the JSON has everything that is known of the error", async () => {
    const outcome = await up({ "1_a.sql": "SELECT 1;", "2_b.sql": "SELECT nosuch;" }, ["--json"]);
    expect(outcome.code).toBe(1);
    expect(jsonOf(outcome)).toMatchObject({
      ok: false,
      error: {
        code: "SQL",
        sqlstate: "42703",
        migration: "2_b",
        statement: "SELECT nosuch",
        position: 8,
        applied: ["1_a"],
        remaining: ["2_b"],
      },
    });
  });
});

describe("a migration in TypeScript that fails", () => {
  it("a wrong call of the builder shows its line, even in a folder named as the engine's own", () =>
    withDatabase(async (db) => {
      const project = writeFolder({
        "lib/engine/1_a.ts": "export const up = (pgm) => {\n  pgm.createTable();\n};\n",
      });
      const { stderr } = await runCommand(project, ["up", "-m", "lib/engine"], environmentOf(db.connection));
      expect(stderr).toContain("at lib/engine/1_a.ts:2:7");
    }));

  it("an exception shows its message, file and line, in helpers too", async () => {
    const { code, stderr } = await up({
      "1_a.ts":
        'import { helper } from "./helpers/helper.ts";\n\nexport function up(): void {\n  helper([]);\n}\n',
      "helpers/helper.ts":
        "interface Row {\n  id: number;\n}\n\nexport function helper(rows: Row[]): void {\n  if (rows.length === 0) throw new Error('no rows, sorry');\n}\n",
    });
    expect(code).toBe(1);
    expect(stderr).toContain(
      "Error MIGRATION in 1_a\n  up of migration 1_a threw an error: no rows, sorry\n",
    );
    expect(stderr).toContain("  at migrations/helpers/helper.ts:6:32\n");
    expect(stderr).toContain("Nothing was run.");
  });

  it("a wrong call of the builder shows the line of the call", async () => {
    const { stderr } = await up({ "1_a.ts": "export const up = (pgm) => {\n  pgm.createTable();\n};\n" });
    expect(stderr).toContain("at migrations/1_a.ts:2:7");
  });

  it("a compile error shows file, line and column, and nothing has run", async () => {
    const { code, stderr } = await up({ "1_a.sql": "SELECT 1;", "2_b.ts": "export const up = (pgm => {\n" });
    expect(code).toBe(1);
    expect(stderr).toMatch(/does not compile: \S*migrations\/2_b\.ts:2:1: Unexpected end of file/);
    expect(stderr).not.toMatch(/^ {2}at /m);
  });

  it("an exception while a migration is loaded is reported", async () => {
    const { code, stderr } = await up({
      "1_a.ts": "export const up = () => {};\nthrow new Error('at once');\n",
    });
    expect(code).toBe(1);
    expect(stderr).toContain("throws when it is loaded: at once");
    expect(stderr).toContain("at migrations/1_a.ts:2:7");
  });
});

describe("a failing down or redo", () => {
  const THREE = {
    "1_a.sql": "CREATE TABLE a ();\n-- Down Migration\nDROP TABLE a;",
    "2_b.sql": "CREATE TABLE b ();\n-- Down Migration\nDROP TABLE nosuch;",
    "3_c.sql": "CREATE TABLE c ();\n-- Down Migration\nDROP TABLE c;",
  };

  it("a failing down says what is undone and what is still applied", () =>
    withDatabase(async (db) => {
      const [project, env] = [writeProject(THREE), environmentOf(db.connection)];
      await runCommand(project, ["up"], env);
      const { code, stderr } = await runCommand(project, ["down", "3"], env);
      expect(code).toBe(1);
      expect(stderr).toContain(
        "Undone: 3_c.\n  Rolled back, still applied: 2_b.\n  Not started, still applied: 1_a.\n",
      );
      expect(await appliedNames(db)).toEqual(["1_a", "2_b"]);
    }));

  it("a failing redo says what is not applied for the moment", () =>
    withDatabase(async (db) => {
      const [project, env] = [writeProject(THREE), environmentOf(db.connection)];
      await runCommand(project, ["up"], env);
      const { code, stderr } = await runCommand(project, ["redo", "2"], env);
      expect(code).toBe(1);
      expect(stderr).toContain("Undone, not applied now: 3_c.\n  Rolled back: 2_b.\n");
      expect(stderr).toContain("npm run migrate:up applies what is not.");
    }));
});
