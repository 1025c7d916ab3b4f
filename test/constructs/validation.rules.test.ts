import { readFileSync } from "node:fs";
import { join, relative } from "node:path";
import { describe, expect, it, jest } from "@jest/globals";
import { type App, Stack, Validations } from "aws-cdk-lib";
import {
  PostgresDatabase,
  type PostgresMigrations,
  PostgresMigrationsValidation,
  type PostgresMigrationsValidationProps,
} from "../../lib/index.ts";
import { writeFolder } from "../support/folders.ts";
import { addMigrations, newApp } from "./synth.ts";

const TABLE = "-- Up Migration\nCREATE TABLE a (id bigint PRIMARY KEY);\n-- Down Migration\nDROP TABLE a;\n";
const INDEX = "-- Up Migration\nCREATE INDEX a_i ON a (id);\n-- Down Migration\nDROP INDEX a_i;\n";
const WARNED = `-- lint: ignore no-such-rule: to get a warning\n${TABLE}`;

interface Validated {
  readonly app: App;
  readonly stack: Stack;
}

function validatedApp(props: PostgresMigrationsValidationProps = {}): Validated {
  const app = newApp();
  Validations.of(app).addPlugins(new PostgresMigrationsValidation(app, props));
  return { app, stack: new Stack(app, "Shop") };
}

function addFolder(stack: Stack, migrationsDir: string): PostgresMigrations {
  return addMigrations(stack, { database: new PostgresDatabase(stack, "Database"), migrationsDir });
}

/** Synthesizes, and returns whether that failed with the violations in CDK's report. */
function validate({ app }: Validated) {
  const print = jest.spyOn(console, "error").mockImplementation(() => {});
  let failed = false;
  try {
    app.synth();
  } catch (error) {
    failed = String(error).includes("cdk-pg-migrate");
  } finally {
    print.mockRestore();
  }
  const { pluginReports }: { pluginReports: { violations: unknown[] }[] } = JSON.parse(
    readFileSync(join(app.outdir, "validation-report.json"), "utf8"),
  );
  return { failed, violations: pluginReports[0]?.violations ?? [] };
}

describe("PostgresMigrationsValidation", () => {
  it("a validation names file, line, column and what to do for a finding of lint, and fails synth", () => {
    const validated = validatedApp();
    const migrationsDir = writeFolder({ "1_a.sql": TABLE, "2_b.sql": INDEX });
    addFolder(validated.stack, migrationsDir);
    const file = relative(process.cwd(), join(migrationsDir, "2_b.sql"));
    const { failed, violations } = validate(validated);
    expect(failed).toBe(true);
    expect(violations).toEqual([
      expect.objectContaining({
        ruleName: "require-concurrent-index-creation",
        severity: "error",
        description: expect.stringContaining(`${file}:2:1: `),
        suggestedFix: expect.stringContaining("CONCURRENTLY"),
        ruleMetadata: { file, line: "2", column: "1" },
        violatingConstructs: [expect.objectContaining({ constructPath: "Shop/Migrations/Resource/Default" })],
      }),
    ]);
  });

  it("a validation does not fail synth for warnings", () => {
    const validated = validatedApp();
    addFolder(validated.stack, writeFolder({ "1_b.sql": WARNED }));
    const { failed, violations } = validate(validated);
    expect(violations).toEqual([expect.objectContaining({ severity: "warning" })]);
    expect(failed).toBe(false);
  });

  it("a validation accepts a finding that is acknowledged with a reason", () => {
    const validated = validatedApp();
    const migrations = addFolder(validated.stack, writeFolder({ "1_a.sql": TABLE, "2_b.sql": INDEX }));
    const id = "cdk-pg-migrate::require-concurrent-index-creation";
    Validations.of(migrations).acknowledge({ id, reason: "the tables are small" });
    expect(validate(validated)).toMatchObject({ failed: false, violations: [] });
  });

  it("a validation does not judge the migrations that have run everywhere", () => {
    const validated = validatedApp({ after: "2_b" });
    addFolder(validated.stack, writeFolder({ "1_a.sql": TABLE, "2_b.sql": INDEX }));
    expect(validate(validated)).toMatchObject({ failed: false, violations: [] });
  });

  it("a validation reports everything that is wrong with a folder at once, and the construct does not throw", () => {
    const validated = validatedApp();
    const migrationsDir = writeFolder({ "x.sql": TABLE, "1_a.sql": "", "1_a.ts": "", "2_b.sql": "" });
    addFolder(validated.stack, migrationsDir);
    const { failed, violations } = validate(validated);
    expect(failed).toBe(true);
    expect(violations).toEqual([
      expect.objectContaining({
        severity: "fatal",
        description: expect.stringContaining(`${relative(process.cwd(), join(migrationsDir, "x.sql"))}: `),
        suggestedFix: expect.stringContaining("begins with a number"),
      }),
      expect.objectContaining({ description: expect.stringContaining('would be one migration, "1_a"') }),
    ]);
  });

  it("a validation reports a migration that does not compile with its line", () => {
    const validated = validatedApp();
    const migrationsDir = writeFolder({ "1_a.ts": "export function up() {}\nexport const = 1;\n" });
    addFolder(validated.stack, migrationsDir);
    const file = relative(process.cwd(), join(migrationsDir, "1_a.ts"));
    expect(validate(validated).violations).toEqual([
      expect.objectContaining({ description: expect.stringContaining(`${file}:2:14: `) }),
    ]);
  });

  it("a validation reports a folder of migrations that does not exist", () => {
    const validated = validatedApp();
    addFolder(validated.stack, "no/such/folder");
    expect(validate(validated)).toMatchObject({
      failed: true,
      violations: [{ description: expect.stringContaining("migrations folder not found") }],
    });
  });

  it("a validation shows no control characters of a file's name", () => {
    const validated = validatedApp();
    addFolder(validated.stack, writeFolder({ "\u001b[2Jx.sql": TABLE }));
    const { violations } = validate(validated);
    expect(violations).toHaveLength(1);
    expect(violations[0]).toMatchObject({ description: expect.not.stringContaining("\u001b") });
  });

  it("a validation must be made before the migrations", () => {
    const app = newApp();
    addFolder(new Stack(app, "Shop"), writeFolder({ "1_a.sql": TABLE }));
    expect(() => new PostgresMigrationsValidation(app)).toThrow(
      "make the PostgresMigrationsValidation before the PostgresMigrations",
    );
  });
});
