import { describe, expect, it } from "@jest/globals";
import { createColors } from "picocolors";
import { renderLint } from "../../../lib/cli/commands/lint.ts";
import { annotationsOf } from "../../../lib/cli/github/workflow.ts";
import type { LintFinding, LintReport } from "../../../lib/review/lint/index.ts";

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

describe("the output of lint", () => {
  it("the GitHub format escapes what would end a value, a property or the line", () => {
    expect(annotationsOf([FINDING])).toBe(
      "::warning file=migrations/a%2Cb%3Ac%25.sql,line=3,col=7,title=ban-drop-table (1_a)::100%25 gone,%0D%0Areally: ::error::%0ADo not.\n",
    );
  });

  it("the GitHub format puts the statement in the text if there is no line", () => {
    const { line: _line, column: _column, ...rest } = FINDING;
    const finding: LintFinding = {
      ...rest,
      severity: "error",
      file: "m/1_a.ts",
      message: "no",
      statement: "DROP\nTABLE a",
    };
    expect(annotationsOf([finding])).toBe(
      "::error file=m/1_a.ts,title=ban-drop-table (1_a)::no%0ADROP%0ATABLE a%0ADo not.\n",
    );
  });

  it("the text format groups findings by file, with advice, wrapped to the width", () => {
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
        "About the rules: docs/linting.md#the-rules",
        "1 error and 1 warning in 3 pending migrations.",
        "",
      ].join("\n"),
    );
  });

  it("the text format shows three findings of a rule in a file, and the lines of the others", () => {
    const findings = [3, 4, 5, 6, 7, 7].map((line) => ({
      ...FINDING,
      file: "m/1_a.sql",
      line,
      message: "It is gone.",
    }));
    const other = {
      ...FINDING,
      rule: "renaming-table",
      file: "m/1_a.sql",
      line: 8,
      message: "It is renamed.",
    };
    const next = { ...FINDING, file: "m/2_b.sql", migration: "2_b", message: "It is gone." };
    const text = renderLint(reportOf(...findings, other, next), { width: 80, colors: createColors(false) });
    expect(text.match(/ban-drop-table at .*|renaming-table at .*|\d more .*/g)).toEqual([
      "ban-drop-table at 3:7",
      "ban-drop-table at 4:7",
      "ban-drop-table at 5:7",
      "renaming-table at 8:7",
      "3 more of ban-drop-table, in lines 6, 7",
      "ban-drop-table at 3:7",
    ]);
    expect(text).toContain("8 warnings");
  });

  it("the text format says when there is nothing", () => {
    const options = { width: 80, colors: createColors(false) };
    expect(renderLint(reportOf(), options)).toBe("No findings in 3 pending migrations.\n");
    expect(renderLint({ ...reportOf(), migrations: 0 }, options)).toBe(
      "No pending migrations: nothing to lint.\n",
    );
    const accepted = [{ rule: "ban-drop-table", migration: "1_a", reason: "gone" }];
    expect(renderLint({ ...reportOf(), accepted, migrations: 1 }, options)).toBe(
      "No findings in 1 pending migration. 1 finding answered in the files.\n",
    );
    const quick = [{ rule: "rewrites-table", migration: "1_a", reason: "public.a has no rows" }];
    expect(renderLint({ ...reportOf(), quick }, options)).toBe(
      "No findings in 3 pending migrations. 1 finding left out: quick on this database, whose tables are small.\n",
    );
  });
});
