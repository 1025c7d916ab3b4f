import { describe, expect, it } from "@jest/globals";
import { places, up } from "./lint-cases.ts";
import { lintFiles, lintFolder } from "./lint-folder.ts";

const module = (code: string): Record<string, string> => ({
  "1_a.ts": `export const up = (pgm: any) => { ${code} };\nexport const down = (pgm: any) => pgm.sql('SELECT 1');\n`,
});

describe("lint", () => {
  it("lint reports nothing in this project's migrations", async () => {
    expect(await lintFolder("migrations")).toEqual({ findings: [], accepted: [], migrations: 1, ok: true });
  });

  it("a report with errors is not ok, one with only warnings is", async () => {
    expect((await lintFiles(up("DROP TABLE a;"))).ok).toBe(true);
    expect((await lintFiles(up("CREATE INDEX i ON a (x);"))).ok).toBe(false);
  });

  it("a finding in a builder migration shows the file, the statement and advice for the builder", async () => {
    const { findings } = await lintFiles(
      module("pgm.addColumn('b', { x: 'int' }); pgm.createIndex('b', 'x'); pgm.dropTable('a');"),
    );
    expect(findings).toMatchObject([
      {
        rule: "require-concurrent-index-creation",
        migration: "1_a",
        file: "1_a.ts",
        statement: 'CREATE INDEX "b_x_index" ON "b" ("x")',
        help: expect.stringContaining("pgm.createIndex(table, columns, { concurrently: true })"),
      },
      { rule: "ban-drop-table", statement: 'DROP TABLE "a"' },
    ]);
    expect(findings[0]).not.toHaveProperty("line");
  });

  it("lint shows no passwords, not even in the message of a syntax error", async () => {
    const report = await lintFiles(up("ALTER ROLE r RENAME PASSWORD 'hunter2';"));
    expect(places(report)).toEqual(["error syntax-error 1_a.sql:1:21"]);
    expect(JSON.stringify(report)).not.toContain("hunter2");
  });

  it("lint checks 200 migrations with one process of squawk in a few seconds", async () => {
    const files = Object.fromEntries(
      Array.from({ length: 200 }, (_, index) => [
        `${1000 + index}_m.ts`,
        `export const up = (pgm: any) => { pgm.createTable('t${index}', { id: 'id', x: 'text' }); pgm.createIndex('a', 'x${index}'); };`,
      ]),
    );
    const before = process.cpuUsage();
    const { findings, migrations } = await lintFiles(files);
    const { user } = process.cpuUsage(before);
    expect(migrations).toBe(200);
    expect(findings.map(({ migration }) => migration)).toEqual(
      Array.from({ length: 200 }, (_, index) => `${1000 + index}_m`),
    );
    expect(user / 1_000).toBeLessThan(15_000);
  });

  it("the time of lint grows linearly with the number of statements", async () => {
    const before = process.cpuUsage();
    const rows = "INSERT INTO seed VALUES (1, 'é');\n".repeat(5000);
    const { findings } = await lintFiles(up(`${rows}${"ALTER TABLE a DROP COLUMN x;\n".repeat(2000)}`));
    expect(findings).toHaveLength(2000);
    expect(process.cpuUsage(before).user / 1_000).toBeLessThan(15_000);
  });
});
