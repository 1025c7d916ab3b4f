import { describe, expect, it } from "@jest/globals";
import { type TestDatabase, withDatabase } from "../support/database.ts";
import { addFiles, removeFiles, writeFolder } from "../support/folders.ts";
import { appliedNames, failureOf, openMigrator, userTables } from "../support/migrator.ts";

const file = (table: string): string =>
  `-- Up Migration\nCREATE TABLE ${table} ();\n-- Down Migration\nDROP TABLE ${table};`;
const THREE = { "1_a.sql": file("a"), "2_b.sql": file("b"), "3_c.sql": file("c") };

describe("undoing without the file", () => {
  it("down uses the SQL stored when the migration was applied, from an older checkout", () =>
    withDatabase(async (db) => {
      const dir = writeFolder(THREE);
      await (await openMigrator(db, dir)).up();
      removeFiles(dir, "2_b.sql", "3_c.sql");
      const migrator = await openMigrator(db, dir);
      const { steps } = await migrator.planDown({ count: 3 });
      expect(steps.map(({ migration, source }) => `${migration} ${source}`)).toEqual([
        "3_c history",
        "2_b history",
        "1_a file",
      ]);
      await migrator.down({ count: 3 });
      expect(await userTables(db)).toEqual([]);
      expect(await appliedNames(db)).toEqual([]);
    }));

  it("down undoes the batch of the last run", () =>
    withDatabase(async (db) => {
      const dir = writeFolder(THREE);
      await (await openMigrator(db, dir)).up({ count: 1 });
      await (await openMigrator(db, dir)).up();
      removeFiles(dir, "2_b.sql", "3_c.sql");
      const { completed } = await (await openMigrator(db, dir)).down({ batch: true });
      expect(completed.map(({ migration }) => migration)).toEqual(["3_c", "2_b"]);
    }));

  it("down runs stored SQL outside a transaction if it was outside before", () =>
    withDatabase(async (db) => {
      const dir = writeFolder({
        "1_a.sql": file("a"),
        "2_i.ts":
          "export const up = (pgm: any) => { pgm.sql('CREATE INDEX a_i ON a ((1))'); };\nexport const down = (pgm: any) => { pgm.noTransaction(); pgm.sql('DROP INDEX CONCURRENTLY a_i'); pgm.sql('SELECT 1'); };",
      });
      await (await openMigrator(db, dir)).up();
      removeFiles(dir, "2_i.ts");
      await (await openMigrator(db, dir)).down();
      const rows = await db.query(
        "SELECT no_transaction, statement FROM pgmigrations_history WHERE action = 'down'",
      );
      expect(rows).toEqual([{ no_transaction: true, statement: 2 }]);
    }));

  it("down without the file refuses a dynamic down before anything runs", () =>
    withDatabase(async (db) => {
      const dir = writeFolder({
        "1_a.sql": file("a"),
        "2_b.ts":
          "export const up = (pgm: any) => { pgm.sql('SELECT 1'); };\nexport const down = async (pgm: any) => { await pgm.db.query('SELECT 1'); };",
        "3_c.sql": file("c"),
      });
      await (await openMigrator(db, dir)).up();
      removeFiles(dir, "2_b.ts");
      const error = await failureOf((await openMigrator(db, dir)).down({ count: 3 }));
      expect(error).toMatchObject({ code: "MISSING", details: { migration: "2_b" } });
      expect(await userTables(db)).toEqual(["a", "c"]);
    }));

  it("down of a renamed file is refused and names the new name", () =>
    withDatabase(async (db) => {
      const dir = writeFolder({ "1_a.sql": file("a") });
      await (await openMigrator(db, dir)).up();
      removeFiles(dir, "1_a.sql");
      addFiles(dir, { "1_renamed.sql": file("a") });
      const error = await failureOf((await openMigrator(db, dir)).down());
      expect(error.code).toBe("MISSING");
      expect(error.message).toContain("renamed to 1_renamed");
      expect(await userTables(db)).toEqual(["a"]);
    }));

  it("down needs --from when the file disagrees with the history", () =>
    withDatabase(async (db) => {
      const dir = writeFolder({ "1_a.sql": file("a") });
      await (await openMigrator(db, dir)).up();
      addFiles(dir, {
        "1_a.sql": "-- Up Migration\nCREATE TABLE a ();\n-- Down Migration\nALTER TABLE a RENAME TO kept;",
      });
      const error = await failureOf((await openMigrator(db, dir)).down());
      expect(error).toMatchObject({ code: "CHANGED", details: { migration: "1_a" } });
      expect(String(error.details.hint)).toContain("--from history");
      await (await openMigrator(db, dir)).down({ from: "file" });
      expect(await userTables(db)).toEqual(["kept"]);
    }));
});

describe("an attacker who wants stored SQL executed", () => {
  const EVIL = `'["ALTER ROLE CURRENT_USER SUPERUSER"]'`;

  /** Applies a migration, lets `attack` prepare the ground, takes the file away, and undoes. */
  async function afterAttack(db: TestDatabase, attack: (role: string) => Promise<unknown>) {
    const role = `attacker_${db.name}`;
    await db.query(`CREATE ROLE ${role} LOGIN`);
    try {
      const dir = writeFolder({ "1_a.sql": file("a") });
      await (await openMigrator(db, dir)).up();
      removeFiles(dir, "1_a.sql");
      await attack(role);
      const error = await failureOf((await openMigrator(db, dir)).down());
      expect(await userTables(db)).toContain("a");
      return error;
    } finally {
      await db.query("RESET ROLE");
      await db.query(`DROP OWNED BY ${role}; DROP ROLE ${role}`);
    }
  }

  it("an attacker cannot write the table as the engine made it", () =>
    withDatabase(async (db) => {
      const role = `attacker_${db.name}`;
      await db.query(`CREATE ROLE ${role} LOGIN`);
      try {
        await (await openMigrator(db, writeFolder({ "1_a.sql": file("a") }))).up();
        await db.query(`GRANT USAGE ON SCHEMA public TO ${role}; SET ROLE ${role}`);
        await expect(db.query(`UPDATE pgmigrations_history SET down_sql = ${EVIL}`)).rejects.toMatchObject({
          code: "42501",
        });
        await expect(db.query("SELECT * FROM pgmigrations_history")).rejects.toMatchObject({ code: "42501" });
      } finally {
        await db.query("RESET ROLE");
        await db.query(`DROP OWNED BY ${role}; DROP ROLE ${role}`);
      }
    }));

  it.each([
    [
      "with a grant on the table",
      (db: TestDatabase, role: string) => db.query(`GRANT UPDATE ON pgmigrations_history TO ${role}`),
    ],
    [
      "with a grant on one column",
      (db: TestDatabase, role: string) =>
        db.query(`GRANT UPDATE (down_sql) ON pgmigrations_history TO ${role}`),
    ],
    [
      "by a grant to everybody",
      (db: TestDatabase) => db.query("GRANT INSERT ON pgmigrations_history TO PUBLIC"),
    ],
    [
      "by being a member of the owner",
      (db: TestDatabase, role: string) =>
        db.query(
          `CREATE ROLE owner_${role}; GRANT owner_${role} TO ${role}; ALTER TABLE pgmigrations_history OWNER TO owner_${role}`,
        ),
    ],
    [
      "through pg_write_all_data",
      (db: TestDatabase, role: string) => db.query(`GRANT pg_write_all_data TO ${role}`),
    ],
    [
      "with a look-alike of their own",
      (db: TestDatabase, role: string) =>
        db.query(
          `ALTER TABLE pgmigrations_history RENAME TO old; CREATE TABLE pgmigrations_history AS SELECT * FROM old; DROP TABLE old; ALTER TABLE pgmigrations_history OWNER TO ${role}`,
        ),
    ],
    [
      "with a view in its place",
      (db: TestDatabase) =>
        db.query(
          `ALTER TABLE pgmigrations_history RENAME TO old_history; CREATE VIEW pgmigrations_history AS SELECT * FROM old_history`,
        ),
    ],
    [
      "with a trigger on it",
      (db: TestDatabase) =>
        db.query(
          "CREATE FUNCTION evil() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'; CREATE TRIGGER t BEFORE INSERT ON pgmigrations_history FOR EACH ROW EXECUTE FUNCTION evil()",
        ),
    ],
  ])("stored SQL is refused %s", (_how, attack) =>
    withDatabase(async (db) => {
      const error = await afterAttack(db, (role) => attack(db, role));
      expect(error.code).toBe("UNTRUSTED_HISTORY");
      await db.query(`DROP ROLE IF EXISTS owner_attacker_${db.name}`).catch(async () => {
        await db.query(
          `REASSIGN OWNED BY owner_attacker_${db.name} TO CURRENT_USER; DROP ROLE owner_attacker_${db.name}`,
        );
      });
    }),
  );

  it("a search_path of the attacker has no effect, because names are qualified", () =>
    withDatabase(async (db) => {
      const dir = writeFolder({ "1_a.sql": file("a") });
      await (await openMigrator(db, dir)).up();
      await db.query(
        "CREATE SCHEMA evil; CREATE TABLE evil.pgmigrations_history AS SELECT * FROM pgmigrations_history",
      );
      await db.query(`UPDATE evil.pgmigrations_history SET down_sql = '["CREATE TABLE evil_was_here ()"]'`);
      await db.query(`ALTER DATABASE ${db.name} SET search_path = evil, public`);
      removeFiles(dir, "1_a.sql");
      await (await openMigrator(db, dir)).down();
      expect(await userTables(db)).toEqual([]);
    }));
});
