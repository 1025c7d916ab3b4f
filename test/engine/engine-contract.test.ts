import { describe, expect, it } from "@jest/globals";
import { PG_MIGRATE_LOCK_ID, runner } from "node-pg-migrate";
import type pg from "pg";
import { MIGRATION_LOCK_ID } from "../../lib/core/index.ts";
import { type TestDatabase, withDatabase } from "../support/database.ts";
import { addFiles, writeFolder } from "../support/folders.ts";
import { appliedNames, failureOf, openMigrator } from "../support/migrator.ts";
import { apart } from "../support/statement-log.ts";

/** Plain node-pg-migrate over a folder, in a session of its own. */
async function runPlain(
  db: TestDatabase,
  dir: string,
  direction: "up" | "down",
  more: Partial<Parameters<typeof runner>[0]> = {},
): Promise<void> {
  const client: pg.Client = await db.client();
  const quiet = { info: () => {}, warn: () => {}, error: () => {} };
  await runner({
    dbClient: client,
    dir,
    direction,
    migrationsTable: "pgmigrations",
    logger: quiet,
    ignorePattern: "(\\..*)",
    ...more,
  });
}

/** The SQL that a migration itself is, without what the runner and the engine wrap around it. */
function ownSql(logged: readonly string[]): string[] {
  const wrapping =
    /^(BEGIN|COMMIT|ROLLBACK|SAVEPOINT|RELEASE)\b|pgmigrations|^SET CONSTRAINTS|pg_advisory|pg_try_advisory|set_config|^SET (TimeZone|search_path|default_transaction)|^RESET |information_schema|to_regclass|pg_class|clock_timestamp|pg_event_trigger/;
  return logged.map((text) => text.trim()).filter((text) => !wrapping.test(text));
}

/** Migrations that use one feature of the library each. */
const FEATURES: Record<string, string> = {
  "01_shorthands.js": `
    export const shorthands = { id: { type: 'uuid', primaryKey: true, default: { toString: () => 'gen_random_uuid()' } }, money: 'numeric(12,2)' };
    export const up = (pgm) => { pgm.createTable('accounts', { id: { type: 'serial', primaryKey: true }, balance: 'money' }); };
    export const down = (pgm) => { pgm.dropTable('accounts'); };`,
  "02_inferred.ts": `
    import type { MigrationBuilder } from "node-pg-migrate";
    export async function up(pgm: MigrationBuilder): Promise<void> {
      pgm.addColumns("accounts", { owner: { type: "text", notNull: true, default: "" }, extra: "money" });
      pgm.createIndex("accounts", ["owner"]);
      pgm.addConstraint("accounts", "owner_is_short", { check: "length(owner) < 100" });
    }`,
  "03_callback.cjs": `
    exports.up = (pgm, run) => { setTimeout(() => { pgm.createType('mood', ['sad', 'ok']); run(); }, 5); };
    exports.down = (pgm, run) => { pgm.dropType('mood'); run(); };`,
  "04_promise.mjs": `
    export const up = (pgm) => new Promise((resolve) => setImmediate(() => { pgm.createView('owners', {}, 'SELECT owner FROM accounts'); resolve(); }));
    export const down = async (pgm) => { await null; pgm.dropView('owners'); };`,
  "05_sections.sql": `
-- Up Migration
CREATE FUNCTION add(int, int) RETURNS int LANGUAGE sql AS $$ SELECT $1 + $2; $$;
INSERT INTO accounts (balance, owner) VALUES (1.5, 'a;b');
-- Down Migration
DELETE FROM accounts;
DROP FUNCTION add;`,
  "06_no_transaction.ts": `
    import type { MigrationBuilder } from "node-pg-migrate";
    export function up(pgm: MigrationBuilder) { pgm.noTransaction(); pgm.addTypeValue("mood", "happy"); }
    export function down(pgm: MigrationBuilder) { pgm.noTransaction(); pgm.sql("SELECT 1"); }`,
  "07_reads.js": `
    export const up = async (pgm) => {
      const rows = await pgm.db.select('SELECT owner FROM accounts ORDER BY id');
      for (const { owner } of rows) pgm.sql("COMMENT ON TABLE accounts IS '{owner}'".replace('{owner}', owner));
      const { rowCount } = await pgm.db.query({ text: 'SELECT $1::int', values: [3] });
      pgm.sql('SELECT {n}', { n: rowCount });
    };
    export const down = false;`,
};

const NAMES = Object.keys(FEATURES).map((file) => file.replace(/\.\w+$/, ""));

describe("node-pg-migrate, as the engine relies on it", () => {
  it("node-pg-migrate has the lock id that the engine repeats", () => {
    expect(MIGRATION_LOCK_ID).toBe(PG_MIGRATE_LOCK_ID);
  });

  it("every feature gives the same SQL under node-pg-migrate's runner and under the engine", async () => {
    const dir = writeFolder(FEATURES);
    const logOf = async (run: (db: TestDatabase) => Promise<unknown>): Promise<string[]> => {
      let logged: string[] = [];
      await withDatabase(async (db) => {
        await db.enableStatementLog();
        await run(db);
        logged = apart(await db.logged());
      });
      return ownSql(logged);
    };
    const plain = await logOf((db) => runPlain(db, dir, "up"));
    const ours = await logOf(async (db) => (await openMigrator(db, dir, { preflight: "off" })).up());
    // Outside a transaction the engine sends statement by statement, without the semicolon between them.
    // The marker of a section is a comment of the file, and is not sent.
    const normal = (statements: string[]) =>
      statements.map((text) => text.replace(/[\s;]+$/, "").replace(/^-- Up Migration\s+/, ""));
    expect(normal(ours)).toEqual(normal(plain));
    expect(ours.length).toBeGreaterThan(NAMES.length);
  });

  it("the engine and node-pg-migrate undo what the other has applied: shorthands, inferred down, callbacks and promises", () =>
    withDatabase(async (db) => {
      const dir = writeFolder(FEATURES);
      await runPlain(db, dir, "up");
      const six = { ...FEATURES };
      delete six["07_reads.js"];
      await db.query("DELETE FROM pgmigrations WHERE name = '07_reads'");
      const clean = writeFolder(six);
      await (await openMigrator(db, clean)).down({ count: 6 });
      await db.query("DROP TYPE IF EXISTS mood");
      await (await openMigrator(db, clean)).up();
      await runPlain(db, clean, "down", { count: 6 });
      expect(await appliedNames(db)).toEqual([]);
    }));

  it("node-pg-migrate and the engine make the same tables", async () => {
    const shape = (db: TestDatabase) =>
      db.query(
        `SELECT column_name, data_type, character_maximum_length, is_nullable, column_default
         FROM information_schema.columns WHERE table_name = 'pgmigrations' ORDER BY ordinal_position`,
      );
    const dir = writeFolder({ "1_a.sql": "SELECT 1;" });
    let plain: unknown;
    await withDatabase(async (db) => {
      await runPlain(db, dir, "up");
      plain = await shape(db);
    });
    await withDatabase(async (db) => {
      await (await openMigrator(db, dir)).up();
      expect(await shape(db)).toEqual(plain);
    });
  });
});

describe("a database that plain node-pg-migrate has migrated", () => {
  it("the engine takes over the database as it is, and plain node-pg-migrate goes on afterwards", () =>
    withDatabase(async (db) => {
      const dir = writeFolder({
        "1_a.sql": "-- Up Migration\nCREATE TABLE a ();\n-- Down Migration\nDROP TABLE a;",
      });
      await runPlain(db, dir, "up");
      addFiles(dir, { "2_b.sql": "-- Up Migration\nCREATE TABLE b ();\n-- Down Migration\nDROP TABLE b;" });
      const migrator = await openMigrator(db, dir);
      expect((await migrator.status()).migrations.map(({ name, state }) => `${name} ${state}`)).toEqual([
        "1_a applied",
        "2_b pending",
      ]);
      await migrator.up();
      addFiles(dir, { "3_c.sql": "-- Up Migration\nCREATE TABLE c ();\n-- Down Migration\nDROP TABLE c;" });
      await runPlain(db, dir, "up");
      expect(await appliedNames(db)).toEqual(["1_a", "2_b", "3_c"]);
      await runPlain(db, dir, "down");
      await (await openMigrator(db, dir)).down({ count: 2 });
      expect(await appliedNames(db)).toEqual([]);
    }));

  it("the first run records digests, which show later changes, and no batch", () =>
    withDatabase(async (db) => {
      const dir = writeFolder({
        "1_a.sql": "-- Up Migration\nCREATE TABLE a ();\n-- Down Migration\nDROP TABLE a;",
      });
      await runPlain(db, dir, "up");
      expect(await (await openMigrator(db, dir)).up()).toMatchObject({ completed: [] });
      const rows = await db.query(
        "SELECT action, note, down_sql IS NOT NULL AS down FROM pgmigrations_history",
      );
      expect(rows).toEqual([{ action: "baseline", note: "taken over from node-pg-migrate", down: true }]);
      addFiles(dir, {
        "1_a.sql": "-- Up Migration\nCREATE TABLE a (x int);\n-- Down Migration\nDROP TABLE a;",
      });
      expect((await (await openMigrator(db, dir)).status()).counts).toMatchObject({ changed: 1 });
      const error = await failureOf((await openMigrator(db, dir)).down({ batch: true }));
      expect(error.message).toContain("not recorded which run");
    }));

  it("in a zone ahead of UTC, later rows sort later for both tools, and down undoes the last one", () =>
    withDatabase(async (db) => {
      const dir = writeFolder({
        "1_a.sql": "-- Up Migration\nCREATE TABLE a ();\n-- Down Migration\nDROP TABLE a;",
      });
      const tokyo = await db.client();
      await tokyo.query("SET TimeZone = 'Asia/Tokyo'");
      const quiet = { info: () => {}, warn: () => {}, error: () => {} };
      await runner({
        dbClient: tokyo,
        dir,
        direction: "up",
        migrationsTable: "pgmigrations",
        logger: quiet,
        ignorePattern: "(\\..*)",
      });
      addFiles(dir, { "2_b.sql": "-- Up Migration\nCREATE TABLE b ();\n-- Down Migration\nDROP TABLE b;" });
      await (await openMigrator(db, dir)).up();
      const byTime = await db.query("SELECT name FROM pgmigrations ORDER BY run_on DESC, id DESC");
      expect(byTime.map((row) => row["name"])).toEqual(["2_b", "1_a"]);
      const { completed } = await (await openMigrator(db, dir)).down();
      expect(completed.map((one) => one.migration)).toEqual(["2_b"]);
    }));

  it("a name that is in the table twice counts once, and down removes both rows", () =>
    withDatabase(async (db) => {
      const dir = writeFolder({
        "1_a.sql": "-- Up Migration\nCREATE TABLE a ();\n-- Down Migration\nDROP TABLE a;",
      });
      await runPlain(db, dir, "up");
      await db.query("INSERT INTO pgmigrations (name, run_on) VALUES ('1_a', now())");
      const migrator = await openMigrator(db, dir);
      expect((await migrator.status()).counts).toMatchObject({ applied: 1, pending: 0 });
      await migrator.down();
      expect(await appliedNames(db)).toEqual([]);
    }));

  it("the engine takes over a table from before it had a primary key", () =>
    withDatabase(async (db) => {
      await db.query(
        "CREATE TABLE pgmigrations (id serial, name varchar(255) NOT NULL, run_on timestamp NOT NULL)",
      );
      await db.query("INSERT INTO pgmigrations (name, run_on) VALUES ('1_a', now())");
      const dir = writeFolder({ "1_a.sql": "SELECT 1;", "2_b.sql": "CREATE TABLE b ();" });
      await (await openMigrator(db, dir)).up();
      expect(await appliedNames(db)).toEqual(["1_a", "2_b"]);
    }));
});
