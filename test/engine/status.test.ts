import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "@jest/globals";
import { openFolder } from "../../lib/folder/index.ts";
import { withDatabase } from "../support/database.ts";
import { addFiles, removeFiles, writeFolder } from "../support/folders.ts";
import { appliedNames, failureOf, openMigrator } from "../support/migrator.ts";

describe("status", () => {
  it("status shows the other migrations where a pending file cannot be read", () =>
    withDatabase(async (db) => {
      const dir = writeFolder({ "1_a.sql": "SELECT 1;" });
      await (await openMigrator(db, dir)).up();
      mkdirSync(join(dir, "lib"));
      addFiles(dir, { "2_b.ts": "import './lib/b.ts'; export const up = () => {};" });
      mkdirSync(join(dir, "lib", "b.ts"));
      const { migrations } = await (await openMigrator(db, dir)).status();
      expect(migrations.map(({ name, state }) => [name, state])).toEqual([
        ["1_a", "applied"],
        ["2_b", "pending"],
      ]);
    }));

  it("status shows every state", () =>
    withDatabase(async (db) => {
      const dir = writeFolder({
        "1_a.sql": "SELECT 1;",
        "2_b.sql": "SELECT 2;",
        "3_c.sql": "SELECT 3;",
        "9_z.sql": "SELECT 9;",
      });
      await (await openMigrator(db, dir)).up();
      removeFiles(dir, "2_b.sql", "9_z.sql");
      addFiles(dir, {
        "3_c.sql": "SELECT 33;",
        "1_a.sql": "/* reworded */\r\nSELECT\r\n  1 ;",
        "4_d.sql": "SELECT 4;",
      });
      const report = await (await openMigrator(db, dir)).status();
      expect(report.migrations.map(({ name, state }) => `${name} ${state}`)).toEqual([
        "1_a applied",
        "2_b missing",
        "3_c changed",
        "4_d pending",
        "9_z ahead",
      ]);
      expect(report.head).toBe("9_z");
      expect(report.refusals.map(({ code }) => code)).toEqual(["CHANGED", "MISSING", "ORDER"]);
      expect(report.warnings.map(({ code }) => code)).toEqual(["MISSING"]);
      expect(report.migrations[0]?.appliedAt).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
    }));

  it("with an older version of the code, status says ahead, and up does nothing and succeeds", () =>
    withDatabase(async (db) => {
      const dir = writeFolder({ "1_a.sql": "SELECT 1;", "2_b.sql": "SELECT 2;" });
      await (await openMigrator(db, dir)).up();
      removeFiles(dir, "2_b.sql");
      const report = await (await openMigrator(db, dir)).up();
      expect(report).toMatchObject({ completed: [], head: "2_b" });
      expect(report.warnings.map(({ code, migrations }) => [code, migrations])).toEqual([
        ["MISSING", ["2_b"]],
      ]);
    }));

  it("a changed file stops up before anything runs", () =>
    withDatabase(async (db) => {
      const dir = writeFolder({ "1_a.sql": "SELECT 1;" });
      await (await openMigrator(db, dir)).up();
      addFiles(dir, { "1_a.sql": "SELECT 2;", "2_b.sql": "CREATE TABLE b ();" });
      expect(await failureOf((await openMigrator(db, dir)).up())).toMatchObject({
        code: "CHANGED",
        details: {
          migration: "1_a",
          changes: [{ migration: "1_a", before: ["SELECT 1;"], after: ["SELECT 2;"] }],
        },
      });
      expect(await appliedNames(db)).toEqual(["1_a"]);
    }));

  it("a file that is edited right after it was loaded counts as changed", () =>
    withDatabase(async (db) => {
      const dir = writeFolder({ "1_a.sql": "SELECT 1;" });
      const folder = await openFolder(dir, { cacheDir: join(dir, "cache") });
      const source: typeof folder = {
        ...folder,
        load: async (names) => {
          const loaded = await folder.load(names);
          addFiles(dir, { "1_a.sql": "SELECT 11;" });
          return loaded;
        },
      };
      await (await openMigrator(db, dir, {}, { source })).up();
      const { migrations } = await (await openMigrator(db, dir)).status();
      expect(migrations).toMatchObject([{ name: "1_a", state: "changed" }]);
    }));

  it("an applied migration is changed by a helper only if its SQL changes", () =>
    withDatabase(async (db) => {
      const files = {
        "1_a.ts":
          "import { table } from './lib/names.ts';\nexport const up = (pgm: any) => { pgm.createTable(table, {}); };",
      };
      const dir = writeFolder({ ...files, "lib/names.ts": "export const table = 'a';" });
      await (await openMigrator(db, dir)).up();
      addFiles(dir, {
        "lib/names.ts": "// now with a comment\nexport const table = 'a';\nexport const other = 1;",
      });
      expect((await (await openMigrator(db, dir)).status()).counts).toMatchObject({ applied: 1, changed: 0 });
      addFiles(dir, { "lib/names.ts": "export const table = 'b';" });
      expect((await (await openMigrator(db, dir)).status()).counts).toMatchObject({ applied: 0, changed: 1 });
    }));

  it("an edited shorthand changes exactly the applied migrations whose SQL it changes", () =>
    withDatabase(async (db) => {
      const shorthands = (type: string) =>
        `export const shorthands = { money: { type: "${type}" } };\nexport const up = (pgm: any) => { pgm.createTable("a", {}); };`;
      const dir = writeFolder({
        "1_s.ts": shorthands("numeric(12,2)"),
        "2_u.ts": 'export const up = (pgm: any) => { pgm.addColumns("a", { price: "money" }); };',
        "3_v.ts": 'export const up = (pgm: any) => { pgm.addColumns("a", { n: "int" }); };',
      });
      await (await openMigrator(db, dir)).up();
      addFiles(dir, { "1_s.ts": shorthands("bigint") });
      const { migrations } = await (await openMigrator(db, dir)).status();
      expect(migrations.map(({ name, state }) => `${name} ${state}`)).toEqual([
        "1_s applied",
        "2_u changed",
        "3_v applied",
      ]);
      await (await openMigrator(db, dir)).repair();
      expect((await (await openMigrator(db, dir)).status()).counts).toMatchObject({ applied: 3, changed: 0 });
    }));

  it.each([
    ["beside it", 'new URL("./data/rows.csv", import.meta.url)'],
    ["in a folder beside it", 'join(__dirname, "data", "rows.csv")'],
    ["by a template", `\`\${__dirname}/data/rows.csv\``],
  ])("a data file that a migration reads %s is part of the migration", (_where, path) =>
    withDatabase(async (db) => {
      const dir = writeFolder({
        "1_a.ts": `import { readFileSync } from "node:fs";\nimport { join } from "node:path";
const rows = readFileSync(${path}, "utf8").trim();\nvoid join;
export const up = (pgm: any) => { pgm.sql("SELECT '" + rows + "'"); };`,
        "2_b.ts": 'export const up = (pgm: any) => { pgm.sql("SELECT 2"); };',
        "data/rows.csv": "one",
      });
      await (await openMigrator(db, dir)).up();
      addFiles(dir, { "data/rows.csv": "another" });
      const { migrations } = await (await openMigrator(db, dir)).status();
      expect(migrations.map(({ name, state }) => `${name} ${state}`)).toEqual(["1_a changed", "2_b applied"]);
    }),
  );

  it("a migration out of order is refused with strict, and applied in its place with warn and allow", () =>
    withDatabase(async (db) => {
      const dir = writeFolder({ "2_b.sql": "SELECT 2;" });
      await (await openMigrator(db, dir)).up();
      addFiles(dir, { "1_a.sql": "SELECT 1;\n-- Down Migration\nSELECT -1;" });
      expect(await failureOf((await openMigrator(db, dir)).up())).toMatchObject({
        code: "ORDER",
        details: { migration: "1_a" },
      });
      const { warnings } = await (await openMigrator(db, dir, { order: "warn" })).up();
      expect(warnings.map(({ code }) => code)).toEqual(["ORDER"]);
      expect(await appliedNames(db)).toEqual(["2_b", "1_a"]);
      const { completed } = await (await openMigrator(db, dir)).down();
      expect(completed.map(({ migration }) => migration)).toEqual(["1_a"]);
    }));
});
