import { describe, expect, it } from "@jest/globals";
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
