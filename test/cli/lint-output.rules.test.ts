import { spawnSync } from "node:child_process";
import { describe, expect, it } from "@jest/globals";
import { createColors } from "picocolors";
import { type LintFinding, type LintReport, renderGithub, renderLint } from "../../lib/cli/lint/index.ts";
import type { ReadMigration } from "../../lib/cli/lint/migration.ts";
import { loadParser } from "../../lib/cli/lint/parser.ts";
import { readScript } from "../../lib/cli/lint/script.ts";
import { findSquawk, runSquawk } from "../../lib/cli/lint/squawk.ts";
import { readComplaints, writeSquawkScript } from "../../lib/cli/lint/squawk-findings.ts";
import { SQUAWK_RULES, UNUSED_SQUAWK_RULES } from "../../lib/cli/lint/squawk-rules.ts";
import { failureOf } from "../support/migrator.ts";
import { lintFiles } from "./lint-folder.ts";

const sql = (comment: string, text: string) => ({
  "1_a.sql": `${comment}\n${text}\n-- Down Migration\nSELECT 1;`,
});

describe("opt-outs", () => {
  it.each([
    ["a line of SQL", sql("-- lint: ignore ban-drop-table: nobody reads it since May", "DROP TABLE a;")],
    [
      "a block of SQL",
      sql("/*\n lint: ignore ban-drop-table: nobody reads it since May\n*/", "DROP TABLE a;"),
    ],
    [
      "a line of TypeScript",
      {
        "1_a.ts":
          "// lint: ignore ban-drop-table: nobody reads it since May\nexport const up = (pgm: any) => pgm.dropTable('a');\nexport const down = () => {};",
      },
    ],
    [
      "a block of TypeScript",
      {
        "1_a.ts":
          "/**\n * lint: ignore ban-drop-table: nobody reads it since May\n */\nexport const up = (pgm: any) => pgm.dropTable('a');\nexport const down = () => {};",
      },
    ],
    [
      "either file of a pair",
      {
        "1_a.up.sql": "DROP TABLE a;",
        "1_a.down.sql": "-- lint: ignore ban-drop-table: nobody reads it since May\nSELECT 1;",
      },
    ],
  ])("in %s", async (_where, files) => {
    const { findings, accepted } = await lintFiles(files);
    expect(findings).toEqual([]);
    expect(accepted).toEqual([
      { rule: "ban-drop-table", migration: "1_a", reason: "nobody reads it since May" },
    ]);
  });

  it("answers one rule for the whole migration, and no other", async () => {
    const { findings, accepted } = await lintFiles(
      sql("-- lint: ignore ban-drop-table: gone", "DROP TABLE a; DROP TABLE b; ALTER TABLE c RENAME TO d;"),
    );
    expect(findings.map(({ rule }) => rule)).toEqual(["renaming-table"]);
    expect(accepted).toHaveLength(2);
  });

  it.each([
    ["-- lint: ignore ban-drop-table", "it gives no reason, and so it silences nothing"],
    ["-- lint: ignore ban-drop-table:  ", "it gives no reason, and so it silences nothing"],
    ["-- lint: ignore", "it names no rule"],
    ["-- lint: ignore ban-drop-tabel: gone", "there is no rule ban-drop-tabel"],
    ["-- lint: ignore missing-down: gone", "missing-down finds nothing here"],
    ["-- lint: ignore prefer-text-field: gone", "prefer-text-field is not used: types are yours to choose"],
  ])("useless-ignore: %s", async (comment, message) => {
    const { findings } = await lintFiles(sql(comment, "DROP TABLE a;"));
    expect(findings).toMatchObject([
      {
        rule: "useless-ignore",
        line: 1,
        severity: "warning",
        message: `this lint comment does nothing: ${message}`,
      },
      { rule: "ban-drop-table", line: 2 },
    ]);
  });

  it("is a comment, not a string that looks like one", async () => {
    const { findings } = await lintFiles(
      sql("SELECT '\n-- lint: ignore ban-drop-table: gone\n';", "DROP TABLE a;"),
    );
    expect(findings.map(({ rule }) => rule)).toEqual(["ban-drop-table"]);
  });

  it("what only one database shows is not called useless on another", async () => {
    const { findings } = await lintFiles(sql("-- lint: ignore older-than-applied: backport", "SELECT 1;"));
    expect(findings).toEqual([]);
  });
});

const FINDING: LintFinding = {
  rule: "ban-drop-table",
  severity: "warning",
  migration: "1_a",
  direction: "up",
  file: "migrations/a,b:c%.sql",
  line: 3,
  column: 7,
  message: "100% gone,\r\nreally: ::error::",
  help: "Do not.",
};
const reportOf = (...findings: LintFinding[]): LintReport => ({
  findings,
  accepted: [],
  migrations: 3,
  ok: true,
});

describe("output", () => {
  it("github: escapes what would end a value, a property or the line", () => {
    expect(renderGithub(reportOf(FINDING))).toBe(
      "::warning file=migrations/a%2Cb%3Ac%25.sql,line=3,col=7,title=ban-drop-table (1_a)::100%25 gone,%0D%0Areally: ::error::%0ADo not.\n",
    );
  });

  it("github: without a line, the statement is in the text", () => {
    const { line: _line, column: _column, ...rest } = FINDING;
    const finding: LintFinding = {
      ...rest,
      severity: "error",
      file: "m/1_a.ts",
      message: "no",
      statement: "DROP\nTABLE a",
    };
    expect(renderGithub(reportOf(finding))).toBe(
      "::error file=m/1_a.ts,title=ban-drop-table (1_a)::no%0ADROP%0ATABLE a%0ADo not.\n",
    );
  });

  it("text: by file, with what to write instead, wrapped to the width", () => {
    const { line: _line, column: _column, ...rest } = FINDING;
    const text = renderLint(
      reportOf(
        { ...FINDING, file: "m/1_a.sql", message: "It is gone." },
        {
          ...rest,
          severity: "error",
          file: "m/2_b.ts",
          migration: "2_b",
          message: "It is gone, and nobody who is still running was asked.",
          statement: `DROP TABLE ${"a".repeat(60)}`,
        },
      ),
      { width: 40, colors: createColors(false) },
    );
    expect(text).toBe(
      [
        "m/1_a.sql",
        "  warning ban-drop-table at 3:7",
        "    It is gone.",
        "    > Do not.",
        "",
        "m/2_b.ts",
        "  error ban-drop-table",
        "    It is gone, and nobody who is still",
        "    running was asked.",
        `    | DROP TABLE ${"a".repeat(22)}…`,
        "    > Do not.",
        "",
        "1 error and 1 warning in 3 pending migrations.",
        "",
      ].join("\n"),
    );
  });

  it("text: says when there is nothing", () => {
    const options = { width: 80, colors: createColors(false) };
    expect(renderLint(reportOf(), options)).toBe("No findings in 3 pending migrations.\n");
    expect(renderLint({ ...reportOf(), migrations: 0 }, options)).toBe(
      "No pending migrations: nothing to lint.\n",
    );
    const accepted = [{ rule: "ban-drop-table", migration: "1_a", reason: "gone" }];
    expect(renderLint({ ...reportOf(), accepted, migrations: 1 }, options)).toBe(
      "No findings in 1 pending migration. 1 finding answered in the files.\n",
    );
  });
});

describe("the table of squawk's rules", () => {
  it("names rules that there are, each once", () => {
    const names = [...Object.keys(SQUAWK_RULES), ...Object.keys(UNUSED_SQUAWK_RULES)];
    expect(new Set(names).size).toBe(names.length);
    // It refuses a name that it does not know; this one it gives out and cannot exclude.
    const excluded = names.filter((name) => name !== "unused-ignore");
    const { status, stderr } = spawnSync(findSquawk(), ["--exclude", excluded.join(",")], {
      input: "SELECT 1;\n",
    });
    expect(stderr.toString()).not.toContain("invalid");
    expect(status).toBe(0);
  });
});

describe("squawk's own limits", () => {
  it("SQL that only squawk cannot read is said to be not linted, and our own rules still apply", async () => {
    const parser = await loadParser();
    const migration: ReadMigration = {
      name: "1_a",
      kind: "sql",
      files: [{ path: "1_a.sql", text: "DROP TABLE a" }],
      up: readScript(parser, ["DROP TABLE a"], true),
      down: "unknown",
      optOuts: [],
    };
    const script = writeSquawkScript(migration);
    if (script === undefined) throw new Error("there is SQL");
    const complaint = { file: "0.sql", line: 1, column: 0, help: null };
    const drafts = readComplaints(migration, script, [
      { ...complaint, message: "expected R_PAREN", rule_name: "syntax-error" },
      { ...complaint, message: "gone", rule_name: "ban-drop-table" },
    ]);
    expect(drafts).toMatchObject([{ rule: "not-linted", severity: "warning" }]);
    expect(
      readComplaints(migration, script, [{ ...complaint, message: "new", rule_name: "of-a-newer-squawk" }]),
    ).toMatchObject([
      {
        rule: "of-a-newer-squawk",
        severity: "warning",
        help: "See https://squawkhq.com/docs/of-a-newer-squawk",
      },
    ]);
  });
});

const notFound = (): never => {
  throw Object.assign(new Error("Cannot find package"), { code: "ERR_MODULE_NOT_FOUND" });
};

describe("what lint needs", () => {
  it("says how to install squawk", async () => {
    const error = await failureOf(Promise.resolve().then(() => findSquawk(notFound)));
    expect(error.code).toBe("USAGE");
    expect(error.message).toBe("lint needs the package squawk-cli, which is not installed");
    expect(error.details.hint).toContain("npm install --save-dev squawk-cli libpg-query");
  });

  it("says that squawk's program was left out", async () => {
    const resolve = (request: string) => (request.startsWith("squawk-cli/") ? "/x/package.json" : notFound());
    const error = await failureOf(Promise.resolve().then(() => findSquawk(resolve, "linux-x64")));
    expect(error.message).toBe("squawk-cli is installed without its program for linux-x64");
    expect(error.details.hint).toContain("--include=optional");
  });

  it("says how to install the parser", async () => {
    const error = await failureOf(loadParser(() => Promise.resolve().then(notFound)));
    expect(error.code).toBe("USAGE");
    expect(error.message).toBe("lint needs the package libpg-query, which is not installed");
  });

  it.each([
    ["a program that is not there", "/nowhere/squawk", "cannot be started"],
    ["a program that says something else", "/bin/echo", "is not understood"],
    ["a program that knows other flags", "/bin/ls", "ended with 2"],
  ])("says what is wrong with %s", async (_what, program, message) => {
    const scripts = new Map([["0.sql", "SELECT 1;\n"]]);
    const error = await failureOf(runSquawk({ program, scripts, postgresMajor: 17 }));
    expect(error.code).toBe("USAGE");
    expect(error.message).toContain(message);
    expect(error.details.hint).toBeDefined();
  });
});
