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
          "// lint: ignore ban-drop-table: nobody reads it since May\nexport const up = (pgm: any) => pgm.dropTable('a');\nexport const down = (pgm: any) => pgm.sql('SELECT 1');",
      },
    ],
    [
      "a block of TypeScript",
      {
        "1_a.ts":
          "/**\n * lint: ignore ban-drop-table: nobody reads it since May\n */\nexport const up = (pgm: any) => pgm.dropTable('a');\nexport const down = (pgm: any) => pgm.sql('SELECT 1');",
      },
    ],
    [
      "the first line of TypeScript without semicolons",
      {
        "1_a.ts":
          "// lint: ignore ban-drop-table: nobody reads it since May\nexport const up = (pgm: any) => pgm.dropTable('a')\nexport const down = (pgm: any) => pgm.sql('SELECT 1')",
      },
    ],
  ])("an ignore comment in %s suppresses a finding", async (_where, files) => {
    const { findings, accepted } = await lintFiles(files);
    expect(findings).toEqual([]);
    expect(accepted).toEqual([
      { rule: "ban-drop-table", migration: "1_a", reason: "nobody reads it since May" },
    ]);
  });

  it("an ignore comment at a statement applies only to that statement", async () => {
    const { findings } = await lintFiles({
      "1_a.sql": [
        "-- Up Migration",
        "-- lint: ignore ban-drop-table: above",
        "DROP TABLE a; DROP TABLE b;",
        "DROP TABLE c; -- lint: ignore ban-drop-table: beside",
        "DROP TABLE",
        "  -- lint: ignore ban-drop-table: inside",
        "  d;",
        "",
        "/* lint: ignore ban-drop-table: a blank line does no harm */",
        "",
        "DROP TABLE e;",
        "DROP TABLE f;",
        "-- Down Migration",
        "SELECT 1;",
      ].join("\n"),
      "2_b.ts": [
        "export const up = (pgm: any) => {",
        "  // lint: ignore ban-drop-table: above",
        "  pgm.sql(",
        "    'DROP TABLE a',",
        "  );",
        "  pgm.sql('DROP TABLE b');",
        "};",
        "export const down = (pgm: any) => pgm.sql('SELECT 1');",
      ].join("\n"),
    });
    expect(findings.map(({ file, line, column }) => `${file}:${line}:${column}`)).toEqual([
      "1_a.sql:3:15",
      "1_a.sql:12:1",
      "2_b.ts:6:12",
    ]);
  });

  it("an ignore comment without a reason does not suppress anything", async () => {
    const { findings } = await lintFiles({
      "1_a.sql":
        "-- Up Migration\n-- lint: ignore ban-drop-table: gone\nDROP TABLE a;\n-- lint: ignore ban-drop-table\nDROP TABLE b;\n-- Down Migration\nSELECT 1;",
    });
    expect(findings.map(({ rule, line }) => `${rule} ${line}`)).toEqual([
      "useless-ignore 4",
      "ban-drop-table 5",
    ]);
  });

  it("an ignore comment at the head of the file applies to the first statement, and only to its rule", async () => {
    const { findings, accepted } = await lintFiles(
      sql("-- lint: ignore ban-drop-table: gone", "DROP TABLE a; DROP TABLE b; ALTER TABLE c RENAME TO d;"),
    );
    expect(findings.map(({ rule, column }) => [rule, column])).toEqual([
      ["ban-drop-table", 15],
      ["renaming-table", 43],
    ]);
    expect(accepted).toHaveLength(1);
  });

  it("an ignore comment above the section or in the other file of a pair applies to the statement below it", async () => {
    const { findings } = await lintFiles({
      "1_a.sql": [
        "-- lint: ignore ban-drop-table: gone",
        "-- Up Migration",
        "DROP TABLE a;",
        "DROP TABLE b;",
        "-- Down Migration",
        "SELECT 1;",
      ].join("\n"),
      "2_b.up.sql": "DROP TABLE a;",
      "2_b.down.sql": "-- lint: ignore ban-drop-table: gone\nSELECT 1;",
    });
    expect(findings.map(({ rule, file, line }) => `${rule} ${file}:${line}`)).toEqual([
      "ban-drop-table 1_a.sql:4",
      "ban-drop-table 2_b.up.sql:1",
      "useless-ignore 2_b.down.sql:1",
    ]);
    expect(findings[2]?.message).toBe(
      "this lint comment does nothing: ban-drop-table finds nothing here; it applies to one statement, which it is above or beside",
    );
  });

  it("an ignore comment at a call of the builder applies to the call that names the table", async () => {
    const { findings, accepted } = await lintFiles({
      "1_a.ts": [
        'import { at } from "node:path";',
        "// lint: ignore ban-drop-table: gone",
        "export const up = (pgm: any) => {",
        "  pgm.dropTable('user_names');",
        "  pgm.dropTable('orders');",
        "  // lint: ignore ban-drop-column: unused",
        "  pgm.dropColumn('items', 'size');",
        "  // lint: ignore renaming-table: a comment in the wrong place",
        "  pgm.dropColumns('notes', ['color', 'shape']);",
        "  pgm.renameTable('x', 'y');",
        "  for (const name of ['lo', 'hi'].map((one) => one + '_t')) {",
        "    // lint: ignore require-concurrent-index-creation: small",
        "    pgm.createIndex(name, 'x');",
        "  }",
        "};",
        "export const down = (pgm: any) => pgm.sql('SELECT 1');",
      ]
        .slice(1)
        .join("\n"),
    });
    expect(findings.map(({ rule, statement, line }) => [rule, line ?? statement])).toEqual([
      ["ban-drop-table", 'DROP TABLE "orders"'],
      ["ban-drop-column", expect.stringContaining('ALTER TABLE "notes"')],
      ["renaming-table", 'ALTER TABLE "x" RENAME TO "y"'],
      ["useless-ignore", 7],
    ]);
    expect(accepted.map(({ rule }) => rule)).toEqual([
      "ban-drop-table",
      "ban-drop-column",
      "require-concurrent-index-creation",
      "require-concurrent-index-creation",
    ]);
  });

  it("a finding about the whole migration is answered anywhere in it", async () => {
    const { findings } = await lintFiles({
      "1_a.sql": "CREATE TABLE a ();\n-- lint: ignore missing-down: the first release has none\nSELECT 1;",
    });
    expect(findings).toEqual([]);
  });

  it.each([
    ["-- lint: ignore ban-drop-table", "it gives no reason, and so it silences nothing"],
    ["-- lint: ignore ban-drop-table:  ", "it gives no reason, and so it silences nothing"],
    ["-- lint: ignore", "it names no rule"],
    ["-- squawk-ignore ban-drop-table", "it is squawk's, which needs no reason"],
    ["-- squawk-ignore-file", "it is squawk's, which needs no reason"],
    [
      "-- lint: ignore require-concurrent-index-deletion: x",
      "require-concurrent-index-deletion is not used: dropping an index is quick",
    ],
    ["-- lint: ignore ban-drop-tabel: gone", "there is no rule ban-drop-tabel"],
    ["-- lint: ignore missing-down: gone", "missing-down finds nothing here"],
    ["-- lint: ignore prefer-text-field: gone", "prefer-text-field is not used: types are yours to choose"],
  ])("lint reports the useless comment %s", async (comment, message) => {
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

  it("a string that looks like an ignore comment has no effect", async () => {
    const { findings } = await lintFiles(
      sql("SELECT '\n-- lint: ignore ban-drop-table: gone\n';", "DROP TABLE a;"),
    );
    expect(findings.map(({ rule }) => rule)).toEqual(["ban-drop-table"]);
  });

  it("an ignore comment that may apply on another database is not useless", async () => {
    const { findings } = await lintFiles(sql("-- lint: ignore older-than-applied: backport", "SELECT 1;"));
    expect(findings).toEqual([]);
  });
});
