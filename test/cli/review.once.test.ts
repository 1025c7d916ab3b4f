import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "@jest/globals";
import { type TestDatabase, withDatabase } from "../support/database.ts";
import { addMigrations, environmentOf, jsonOf, runCommand, watchScratch, writeProject } from "./command.ts";

const GOOD = { "1_a.sql": "-- Up Migration\nCREATE TABLE a ();\n-- Down Migration\nDROP TABLE a;" };
const CARELESS = {
  "2_b.sql": "-- Up Migration\nCREATE INDEX a_i ON a ((1));\n-- Down Migration\nSELECT 1;",
};

type Run = (...args: string[]) => ReturnType<typeof runCommand>;

function withProject(test: (run: Run, project: string, db: TestDatabase) => Promise<void>): Promise<void> {
  return withDatabase(async (db) => {
    const project = writeProject(GOOD);
    await test((...args) => runCommand(project, args, environmentOf(db.connection)), project, db);
  });
}

describe("lint", () => {
  it("lint accepts good migrations, fails bad ones, and annotates for GitHub", () =>
    withProject(async (run, project) => {
      expect(await run("lint")).toMatchObject({ code: 0 });
      await run("up");
      addMigrations(project, CARELESS);
      const { code, stdout } = await run("lint");
      expect(code).toBe(1);
      expect(stdout).toContain("require-concurrent-index-creation");
      expect((await run("lint", "--format", "github")).stdout).toContain(
        "::error file=migrations/2_b.sql,line=2",
      );
      expect(jsonOf(await run("lint", "--json"))).toMatchObject({
        ok: false,
        command: "lint",
        findings: [{ docs: "docs/linting.md#require-concurrent-index-creation" }],
      });
      expect(await run("lint", "--format", "xml")).toMatchObject({ code: 2 });
    }));
});

describe("lint --database", () => {
  it("lint --database leaves out what is quick there, and says how many rows the rest is about", () =>
    withProject(async (run, project, db) => {
      await run("up");
      addMigrations(project, CARELESS);
      const quick = await run("lint", "--database");
      expect(quick).toMatchObject({ code: 0 });
      expect(quick.stdout).toContain("1 finding left out");
      expect(jsonOf(await run("lint", "--database", "--json"))).toMatchObject({
        ok: true,
        quick: [
          { rule: "require-concurrent-index-creation", migration: "2_b", reason: "public.a has no rows" },
        ],
      });
      await db.query("ALTER TABLE a ADD COLUMN x text DEFAULT repeat('x', 1000)");
      await db.query("INSERT INTO a SELECT FROM generate_series(1, 12000)");
      await db.query("ANALYZE a");
      const { code, stdout } = await run("lint", "--database", "--format", "github");
      expect(code).toBe(1);
      expect(stdout).toMatch(
        /^::error file=migrations\/2_b\.sql,line=2.*about 12 k rows, \d+ MB: holds SHARE/m,
      );
      expect(await run("lint", "--files-only", "--database")).toMatchObject({ code: 2 });
    }));
});

describe("lint --plan", () => {
  const PENDING = {
    "2_b.sql": "CREATE TABLE fresh (id int);\nCREATE INDEX big_i ON big (id);\n-- Down Migration\nSELECT 1;",
    "3_c.sql":
      "CREATE INDEX fresh_i ON fresh (id); CREATE INDEX a_i ON a ((1));\n-- Down Migration\nSELECT 1;",
  };

  it("a plan has the sizes of the tables that it names, by which lint judges without the database", () =>
    withProject(async (run, project, db) => {
      await run("up");
      await db.query("CREATE TABLE big (id int, x text); CREATE TABLE other (id int)");
      await db.query("INSERT INTO big SELECT n, repeat('x', 1000) FROM generate_series(1, 12000) AS n");
      await db.query("ANALYZE");
      addMigrations(project, PENDING);
      expect((await run("plan")).stdout).toMatch(
        /^-- 2_b \(up\)\n-- public\.big has about 12 k rows, 1\d MB\nCREATE/m,
      );
      const plan = await run("plan", "--json");
      expect(jsonOf(plan)).toMatchObject({
        tables: [
          { schema: "public", name: "a", rows: 0, bytes: 0 },
          { schema: "public", name: "big", rows: 12000, bytes: expect.any(Number) },
        ],
      });
      writeFileSync(join(project, "plan.json"), plan.stdout);
      // Not in the plan: it was written later.
      addMigrations(project, {
        "4_d.sql": "CREATE INDEX o ON other (id);\nCREATE INDEX b ON big (x);\n-- Down Migration\nSELECT 1;",
      });
      const { code, stdout } = await runCommand(project, ["lint", "--plan", "plan.json", "--json"], {});
      expect(code).toBe(1);
      expect(JSON.parse(stdout)).toMatchObject({
        migrations: 3,
        findings: [
          {
            migration: "2_b",
            line: 2,
            message: expect.stringContaining("public.big has about 12 k rows"),
          },
          {
            migration: "4_d",
            line: 2,
            message: expect.stringContaining("public.big has about 12 k rows"),
          },
        ],
        quick: [
          { migration: "3_c", reason: "fresh has at most 10 MB" },
          { migration: "3_c", reason: "public.a has no rows" },
          { migration: "4_d", reason: "other has at most 10 MB" },
        ],
      });
    }));

  it("lint --plan refuses a file that is no plan", async () => {
    const project = writeProject(GOOD);
    writeFileSync(join(project, "no-plan.json"), "{}");
    for (const [file, message] of [
      ["missing.json", "missing.json cannot be read"],
      ["no-plan.json", "no-plan.json is no plan of `up`"],
    ] as const) {
      const { code, stderr } = await runCommand(project, ["lint", "--plan", file], {});
      expect([code, stderr]).toEqual([2, expect.stringContaining(message)]);
    }
    expect(await runCommand(project, ["lint", "--plan", "no-plan.json", "--all"], {})).toMatchObject({
      code: 2,
    });
  });
});

describe("lint --files-only", () => {
  const lint = (files: Readonly<Record<string, string>>, ...args: string[]) =>
    runCommand(writeProject(files), ["lint", "--files-only", ...args], {
      DATABASE_HOST: "no.such.host.invalid",
    });
  const DYNAMIC = {
    "3_c.ts": `export async function up(pgm) { await pgm.db.query("SELECT 1"); }\nexport const down = false;\n`,
  };

  it("lint --files-only judges all migrations and asks no database", async () => {
    const outcome = await lint({ ...GOOD, ...CARELESS, ...DYNAMIC }, "--json");
    expect(outcome.code).toBe(1);
    expect(jsonOf(outcome)).toMatchObject({
      migrations: 3,
      findings: [
        { rule: "require-concurrent-index-creation", file: "migrations/2_b.sql", line: 2, column: 1 },
        { rule: "not-linted", migration: "3_c" },
      ],
    });
  });

  it("lint --files-only --after leaves out what has run everywhere", async () => {
    const files = { ...GOOD, ...CARELESS };
    expect(jsonOf(await lint(files, "--after", "2_b", "--json"))).toMatchObject({ ok: true, migrations: 0 });
    expect(await lint(files, "--after", "1_a")).toMatchObject({ code: 1 });
    const refused = await lint(files, "--after", "2_c");
    expect(refused).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('no migration is called "2_c"'),
    });
  });

  it("lint refuses --after with a database, which knows what has run, and --files-only with --url", async () => {
    const project = writeProject(GOOD);
    const after = await runCommand(project, ["lint", "--after", "1_a"], {});
    expect(after).toMatchObject({ code: 2, stderr: expect.stringContaining("--files-only") });
    expect(await lint(GOOD, "--url", "postgres://localhost/x")).toMatchObject({ code: 2 });
  });
});

describe("lint of a change of type", () => {
  it("lint asks the database for the current type of the column", () =>
    withProject(async (run, project, db) => {
      await run("up");
      await db.query("ALTER TABLE a ADD COLUMN x varchar(50)");
      const change = (type: string) => ({
        "2_b.sql": `ALTER TABLE a ALTER COLUMN x TYPE ${type};\n-- Down Migration\nSELECT 1;`,
      });
      addMigrations(project, change("varchar(100)"));
      expect(await run("lint")).toMatchObject({ code: 0 });
      addMigrations(project, change("varchar(10)"));
      expect((await run("lint")).stdout).toContain("changing-column-type");
    }));
});

describe("verify", () => {
  it("verify reports what a careless down leaves behind, and drops its scratch database", () =>
    withProject(async (run, project, db) => {
      const scratchDropped = await watchScratch(db);
      expect(await run("verify")).toMatchObject({ code: 0 });
      addMigrations(project, CARELESS);
      const { code, stdout } = await run("verify");
      expect(code).toBe(1);
      expect(stdout).toContain("+ index public.a_i");
      await scratchDropped();
    }));
});

describe("dump of a file", () => {
  it("dump replaces only files that it has written, unless forced", () =>
    withProject(async (run, project) => {
      await run("up");
      const file = join(project, "schema.sql");
      writeFileSync(file, "-- by hand\n");
      const refused = await run("dump");
      expect(refused).toMatchObject({ code: 2 });
      expect(refused.stderr).toContain("schema.sql was not written by dump");
      expect(readFileSync(file, "utf8")).toBe("-- by hand\n");
      expect(await run("dump", "--force")).toMatchObject({ code: 0 });
      expect(await run("dump")).toMatchObject({ code: 0 });
      expect(readdirSync(project).filter((name) => name.includes(".tmp"))).toEqual([]);
    }));

  it("dump explains a file that cannot be written, and leaves nothing behind", () =>
    withProject(async (run, project) => {
      await run("up");
      for (const [output, words] of [
        ["nowhere/schema.sql", "its folder does not exist"],
        ["migrations", "it is a folder"],
        ["migrations/1_a.sql/x", "a part of its path is no folder"],
        ["/dev/full", "no space is left"],
      ] as const) {
        const { code, stderr } = await run("dump", "--output", output);
        expect([output, code, stderr.includes(words), /defect|\.tmp/.test(stderr)]).toEqual([
          output,
          1,
          true,
          false,
        ]);
      }
      expect(readdirSync(project).filter((name) => name.includes("schema"))).toEqual([]);
    }));

  it("dump to the standard output names what is pending", () =>
    withProject(async (run, project) => {
      await run("up");
      addMigrations(project, CARELESS);
      const { code, stdout, stderr } = await run("dump", "--output", "-");
      expect(code).toBe(0);
      expect(stdout).toMatch(/^-- The schema as the migrations make it\.[\s\S]*CREATE TABLE public\.a/);
      expect(stderr).toContain("2_b is pending");
      expect(readdirSync(project)).not.toContain("-");
      expect(await run("dump", "--output", "-", "--json")).toMatchObject({ code: 2 });
      await run("dump");
      const check = await run("dump", "--check");
      expect(check).toMatchObject({ code: 0, stdout: expect.stringContaining("2_b is pending") });
      expect(jsonOf(await run("dump", "--check", "--json"))).toMatchObject({ ok: true, pending: ["2_b"] });
    }));

  it("dump --check says that there is no file, and its JSON agrees with the exit code", () =>
    withProject(async (run, project) => {
      await run("up");
      const { code, stdout } = await run("dump", "--check");
      expect(code).toBe(1);
      expect(stdout).toMatch(/^schema\.sql does not exist: .*\n$/);
      expect(jsonOf(await run("dump", "--check", "--json"))).toMatchObject({ ok: false, exists: false });
      writeFileSync(join(project, "schema.sql"), "-- other\n");
      const json = await run("dump", "--check", "--json");
      expect(json.code).toBe(1);
      expect(jsonOf(json)).toMatchObject({ ok: false, exists: true });
    }));
});

describe("dump", () => {
  it("dump writes the schema, and --check notices a difference", () =>
    withProject(async (run, project) => {
      await run("up");
      expect(await run("dump", "--check")).toMatchObject({ code: 1 });
      expect(await run("dump")).toMatchObject({ code: 0, stdout: "Wrote schema.sql.\n" });
      expect(await run("dump", "--check")).toMatchObject({ code: 0 });
      addMigrations(project, CARELESS);
      await run("up");
      const { code, stdout } = await run("dump", "--check");
      expect(code).toBe(1);
      expect(stdout).toContain("+CREATE INDEX a_i");
    }));
});

describe("dump of a diagram", () => {
  it("dump writes Mermaid that marks keys and quotes names, alone or as a Markdown page", () =>
    withProject(async (run, project, db) => {
      await run("up");
      await db.query(`CREATE SCHEMA shop; CREATE TABLE shop."two words" (id bigint PRIMARY KEY, "<b>" timestamptz NOT NULL);
        CREATE TABLE lines (word bigint NOT NULL UNIQUE REFERENCES shop."two words") PARTITION BY LIST (word);
        CREATE TABLE part PARTITION OF lines DEFAULT`);
      const { stdout } = await run("dump", "--format", "mermaid", "--output", "-");
      expect(stdout).toMatch(/^%% The schema .*\nerDiagram\n/);
      expect(stdout).toContain('"shop.two words" {\n    bigint id PK\n    timestamptz _b_ "#60;b#62;"\n  }');
      expect(stdout).toContain('"shop.two words" ||--o| "lines" : "word"');
      expect(stdout).not.toMatch(/pgmigrations|part"/);
      expect(await run("dump", "--format", "mermaid")).toMatchObject({
        code: 0,
        stdout: "Wrote schema.md.\n",
      });
      expect(readFileSync(join(project, "schema.md"), "utf8")).toContain(
        "\n# Schema\n\n```mermaid\nerDiagram\n",
      );
      expect(await run("dump", "--format", "mermaid", "--check")).toMatchObject({ code: 0 });
      expect(await run("dump", "--format", "svg")).toMatchObject({ code: 2 });
    }));
});
