import { describe, expect, it } from "@jest/globals";
import { withDatabase } from "../support/database.ts";
import { addFiles, removeFiles, writeFolder } from "../support/folders.ts";
import { failureOf, openMigrator } from "../support/migrator.ts";
import { apart } from "../support/statement-log.ts";

const MIXED = {
  "1_a.sql":
    "CREATE TABLE a (id int);\nCREATE TABLE a2 (id int);\n-- Down Migration\nDROP TABLE a; DROP TABLE a2;",
  "2_b.ts":
    "export const up = (pgm: any) => { pgm.createTable('b', { id: 'id', name: { type: 'text', comment: 'it''s' } }); };".replace(
      "''",
      "\\'",
    ),
  "3_c.js":
    "exports.up = (pgm) => { pgm.noTransaction(); pgm.createIndex('b', 'name', { concurrently: true }); };",
  "4_d.mjs":
    "export const up = async (pgm) => { pgm.addColumns('b', { x: { type: 'int', default: 3 } }); pgm.renameColumn('b', 'x', 'y'); };",
  "5_e.up.sql": "INSERT INTO a VALUES (1)",
  "5_e.down.sql": "DELETE FROM a",
};

describe("plan", () => {
  it("the plan of up lists exactly what the run then sends, in that order", () =>
    withDatabase(async (db) => {
      const dir = writeFolder(MIXED);
      const { steps } = await (await openMigrator(db, dir)).planUp();
      expect(steps.map(({ migration, transactional }) => [migration, transactional])).toEqual([
        ["1_a", true],
        ["2_b", true],
        ["3_c", false],
        ["4_d", true],
        ["5_e", true],
      ]);
      await db.enableStatementLog();
      await (await openMigrator(db, dir)).up();
      const logged = apart(await db.logged()).map((text) => text.trim().replace(/[\s;]+$/, ""));
      const planned = steps.flatMap((step) =>
        (step.sql ?? []).map((text) => text.trim().replace(/[\s;]+$/, "")),
      );
      expect(planned).toHaveLength(6);
      expect(logged.filter((text) => planned.includes(text))).toEqual(planned);
    }));

  it("the plan of down lists exactly what the run then sends", () =>
    withDatabase(async (db) => {
      const dir = writeFolder(MIXED);
      await (await openMigrator(db, dir)).up();
      const { steps } = await (await openMigrator(db, dir)).planDown({ count: 4 });
      await db.enableStatementLog();
      await (await openMigrator(db, dir)).down({ count: 4 });
      const logged = apart(await db.logged()).map((text) => text.trim().replace(/[\s;]+$/, ""));
      const planned = steps.flatMap((step) =>
        (step.sql ?? []).map((text) => text.trim().replace(/[\s;]+$/, "")),
      );
      expect(steps.map((step) => step.migration)).toEqual(["5_e", "4_d", "3_c", "2_b"]);
      expect(logged.filter((text) => planned.includes(text))).toEqual(planned);
    }));

  it("a plan writes nothing, takes no lock, and does not need the tables", () =>
    withDatabase(async (db) => {
      const dir = writeFolder(MIXED);
      const holder = await db.client();
      await holder.query("SELECT pg_advisory_lock(7241865325823964)");
      await db.enableStatementLog();
      await (await openMigrator(db, dir)).planUp();
      await (await openMigrator(db, dir)).status();
      const logged = await db.logged();
      expect(
        logged.filter((text) => /^(CREATE|INSERT|ALTER|DROP|UPDATE)|pg_try_advisory/i.test(text.trim())),
      ).toEqual([]);
      expect(await db.query("SELECT 1 FROM pg_class WHERE relname LIKE 'pgmigrations%'")).toEqual([]);
    }));

  it("a plan shows a dynamic migration as the database stands, and says when it cannot", () =>
    withDatabase(async (db) => {
      await db.query("CREATE TABLE names AS SELECT 'x' AS name");
      const dir = writeFolder({
        "1_now.ts":
          "export const up = async (pgm: any) => { for (const { name } of await pgm.db.select('SELECT name FROM names')) pgm.createTable(name, { id: 'id' }); };\nexport const down = false;",
        "2_later.ts":
          "export const up = async (pgm: any) => { await pgm.db.query('SELECT id FROM x'); pgm.sql('SELECT 2'); };",
        "3_writes.ts":
          "export const up = async (pgm: any) => { await pgm.db.query('CREATE TABLE sneaky ()'); pgm.sql('SELECT 3'); };",
      });
      const { steps } = await (await openMigrator(db, dir)).planUp();
      expect(steps.map(({ migration, dynamic, sql }) => [migration, dynamic, sql === null])).toEqual([
        ["1_now", true, false],
        ["2_later", true, true],
        ["3_writes", true, true],
      ]);
      expect(steps[0]?.sql?.[0]).toContain('CREATE TABLE "x"');
      expect(await db.query("SELECT 1 FROM pg_class WHERE relname IN ('sneaky', 'x')")).toEqual([]);
    }));
});

describe("a plan of a run that is refused", () => {
  const BROKEN = "throw new Error('of no use'); export const up = () => {};";

  it.each([
    ["CHANGED", { "2_b.sql": "SELECT 22;", "3_c.ts": BROKEN }],
    ["ORDER", { "1_a.ts": BROKEN }],
  ])("a plan with the refusal %s also says that a pending file cannot be loaded", (code, files) =>
    withDatabase(async (db) => {
      const dir = writeFolder({ "2_b.sql": "SELECT 2;" });
      await (await openMigrator(db, dir)).up();
      addFiles(dir, files);
      expect(await failureOf((await openMigrator(db, dir)).up())).toMatchObject({ code });
      expect(await (await openMigrator(db, dir)).planUp()).toMatchObject({
        steps: [],
        refusals: [{ code }],
        warnings: [{ code: "MIGRATION", message: expect.stringContaining("of no use") }],
      });
    }),
  );

  it("a plan that is refused for a partly applied migration names it although its file cannot be loaded", () =>
    withDatabase(async (db) => {
      const dir = writeFolder({
        "1_a.sql": "SELECT 1;",
        "2_b.sql": "-- migrate: no-transaction\nSELECT 1; SELECT 1/0;",
      });
      await failureOf((await openMigrator(db, dir)).up());
      removeFiles(dir, "1_a.sql");
      addFiles(dir, { "1_a.ts": BROKEN });
      for (const command of ["down", "redo"] as const)
        expect(await failureOf((await openMigrator(db, dir))[command]())).toMatchObject({ code: "PARTIAL" });
    }));
});
