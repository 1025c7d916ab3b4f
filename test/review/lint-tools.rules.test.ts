import { spawnSync } from "node:child_process";
import { describe, expect, it } from "@jest/globals";
import type { LintedMigration } from "../../lib/review/lint/migration.ts";
import { loadParser, parseSteps } from "../../lib/review/lint/parsed-sql.ts";
import { findSquawk, runSquawk } from "../../lib/review/lint/squawk.ts";
import { readComplaints, writeSquawkScript } from "../../lib/review/lint/squawk-findings.ts";
import { SQUAWK_RULES, UNUSED_SQUAWK_RULES } from "../../lib/review/lint/squawk-rules.ts";
import { failureOf } from "../support/migrator.ts";

describe("the table of squawk's rules", () => {
  it("the table of squawk's rules names each existing rule once", () => {
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
  it("SQL that only squawk cannot read is reported as not linted, and our own rules still apply", async () => {
    const parser = await loadParser();
    const migration: LintedMigration = {
      name: "1_a",
      kind: "sql",
      files: [{ path: "1_a.sql", text: "DROP TABLE a" }],
      up: parseSteps(parser, ["DROP TABLE a"], true),
      down: "unknown",
      dynamic: false,
      isBackfill: false,
      createdBefore: [],
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
  it("a missing squawk is an error that says how to install it", async () => {
    const error = await failureOf(Promise.resolve().then(() => findSquawk(notFound)));
    expect(error.code).toBe("TOOL_MISSING");
    expect(error.message).toBe("lint needs the package squawk-cli, which is not installed");
    expect(error.details.hint).toContain("npm install --save-dev squawk-cli@2.61.0 libpg-query");
  });

  it("a missing binary of squawk is an error that says how to install it", async () => {
    const resolve = (request: string) => (request.startsWith("squawk-cli/") ? "/x/package.json" : notFound());
    const error = await failureOf(Promise.resolve().then(() => findSquawk(resolve, "linux-x64")));
    expect(error.message).toBe("squawk-cli is installed without its program for linux-x64");
    expect(error.details.hint).toContain("--include=optional");
  });

  it("a missing parser is an error that says how to install it", async () => {
    const error = await failureOf(loadParser(() => Promise.resolve().then(notFound)));
    expect(error.code).toBe("TOOL_MISSING");
    expect(error.message).toBe("lint needs the package libpg-query, which is not installed");
    expect(error.details.hint).toContain("npm install --save-dev squawk-cli@2.61.0 libpg-query");
  });

  it.each([
    ["a program that is not there", "/nowhere/squawk", "cannot be started"],
    ["a program that says something else", "/bin/echo", "is not understood"],
    ["a program that knows other flags", "/bin/ls", "ended with 2"],
  ])("the error says what is wrong with %s", async (_what, program, message) => {
    const scripts = new Map([["0.sql", "SELECT 1;\n"]]);
    const error = await failureOf(runSquawk({ program, scripts, postgresMajor: 17 }));
    expect(error.code).toBe("TOOL_MISSING");
    expect(error.message).toContain(message);
    expect(error.details.hint).toBeDefined();
  });
});
