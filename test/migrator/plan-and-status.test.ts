import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "@jest/globals";
import { withDatabase } from "../support/database.ts";
import { addFiles, removeFiles, writeFolder } from "../support/folders.ts";
import { appliedNames, failureOf, openMigrator } from "../support/migrator.ts";
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
  it("up: is exactly what the server is then sent, in that order", () =>
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

  it("down: is exactly what the server is then sent", () =>
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

  it("writes nothing, takes no lock, and does not need tables to be there", () =>
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

  it("shows a dynamic migration as the database stands, and says when it cannot", () =>
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

describe("dynamic migrations", () => {
  it("run in their transaction: a failure takes what they wrote while being built with it", () =>
    withDatabase(async (db) => {
      const dir = writeFolder({
        "1_a.ts":
          "export const up = async (pgm: any) => { await pgm.db.query('CREATE TABLE built ()'); pgm.sql('SELECT 1/0'); };",
      });
      await failureOf((await openMigrator(db, dir)).up());
      expect(await db.query("SELECT 1 FROM pg_class WHERE relname = 'built'")).toEqual([]);
    }));

  it("may catch a failed query and go on, seeing the driver's own error", () =>
    withDatabase(async (db) => {
      const dir = writeFolder({
        "1_a.ts": `export const up = async (pgm: any) => {
          let code = 'none';
          try { await pgm.db.query('SELECT * FROM nowhere'); } catch (error) { code = (error as { code: string }).code; }
          pgm.createTable('caught_' + code.toLowerCase(), {});
        };`,
      });
      await (await openMigrator(db, dir)).up();
      expect(await db.query("SELECT 1 FROM pg_class WHERE relname = 'caught_42p01'")).toHaveLength(1);
    }));

  it("fail with the statement of their query", () =>
    withDatabase(async (db) => {
      const dir = writeFolder({
        "1_a.ts":
          "export const up = async (pgm: any) => { await pgm.db.select('SELECT broken FROM nowhere'); };",
      });
      const error = await failureOf((await openMigrator(db, dir)).up());
      expect(error).toMatchObject({
        code: "SQL",
        details: { migration: "1_a", sqlstate: "42P01", statement: "SELECT broken FROM nowhere" },
      });
    }));

  it("may ask for no transaction before they query", () =>
    withDatabase(async (db) => {
      const dir = writeFolder({
        "1_a.sql": "CREATE TABLE t (a int);",
        "2_b.ts":
          "export const up = async (pgm: any) => { pgm.noTransaction(); await pgm.db.query('CREATE INDEX CONCURRENTLY t_a ON t (a)'); pgm.sql('SELECT 1'); };",
      });
      await (await openMigrator(db, dir)).up();
      expect(await db.query("SELECT 1 FROM pg_class WHERE relname = 't_a'")).toHaveLength(1);
      const rows = await db.query(
        "SELECT no_transaction, state, sql_digest, statement FROM pgmigrations_history WHERE migration = '2_b'",
      );
      expect(rows).toEqual([{ no_transaction: true, state: "finished", sql_digest: null, statement: 1 }]);
    }));
});

describe("status", () => {
  it("tells of the others where a pending file cannot be read", () =>
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

  it("tells every state", () =>
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

  it("of an older version of the code: ahead, and up does nothing and succeeds", () =>
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

  it("a helper that changes the SQL of an applied migration is a change; one that does not is none", () =>
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

  it("out of order: strict refuses, warn and allow apply it where it is", () =>
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
