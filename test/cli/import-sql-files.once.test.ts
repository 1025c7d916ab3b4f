import { readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "@jest/globals";
import { addFiles, writeFolder } from "../support/folders.ts";
import { jsonOf, runCommand } from "./command.ts";
import { type Run, statesOf, withHistory } from "./import-history.ts";

/** What becomes of one file. */
async function convert(
  tool: string,
  file: string,
  text: string,
): Promise<{ stdout: string; code: number | null; read(name: string): string }> {
  const project = writeFolder({ [`sql/${file}`]: text });
  const flags = ["--from", tool, "--source", "sql", "--files-only"];
  const { code, stdout } = await runCommand(project, ["import", ...flags]);
  return { code, stdout, read: (name) => readFileSync(join(project, "migrations", name), "utf8") };
}

const remarksOf = async (run: Run, ...args: string[]): Promise<unknown> =>
  jsonOf(await run(...args, "--dry-run", "--json"))["remarks"];

describe("import of files of SQL", () => {
  it.each([
    ["BEGIN;\nCREATE TABLE a ();\nCOMMIT;", "CREATE TABLE a ();"],
    ["-- Why.\nbegin transaction;\n\nSELECT 1;\nSELECT 2;\n\nend\n", "-- Why.\nSELECT 1;\nSELECT 2;"],
    [
      "BEGIN ISOLATION LEVEL SERIALIZABLE;\nSELECT 1;\nCOMMIT;",
      "BEGIN ISOLATION LEVEL SERIALIZABLE;\nSELECT 1;\nCOMMIT;",
    ],
    [
      "BEGIN;\nSELECT 1;\nCOMMIT;\nBEGIN;\nSELECT 2;\nCOMMIT;",
      "BEGIN;\nSELECT 1;\nCOMMIT;\nBEGIN;\nSELECT 2;\nCOMMIT;",
    ],
    ["BEGIN;\nSELECT 1;", "BEGIN;\nSELECT 1;"],
  ])("takes BEGIN and COMMIT off a file that they are around: %j", async (sql, expected) => {
    const { read } = await convert("golang-migrate", "1_a.up.sql", sql);
    expect(read("1_a.sql")).toContain(`\n-- Up Migration\n${expected}\n`);
  });

  it("import does not convert COPY with rows in the file", async () => {
    const rows = "CREATE TABLE a (t text);\nCOPY a FROM stdin;\none; two\n\\.\n";
    const { code, stdout } = await convert("flyway", "V1__a.sql", rows);
    expect({ code, stdout }).toMatchObject({
      code: 3,
      stdout: expect.stringContaining("V1__a.sql: its COPY reads rows from the file"),
    });
    const { code: other } = await convert(
      "flyway",
      "V1__a.sql",
      "COPY a FROM '/tmp/rows'; COPY a TO stdout;",
    );
    expect(other).toBe(0);
  });

  it("import does not convert what goose refuses: SQL in front of its first annotation", async () => {
    const { code, stdout } = await convert("goose", "1_a.sql", "SELECT 1;\n-- +goose Up\nSELECT 2;\n");
    expect({ code, stdout }).toMatchObject({
      code: 3,
      stdout: expect.stringContaining("SQL before the line"),
    });
  });

  it("import declares what the tool could not undo", () =>
    withHistory("flyway", "complete", async (run, project) => {
      await run("import", "--from", "flyway");
      expect(readFileSync(join(project, "migrations/0004_2_orders.sql"), "utf8")).toMatch(
        /^-- irreversible: Flyway had no way to undo it\n-- Up Migration\n/,
      );
      expect((await run("down")).stderr).toContain("Flyway had no way to undo it");
    }));

  it("import mentions callbacks of Flyway, which nothing runs here", () =>
    withHistory("flyway", "complete", async (run, project) => {
      addFiles(project, { "src/main/resources/db/migration/afterMigrate__grants.sql": "SELECT 1;" });
      expect(await remarksOf(run, "import", "--from", "flyway")).toEqual([
        "Flyway also ran afterMigrate__grants.sql, which has no counterpart here.",
      ]);
    }));

  it("import asks for --schema where the tool's table is in another schema, which was on its search path", () =>
    withHistory("flyway", "complete", async (run, _project, db) => {
      await db.query("CREATE SCHEMA app; ALTER TABLE flyway_schema_history SET SCHEMA app");
      const flags = ["import", "--from", "flyway"];
      expect(await remarksOf(run, ...flags)).toEqual([expect.stringContaining("give --schema app")]);
      expect(await remarksOf(run, ...flags, "--schema", "app")).toEqual([]);
    }));

  it("import takes the versions below Flyway's baseline as applied", () =>
    withHistory("flyway", "complete", async (run, _project, db) => {
      await db.query(`DELETE FROM flyway_schema_history WHERE installed_rank > 1;
        UPDATE flyway_schema_history SET version = '1.10', description = '<< Flyway Baseline >>', type = 'BASELINE',
          script = '<< Flyway Baseline >>', checksum = NULL`);
      expect((await run("import", "--from", "flyway")).code).toBe(0);
      expect(Object.values(await statesOf(run)).slice(0, 4)).toEqual([
        "applied",
        "applied",
        "applied",
        "pending",
      ]);
    }));

  it("import mentions files of Flyway that were edited after they were applied, but not for another end of lines", () =>
    withHistory("flyway", "complete", async (run, project) => {
      const dir = "src/main/resources/db/migration";
      const text = readFileSync(join(project, dir, "V2__orders.sql"), "utf8");
      addFiles(project, { [`${dir}/V2__orders.sql`]: `\uFEFF${text.replaceAll("\n", "\r\n")}` });
      expect(await remarksOf(run, "import", "--from", "flyway")).toEqual([]);
      addFiles(project, { [`${dir}/V2__orders.sql`]: `${text}-- edited\n` });
      expect(await remarksOf(run, "import", "--from", "flyway")).toEqual([
        "V2__orders.sql has changed since it was applied; it is recorded as it is now.",
      ]);
    }));

  it("import refuses the newest version of golang-migrate without its file, and a dirty one with the way out", () =>
    withHistory("golang-migrate", "complete", async (run, project, db) => {
      rmSync(join(project, "db/migrations/000011_notes.up.sql"));
      rmSync(join(project, "db/migrations/000011_notes.down.sql"));
      expect((await run("import", "--from", "golang-migrate")).stderr).toContain("Error MISSING");
      await db.query("UPDATE schema_migrations SET dirty = true");
      const { stderr } = await run("import", "--from", "golang-migrate");
      expect(stderr).toContain("Error PARTIAL");
      expect(stderr).toContain("force");
    }));
});
